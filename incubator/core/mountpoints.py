"""Empty folders and files that an engine makes to mount things on, and the layer that takes them away.

No engine can be told not to make them, and they are part of the container's changes. So it is noted which
were missing before, and those that nobody filled are removed on top. Spec: OCI image-spec layer.md, "Whiteouts".
"""

from __future__ import annotations

import io
import posixpath
import tarfile
from dataclasses import replace
from typing import TYPE_CHECKING

from incubator.context.rootfs import Stat, View
from incubator.core.blob import Blob
from incubator.core.container_root import ContainerRoot
from incubator.core.streams import ChunkReader

if TYPE_CHECKING:
    from collections.abc import Iterable

    from incubator.core.engine import Changes
    from incubator.core.layer import Surroundings


PODMANS_OWN = (
    "/dev",
    "/etc/hosts",
    "/etc/hostname",
    "/etc/resolv.conf",
    "/proc",
    "/run/.containerenv",
    "/sys",
)
"""What Podman mounts in each container; Docker makes the mount points of its own outside the layer."""


class MountPoints:
    """The places in an image where something is mounted on it, `paths`."""

    def __init__(self, around: Surroundings, paths: Iterable[str]) -> None:
        self._around = around
        self._engine = around.engine
        self._missing: dict[str, str] = {}
        self._paths = list(paths)
        self._noted = not self._paths

    def note(self, image: str, wanted: Iterable[str] = ()) -> None:
        """Look, once, which paths an image does not have: the topmost missing part of each.

        `wanted` are folders that the stage makes itself, which stay even if they are empty.
        """
        if self._noted:
            return
        self._noted = True
        view = view_of(self._around, image)
        stay = tuple(f"/{view.follow(path)}/" for path in wanted)
        for written in self._paths:
            path = f"/{view.follow(written)}"
            missing = next((p for p in _from_top(path) if view.stat(p[1:]) is None), None)
            if missing and not any(folder.startswith(f"{missing}/") for folder in stay):
                self._missing[path] = missing

    def are_all_of(self, changes: Changes, container: str, image: str) -> bool:
        """Whether a container of `image` has changed nothing but these places: then it makes no layer."""
        if not self._missing or changes.removed:
            return False
        made = {
            part
            for path, top in self._missing.items()
            for part in _from_top(path)
            if part == top or part.startswith(f"{top}/")
        }
        above = {part for top in self._missing.values() for part in _from_top(posixpath.dirname(top))}
        if not changes.touched <= made | above:
            return False
        # Folders above count as changed when something is made in them; mode and owner tell the rest.
        now = ContainerRoot(self._engine, container)
        then = ContainerRoot(self._engine, twin_of(self._around, image))
        return all(_same(now.folder(part[1:]), then.folder(part[1:])) for part in above)

    def removal_layer(self, image: str) -> Blob | None:
        """The layer that removes what was missing and is still empty; None where there is nothing to remove."""
        if not self._missing:
            return None
        container = twin_of(self._around, image)
        listing: dict[str, tarfile.TarInfo] = {}
        for top in set(self._missing.values()):
            listing |= self._list(container, top)
        removed = removable(self._missing, listing)
        if not removed:
            return None
        parents = {parent for path in removed for parent in _from_top(posixpath.dirname(path))}
        headers = {path: self._first(container, path) for path in sorted(parents)}
        return Blob.of_bytes(whiteouts(removed, headers))

    def _list(self, container: str, top: str) -> dict[str, tarfile.TarInfo]:
        """Path to header of all at and below `top`; empty where it is gone."""
        if self._engine.stat(container, top) is None:
            return {}
        reader = ChunkReader(self._engine.read_tar(container, top))
        folder = posixpath.dirname(top)
        with reader, tarfile.open(fileobj=reader, mode="r|") as tar:
            return {posixpath.join(folder, member.name.strip("/")): member for member in tar}

    def _first(self, container: str, path: str) -> tarfile.TarInfo:
        """The header of a folder, without reading what is in it."""
        reader = ChunkReader(self._engine.read_tar(container, path))
        with reader, tarfile.open(fileobj=reader, mode="r|") as tar:
            member = tar.next()
        assert member is not None
        return member


def _same(one: Stat, other: Stat) -> bool:
    return replace(one, mtime_ns=0) == replace(other, mtime_ns=0)


def twin_of(around: Surroundings, image: str) -> str:
    """A container of an image that nothing changes, to be asked."""
    return around.copier.sources.container(image, around.platform, twin=True).container


def view_of(around: Surroundings, image: str) -> View:
    """The files of an image."""
    return View(ContainerRoot(around.engine, twin_of(around, image)))


def volume_paths(around: Surroundings) -> list[str]:
    """Where something is mounted in all containers of RUNs, and is no part of the layer."""
    own = PODMANS_OWN if around.engine.info().store == "podman" else ()
    return [*around.volumes.destinations, *own]


def removable(missing: dict[str, str], listing: dict[str, tarfile.TarInfo]) -> list[str]:
    """The topmost paths that may go: mount points, and folders made for them, with nothing else inside."""
    gone: set[str] = set()
    for path, top in missing.items():
        for candidate in reversed([p for p in _from_top(path) if p == top or p.startswith(f"{top}/")]):
            member = listing.get(candidate)
            children = {p for p in listing if posixpath.dirname(p) == candidate}
            if member is None or (member.isfile() and member.size) or not children <= gone:
                break
            gone.add(candidate)
    return sorted(path for path in gone if posixpath.dirname(path) not in gone)


def whiteouts(paths: Iterable[str], parents: dict[str, tarfile.TarInfo]) -> bytes:
    """A layer tar that removes `paths`. The folders above come along, or they would lose mode and owner."""
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w", format=tarfile.PAX_FORMAT) as tar:
        for path, header in sorted(parents.items()):
            header.name = path.strip("/")
            header.type = tarfile.DIRTYPE
            tar.addfile(header)
        for path in sorted(paths):
            folder, _, name = path.strip("/").rpartition("/")
            tar.addfile(tarfile.TarInfo(f"{folder}/.wh.{name}" if folder else f".wh.{name}"))
    return buffer.getvalue()


def _from_top(path: str) -> list[str]:
    """`/a/b` to `/a`, `/a/b`; the root is left out."""
    parts = [part for part in path.split("/") if part]
    return ["/" + "/".join(parts[: count + 1]) for count in range(len(parts))]
