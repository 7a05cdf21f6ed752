"""Suggestions for names that do not exist. Pure."""

from __future__ import annotations

from itertools import islice
from typing import TYPE_CHECKING

from incubator.dockerfile.text import nearest

if TYPE_CHECKING:
    from collections.abc import Iterable

_MAX_COMPARED = 10_000
_MAX_KNOWN = 1000


class Guesses:
    """What names of one file were meant, as long as it takes no more than `_MAX_COMPARED` comparisons of names.

    A file can hold any number of names that are nearly like any number of others.
    """

    def __init__(self) -> None:
        self._left = _MAX_COMPARED

    def nearest(self, name: str, *known: Iterable[str]) -> str | None:
        """The name among the first of `known` that is nearest; None where none is near, or nothing is left."""
        limit = min(_MAX_KNOWN, self._left)
        options = list(islice((other for names in known for other in names), limit))
        self._left -= len(options)
        return nearest(name, options)
