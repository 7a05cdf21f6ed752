"""Following symbolic links inside a root, as containerd's `continuity/fs.RootPath` does. Pure."""

from __future__ import annotations

from typing import TYPE_CHECKING

from incubator.errors import InputError

if TYPE_CHECKING:
    from collections.abc import Callable

MOST_PATH = 4096
"""Longest path that Linux takes."""
_MOST_LINKS = 255


class TooManyLinks(InputError):
    """Links lead in a circle, or on and on. `path` is where it began."""

    def __init__(self, path: str) -> None:
        super().__init__(f"too many links from {path!r}", hint="some link on the way leads back to itself")
        self.path = path


def follow(path: str, readlink: Callable[[str], str | None]) -> str:
    """Where `path` leads inside the root: relative, no `..`, and no link on it; "" is the root.

    `readlink` gets paths of that form and returns a link's text, None for what is no link or not there: parts
    that do not exist are kept as they are. Absolute links start at the root, and `..` does not leave it.
    """
    if len(path) > MOST_PATH:
        raise InputError(f"a path of {len(path)} characters is too long: {path[:40]!r}...")
    done: list[str] = []
    todo = _parts(path)
    links = 0
    while todo:
        part = todo.pop()
        if part == "..":
            if done:
                done.pop()
            continue
        done.append(part)
        target = readlink("/".join(done))
        if target is None:
            continue
        links += 1
        if links > _MOST_LINKS or len(todo) > MOST_PATH:
            raise TooManyLinks(path)
        done.pop()
        if target.startswith("/"):
            done.clear()
        todo += _parts(target)
    return "/".join(done)


def _parts(path: str) -> list[str]:
    """Parts of a path in reverse, to be popped."""
    return [part for part in reversed(path.split("/")) if part not in ("", ".")]
