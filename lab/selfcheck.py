"""Starts everything and uses it once, for real: what `python3 -m lab check` prints."""

from __future__ import annotations

import dataclasses
import os
import subprocess
import time
from functools import partial
from typing import TYPE_CHECKING

from . import engine_api, engines, images, registries
from .availability import reason_not_here
from .clients import CLIENTS, tool
from .errors import LabError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

IMAGES = ("busybox:latest", "debian:bookworm-slim", "python:3.12-slim")
LIMIT_BYTES = 32 << 20
# dd's buffer alone is twice the limit.
TOO_MUCH = ["dd", "if=/dev/zero", "of=/dev/null", f"bs={2 * LIMIT_BYTES}", "count=1"]
PIP_PROBE = ["pip", "download", "--quiet", "--no-deps", "--dest", "/tmp/probe", "idna"]


def check_all(write: Callable[[str], None]) -> int:
    """Check every part, one line each by `write`; returns 0 if all work that can be had here, else 1.

    What it starts stays up.
    """
    failed = False
    for part, title, check in _checks():
        began = time.monotonic()
        reason = reason_not_here(part)
        try:
            result = f"skipped: {reason}" if reason else check()
        except (LabError, OSError, subprocess.SubprocessError) as error:
            failed = True
            result = f"FAILED: {error}"
        write(f"{title:34} {time.monotonic() - began:6.1f} s  {result}")
    return 1 if failed else 0


def _checks() -> Iterator[tuple[str, str, Callable[[], str]]]:
    """Name of the part, title, and what tries it: returns what was seen, raises if it is not as it should be."""
    for auth, name in registries.NAMES.items():
        yield name, name, partial(_start_registry, auth)
    for name in engines.ENGINES:
        yield name, name, partial(_start_engine, name)
        for image in IMAGES:
            yield name, f"{name} {image}", partial(_use_image, name, image)
        yield name, f"{name} memory limit", partial(_exceed_memory, name)
        yield name, f"{name} network", partial(_use_network, name)
        for auth, registry in registries.NAMES.items():
            yield name, f"{name} {registry}", partial(_push_and_pull, name, auth)
    for name in CLIENTS:
        yield name, name, partial(_start_client, name)


def _start_registry(auth: bool) -> str:
    return registries.up(auth=auth).address


def _start_engine(name: str) -> str:
    engine = engines.up(name)
    return f"{engine.version} at {engine.host}"


def _use_image(name: str, image: str) -> str:
    socket = engines.socket_of(name)
    images.ensure_images(socket, [image])
    code, output = engine_api.run(socket, image, ["sh", "-c", "echo ran && id -u"], NetworkMode="none")
    _expect(code == 0 and output == "ran\n0\n", f"the container ended with {code} and said {output!r}")
    return str(engine_api.image_id(socket, image))


def _exceed_memory(name: str) -> str:
    limits = {"NetworkMode": "none", "Memory": LIMIT_BYTES, "MemorySwap": LIMIT_BYTES}
    code, output = engine_api.run(engines.socket_of(name), "debian:bookworm-slim", TOO_MUCH, **limits)
    _expect(code != 0, f"twice the memory limit was taken without harm: {output!r}")
    return f"a process that takes more is killed ({code})"


def _use_network(name: str) -> str:
    engine = engines.running(name)
    _expect(engine is not None, "the engine does not run")
    if engine is None or not engine.bridged:
        mode = {"NetworkMode": "host"}
        code, output = engine_api.run(engines.socket_of(name), "python:3.12-slim", PIP_PROBE, **mode)
        _expect(code == 0, f"pip ended with {code}: {output[-600:]}")
        return "pip reaches its index, network host (this engine has no bridge)"
    code, output = engine_api.run(engine.socket, "python:3.12-slim", PIP_PROBE)
    _expect(code == 0, f"pip ended with {code}: {output[-600:]}")
    return "pip reaches its index, default network"


def _push_and_pull(name: str, auth: bool) -> str:
    socket, registry = engines.socket_of(name), registries.up(auth=auth)
    repository = f"{registry.address}/check/{name}-{os.getpid()}"  # two checks may run at once
    reference = f"{repository}:latest"
    engine_api.tag(socket, "busybox:latest", repository, "latest")
    try:
        if auth:
            stranger = dataclasses.replace(registry, password="wrong")
            _expect_refusal(socket, reference, stranger.auth_header())
        engine_api.transfer(socket, "push", reference, registry.auth_header())
        engine_api.remove_image(socket, reference)
        engine_api.transfer(socket, "pull", reference, registry.auth_header())
        code, output = engine_api.run(socket, reference, ["echo", "pulled"], NetworkMode="none")
        _expect(code == 0 and output == "pulled\n", f"the pulled image ended with {code} and said {output!r}")
    finally:
        engine_api.remove_image(socket, reference)
    return "pushed, pulled, run" + (", a wrong password refused" if auth else "")


def _expect_refusal(socket: Path, reference: str, auth: str) -> None:
    try:
        engine_api.transfer(socket, "push", reference, auth)
    except LabError as error:
        refused = any(
            word in str(error).lower() for word in ("unauthorized", "authentication", "no basic auth")
        )
        _expect(refused, f"a push with a wrong password failed for another reason: {error}")
    else:
        raise LabError("a push with a wrong password went through")


def _start_client(name: str) -> str:
    done = subprocess.run(
        [tool(name), "--version"], capture_output=True, text=True, check=True, env=dict(os.environ)
    )
    return done.stdout.strip().splitlines()[0]


def _expect(true: bool, otherwise: str) -> None:
    if not true:
        raise LabError(otherwise)
