"""What an image has at a path, asked of a container of it."""

from __future__ import annotations

import contextlib
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, BinaryIO, Protocol, cast

from incubator.context.rootfs import RootFs, Stat, View
from incubator.context.tarread import read_tar
from incubator.core.streams import ChunkReader

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from incubator.context.entry import Entry, Kind
    from incubator.core.engine import Engine

_KINDS: dict[str, Kind] = {"file": "file", "dir": "dir", "symlink": "symlink", "other": "fifo"}


class ImageRoot(RootFs, Protocol):
    """The files of an image, as far as COPY, ADD and WORKDIR ask about them."""

    def text(self, path: str) -> str:
        """A text file, links followed; empty where there is none."""
        ...


class AskedRoot(ImageRoot, Protocol):
    """An image's files as `RememberingRoot` asks for them."""

    def listing(self, path: str, *, most_bytes: int) -> dict[str, Stat] | None:
        """All that is below a folder, by paths; None where that takes more than `most_bytes` of tar to tell."""
        ...


@dataclass(slots=True)
class ContainerRoot:
    """`AskedRoot` of a container, each path asked once."""

    engine: Engine
    container: str
    _seen: dict[str, Stat | None] = field(default_factory=dict)
    _folders: dict[str, Stat] = field(default_factory=dict)

    def stat(self, path: str) -> Stat | None:
        """What is at a relative path that leads through no links."""
        if path not in self._seen:
            self._seen[path] = self._look(path)
        return self._seen[path]

    def _look(self, path: str) -> Stat | None:
        found = self.engine.stat(self.container, f"/{path}")
        if found is None:
            return None
        return Stat(kind=_KINDS[found.kind], mode=found.mode, linkname=found.link_target)

    def folder(self, path: str) -> Stat:
        """A folder with its owner, which only the head of its tar tells."""
        if path not in self._folders:
            with self._reader(path) as reader:
                self._folders[path] = _with_owner(next(read_tar(cast("BinaryIO", reader))))
        return self._folders[path]

    def text(self, path: str) -> str:
        """A text file, links followed; empty where there is none."""
        path = View(self).follow(path)
        found = self.stat(path)
        if found is None or found.kind != "file":
            return ""
        with self._reader(path) as reader:
            for entry in read_tar(cast("BinaryIO", reader)):
                with entry.open() as file:
                    return file.read().decode(errors="replace")
        return ""

    def listing(self, path: str, *, most_bytes: int) -> dict[str, Stat] | None:
        """All that is below a folder, by paths; None where that takes more than `most_bytes` of tar to tell."""
        found: dict[str, Stat] = {}
        with contextlib.suppress(_TooMuch), self._reader(path, most_bytes) as reader:
            for entry in read_tar(cast("BinaryIO", reader)):
                below = entry.path.partition("/")[2]
                if below:
                    found[f"{path}/{below}"] = _seen(entry)
            return found
        return None

    def _reader(self, path: str, most_bytes: int | None = None) -> ChunkReader:
        chunks = self.engine.read_tar(self.container, f"/{path}")
        return ChunkReader(chunks if most_bytes is None else _bounded(chunks, most_bytes))


class _TooMuch(Exception):
    """More than was wanted."""


def _bounded(chunks: Iterable[bytes], most_bytes: int) -> Iterator[bytes]:
    left = most_bytes
    for chunk in chunks:
        left -= len(chunk)
        if left < 0:
            raise _TooMuch
        yield chunk


def _seen(entry: Entry) -> Stat:
    """What `ContainerRoot.stat` tells of an entry."""
    kind = "file" if entry.kind == "hardlink" else entry.kind
    kind = "fifo" if kind in ("char", "block") else kind
    return Stat(kind=kind, mode=entry.mode, linkname=entry.linkname if kind == "symlink" else "")


def _with_owner(entry: Entry) -> Stat:
    return Stat(
        kind="dir",
        mode=entry.mode,
        uid=entry.uid,
        gid=entry.gid,
        xattrs=entry.xattrs,
        mtime_ns=entry.mtime_ns,
    )
