"""A tree of files into a folder, where nothing in the tree can lead out of that folder.

Names and links are hostile. Every folder is opened from its parent without following links, and files are always
made anew, so neither a link of the tree nor one that was there before is written through.
"""

from __future__ import annotations

import os
import shutil
import stat
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING

from incubator.core.ownership import give, give_link, make_folder
from incubator.errors import BuilderError

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from pathlib import Path

    from incubator.context.entry import Entry

_FOLDER = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
_NEW_FILE = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
_KEPT_BITS = 0o1777
"""Set-id bits are about owners, which are not kept."""


def write_tree(entries: Iterable[Entry], folder: Path) -> None:
    """Put `entries` below `folder`, which is made if need be; files that are there are replaced.

    Raises BuilderError.
    """
    try:
        make_folder(folder)
        root = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    except OSError as error:
        raise _failed(str(folder), error) from error
    try:
        folders = []
        for entry in entries:
            if not entry.path:
                continue
            try:
                _write(root, entry)
            except OSError as error:
                raise _failed(f"{folder}/{entry.path}", error) from error
            if entry.kind == "dir":
                folders.append((entry.path, entry.mode, entry.mtime_ns))
        # At last: a folder may be one that nothing can be written to, and writing changes its time.
        for path, mode, mtime_ns in reversed(folders):
            with suppress(FileNotFoundError, NotADirectoryError), _opened(root, path) as descriptor:
                os.fchmod(descriptor, mode & _KEPT_BITS)
                os.utime(descriptor, ns=(mtime_ns, mtime_ns))
    finally:
        os.close(root)


def _failed(path: str, error: OSError) -> BuilderError:
    return BuilderError(f"cannot write the output {path!r}: {error.strerror}")


@contextmanager
def _opened(root: int, path: str) -> Iterator[int]:
    """The folder at a relative path, through no link."""
    current = os.dup(root)
    try:
        for part in path.split("/") if path else ():
            if part in {"", ".", ".."}:
                raise BuilderError(f"cannot write the output: {path!r} is no plain path")
            below = os.open(part, _FOLDER, dir_fd=current)
            os.close(current)
            current = below
        yield current
    finally:
        os.close(current)


def _write(root: int, entry: Entry) -> None:
    above, _, name = entry.path.rpartition("/")
    if name in {"", ".", ".."}:
        raise BuilderError(f"cannot write the output: {entry.path!r} is no plain path")
    with _opened(root, above) as parent:
        _clear(parent, name, folder=entry.kind == "dir")
        times, owner = (entry.mtime_ns, entry.mtime_ns), os.fstat(parent)
        match entry.kind:
            case "dir":
                is_new = False
                with suppress(FileExistsError):
                    os.mkdir(name, 0o700, dir_fd=parent)
                    is_new = True
                descriptor = os.open(name, _FOLDER, dir_fd=parent)
                try:
                    if is_new:
                        give(descriptor, owner)
                    os.fchmod(descriptor, 0o700)
                finally:
                    os.close(descriptor)
            case "file":
                descriptor = os.open(name, _NEW_FILE, 0o600, dir_fd=parent)
                with os.fdopen(descriptor, "wb") as file:
                    with entry.open() as content:
                        shutil.copyfileobj(content, file, 1 << 20)
                    file.flush()
                    give(file.fileno(), owner)
                    os.fchmod(file.fileno(), entry.mode & _KEPT_BITS)
                    os.utime(file.fileno(), ns=times)
            case "symlink":
                os.symlink(entry.linkname, name, dir_fd=parent)
                give_link(name, parent)
                os.utime(name, ns=times, dir_fd=parent, follow_symlinks=False)
            case "hardlink":
                folder, _, other = entry.linkname.rpartition("/")
                with _opened(root, folder) as there:
                    os.link(other, name, src_dir_fd=there, dst_dir_fd=parent, follow_symlinks=False)
            case _:
                raise BuilderError(
                    f"cannot write the output {entry.path!r}: it is a device or a pipe",
                    hint="write type=tar,dest=FILE, which holds such files too",
                )


def _clear(parent: int, name: str, *, folder: bool) -> None:
    """Take away what is in the way: a file, or an empty folder. A folder stays where a folder is wanted."""
    try:
        found = os.stat(name, dir_fd=parent, follow_symlinks=False)
    except FileNotFoundError:
        return
    if not stat.S_ISDIR(found.st_mode):
        os.unlink(name, dir_fd=parent)
    elif not folder:
        os.rmdir(name, dir_fd=parent)
