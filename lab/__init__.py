"""Real engines, registries and CI clients for the tests, on a bare Debian machine. See README.md beside this file.

engine = lab.engine("docker28")           started if it does not run
lab.ensure_images(engine, ["busybox:latest"])
registry = lab.registry(auth=True)
subprocess.run([lab.tool("act"), ...], env={**os.environ, **engine.env})
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from . import emulation, engines, images, registries
from .availability import reason_not_here
from .clients import tool, write_docker_config
from .engines import EngineHandle, default_engine
from .errors import LabError
from .parts import PARTS, stop_all
from .registries import RegistryHandle
from .ssh import SshServer, ssh_server

if TYPE_CHECKING:
    from collections.abc import Iterable

__all__ = [
    "EngineHandle",
    "LabError",
    "RegistryHandle",
    "SshServer",
    "default_engine",
    "down",
    "emulate_arm64",
    "engine",
    "ensure_images",
    "reason_not_here",
    "registry",
    "ssh_server",
    "tool",
    "write_docker_config",
]


def engine(name: str) -> EngineHandle:
    """The engine `docker20`, `docker28`, `containerd28` or `podman`, started if it does not run. Raises `LabError`."""
    return engines.up(name)


def registry(*, auth: bool = False) -> RegistryHandle:
    """The open registry, or the one that wants a user and a password; started if it does not run."""
    return registries.up(auth=auth)


def emulate_arm64() -> None:
    """Let this machine run programs of arm64. Raises `LabError`."""
    emulation.up()


def ensure_images(where: EngineHandle | str, names: Iterable[str]) -> None:
    """Have an engine (a handle, or its `DOCKER_HOST`) hold the named base images. Raises `LabError`.

    An engine that the lab did not start pulls them if it can; else they are made here.
    """
    socket = where.socket if isinstance(where, EngineHandle) else Path(where.removeprefix(engines.SCHEME))
    ours = socket in map(engines.socket_of, engines.ENGINES)
    images.ensure_images(socket, names, may_pull=not ours)


def down(*names: str) -> None:
    """Stop the named engines and registries with all they run and store; without names, everything."""
    stop_all(names or PARTS)
