"""Empty folders and files that an engine makes to mount things on, and the layer that takes them away.

No engine can be told not to make them, and they are part of the container's changes. So it is noted which
were missing before, and those that nobody filled are removed on top. Spec: OCI image-spec layer.md, "Whiteouts".
"""

from __future__ import annotations

import io
import posixpath
import tarfile
from typing import TYPE_CHECKING

from incubator.core.blob import Blob
from incubator.core.engine import ContainerSpec
from incubator.core.script import SHELL
from incubator.core.streams import ChunkReader

if TYPE_CHECKING:
    from collections.abc import Iterable

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
    """The mount points in one stage's containers."""

    def __init__(self, around: Surroundings) -> None:
        self._around = around
        self._engine = around.engine
        self._missing: dict[str, str] = {}
        self._paths = [posixpath.normpath(volume.destination) for volume in around.volumes]
        if self._engine.info().store == "podman":
            self._paths += PODMANS_OWN
        self._noted = not self._paths

    def note(self, image: str, wanted: Iterable[str] = ()) -> None:
        """Look, once, which destinations an image does not have: the topmost missing path of each.

        `wanted` are folders that the stage makes itself, which stay even if they are empty.
        """
        if self._noted:
            return
        self._noted = True
        stay = tuple(f"{posixpath.normpath(path)}/" for path in wanted)
        container = self._probe(image)
        try:
            for path in self._paths:
                missing = next((p for p in _from_top(path) if self._engine.stat(container, p) is None), None)
                if missing and not any(folder.startswith(f"{missing}/") for folder in stay):
                    self._missing[path] = missing
        finally:
            self._engine.remove_container(container)

    def removal_layer(self, image: str) -> Blob | None:
        """The layer that removes what was missing and is still empty; None where there is nothing to remove."""
        if not self._missing:
            return None
        container = self._probe(image)
        try:
            listing: dict[str, tarfile.TarInfo] = {}
            for top in set(self._missing.values()):
                listing |= self._list(container, top)
            removed = removable(self._missing, listing)
            if not removed:
                return None
            parents = {parent for path in removed for parent in _from_top(posixpath.dirname(path))}
            headers = {path: self._first(container, path) for path in sorted(parents)}
        finally:
            self._engine.remove_container(container)
        return Blob.of_bytes(whiteouts(removed, headers))

    def _probe(self, image: str) -> str:
        around = self._around
        spec = ContainerSpec(
            image=image, entrypoint=(SHELL,), command=(), labels=around.labels, platform=around.platform
        )
        return self._engine.create(spec)

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
