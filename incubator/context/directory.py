"""A folder as the build context: lists only what is asked for, and never leaves its root.

The folder is hostile input: its links may point anywhere and its files may change under our eyes. So every
path is walked part by part from the root's descriptor without following links, links are resolved inside the
root, and a file must be the one that was listed when it is opened.
"""

from __future__ import annotations

import errno
import os
import stat
import weakref
from collections import OrderedDict
from dataclasses import dataclass
from functools import partial
from threading import RLock
from typing import TYPE_CHECKING, BinaryIO, Self, cast

from incubator.context.entry import Entry, Kind, Xattrs
from incubator.context.globs import has_wildcard, match_glob
from incubator.context.links import MOST_PATH, follow
from incubator.context.pattern import PatternError
from incubator.context.patterns import MatchInfo, PatternMatcher, parse_ignore_file
from incubator.context.source import ContextError, Match, missing, source_path

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Iterator
    from pathlib import Path

_OPEN_FOLDERS = 64
_FOLDER = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
_FILE = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
_ABSENT = (errno.ENOENT, errno.ENOTDIR, errno.ELOOP)


@dataclass(slots=True)
class _Folder:
    """A folder in the course of a walk. `entry` is set until it has been yielded."""

    path: str
    below: str
    names: Iterator[str]
    info: MatchInfo | None
    entry: Entry | None


class DirectoryContext:
    """A `Source` over the folder `root`, without what `ignore` excludes. Owners become 0:0.

    Threads may share it. Holds descriptors until `close`, or its use as a context manager, or garbage
    collection.
    """

    def __init__(self, root: Path, ignore: PatternMatcher | None = None) -> None:
        self.root = root
        self._ignore = ignore or None
        self._lock = RLock()
        self._folders: OrderedDict[str, int] = OrderedDict()
        self._xattrs = hasattr(os, "listxattr")
        try:
            self._root_fd = os.open(root, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        except OSError as error:
            raise ContextError(
                f"cannot open the build context {str(root)!r}: {error.strerror}",
                hint="the context is a folder, a URL, or - for standard input",
            ) from error
        self._finalizer = weakref.finalize(self, _close_all, self._folders, self._root_fd)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    @property
    def ignore(self) -> PatternMatcher | None:
        """The ignore rules; None where there are none."""
        return self._ignore

    def close(self) -> None:
        """Give the descriptors back. Entries that are not read yet cannot be opened any more."""
        self._finalizer()

    def resolve(self, pattern: str) -> list[Match]:
        """See `Source.resolve`. What the ignore rules exclude is not there."""
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
        found = self._glob_classes(base.path, glob) if "[" in glob else self._glob(base.path, parts[plain:])
        return [self._match(name) for name in found]

    def walk(self, match: Match, *, prune: Callable[[str], bool] | None = None) -> Iterator[Entry]:
        """See `Source.walk`. Raises `ContextError` for what cannot be read."""
        if match.kind != "dir":
            yield self._entry(match.path, "", self._lstat(match.path))
            return
        links: dict[tuple[int, int], str] = {}
        stack = [self._enter(match.path, "", self._lstat(match.path))]
        yield from self._flush(stack, prune)
        while stack:
            folder = stack[-1]
            name = next(folder.names, None)
            if name is None:
                stack.pop()
                continue
            path = f"{folder.path}/{name}" if folder.path else name
            below = f"{folder.below}/{name}" if folder.below else name
            ignored, info = False, None
            if self._ignore is not None:
                ignored, info = self._ignore.match_below(path, folder.info)
            status = self._lstat(path)
            is_folder = stat.S_ISDIR(status.st_mode)
            if ignored:
                # An ignored folder comes along only if something below it does.
                if is_folder and self._ignore and self._ignore.may_take_back_below(path):
                    stack.append(self._enter(path, below, status, info))
                continue
            if (yield from self._flush(stack, prune)):
                continue
            if is_folder:
                stack.append(self._enter(path, below, status, info))
                yield from self._flush(stack, prune)
            elif status.st_nlink > 1 and stat.S_ISREG(status.st_mode):
                yield self._entry(path, below, status, links)
            else:
                yield self._entry(path, below, status)

    def _flush(
        self, stack: list[_Folder], prune: Callable[[str], bool] | None
    ) -> Generator[Entry, None, bool]:
        """Yield the folders on the way that were not yet; returns true if one is pruned, and leaves it."""
        for depth, folder in enumerate(stack):
            if folder.entry is not None:
                yield folder.entry
                folder.entry = None
                if prune is not None and prune(folder.below):
                    del stack[depth:]
                    return True
        return False

    def _enter(self, path: str, below: str, status: os.stat_result, info: MatchInfo | None = None) -> _Folder:
        entry = self._entry(path, below, status)
        if info is None and self._ignore is not None and path:
            info = self._ignore_state(path)[1]
        return _Folder(path, below, iter(self._list(path)), info, entry)

    def _list(self, path: str) -> list[str]:
        """Names in a folder, sorted as bytes."""
        try:
            with self._lock:
                names = os.listdir(self._folder(path))  # noqa: PTH208
        except OSError as error:
            raise self._unreadable(path, error) from error
        return sorted(names, key=os.fsencode)

    def _match(self, path: str) -> Match:
        """The match for one path that is there; raises `ContextError` if it is not."""
        try:
            real = follow(path, self._readlink)
            status = self._lstat(real)
        except ContextError as error:
            if isinstance(error.__cause__, OSError) and error.__cause__.errno in _ABSENT:
                raise missing(path, self._names_beside(path)) from error
            raise
        if not self._present(real, status):
            raise missing(path, ignored=True)
        return Match(path=real, name=path.rpartition("/")[2], kind=_kind(status.st_mode))

    def _present(self, path: str, status: os.stat_result) -> bool:
        """False if the ignore rules exclude `path`: for a folder, only if they exclude all below it too."""
        if self._ignore is None or not path:
            return True
        ignored, info = self._ignore_state(path)
        if not ignored:
            return True
        return stat.S_ISDIR(status.st_mode) and self._has_kept(path, info)

    def _has_kept(self, path: str, info: MatchInfo | None) -> bool:
        """True if the ignore rules keep anything below an ignored folder."""
        if self._ignore is None:
            return False
        todo = [(path, info)]
        while todo:
            path, info = todo.pop()
            if not self._ignore.may_take_back_below(path):
                continue
            for name in self._list(path):
                below = f"{path}/{name}"
                ignored, info_below = self._ignore.match_below(below, info)
                if not ignored:
                    return True
                if stat.S_ISDIR(self._lstat(below).st_mode):
                    todo.append((below, info_below))
        return False

    def _ignore_state(self, path: str) -> tuple[bool, MatchInfo | None]:
        return (False, None) if self._ignore is None else self._ignore.match_down(path)

    def _readlink(self, path: str) -> str | None:
        """The text of a link that is part of the context, None for anything else or nothing."""
        parent, name = _split(path)
        try:
            with self._lock:
                folder = self._folder(parent)
                status = os.stat(name, dir_fd=folder, follow_symlinks=False)
                target = os.readlink(name, dir_fd=folder) if stat.S_ISLNK(status.st_mode) else None
            return None if target is None or self._ignore_state(path)[0] else target
        except OSError as error:
            if error.errno in _ABSENT:
                return None
            raise self._unreadable(path, error) from error

    def _glob(self, base: str, parts: list[str]) -> Iterator[str]:
        """Paths below `base` that match part by part, in the order of a sorted walk."""
        todo = [(base, 0)]
        while todo:
            path, depth = todo.pop()
            if depth == len(parts):
                yield path
                continue
            found = []
            for name in self._list(path):
                if match_glob(parts[depth], name):
                    below = f"{path}/{name}" if path else name
                    status = self._lstat(below)
                    last = depth == len(parts) - 1
                    if (last or stat.S_ISDIR(status.st_mode)) and self._present(below, status):
                        found.append((below, depth + 1))
            todo += reversed(found)

    def _glob_classes(self, base: str, glob: str) -> Iterator[str]:
        """The same for a pattern with a class, which may match or hold a slash: tried on every path below."""
        done: list[str] = []
        root = Match(path=base, name="", kind="dir")
        for entry in self.walk(root, prune=lambda below: bool(done) and below == done[-1]):
            if entry.path and match_glob(glob, entry.path):
                done.append(entry.path)
                yield f"{base}/{entry.path}" if base else entry.path

    def _names_beside(self, path: str) -> list[str]:
        try:
            return self._list(follow(_split(path)[0], self._readlink))
        except ContextError:
            return []

    def _lstat(self, path: str) -> os.stat_result:
        if not path:
            return os.fstat(self._root_fd)
        parent, name = _split(path)
        try:
            with self._lock:
                return os.stat(name, dir_fd=self._folder(parent), follow_symlinks=False)
        except OSError as error:
            raise self._unreadable(path, error) from error

    def _folder(self, path: str) -> int:
        """A descriptor of a folder, reached without following links; hold the lock. Raises `OSError`."""
        if not path:
            return self._root_fd
        known = self._folders.get(path)
        if known is not None:
            self._folders.move_to_end(path)
            return known
        if len(path) > MOST_PATH:
            raise OSError(errno.ENAMETOOLONG, os.strerror(errno.ENAMETOOLONG))
        above, _ = _split(path)
        while above and above not in self._folders:
            above, _ = _split(above)
        descriptor = self._root_fd
        if above:
            self._folders.move_to_end(above)  # or it might be closed to make room for those below it
            descriptor = self._folders[above]
        for name in path[len(above) :].strip("/").split("/"):
            above = f"{above}/{name}" if above else name
            descriptor = os.open(name, _FOLDER, dir_fd=descriptor)
            if len(self._folders) >= _OPEN_FOLDERS:
                os.close(self._folders.popitem(last=False)[1])
            self._folders[above] = descriptor
        return descriptor

    def _entry(
        self,
        path: str,
        below: str,
        status: os.stat_result,
        links: dict[tuple[int, int], str] | None = None,
    ) -> Entry:
        mode = status.st_mode
        kind = _kind(mode)
        linkname, size, content = "", 0, None
        device = (0, 0)
        if stat.S_ISREG(mode):
            size = status.st_size
            inode = (status.st_dev, status.st_ino)
            content = partial(self._open, path, inode) if size else None
            if links is not None:
                first = links.setdefault(inode, below)
                if first != below:
                    kind, linkname = "hardlink", first
        elif stat.S_ISLNK(mode):
            parent, name = _split(path)
            try:
                with self._lock:
                    linkname = os.readlink(name, dir_fd=self._folder(parent))
            except OSError as error:
                raise self._unreadable(path, error) from error
        elif kind in ("char", "block"):
            device = (os.major(status.st_rdev), os.minor(status.st_rdev))
        return Entry(
            path=below,
            kind=kind,
            mode=stat.S_IMODE(mode),
            size=size,
            mtime_ns=status.st_mtime_ns,
            linkname=linkname,
            xattrs=self._read_xattrs(path) if self._xattrs else (),
            device=device,
            content=content,
        )

    def _read_xattrs(self, path: str) -> Xattrs:
        """What may go into an image: file capabilities and the user's own; no labels or ACLs of this host."""
        parent, name = _split(path)
        try:
            # No call takes a descriptor and a name; by way of /proc the folder is still the one that was walked.
            with self._lock:
                place = f"/proc/self/fd/{self._folder(parent)}/{name}"
                names = os.listxattr(place, follow_symlinks=False)
                if not names:
                    return ()
                return tuple(
                    (key, os.getxattr(place, key, follow_symlinks=False))
                    for key in sorted(names)
                    if key == "security.capability" or key.startswith("user.")
                )
        except OSError as error:
            if error.errno == errno.ENOTSUP:
                return ()
            raise self._unreadable(path, error) from error

    def _open(self, path: str, inode: tuple[int, int]) -> BinaryIO:
        parent, name = _split(path)
        try:
            with self._lock:
                descriptor = os.open(name, _FILE, dir_fd=self._folder(parent))
        except OSError as error:
            raise self._unreadable(path, error) from error
        status = os.fstat(descriptor)
        if not stat.S_ISREG(status.st_mode) or (status.st_dev, status.st_ino) != inode:
            os.close(descriptor)
            raise ContextError(
                f"{path!r} was replaced by another file while the context was read",
                hint="build from a folder that nothing else writes to meanwhile",
            )
        return cast("BinaryIO", open(descriptor, "rb", buffering=0))  # noqa: PTH123

    def _unreadable(self, path: str, error: OSError) -> ContextError:
        if error.errno == errno.ELOOP:
            reason = "it became a link while the context was read"
        else:
            reason = error.strerror or str(error)
        return ContextError(
            f"cannot read {path or '.'!r} in the build context: {reason}",
            hint="make it readable, or exclude it with a line in .dockerignore",
        )


def load_ignore(root: Path, dockerfile: Path | None = None) -> PatternMatcher | None:
    """The ignore rules for a context folder, None where there are none.

    `<Dockerfile's name>.dockerignore` beside the Dockerfile wins over `.dockerignore` in `root`. A link is
    followed only inside the folder it lies in. Raises `PatternError` with the file's name.
    """
    places = [(root, ".dockerignore")]
    if dockerfile is not None:
        places.insert(0, (dockerfile.parent, dockerfile.name + ".dockerignore"))
    for folder, name in places:
        text = _read_text(folder, name)
        if text is not None:
            try:
                return PatternMatcher(parse_ignore_file(text))
            except PatternError as error:
                raise PatternError(error.pattern, f"{error.reason} (in {folder / name})") from error
    return None


def _read_text(folder: Path, name: str) -> str | None:
    """Text of a file, None if it is not there."""
    if not os.path.lexists(folder / name):
        return None
    with DirectoryContext(folder) as context:
        [match] = context.resolve(name)
        if match.kind != "file":
            raise ContextError(f"{str(folder / name)!r} is not a file")
        [entry] = context.walk(match)
        with entry.open() as file:
            return os.fsdecode(file.read())


def _kind(mode: int) -> Kind:
    """The kind of an entry; a socket is copied as an empty file, as the engine's builder does."""
    if stat.S_ISREG(mode) or stat.S_ISSOCK(mode):
        return "file"
    if stat.S_ISDIR(mode):
        return "dir"
    if stat.S_ISLNK(mode):
        return "symlink"
    if stat.S_ISFIFO(mode):
        return "fifo"
    return "char" if stat.S_ISCHR(mode) else "block"


def _split(path: str) -> tuple[str, str]:
    parent, _, name = path.rpartition("/")
    return parent, name


def _close_all(folders: OrderedDict[str, int], root: int) -> None:
    while folders:
        os.close(folders.popitem()[1])
    os.close(root)
