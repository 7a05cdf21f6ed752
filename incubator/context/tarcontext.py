"""A tar as the build context, and other trees that are not folders: an index in memory, content on disk."""

from __future__ import annotations

import io
import os
import tempfile
from contextlib import closing
from dataclasses import dataclass, field, replace
from functools import partial
from threading import Lock
from typing import TYPE_CHECKING, BinaryIO, Self, cast

from incubator.context.archive import decompress
from incubator.context.entry import Entry
from incubator.context.globs import has_wildcard, match_glob
from incubator.context.links import follow
from incubator.context.source import ContextError, Match, missing, source_path
from incubator.context.tarread import Member, members, open_member, read_rest

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from incubator.context.patterns import MatchInfo, PatternMatcher

DEFAULT_LIMIT = 16 << 20
"""Bytes of a tar that are kept in memory; a longer one goes to a temporary file."""


@dataclass(slots=True)
class _Node:
    """What is at a path; `children` by name, for a folder."""

    member: Member | None = None
    children: dict[str, _Node] = field(default_factory=dict)

    @property
    def is_folder(self) -> bool:
        return self.member is None or self.member.entry.kind == "dir"


class TarContext:
    """A `Source` over a tar, plain or compressed with gzip, bzip2, xz (or zstd, where Python can).

    Reads `file` to its end, keeping up to `memory_limit` bytes in memory and the rest in a temporary file. As
    in the engine's builder, owners stay those of the tar (`owners_to_root` makes them 0:0), and whoever wants
    ignore rules has to give them: that builder applies none to a tar, not even its own. Of entries with the
    same path the last holds; folders that only occur in paths are 0755. Raises `TarError`.
    """

    def __init__(
        self,
        file: BinaryIO,
        ignore: PatternMatcher | None = None,
        *,
        memory_limit: int = DEFAULT_LIMIT,
        owners_to_root: bool = False,
    ) -> None:
        self._ignore = ignore or None
        self._owners_to_root = owners_to_root
        self._lock = Lock()
        self._spool = tempfile.SpooledTemporaryFile(max_size=memory_limit)  # noqa: SIM115
        try:
            with closing(_Unclosed(file)) as below, closing(decompress(cast("BinaryIO", below))) as plain:
                self._root = self._index(cast("BinaryIO", _Tee(plain, cast("BinaryIO", self._spool))))
        except BaseException:
            self._spool.close()
            raise

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    @property
    def ignore(self) -> PatternMatcher | None:
        """The ignore rules; None where there are none."""
        return self._ignore

    def close(self) -> None:
        """Drop the content."""
        self._spool.close()

    def resolve(self, pattern: str) -> list[Match]:
        """See `Source.resolve`."""
        path = source_path(pattern)
        parts = path.split("/")
        plain = next((index for index, part in enumerate(parts) if has_wildcard(part)), None)
        if plain is None:
            return [self._match(path)]
        glob = "/".join(parts[plain:])
        match_glob(glob, "")  # a malformed one is an error even where there is nothing to compare with
        base = self._match("/".join(parts[:plain]))
        if base.kind != "dir":
            return []
        done: list[str] = []
        found = []
        for entry in self.walk(replace(base, name=""), prune=lambda below: bool(done) and below == done[-1]):
            if entry.path and match_glob(glob, entry.path):
                done.append(entry.path)
                found.append(_join(base.path, entry.path))
        return [self._match(name) for name in found]

    def walk(self, match: Match, *, prune: Callable[[str], bool] | None = None) -> Iterator[Entry]:
        """See `Source.walk`."""
        node = self._find(match.path)
        if node is None:
            raise missing(match.path)
        info = self._ignore_state(match.path)[1]
        links: dict[int, str] = {}
        todo = [(node, match.path, "", info)]
        while todo:
            node, path, below, info = todo.pop()
            yield self._entry(node, below, links)
            if not node.is_folder or (prune is not None and prune(below)):
                continue
            for name in sorted(node.children, key=os.fsencode, reverse=True):
                child = node.children[name]
                path_here = _join(path, name)
                ignored, info_here = False, None
                if self._ignore is not None:
                    ignored, info_here = self._ignore.match_below(path_here, info)
                if not ignored or self._has_kept(child, path_here, info_here):
                    todo.append((child, path_here, _join(below, name), info_here))

    def _entry(self, node: _Node, below: str, links: dict[int, str]) -> Entry:
        """A file that is linked to more than once is a hard link to where this walk met it first."""
        if node.member is None:
            return Entry(path=below, kind="dir", mode=0o755)
        entry = replace(node.member.entry, path=below)
        if self._owners_to_root:
            entry = replace(entry, uid=0, gid=0)
        if entry.kind != "file":
            return entry
        if entry.size:
            entry = replace(entry, content=partial(self._open, node.member))
        first = links.setdefault(node.member.offset, below) if entry.size else below
        return entry if first == below else replace(entry, kind="hardlink", linkname=first)

    def _open(self, member: Member) -> BinaryIO:
        stored = _Slice(cast("BinaryIO", self._spool), self._lock, member.offset, member.stored)
        return open_member(cast("BinaryIO", stored), member)

    def _index(self, plain: BinaryIO) -> _Node:
        root = _Node()
        for member in members(plain):
            entry = member.entry
            if entry.kind == "hardlink":
                target = _descend(root, entry.linkname)
                if target is None or target.member is None or target.is_folder:
                    raise ContextError(
                        f"{entry.path!r} in the tar is a hard link to {entry.linkname!r}, not there"
                    )
                member = target.member  # noqa: PLW2901
            *folders, name = entry.path.split("/")
            node = root
            for folder in folders:
                node = node.children.setdefault(folder, _Node())
                if not node.is_folder:
                    node.member = None  # a file's place is taken by a folder
            if not entry.path:
                root.member = member
            elif entry.kind == "dir" and name in node.children and node.children[name].is_folder:
                node.children[name].member = member
            else:
                node.children[name] = _Node(member)
        read_rest(plain)
        return root

    def _match(self, path: str) -> Match:
        real = follow(path, self._readlink)
        node = self._find(real)
        if node is None:
            beside = self._find(real.rpartition("/")[0])
            raise missing(path, beside.children if beside is not None else ())
        ignored, info = self._ignore_state(real)
        if ignored and not self._has_kept(node, real, info):
            raise missing(path, ignored=True)
        kind = "dir" if node.member is None else node.member.entry.kind
        return Match(path=real, name=path.rpartition("/")[2], kind=kind)

    def _readlink(self, path: str) -> str | None:
        node = self._find(path)
        if node is None or node.member is None or node.member.entry.kind != "symlink":
            return None
        return None if self._ignore_state(path)[0] else node.member.entry.linkname

    def _find(self, path: str) -> _Node | None:
        return _descend(self._root, path)

    def _has_kept(self, node: _Node, path: str, info: MatchInfo | None) -> bool:
        """True if the ignore rules keep anything below an ignored folder."""
        if self._ignore is None:
            return False
        todo = [(node, path, info)]
        while todo:
            folder, path, info = todo.pop()
            if not folder.is_folder or not self._ignore.may_take_back_below(path):
                continue
            for name, child in folder.children.items():
                ignored, below = self._ignore.match_below(_join(path, name), info)
                if not ignored:
                    return True
                todo.append((child, _join(path, name), below))
        return False

    def _ignore_state(self, path: str) -> tuple[bool, MatchInfo | None]:
        return (False, None) if self._ignore is None else self._ignore.match_down(path)


def _join(folder: str, name: str) -> str:
    return f"{folder}/{name}" if folder else name


def _descend(root: _Node, path: str) -> _Node | None:
    node: _Node | None = root
    for part in path.split("/") if path else ():
        node = node.children.get(part) if node is not None and node.is_folder else None
    return node


class _Unclosed(io.RawIOBase):
    """Reads a file that is not ours to close."""

    def __init__(self, file: BinaryIO) -> None:
        self._file = file

    def readable(self) -> bool:
        return True

    def readinto(self, target: bytearray | memoryview) -> int:  # type: ignore[override]
        data = self._file.read(len(target))
        target[: len(data)] = data
        return len(data)


class _Tee:
    """Reads a stream, and keeps what was read."""

    def __init__(self, stream: BinaryIO, copy: BinaryIO) -> None:
        self._stream = stream
        self._copy = copy

    def read(self, size: int) -> bytes:
        data = self._stream.read(size)
        self._copy.write(data)
        return data


class _Slice(io.RawIOBase):
    """Bytes of a shared file, which each read finds again."""

    def __init__(self, file: BinaryIO, lock: Lock, offset: int, size: int) -> None:
        self._file = file
        self._lock = lock
        self._at = offset
        self._end = offset + size

    def readable(self) -> bool:
        return True

    def read(self, size: int = -1) -> bytes:
        left = self._end - self._at
        with self._lock:
            self._file.seek(self._at)
            data = self._file.read(left if size < 0 else min(size, left))
        self._at += len(data)
        return data

    def readinto(self, target: bytearray | memoryview) -> int:  # type: ignore[override]
        data = self.read(len(target))
        target[: len(data)] = data
        return len(data)
