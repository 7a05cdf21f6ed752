"""Why a step failed, as far as its exit status and its container tell; and its files as an image to look into."""

from __future__ import annotations

import signal
from dataclasses import replace
from typing import TYPE_CHECKING, Final

from incubator.core.constants import APP_NAME
from incubator.oci.image_config import RuntimeConfig

if TYPE_CHECKING:
    from collections.abc import Sequence

    from incubator.core.engine import Engine
    from incubator.core.plan.model import RunStep

FAILED_REPOSITORY: Final = f"{APP_NAME}-failed"
"""Repository of the images that hold what failed steps left."""

_KILLED = 128 + signal.SIGKILL
_NEAR = 0.9
"""Of its limit: a container that used so much had no room for what it asked for last."""

_HINTS = {
    126: "the command was found but cannot be executed: is the file executable, and for this platform?",
    127: "a command was not found: is it installed in this image, and in PATH?",
}

FOREIGN: Final = (
    "the program is for another kind of machine, or a script without #!; for programs of other architectures register "
    "QEMU with the engine's kernel: Debian's package qemu-user-static, or docker run --privileged --rm "
    "tonistiigi/binfmt --install all"
)


def cannot_execute(last_lines: Sequence[str]) -> bool:
    """Whether the kernel refused to execute something, as shells and container runtimes tell it (ENOEXEC)."""
    return any("exec format error" in line.lower() for line in last_lines)


def explain(
    status: int, *, limit_bytes: int | None, peak_bytes: int | None, oom_killed: bool
) -> tuple[str, str | None]:
    """What happened and a hint. Pure. `oom_killed`: the engine saw the kernel kill for want of memory."""
    if not 128 < status <= 128 + signal.SIGRTMAX:
        return f"RUN failed with exit status {status}", _HINTS.get(status)
    message = f"RUN failed with exit status {status}, killed by {_signal_name(status - 128)}"
    if status != _KILLED:
        return message, None
    used = f"; its container used {_size(peak_bytes)} at most" if peak_bytes else ""
    if limit_bytes and (oom_killed or (peak_bytes or 0) >= _NEAR * limit_bytes):
        return (
            f"{message}: it went over the memory limit of {_size(limit_bytes)}{used}",
            "give the build more memory with --memory, or have the step use less, as with fewer parallel jobs",
        )
    if oom_killed:
        return (
            f"{message}: the engine's machine had no memory left{used}",
            "set a memory limit, run less beside this build, or use a larger machine",
        )
    if limit_bytes and not peak_bytes:
        return message, f"it probably went over the memory limit of {_size(limit_bytes)}"
    if limit_bytes:
        return message, f"it was probably not the memory limit of {_size(limit_bytes)}{used}"
    return message, f"somebody killed the command, or the engine's machine had no memory left{used}"


def keep(engine: Engine, container: str, step: RunStep, name: str) -> str:
    """Make an image of a container in which a step failed; its reference.

    A shell in it stands where the step stood: same user, folder and environment, without the variables that are
    about the place of the build. What was mounted is not in it.
    """
    reference = f"{FAILED_REPOSITORY}:{name}"
    files = engine.commit(container, reference)
    config = RuntimeConfig(
        env=tuple(f"{key}={value}" for key, value in step.env if key not in step.proxies),
        user=step.user,
        working_dir=step.cwd,
        cmd=("sh",),
    )
    image = engine.compose(files.id, replace(files.config, config=config, history=engine.history(files.id)))
    engine.tag(image, reference)
    return reference


def _signal_name(number: int) -> str:
    try:
        return signal.Signals(number).name
    except ValueError:
        return f"signal {number}"


def _size(size_bytes: int | None) -> str:
    return f"{(size_bytes or 0) / (1 << 20):.0f} MiB"
