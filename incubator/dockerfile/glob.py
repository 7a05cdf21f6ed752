"""The small patterns of `${name#pattern}` and its like: `*`, `?` and literal text. Pure.

The reference turns them into regular expressions of an engine that never backtracks. Python's does, so they
are matched piece by piece here, in time that grows with the text. As there, neither `*` nor `?` stands for a
newline.

Source: BuildKit, frontend/dockerfile/shell/lex.go, `convertShellPatternToRegex` and its callers.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Final

_ANY: Final = 0
_STAR: Final = 1
Token = str | int
"""A literal character, `_ANY` for `?`, or `_STAR` for `*`."""

_MAX_PATTERN: Final = 4096
_MAX_WORK: Final = 50_000_000
_REFERENCE: Final = re.compile(r"\$(?:\$|\w+|\{\w+\})")


class PatternError(ValueError):
    """A malformed pattern, or one that is out of all proportion."""


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


def strip_prefix(value: str, pattern: str, *, longest: bool) -> str:
    """`value` without the shortest (or longest) beginning that `pattern` matches."""
    end = _Matcher.make(read_pattern(pattern), value).end_at(0, longest=longest)
    return value if end is None else value[end:]


def strip_suffix(value: str, pattern: str, *, longest: bool) -> str:
    """`value` without the shortest (or longest) end that `pattern` matches."""
    backwards = value[::-1]
    end = _Matcher.make(read_pattern(pattern)[::-1], backwards).end_at(0, longest=longest)
    return value if end is None else backwards[end:][::-1]


def replace(value: str, pattern: str, replacement: str, *, everywhere: bool) -> str:
    """`value` with the first (or every) longest match of `pattern` replaced.

    When replacing everywhere, `$0` in the replacement is the match and other `$name` are empty, as the
    reference's regular expressions have it.
    """
    matcher = _Matcher.make(read_pattern(pattern), value)
    found = matcher.find(0)
    if not everywhere:
        return value if found is None else value[: found[0]] + replacement + value[found[1] :]
    parts: list[str] = []
    last_end = position = 0
    while position <= len(value) and (found := matcher.find(position)):
        start, end = found
        parts.append(value[last_end:start])
        # An empty match right behind another match does not count.
        if end > last_end or start == 0:
            parts.append(_fill(replacement, value[start:end]))
        last_end = end
        position = max(position + 1, end)
    parts.append(value[last_end:])
    return "".join(parts)


def _fill(replacement: str, whole: str) -> str:
    """`replacement` with `$0` put in; `$$` is a dollar, and any other name that of a group there is not."""
    values = {"$$": "$", "$0": whole, "${0}": whole}
    return _REFERENCE.sub(lambda match: values.get(match[0], ""), replacement)


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


@dataclass(frozen=True, slots=True)
class _Matcher:
    value: str
    head: _Segment
    middle: tuple[_Segment, ...]
    """Segments behind the first star; the last one may be empty."""

    @staticmethod
    def make(tokens: tuple[Token, ...], value: str) -> _Matcher:
        segments: list[list[Token]] = [[]]
        for token in tokens:
            if token == _STAR:
                # Stars in a row are one.
                if len(segments) == 1 or segments[-1]:
                    segments.append([])
            else:
                segments[-1].append(token)
        if _ANY in tokens and len(tokens) * len(value) > _MAX_WORK:
            raise PatternError("too long for a value of this size")
        head, *middle = (_Segment.make(tuple(segment)) for segment in segments)
        return _Matcher(value, head, tuple(middle))

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
