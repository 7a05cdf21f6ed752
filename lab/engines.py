"""Engines by name, whatever they are, and the one a contributor's machine already has."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

from . import docker, engine_api, podman
from .errors import LabError

ENGINES = (*docker.ENGINES, podman.NAME)
DEFAULT = "docker20"
USUAL_SOCKET = Path("/var/run/docker.sock")
SCHEME = "unix://"


@dataclass(frozen=True, slots=True, kw_only=True)
class EngineHandle:
    """A running engine."""

    name: str
    """Name in the lab, or `default` for an engine that was there before."""
    host: str
    """Value for `DOCKER_HOST`."""
    socket: Path
    version: str
    bridged: bool
    """Whether containers have the default bridge; if not, run them with network `host` or `none`."""

    @property
    def env(self) -> dict[str, str]:
        """Environment that leads every client (docker, act, gitlab-ci-local, docker-py) to this engine."""
        return {"DOCKER_HOST": self.host}

    @property
    def socket_volume(self) -> str:
        """Volume that puts the engine's socket where a job expects it (`gitlab-ci-local --volume ...`)."""
        return f"{self.socket}:{USUAL_SOCKET}"


def up(name: str) -> EngineHandle:
    """Start the engine `name` if it does not run. Raises `LabError`."""
    if name in docker.ENGINES:
        docker.up(name)
    elif name == podman.NAME:
        podman.up()
    else:
        raise LabError(f"the lab has no engine {name!r}; it has {', '.join(ENGINES)}")
    handle = running(name)
    if handle is None:
        raise LabError(f"{name} was started and does not answer at {socket_of(name)}")
    return handle


def down(name: str) -> None:
    """Stop the engine `name` with all it runs and stores."""
    if name == podman.NAME:
        podman.down()
    else:
        docker.down(name)


def running(name: str) -> EngineHandle | None:
    """The engine if it runs."""
    bridged = name == podman.NAME or docker.ENGINES[name].owns_bridge
    return _handle(name, socket_of(name), bridged=bridged)


def socket_of(name: str) -> Path:
    """Where the engine `name` listens when it runs."""
    return podman.socket_of() if name == podman.NAME else docker.socket_of(name)


def own_engine() -> EngineHandle | None:
    """The engine this machine offers: at `DOCKER_HOST` if set (a unix socket), else at `/var/run/docker.sock`.

    Raises `LabError` if `DOCKER_HOST` is no unix socket or nobody answers there: the caller asked for that engine.
    """
    host = os.environ.get("DOCKER_HOST")
    if not host:
        return _handle("default", USUAL_SOCKET, bridged=True)
    if not host.startswith(SCHEME):
        raise LabError(f"DOCKER_HOST is {host}; the lab reaches engines by {SCHEME} sockets only")
    socket = Path(host.removeprefix(SCHEME))
    for name in ENGINES:
        if socket == socket_of(name):
            return up(name)
    handle = _handle("default", socket, bridged=True)
    if handle is None:
        raise LabError(f"no engine answers at DOCKER_HOST={host}")
    return handle


def default_engine() -> EngineHandle:
    """The engine the machine offers, else the lab's own with the bridge, started if need be."""
    return own_engine() or up(DEFAULT)


def _handle(name: str, socket: Path, *, bridged: bool) -> EngineHandle | None:
    if not engine_api.answers(socket):
        return None
    version = engine_api.version(socket)
    return EngineHandle(name=name, host=f"{SCHEME}{socket}", socket=socket, version=version, bridged=bridged)
