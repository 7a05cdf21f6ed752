"""The small patterns of `${name#pattern}` and its like: `*`, `?` and literal text. Pure.

The reference turns them into regular expressions of an engine that never backtracks. Python's does, so they
are matched piece by piece here, in time that grows with the text. As there, neither `*` nor `?` stands for a
newline.

Source: BuildKit, frontend/dockerfile/shell/lex.go, `convertShellPatternToRegex` and its callers.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import lru_cache
from typing import Final

_ANY: Final = 0
_STAR: Final = 1
Token = str | int
"""A literal character, `_ANY` for `?`, or `_STAR` for `*`."""

_MAX_PATTERN: Final = 4096
_MAX_WORK: Final = 50_000_000
_BASE_COST: Final = 2_000
_COMPILE_COST: Final = 10_000
_REFERENCE: Final = re.compile(r"\$(?:\$|\w+|\{\w+\})")


class PatternError(ValueError):
    """A malformed pattern, or one that is out of all proportion."""


class TooLongError(ValueError):
    """What a replacement makes is longer than it may be."""


def read_pattern(text: str) -> tuple[Token, ...]:
    r"""The tokens of a pattern. `\` escapes `*`, `?` and itself, and goes before `}` and `/`, which end words."""
    if len(text) > _MAX_PATTERN:
        raise PatternError(f"longer than {_MAX_PATTERN} characters")
    tokens: list[Token] = []
    position = 0
    while position < len(text):
        character = text[position]
        position += 1
        if character == "*":
            tokens.append(_STAR)
        elif character == "?":
            tokens.append(_ANY)
        elif character == "\\":
            escaped = text[position : position + 1]
            if not escaped or escaped not in "*?\\}/":
                raise PatternError(f"invalid escape \\{escaped}")
            tokens.append(escaped)
            position += 1
        else:
            tokens.append(character)
    return tuple(tokens)


def cost(value: str, pattern: str) -> int:
    """What matching takes at most, in units of about ten nanoseconds."""
    if "?" in pattern:
        return _COMPILE_COST + len(value) * (len(pattern) + 1)
    if "*" in pattern:
        return _BASE_COST + len(value) * (len(pattern) // 8 + 4)
    return _BASE_COST + len(value) * 4


def strip_prefix(value: str, pattern: str, *, longest: bool) -> str:
    """`value` without the shortest (or longest) beginning that `pattern` matches."""
    end = _matcher(pattern, value).end_at(0, longest=longest)
    return value if end is None else value[end:]


def strip_suffix(value: str, pattern: str, *, longest: bool) -> str:
    """`value` without the shortest (or longest) end that `pattern` matches."""
    backwards = value[::-1]
    end = _matcher(pattern, backwards, backwards=True).end_at(0, longest=longest)
    return value if end is None else backwards[end:][::-1]


def replace(value: str, pattern: str, replacement: str, *, everywhere: bool, most: int | None = None) -> str:
    """`value` with the first (or every) longest match of `pattern` replaced.

    When replacing everywhere, `$0` in the replacement is the match and other `$name` are empty, as the
    reference's regular expressions have it. Raises `TooLongError` where that comes to more than `most` characters.
    """
    matcher = _matcher(pattern, value)
    found = matcher.find(0)
    if not everywhere:
        return value if found is None else value[: found[0]] + replacement + value[found[1] :]
    filling = _Filling(replacement)
    parts: list[str] = []
    length = last_end = position = 0
    while position <= len(value) and (found := matcher.find(position)):
        start, end = found
        parts.append(value[last_end:start])
        # An empty match right behind another match does not count.
        if end > last_end or start == 0:
            length += start - last_end + filling.length(end - start)
            if most is not None and length > most:
                raise TooLongError
            parts.append(filling.filled(value[start:end]))
        last_end = end
        position = max(position + 1, end)
    parts.append(value[last_end:])
    return "".join(parts)


class _Filling:
    """A replacement with places for the match: `$0`. `$$` is a dollar, any other name that of a group there is not."""

    __slots__ = ("_last", "_length", "_texts")

    def __init__(self, replacement: str) -> None:
        between: list[list[str]] = [[]]
        begin = 0
        for match in _REFERENCE.finditer(replacement):
            between[-1].append(replacement[begin : match.start()])
            begin = match.end()
            if match[0] in ("$0", "${0}"):
                between.append([])
            elif match[0] == "$$":
                between[-1].append("$")
        between[-1].append(replacement[begin:])
        self._texts = ["".join(parts) for parts in between]
        self._length = sum(map(len, self._texts))
        self._last: tuple[str, str] | None = None

    def length(self, whole: int) -> int:
        """Characters of what `filled` makes of a match of so many."""
        return self._length + whole * (len(self._texts) - 1)

    def filled(self, whole: str) -> str:
        """The replacement of the match `whole`."""
        if self._last is None or self._last[0] != whole:
            self._last = whole, whole.join(self._texts)
        return self._last[1]


@dataclass(frozen=True, slots=True)
class _Segment:
    """What stands between two stars: a fixed number of characters."""

    tokens: tuple[Token, ...]
    literal: str | None
    expression: re.Pattern[str] | None

    @staticmethod
    def make(tokens: tuple[Token, ...]) -> _Segment:
        texts = [token for token in tokens if isinstance(token, str)]
        if len(texts) == len(tokens):
            return _Segment(tokens, "".join(texts), None)
        source = "".join("[^\\n]" if token == _ANY else re.escape(str(token)) for token in tokens)
        return _Segment(tokens, None, re.compile(source))

    def at(self, value: str, position: int) -> bool:
        if self.expression:
            return self.expression.match(value, position) is not None
        return value.startswith(self.literal or "", position)

    def first(self, value: str, start: int, end: int) -> int:
        """Where it first stands in `value[start:end]`, -1 for nowhere."""
        if self.expression:
            match = self.expression.search(value, start, end)
            return match.start() if match else -1
        return value.find(self.literal or "", start, end)

    def last(self, value: str, start: int, end: int) -> int:
        """Where it last stands in `value[start:end]`, -1 for nowhere."""
        if not self.expression:
            return value.rfind(self.literal or "", start, end)
        for position in range(end - len(self.tokens), start - 1, -1):
            if self.expression.match(value, position, end):
                return position
        return -1


@lru_cache(maxsize=64)
def _segments(pattern: str, *, backwards: bool) -> tuple[_Segment, tuple[_Segment, ...]]:
    """The piece of a pattern before its first star, and those behind; the last of them may be empty."""
    tokens = read_pattern(pattern)
    segments: list[list[Token]] = [[]]
    for token in reversed(tokens) if backwards else tokens:
        if token == _STAR:
            # Stars in a row are one.
            if len(segments) == 1 or segments[-1]:
                segments.append([])
        else:
            segments[-1].append(token)
    head, *middle = (_Segment.make(tuple(segment)) for segment in segments)
    return head, tuple(middle)


def _matcher(pattern: str, value: str, *, backwards: bool = False) -> _Matcher:
    head, middle = _segments(pattern, backwards=backwards)
    if "?" in pattern and len(pattern) * len(value) > _MAX_WORK:
        raise PatternError("too long for a value of this size")
    return _Matcher(value, head, middle)


@dataclass(slots=True)
class _Matcher:
    """A pattern on a value. `middle`: see `_segments`."""

    value: str
    head: _Segment
    middle: tuple[_Segment, ...]

    def end_at(self, start: int, *, longest: bool) -> int | None:
        """Where the shortest or longest match that begins at `start` ends; None where none does."""
        if not self.head.at(self.value, start):
            return None
        position = start + len(self.head.tokens)
        if not self.middle:
            return position
        *inner, tail = self.middle
        for segment in inner:
            position = self._next(segment, position)
            if position < 0:
                return None
            position += len(segment.tokens)
        reach = self._reach(position) + self._newlines(tail)
        seek = tail.last if longest else tail.first
        found = seek(self.value, position, reach)
        return None if found < 0 else found + len(tail.tokens)

    def find(self, start: int) -> tuple[int, int] | None:
        """The leftmost match from `start` on, as long as it can be."""
        position = start
        while position <= len(self.value):
            if self.head.tokens:
                position = self.head.first(self.value, position, len(self.value))
                if position < 0:
                    return None
            end = self.end_at(position, longest=True)
            if end is not None:
                return position, end
            # What follows a star is not to be found before the line's end: no later start in it helps.
            position = self._reach(position + len(self.head.tokens)) + 1 if self.middle else position + 1
        return None

    def _next(self, segment: _Segment, position: int) -> int:
        """Where `segment` first stands when a star goes before it from `position` on."""
        return segment.first(self.value, position, self._reach(position) + self._newlines(segment))

    def _reach(self, position: int) -> int:
        """How far a star that begins at `position` can go."""
        end = self.value.find("\n", position)
        return len(self.value) if end < 0 else end

    def _newlines(self, segment: _Segment) -> int:
        """How far a segment may go on behind the line's end: its length if it holds a newline itself."""
        return len(segment.tokens) if "\n" in segment.tokens else 0
