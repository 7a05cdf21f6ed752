"""One file, folder or link of a tree, its content opened only when read. Pure."""

from __future__ import annotations

from dataclasses import dataclass, replace
from io import BytesIO
from typing import TYPE_CHECKING, BinaryIO, Literal

if TYPE_CHECKING:
    from collections.abc import Callable

Kind = Literal["file", "dir", "symlink", "hardlink", "fifo", "char", "block"]
Xattrs = tuple[tuple[str, bytes], ...]
"""Extended attributes, sorted by name."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """One entry of a tree. `path` is relative to the tree's root with `/` between parts; empty is the root.

    `mode` holds the permission bits with set-id and sticky. `linkname` is a symlink's text, or for a hard link
    the `path` of an earlier entry in the same stream. Names that are not UTF-8 carry surrogate escapes.
    """

    path: str
    kind: Kind
    mode: int
    uid: int = 0
    gid: int = 0
    size: int = 0
    """Bytes of content."""
    mtime_ns: int = 0
    linkname: str = ""
    xattrs: Xattrs = ()
    device: tuple[int, int] = (0, 0)
    """Major and minor number of a device."""
    content: Callable[[], BinaryIO] | None = None
    """Opens a file's content; None is an empty file. A hard link may carry its file's, and `size`."""

    def open(self) -> BinaryIO:
        """The content of a file, to be read once from its start and closed by the caller.

        Raises `InputError` where the file can no longer be read as it was found.
        """
        if self.content is None:
            return BytesIO()
        return self.content()

    def at(self, path: str) -> Entry:
        """The same entry under another path."""
        return replace(self, path=path)
