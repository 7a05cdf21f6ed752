"""The job's view of files to the engine's: which container is this, and what path is what on the engine's host.

A job container that drives the engine over a mounted socket sees other paths than the engine: a bind mount of
`/builds/acme/web` would give a step an empty folder of that name on the host. So the own container is looked for on
the engine, and paths below its mounts are translated; all other paths mean the host's.
"""

from __future__ import annotations

import os
import posixpath
import re
import secrets
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING, Protocol

from incubator.errors import BuilderError, InputError
from incubator.faults import Faults

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from incubator.core.engine import ContainerInfo, Mounted, PathStat
    from incubator.core.volume import Volume

_CONTAINER_ID = re.compile(r"(?<![0-9a-f])[0-9a-f]{64}(?![0-9a-f])")
_OCTAL = re.compile(r"\\([0-7]{3})")


class Containers(Protocol):
    """What finding the own container takes of an engine; `incubator.core.engine.Engine` has it."""

    def containers(self) -> list[str]:
        """Ids of the running containers."""

    def container_info(self, container: str) -> ContainerInfo:
        """Identity and mounts."""

    def stat(self, container: str, path: str) -> PathStat | None:
        """What is at `path` in a container."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ProcessView:
    """What the kernel tells this process: texts of `/proc/self/cgroup` and `mountinfo`, and where `/` is."""

    cgroup: str
    mountinfo: str
    root: Path

    @property
    def in_container(self) -> bool:
        """Whether this looks like a container at all: only then may a probe file be put on its root."""
        marks = (".dockerenv", "run/.containerenv")
        return upper_dir(self.mountinfo) is not None or any((self.root / mark).exists() for mark in marks)


def process_view() -> ProcessView:
    """The view of this process."""

    def read(path: str) -> str:
        try:
            return Path(path).read_text(encoding="utf-8", errors="surrogateescape")
        except OSError:
            return ""

    return ProcessView(
        cgroup=read("/proc/self/cgroup"), mountinfo=read("/proc/self/mountinfo"), root=Path("/")
    )


def find_own_container(engine: Containers, view: ProcessView) -> ContainerInfo | None:
    """The engine's container that this process runs in; None where it runs in none of this engine's.

    Four ways, in the order of their worth: the id in the cgroup's path (v1), the upper folder of the root overlay
    (overlay2), a probe file, which is asked for in each container, and the mounts, which need not prove who this is to
    tell what they are. (Docker 28.5 refuses to look into a container with a mount below an absolute link, as
    `/var/run/docker.sock` is in Debian's images.) The host name proves nothing: jobs share it.
    """
    running = engine.containers()
    for container in cgroup_ids(view.cgroup):
        if container in running:
            return _info(engine, container)
    if not view.in_container:
        return None
    infos = [info for container in running if (info := _info(engine, container)) is not None]
    own_upper = upper_dir(view.mountinfo)
    for info in infos:
        if own_upper and info.upper_dir == own_upper:
            return info
    return _find_by_probe(engine, infos, view.root) or find_by_mounts(infos, view.mountinfo)


def cgroup_ids(cgroup: str) -> list[str]:
    """Container ids in `/proc/self/cgroup`, innermost first; cgroup v2 usually shows none."""
    ids: dict[str, None] = {}
    for line in cgroup.splitlines():
        path = line.split(":", 2)[-1]
        ids |= dict.fromkeys(reversed(_CONTAINER_ID.findall(path)))
    return list(ids)


def upper_dir(mountinfo: str) -> str | None:
    """The upper folder of the overlay at `/`, on the host; None where `/` is no overlay."""
    for line in mountinfo.splitlines():
        before, dash, after = line.partition(" - ")
        fields, types = before.split(" "), after.split(" ")
        if dash and len(fields) > 4 and fields[4] == "/" and len(types) > 2 and types[0] == "overlay":
            for option in types[2].split(","):
                name, _, value = option.partition("=")
                if name == "upperdir":
                    return _plain(value)
    return None


def _info(engine: Containers, container: str) -> ContainerInfo | None:
    """None where the container is gone by now."""
    try:
        return engine.container_info(container)
    except BuilderError as error:
        if getattr(error, "status", None) == 404:
            return None
        raise


def find_by_mounts(infos: Sequence[ContainerInfo], mountinfo: str) -> ContainerInfo | None:
    """A container whose mounts are all mounts of this process; the one with most of them.

    The kernel tells the end of each mount's path on the host. None where nothing fits, or where several containers
    fit that differ in their mounts.
    """
    own = dict(_mounts_of(mountinfo))
    fitting = [info for info in infos if info.mounts and all(_is_among(mount, own) for mount in info.mounts)]
    most = max((len(info.mounts) for info in fitting), default=0)
    best = [info for info in fitting if len(info.mounts) == most]
    alike = {frozenset((mount.destination, mount.source) for mount in info.mounts) for info in best}
    return best[0] if len(alike) == 1 else None


def _mounts_of(mountinfo: str) -> Iterator[tuple[str, str]]:
    """Mount point and path in the mounted file system of each mount."""
    for line in mountinfo.splitlines():
        fields = line.split(" ")
        if len(fields) > 4:
            yield _plain(fields[4]), _plain(fields[3])


def _is_among(mount: Mounted, own: Mapping[str, str]) -> bool:
    inside = own.get(os.path.realpath(mount.destination))
    return inside is not None and (inside == "/" or mount.source.endswith(inside))


def _plain(path: str) -> str:
    """A path of `mountinfo` without its octal escapes."""
    return _OCTAL.sub(lambda match: chr(int(match[1], 8)), path)


def _find_by_probe(engine: Containers, infos: Sequence[ContainerInfo], root: Path) -> ContainerInfo | None:
    """Put a file on the own root and ask every container for it; None where the root takes no file."""
    probe = root / f".incubator-probe-{secrets.token_hex(16)}"
    try:
        probe.touch()
    except OSError:
        return None
    try:
        for info in infos:
            with suppress(BuilderError):  # it may be gone, or its files may not be readable
                if engine.stat(info.id, f"/{probe.name}") is not None:
                    return info
    finally:
        with suppress(OSError):
            probe.unlink()
    return None


def translate_volumes(volumes: Sequence[Volume], own: ContainerInfo | None) -> tuple[Volume, ...]:
    """Volumes whose sources are paths of the engine's host, or names of engine volumes.

    `own` None: this process sees the engine's paths. Raises InputErrors where paths do not exist (some engines
    would make an empty folder of them), or are in mounts that the engine has no path for.
    """
    if own is None:
        return tuple(volumes)
    faults = Faults()
    translated: list[Volume] = []
    for volume in volumes:
        with faults.gather():
            source = engine_source(volume.source, own.mounts) if volume.is_path else volume.source
            if source != volume.source and not Path(volume.source).exists():
                raise InputError(
                    f"volume source {volume.source!r} does not exist",
                    hint="make it in an earlier step of the job",
                )
            translated.append(replace(volume, source=source))
    faults.check()
    return tuple(translated)


def engine_source(path: str, mounts: Sequence[Mounted]) -> str:
    """What the engine calls `path` of this container: a path of its host, or the name of a volume.

    The mount with the longest destination around `path` counts; a path in no mount is taken as the host's.
    Raises InputError where that mount has no path on the host.
    """
    wanted = PurePosixPath(posixpath.normpath(path))
    around = [mount for mount in mounts if wanted.is_relative_to(mount.destination)]
    if not around:
        return str(wanted)
    mount = max(around, key=lambda mount: len(PurePosixPath(mount.destination).parts))
    rest = wanted.relative_to(mount.destination)
    whole = not rest.parts
    if mount.kind == "volume" and whole and mount.name:
        return mount.name
    if mount.kind in {"bind", "volume"} and mount.source.startswith("/"):
        return mount.source if whole else str(PurePosixPath(mount.source) / rest)
    raise InputError(
        f"volume source {path!r} is in the {mount.kind} mount {mount.destination!r} of this job, "
        "which has no path on the engine's host",
        hint="put it into the workspace, or name a volume of the engine",
    )
