"""What COPY and ADD read from: the protocol every source of files satisfies, and how misses are told."""

from __future__ import annotations

import difflib
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

from incubator.context.pattern import clean_path
from incubator.errors import InputError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence

    from incubator.context.entry import Entry, Kind


class ContextError(InputError):
    """A file of the context is missing, cannot be read, or changed while it was read."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Match:
    """One root that a source pattern named. `path`: where it is, links followed, relative, empty for the root.

    `name`: its last part as it was written or matched; what a file is called in a target folder.
    """

    path: str
    name: str
    kind: Kind


class Source(Protocol):
    """Files to copy from: a folder, a tar, a stage. Paths are relative to its root, which nothing leaves."""

    def resolve(self, pattern: str) -> Sequence[Match]:
        """What `pattern` names, sorted. Empty only for a wildcard without a match.

        A link, or a path through one, is followed inside the root. Raises `ContextError` for a plain path that
        is missing, `PatternError` for a malformed wildcard.
        """
        ...

    def walk(self, match: Match, *, prune: Callable[[str], bool] | None = None) -> Iterator[Entry]:
        """The tree at `match`, its root first as path "", then each folder before what is in it, sorted.

        Links below the root stay links. Hard links name an earlier path of this same walk. `prune` is asked
        about each folder after it was yielded, and true keeps the walk out of it. Where entries are streamed,
        the content of one can be read only until the next is asked for.
        """
        ...


def source_path(pattern: str) -> str:
    """A source as written, clamped to the root: no leading slash, `..` never leaves, "" is the root."""
    return clean_path("/" + pattern)[1:]


def missing(path: str, names: Iterable[str] = (), *, ignored: bool = False) -> ContextError:
    """The error for a source that is not there; `names` are those beside it, to suggest one."""
    if ignored:
        return ContextError(
            f"{path!r} is excluded by the ignore file",
            hint="take it back with a line `!" + path + "` at the end of the ignore file",
        )
    folder, _, name = path.rpartition("/")
    beside = list(names)
    near = [other for other in beside if other.casefold() == name.casefold()]
    near = near or difflib.get_close_matches(name, beside, n=1)
    hint = f"did you mean {folder + '/' if folder else ''}{near[0]}?" if near else None
    return ContextError(
        f"{path!r} not found", hint=hint or "paths are relative to the root of the context, case matters"
    )
