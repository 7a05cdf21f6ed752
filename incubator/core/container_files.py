"""Files of a container as a source for COPY --from: a stage's, or an image's.

The container is made of the image and never started, so nothing is mounted in it. Engines put a few empty
files of their own into it (`/etc/hosts` and its like), which are no part of the image.
"""

from __future__ import annotations

import posixpath
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, BinaryIO, cast

from incubator.context.globs import has_wildcard, match_glob
from incubator.context.source import Match, missing, source_path
from incubator.context.tarread import read_tar
from incubator.core.script import SHELL
from incubator.core.streams import ChunkReader

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from incubator.context.entry import Entry, Kind
    from incubator.core.engine import Engine

_STAT_KINDS: dict[str, Kind] = {"file": "file", "dir": "dir", "other": "fifo", "symlink": "symlink"}

ENGINE_FILES = frozenset({
    ".dockerenv", "dev/console", "dev/pts", "dev/shm", "etc/hostname", "etc/hosts", "etc/mtab", "etc/resolv.conf",
    "proc", "sys",
})  # fmt: skip
"""What engines make in a new container. Empty, and no older than the container, where it is theirs."""

ENGINE_FOLDERS = frozenset({"dev", "etc"})
"""Folders that engines make for the above; theirs if nothing else is inside.

Distributions come with an empty `/dev`, which engines touch: it cannot be told from one they made. An image that
has a shell is taken for one that has a `/dev`.
"""


_PREPARATION_S = 10
"""A busy engine may take seconds between making these files and noting when it made the container."""


@dataclass(slots=True)
class ContainerSource:
    """A `Source` over the file system of a container that was made at `created_s` and never started."""

    engine: Engine
    container: str
    created_s: float

    def resolve(self, pattern: str) -> list[Match]:
        """See `Source.resolve`."""
        path = source_path(pattern)
        parts = path.split("/")
        plain = next((index for index, part in enumerate(parts) if has_wildcard(part)), None)
        if plain is None:
            return [self._match(path)]
        match_glob("/".join(parts[plain:]), "")  # a malformed one is an error even with nothing to compare
        base = self._match("/".join(parts[:plain]))
        if base.kind != "dir":
            return []
        glob = "/".join(parts[plain:])
        names = [entry.path for entry in self.walk(base) if entry.path and match_glob(glob, entry.path)]
        return [self._match(posixpath.join(base.path, name)) for name in sorted(names)]

    def walk(self, match: Match, *, prune: Callable[[str], bool] | None = None) -> Iterator[Entry]:
        """See `Source.walk`. Entries stream: the content of one can be read until the next is asked for."""
        folder = f"{match.path}/" if match.path else ""
        pruned = ""
        held: list[Entry] = []
        # Asked now: an engine answers no question about a container while it reads from it.
        suspects = ENGINE_FOLDERS - ({"dev"} if not folder and self._has_shell() else set())
        for entry in self._entries(match.path):
            if pruned and entry.path.startswith(pruned):
                continue
            if self._is_engines(folder + entry.path, entry):
                continue
            if entry.path and folder + entry.path in suspects and self._is_new(entry):
                held = [entry]
                continue
            yield from held if held and entry.path.startswith(f"{held[0].path}/") else ()
            held = []
            yield entry
            pruned = f"{entry.path}/" if entry.kind == "dir" and prune and prune(entry.path) else ""

    def _entries(self, path: str) -> Iterator[Entry]:
        """All entries at and below a path, named relative to it."""
        with ChunkReader(self.engine.read_tar(self.container, f"/{path}")) as reader:
            for entry in read_tar(cast("BinaryIO", reader)):
                # The engine names entries from the last part of the path on; the root has none.
                linkname = _below(entry.linkname) if path and entry.kind == "hardlink" else entry.linkname
                yield replace(entry, path=_below(entry.path) if path else entry.path, linkname=linkname)

    def _is_engines(self, path: str, entry: Entry) -> bool:
        theirs = path in ENGINE_FILES and entry.size == 0
        return theirs and self._is_new(entry)

    def _has_shell(self) -> bool:
        return self.engine.stat(self.container, SHELL) is not None

    def _is_new(self, entry: Entry) -> bool:
        # Times of files are whole seconds, and an engine may write some before it notes when it made the container.
        return entry.mtime_ns >= (self.created_s - _PREPARATION_S) * 1e9

    def _match(self, path: str) -> Match:
        """Where a path leads. Raises ContextError."""
        found = self.engine.stat(self.container, f"/{path}")
        name = posixpath.basename(path)
        if found and found.kind == "symlink":
            path = found.link_target.strip("/")
            found = self.engine.stat(self.container, f"/{path}")
        if found is None:
            raise missing(path)
        return Match(path=path, name=name, kind=_STAT_KINDS[found.kind])


def _below(name: str) -> str:
    return name.partition("/")[2]
