"""The globs of COPY and ADD: Go's path/filepath.Match, which cannot blow up on any input. Pure."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from functools import lru_cache

from incubator.context.automaton import Automaton, TooMuchError
from incubator.context.pattern import PatternError
from incubator.context.tokens import NOT_SLASH, CharSet, CodeRange, Token, literal, merged


@dataclass(frozen=True, slots=True)
class _Chunk:
    """What lies between two stars: `star` if one comes before it, then single characters."""

    star: bool
    tokens: tuple[Token, ...]
    _automatons: dict[bool, Automaton] = field(default_factory=dict)

    def end(self, name: str, at: int, *, last: bool) -> int:
        """Where its first match in `name` from `at` on ends, -1 where there is none; `last`: at the very end."""
        length = len(self.tokens)
        if not self.star or last:
            start = len(name) - length if last else at
            if start < at or start + length > len(name) or (start > at and not self.star):
                return -1
            if "/" in name[at:start]:
                return -1
            return (
                start + length
                if self._automaton(starred=False).matching(name[start : start + length])
                else -1
            )
        if at + length > len(name):
            return -1
        for end, found in enumerate(self._automaton(starred=True).walk(name, at), at):
            if found:
                return end
        return -1

    def _automaton(self, *, starred: bool) -> Automaton:
        if starred not in self._automatons:
            tokens = (Token(NOT_SLASH, "many"), *self.tokens) if starred else self.tokens
            self._automatons[starred] = Automaton.of(tokens)
        return self._automatons[starred]


def check_glob(pattern: str) -> None:
    """Raises `PatternError` if `pattern` is malformed."""
    if not _SOUND.fullmatch(pattern):
        _parse_glob(pattern)  # says what is wrong


def match_glob(pattern: str, name: str) -> bool:
    """True if `pattern` matches the whole of `name`: Go's filepath.Match. Raises `PatternError`.

    `*` and `?` do not match a slash; a class such as `[^a]` does.
    """
    chunks = _parse_glob(pattern)
    at = 0
    # The first place that fits is enough: Go looks no further, as later chunks may start anywhere behind it.
    for index, chunk in enumerate(chunks):
        try:
            at = chunk.end(name, at, last=index == len(chunks) - 1)
        except TooMuchError as error:
            raise PatternError(pattern, str(error)) from error
        if at < 0:
            return False
    return at == len(name)


def has_wildcard(text: str) -> bool:
    """True if `text` has a `*`, `?` or `[` that no backslash escapes."""
    at = 0
    while at < len(text):
        if text[at] == "\\":
            at += 1
        elif text[at] in "*?[":
            return True
        at += 1
    return False


_GLOB_CHAR = r"(?:\\.|[^]\\-])"
_GLOB_MEMBERS = rf"(?:{_GLOB_CHAR}(?:-{_GLOB_CHAR})?)"
_GLOB_MEMBER = re.compile(rf"({_GLOB_CHAR})(?:-({_GLOB_CHAR}))?", re.DOTALL)
_GLOB_ITEM = re.compile(rf"[^*\[\\]|\\.|\[\^?+{_GLOB_MEMBERS}++\]", re.DOTALL)
_SOUND = re.compile(rf"(?:\*|{_GLOB_ITEM.pattern})*+", re.DOTALL)
"""Matches all that `_parse_glob` has nothing to say about, for speed."""
_GLOB_CHUNK = re.compile(rf"(\**+)((?:{_GLOB_ITEM.pattern})*+)", re.DOTALL)
_GLOB_OPEN = re.compile(rf"\[\^?+({_GLOB_MEMBERS})*", re.DOTALL)


@lru_cache(maxsize=256)
def _parse_glob(pattern: str) -> tuple[_Chunk, ...]:
    chunks: list[_Chunk] = []
    # What stands there again is made once: a step of Python for each character is slow.
    chunk_of: dict[tuple[bool, str], _Chunk] = {}
    token_of: dict[str, Token] = {}
    at = 0
    while at < len(pattern):
        found = _GLOB_CHUNK.match(pattern, at)
        if not found or found.end() == at:
            break
        star, text = bool(found[1]), found[2]
        if (star, text) not in chunk_of:
            items = _GLOB_ITEM.findall(text)
            token_of.update((item, _glob_token(item)) for item in set(items) - token_of.keys())
            chunk_of[star, text] = _Chunk(star, tuple(map(token_of.__getitem__, items)))
        chunks.append(chunk_of[star, text])
        at = found.end()
    if at < len(pattern):
        raise PatternError(pattern, _fault_of_glob(pattern, at))
    return tuple(chunks)


def _glob_token(item: str) -> Token:
    if item == "?":
        return Token(NOT_SLASH)
    if not item.startswith("["):
        return literal(item[-1])
    negated = item.startswith("[^")
    ranges: list[CodeRange] = []
    for first, last in set(_GLOB_MEMBER.findall(item, 1 + negated, len(item) - 1)):
        low, high = first[-1], (last or first)[-1]
        if low <= high:  # Go takes a range the wrong way round as an empty one
            ranges.append((ord(low), ord(high)))
    return Token(CharSet(merged(ranges), negated))


def _fault_of_glob(pattern: str, at: int) -> str:
    """What is wrong with the backslash or the class at this place."""
    opened = _GLOB_OPEN.match(pattern, at)
    if not opened:
        return "it ends in a backslash"
    at = opened.end()
    last = opened[1] and _GLOB_MEMBER.fullmatch(opened[1])
    if last and not last[2] and pattern.startswith("-", at):
        at += 1  # a range, and its end is at fault
    if at < len(pattern) and pattern[at] in "-]":
        return f"unexpected `{pattern[at]}` in `[...]`"
    return "`[` without `]`"
