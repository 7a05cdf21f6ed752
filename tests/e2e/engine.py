"""What the tests ask the engine by its own client."""

from __future__ import annotations

import subprocess
from typing import TYPE_CHECKING

import lab
from incubator.core.constants import LABEL_BUILD

if TYPE_CHECKING:
    from lab import EngineHandle


def docker(engine: EngineHandle, *arguments: str, check: bool = True) -> str:
    """Run the docker client; its standard output."""
    command = [str(lab.tool("docker")), *arguments]
    environ = {"PATH": "/usr/bin:/bin", **engine.env}
    done = subprocess.run(command, env=environ, check=False, capture_output=True, text=True, timeout=120)
    assert done.returncode == 0 or not check, done.stderr
    return done.stdout


def leftovers(engine: EngineHandle) -> list[str]:
    """Containers and volumes of builds, which should be gone after any of them."""
    containers = docker(engine, "ps", "--all", "--quiet", "--filter", f"label={LABEL_BUILD}")
    volumes = docker(engine, "volume", "ls", "--quiet", "--filter", f"label={LABEL_BUILD}")
    return sorted([*containers.split(), *volumes.split()])
