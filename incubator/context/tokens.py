"""What patterns are made of once they are read: characters, classes of them, and how often they come. Pure."""

from __future__ import annotations

import re
from functools import lru_cache
from typing import Literal, NamedTuple

CodeRange = tuple[int, int]


def merged(spans: list[CodeRange]) -> tuple[CodeRange, ...]:
    """The same code points, sorted and without overlap."""
    merged: list[CodeRange] = []
    for low, high in sorted(spans):
        if merged and low <= merged[-1][1] + 1:
            merged[-1] = (merged[-1][0], max(high, merged[-1][1]))
        else:
            merged.append((low, high))
    return tuple(merged)


class CharSet(NamedTuple):
    """One character: of `spans` (code points, both ends in) or of `categories`; any other if `negated`."""

    spans: tuple[CodeRange, ...]
    """In order, without overlap."""
    negated: bool = False
    categories: str = ""
    """First letters of general categories."""

    @property
    def text(self) -> str:
        """The set as `re` writes it. Only without categories, which `re` lacks."""
        if len(self.spans) == 1 and self.spans[0][0] == self.spans[0][1] and not self.negated:
            return re.escape(chr(self.spans[0][0]))
        inside = "".join(f"\\U{low:08x}-\\U{high:08x}" for low, high in self.spans)
        return f"[{'^' if self.negated else ''}{inside}]"

    @property
    def has_slash(self) -> bool:
        """True if a slash is one of them. Only without categories."""
        return any(low <= 47 <= high for low, high in self.spans) != self.negated


SLASH = CharSet(((47, 47),))
NOT_SLASH = CharSet(((47, 47),), negated=True)
NOT_NEWLINE = CharSet(((10, 10),), negated=True)


class Token(NamedTuple):
    """One element: a character of `chars`, once or repeated; `deep` is the group `(.*/)?`."""

    chars: CharSet
    kind: Literal["one", "many", "deep"] = "one"


@lru_cache(maxsize=1024)
def literal(char: str) -> Token:
    """The token that is `char` itself."""
    return Token(CharSet(((ord(char), ord(char)),)))
