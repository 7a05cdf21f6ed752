r"""Which of many ignore patterns may match a path at all, by a text that each of them needs. Pure.

A pattern such as `**/*.py[co]` only matches a path that holds `.py`, and cannot be malformed: it need be neither
compiled nor asked for most paths. Those that nothing is known of (`\d`, `*`, `[z-a]`) may match any.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

_CHAR = r"[^]\[\\^*?-]"
_CLASS = rf"\[\^?(?:{_CHAR}(?:-{_CHAR})?)+\]"
_CLASSES = re.compile(_CLASS)
_MEMBER = re.compile(rf"({_CHAR})(?:-({_CHAR}))?")
_SURE = re.compile(rf"(?:[^]\[\\^]|{_CLASS})*+")
"""Patterns that surely compile if their ranges do, and whose other characters stand for themselves."""
_WILD = re.compile(rf"\*\*/?|[*?]|{_CLASS}")
_LONGEST = 16
"""Characters of a needed text that are looked for: each length costs a look-up for each character of a path."""


def needed_text(pattern: str) -> str:
    """A text that every path matched by a cleaned pattern holds, "" if none is known."""
    if not _SURE.fullmatch(pattern) or not _in_order(pattern):
        return ""
    return max(_WILD.split(pattern), key=len)


def _in_order(pattern: str) -> bool:
    """True if no range of a class is the wrong way round."""
    if "-" not in pattern:
        return True
    members = (_MEMBER.findall(chars) for chars in _CLASSES.findall(pattern))
    return all(not high or low <= high for found in members for low, high in found)


class Prefilter:
    """Tells which patterns of a list may match a path, in time that grows with the path and what is found."""

    def __init__(self, patterns: Sequence[str]) -> None:
        self.unknown: list[int] = []
        """Indexes of patterns that may match any path, or may be malformed."""
        self._holding: dict[int, dict[str, list[int]]] = {}
        """By length of the text that is needed."""
        for index, pattern in enumerate(patterns):
            # What patterns of a list have in common is rather their beginning.
            text = needed_text(pattern)[-_LONGEST:]
            if text:
                self._holding.setdefault(len(text), {}).setdefault(text, []).append(index)
            else:
                self.unknown.append(index)

    def found(self, path: str) -> list[int]:
        """Indexes of all others that may match `path` or a folder above it, in no order."""
        found: list[int] = []
        for length, holding in self._holding.items():
            held = {path[at : at + length] for at in range(len(path) - length + 1)}
            for text in held & holding.keys():
                found += holding[text]
        return found
