"""To whom new files and folders belong: to the owner of the folder that they are put in.

In a pipeline's container this process is root, and the workspace a user's, whose later steps have to be able to remove
what a build has left. Where this process may not give files away, or the file system knows no owners, they are its own.
"""

from __future__ import annotations

import os
import tempfile
from contextlib import suppress
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path


def why_not_writable(folder: Path) -> str | None:
    """Why nothing can be made in a folder, whose last parts may be missing; None: it can.

    It is tried, since rights do not tell: root has them where the file system takes nothing.
    """
    there = next((each for each in (folder, *folder.parents) if each.exists()), folder)
    try:
        with tempfile.TemporaryFile(dir=there):
            return None
    except OSError as error:
        return error.strerror or str(error)


def give(made: int, above: os.stat_result) -> None:
    """Let what the descriptor `made` is open on belong to the owner of the folder above."""
    mine = os.fstat(made)
    if (mine.st_uid, mine.st_gid) != (above.st_uid, above.st_gid):
        with suppress(OSError):
            os.fchown(made, above.st_uid, above.st_gid)


def give_link(name: str, parent: int) -> None:
    """The same for a symbolic link in the folder that the descriptor `parent` is open on."""
    above, mine = os.fstat(parent), os.stat(name, dir_fd=parent, follow_symlinks=False)
    if (mine.st_uid, mine.st_gid) != (above.st_uid, above.st_gid):
        with suppress(OSError):
            os.chown(name, above.st_uid, above.st_gid, dir_fd=parent, follow_symlinks=False)


def make_folder(path: Path) -> None:
    """A folder and those above it that are missing."""
    missing = [folder for folder in (path, *path.parents) if not folder.exists()]
    for folder in reversed(missing):
        folder.mkdir(exist_ok=True)
        made = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC)
        try:
            give(made, folder.parent.stat())
        finally:
            os.close(made)
