"""What the image being built has at a path, together with what the current copy has put there. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

from incubator.context.links import follow
from incubator.errors import BuilderError

if TYPE_CHECKING:
    from incubator.context.entry import Entry, Kind, Xattrs


class CopyError(BuilderError):
    """A COPY or ADD cannot be carried out on this image. The caller adds the instruction's span."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Stat:
    """What is at a path of the image. `linkname` is a symlink's text.

    Owner, attributes and time serve to leave a folder's as they are; 0 and none if not asked for (`RootFs.folder`).
    """

    kind: Kind
    mode: int = 0o755
    linkname: str = ""
    uid: int = 0
    gid: int = 0
    xattrs: Xattrs = ()
    mtime_ns: int = 0


class RootFs(Protocol):
    """The image so far."""

    def stat(self, path: str) -> Stat | None:
        """What is at `path`, None for nothing. The path is relative and its folders are no links.

        Asked for each part of a destination, and inside folders that exist for each entry to be copied: worth
        caching, and never asked below what is known to be missing.
        """
        ...

    def folder(self, path: str) -> Stat:
        """The folder at `path` with its owner and attributes, which may cost more to find out."""
        ...


class EmptyRoot:
    """An image without files: `FROM scratch`, or a layer that is independent of what is below."""

    def stat(self, path: str) -> Stat | None:
        """None."""
        del path
        return None

    def folder(self, path: str) -> Stat:
        """There is none."""
        raise KeyError(path)


_PLAIN = {kind: Stat(kind=kind) for kind in ("dir", "file", "hardlink", "fifo", "char", "block")}


class View:
    """The image as it is after the entries placed so far."""

    def __init__(self, root: RootFs) -> None:
        self._root = root
        self._placed: dict[str, Stat | None] = {"": _PLAIN["dir"]}
        """What is known, from the image or from what was placed."""
        self._hidden: set[str] = set()
        """Folders of which nothing in the image shows: made here, or replaced."""
        self._folders: dict[str, Stat] = {}
        """Folders placed, with their owners."""

    def stat(self, path: str) -> Stat | None:
        """What is at `path`, which leads through no links."""
        if path in self._placed:
            return self._placed[path]
        parent = path.rpartition("/")[0]
        above = self.stat(parent)
        if above is None or above.kind != "dir" or parent in self._hidden:
            return None
        found = self._placed[path] = self._root.stat(path)
        return found

    def folder(self, path: str) -> Stat:
        """The folder at `path` with its owner and attributes."""
        return self._folders.get(path) or self._root.folder(path)

    def follow(self, path: str) -> str:
        """Where `path` leads, links followed inside the image."""
        return follow(path, self._readlink)

    def _readlink(self, path: str) -> str | None:
        found = self.stat(path)
        return found.linkname if found is not None and found.kind == "symlink" else None

    def below(self, folder: str) -> _Below:
        """The view of what is in `folder`, as if that were the root."""
        return _Below(self, folder)

    def add(self, path: str, entry: Entry) -> None:
        """Something that is no folder is now at `path`."""
        self._placed[path] = (
            Stat(kind="symlink", linkname=entry.linkname) if entry.kind == "symlink" else _PLAIN[entry.kind]
        )

    def add_folder(self, entry: Entry, *, new: bool) -> None:
        """A folder is now at the path of `entry`; `new`: with nothing of the image in it."""
        path = entry.path
        self._placed[path] = _PLAIN["dir"]
        self._folders[path] = Stat(
            kind="dir", mode=entry.mode, uid=entry.uid, gid=entry.gid, xattrs=entry.xattrs
        )
        if new:
            self._hidden.add(path)

    def remove(self, path: str) -> None:
        """Nothing is at `path` any more, nor below it."""
        below = path + "/"
        for gone in [name for name in self._placed if name.startswith(below)]:
            del self._placed[gone]
            self._folders.pop(gone, None)
        self._hidden = {name for name in self._hidden if not name.startswith(below)}
        self._placed[path] = None
        self._folders.pop(path, None)
        self._hidden.add(path)


class _Below:
    def __init__(self, view: View, folder: str) -> None:
        self._view = view
        self._prefix = folder + "/" if folder else ""

    def follow(self, path: str) -> str:
        """Where `path` leads, relative to the folder and without leaving it."""
        return follow(path, self._readlink)

    def _readlink(self, path: str) -> str | None:
        found = self._view.stat(self._prefix + path)
        return found.linkname if found is not None and found.kind == "symlink" else None
