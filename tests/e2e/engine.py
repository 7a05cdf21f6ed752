"""What the tests ask the engine by its own client."""

from __future__ import annotations

import subprocess
import time
from contextlib import contextmanager
from typing import TYPE_CHECKING

import lab
from incubator.core.constants import LABEL_BUILD

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from lab import EngineHandle

PATIENCE_S = 30


def docker(
    engine: EngineHandle,
    *arguments: str,
    check: bool = True,
    classic: bool = False,
    input_text: str | None = None,
    config: Path | None = None,
) -> str:
    """Run the docker client; its standard output. `classic`: builds go to the engine's own builder."""
    command = [str(lab.tool("docker")), *arguments]
    environ = {"PATH": "/usr/bin:/bin", **engine.env}
    if classic:
        environ["DOCKER_BUILDKIT"] = "0"
    if config is not None:
        environ["DOCKER_CONFIG"] = str(config)
    done = subprocess.run(
        command, env=environ, check=False, capture_output=True, text=True, timeout=240, input=input_text
    )
    assert done.returncode == 0 or not check, done.stderr
    return done.stdout


def output_of(engine: EngineHandle, image: str, *command: str) -> str:
    """What a container of an image says, which has no network."""
    run = ("run", "--rm", "--network", "none", image, *command)
    # An engine under load may lose all that a container says which ends at once, from its log too.
    return next(filter(None, (docker(engine, *run) for _ in range(3))), "")


def leftovers(engine: EngineHandle) -> set[str]:
    """Containers and volumes of builds, which should be gone after any of them."""
    containers = docker(engine, "ps", "--all", "--quiet", "--no-trunc", "--filter", f"label={LABEL_BUILD}")
    volumes = docker(engine, "volume", "ls", "--quiet", "--filter", f"label={LABEL_BUILD}")
    return {*containers.split(), *volumes.split()}


@contextmanager
def nothing_left(engine: EngineHandle) -> Iterator[None]:
    """Assert that the block leaves nothing of a build behind.

    Others may be building with the same engine: what they have at the end is given time to go.
    """
    before = leftovers(engine)
    yield
    new = leftovers(engine) - before
    deadline = time.monotonic() + PATIENCE_S
    while new and time.monotonic() < deadline:
        time.sleep(0.5)
        new &= leftovers(engine)
    assert not new
