"""The build context as the builder sees it."""

from __future__ import annotations

from itertools import islice
from typing import TYPE_CHECKING, Protocol

from incubator.context.source import Source
from incubator.errors import InputError
from incubator.events import MOST_COUNTED

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from incubator.context.entry import Entry
    from incubator.context.patterns import PatternMatcher
    from incubator.context.source import Match


class BuildContext(Source, Protocol):
    """Files that COPY and ADD may read, which somebody has to close."""

    @property
    def ignore(self) -> PatternMatcher | None:
        """The ignore rules that leave files out of it; None where there are none."""
        ...

    def resolve(self, pattern: str) -> Sequence[Match]:
        """See `Source.resolve`."""
        ...

    def walk(self, match: Match, *, prune: Callable[[str], bool] | None = None) -> Iterator[Entry]:
        """See `Source.walk`."""
        ...

    def close(self) -> None:
        """Give descriptors and temporary files back."""
        ...


def count_files(context: BuildContext) -> int | None:
    """How many files a context has, as `BuildStarted` tells it; None where a folder of it cannot be read."""
    try:
        [root] = context.resolve("")
        entries = list(islice(context.walk(root), MOST_COUNTED + 1))
    except InputError:
        return None
    if len(entries) > MOST_COUNTED:
        return MOST_COUNTED
    return sum(entry.kind != "dir" for entry in entries)
