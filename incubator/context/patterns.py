"""Ignore patterns and source globs, as the engine understands them. Pure.

Two languages that look alike: ignore files and `--exclude` follow moby/patternmatcher (`PatternMatcher`), the
sources of COPY and ADD follow Go's `path/filepath.Match` (`match_glob`). Neither can blow up on any input.
"""

from __future__ import annotations

import posixpath
from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING, Literal

from incubator.context.goregexp import Regexp, RegexpError, compile_regexp
from incubator.errors import InputError

if TYPE_CHECKING:
    from collections.abc import Iterable

_BLANKS = " \t\n\v\f\r\x85\xa0"
"""What Go's strings.TrimSpace takes off, as far as a line of an ignore file can hold it."""
_BOM = "\ufeff"

MatchInfo = tuple[bool, ...]
"""For each pattern of a matcher: did it match this folder or one above it."""


class PatternError(InputError):
    """A pattern is malformed: `pattern` is its text, `reason` what is wrong."""

    def __init__(self, pattern: str, reason: str) -> None:
        super().__init__(
            f"malformed pattern {pattern!r}: {reason}",
            hint="patterns know `*`, `?`, `[a-z]`, `**` and `\\` to take the next character literally",
        )
        self.pattern = pattern
        self.reason = reason


def clean_path(path: str) -> str:
    """`path` as Go's filepath.Clean returns it: no `.`, no needless `..` or slashes, `.` for nothing."""
    cleaned = posixpath.normpath(path)
    return cleaned[1:] if cleaned.startswith("//") else cleaned


def parse_ignore_file(text: str) -> list[str]:
    """The patterns of an ignore file in order: no comments, no blank lines, paths cleaned, leading `/` gone.

    Follows moby/patternmatcher, ignorefile. A lone `!` is kept: `PatternMatcher` refuses it.
    """
    patterns = []
    for number, raw in enumerate(text.split("\n")):
        line = raw.removeprefix(_BOM) if number == 0 else raw
        line = line.removesuffix("\r")
        if line.startswith("#"):
            continue
        pattern = line.strip(_BLANKS)
        if not pattern:
            continue
        inverted = pattern.startswith("!")
        if inverted:
            pattern = pattern[1:].strip(_BLANKS)
        if pattern:
            pattern = clean_path(pattern)
            if len(pattern) > 1 and pattern.startswith("/"):
                pattern = pattern[1:]
        patterns.append("!" + pattern if inverted else pattern)
    return patterns


class Pattern:
    """One pattern of a `PatternMatcher`, compiled when it is first asked."""

    __slots__ = ("_compiled", "exclusion", "text")

    def __init__(self, text: str) -> None:
        self.exclusion = text.startswith("!")
        self.text = text[1:] if self.exclusion else text
        self._compiled: _Compiled | None = None

    def _compile(self) -> _Compiled:
        if self._compiled is None:
            self._compiled = _compile(self.text)
        return self._compiled

    def matches_or_above(self, path: str) -> bool:
        """True if this pattern, without its `!`, matches `path` or a folder above it. Raises `PatternError`."""
        compiled = self._compile()
        text = compiled.text
        if compiled.kind == "prefix":
            return path.startswith(text)
        if compiled.kind == "exact":
            return path == text or path.startswith(text + "/")
        if compiled.kind == "suffix":
            below = text[1:] + "/" if text.startswith("/") else text + "/"
            return self.matches(path) or path.startswith(below) or text + "/" in path
        if compiled.kind == "parts":
            parts = path.split("/")
            return _parts_match(compiled.parts, parts[: len(compiled.parts)])
        assert compiled.regexp is not None
        return compiled.regexp.matches_or_above(path)

    def matches(self, path: str) -> bool:
        """True if this pattern, without its `!`, matches exactly `path`. Raises `PatternError`."""
        compiled = self._compile()
        kind = compiled.kind
        if kind == "exact":
            return path == compiled.text
        if kind == "prefix":
            return path.startswith(compiled.text)
        if kind == "suffix":
            return path.endswith(compiled.text) or (
                compiled.text.startswith("/") and path == compiled.text[1:]
            )
        if kind == "parts":
            return _parts_match(compiled.parts, path.split("/"))
        assert compiled.regexp is not None
        return compiled.regexp.matches(path)

    @property
    def prefix(self) -> str | None:
        """Where all matches lie at or below, if the pattern is a plain path or ends in `/*` or `/**`.

        None where it has other special characters, so that nothing can be said without asking.
        """
        text = self.text.removesuffix("/**").removesuffix("/*")
        return None if any(char in "*[]?^\\" for char in text) else text


@dataclass(frozen=True, slots=True)
class _Compiled:
    kind: Literal["exact", "prefix", "suffix", "parts", "regexp"]
    text: str = ""
    parts: tuple[tuple[str, ...], ...] = ()
    """Of each part of the path what stands between its `*`."""
    regexp: Regexp | None = None


def _compile(pattern: str) -> _Compiled:
    """The cheapest exact form of a cleaned pattern; its kinds are those of the engine's matcher."""
    if pattern.startswith("**") and not set(pattern[2:]) & set("*?[]\\"):
        return _Compiled("suffix", pattern[2:])
    if not set(pattern) & set("*?[]\\"):
        return _Compiled("exact", pattern)
    if pattern.endswith("**") and not set(pattern[:-2]) & set("*?[]\\"):
        return _Compiled("prefix", pattern[:-2])
    if "**" not in pattern and not set(pattern) & set("[]^\\"):
        # Nothing has to be compiled, which matters where an ignore file has thousands of lines.
        return _Compiled("parts", parts=tuple(tuple(part.split("*")) for part in pattern.split("/")))
    try:
        return _Compiled("regexp", regexp=compile_regexp(_to_regexp(pattern)))
    except RegexpError as error:
        raise PatternError(pattern, str(error)) from error


def _parts_match(parts: tuple[tuple[str, ...], ...], path: list[str]) -> bool:
    return len(parts) == len(path) and all(map(_part_matches, parts, path))


def _part_matches(pieces: tuple[str, ...], name: str) -> bool:
    """True if `name` is `pieces` with anything between them; a `?` in a piece is any one character."""
    first, last = pieces[0], pieces[-1]
    if len(pieces) == 1:
        return len(name) == len(first) and _stands_at(first, name, 0)
    end = len(name) - len(last)
    at = len(first)
    if end < at or not _stands_at(first, name, 0) or not _stands_at(last, name, end):
        return False
    for piece in pieces[1:-1]:
        found = _find(piece, name, at, end)
        if found < 0:
            return False
        at = found + len(piece)
    return True


def _find(piece: str, name: str, start: int, end: int) -> int:
    """Where `piece` first stands in `name[start:end]`; -1 where it does not."""
    if "?" not in piece:
        return name.find(piece, start, end)
    places = range(start, end - len(piece) + 1)
    return next((at for at in places if _stands_at(piece, name, at)), -1)


def _stands_at(piece: str, name: str, at: int) -> bool:
    if "?" not in piece:
        return name.startswith(piece, at)
    there = name[at : at + len(piece)]
    return len(there) == len(piece) and all(c in ("?", d) for c, d in zip(piece, there, strict=True))


def _to_regexp(pattern: str) -> str:
    """The text of the Go expression, without `^` and `$`, that the engine makes of `pattern`."""
    parts = []
    at = 0
    while at < len(pattern):
        char = pattern[at]
        at += 1
        if char == "*":
            if not pattern.startswith("*", at):
                parts.append("[^/]*")
                continue
            at += 1
            at += pattern.startswith("/", at)
            parts.append("(.*/)?" if at < len(pattern) else ".*")
        elif char == "?":
            parts.append("[^/]")
        elif char in ".+()|{}$":
            parts.append("\\" + char)
        elif char == "\\" and at < len(pattern):
            parts.append("\\" + pattern[at])
            at += 1
        else:
            parts.append(char)
    return "".join(parts)


class PatternMatcher:
    """A list of ignore patterns; later ones win, and `!` takes back.

    Paths are relative, with slashes. Raises `PatternError` for a malformed pattern: most when made, some only
    when such a pattern is first compared with a path, as the engine does.
    """

    __slots__ = ("has_exclusions", "patterns")

    def __init__(self, patterns: Iterable[str]) -> None:
        self.patterns: list[Pattern] = []
        for raw in patterns:
            text = raw.strip(_BLANKS)
            if not text:
                continue
            text = clean_path(text)
            if text == "!":
                raise PatternError(text, "`!` needs a pattern after it")
            pattern = Pattern(text)
            _parse_glob(pattern.text)
            self.patterns.append(pattern)
        self.has_exclusions = any(pattern.exclusion for pattern in self.patterns)

    def __bool__(self) -> bool:
        """False if there is no pattern at all."""
        return bool(self.patterns)

    def matches(self, path: str) -> bool:
        """True if the patterns match `path`, or the one folder above it that is as deep as the pattern.

        Kept for completeness (the engine calls it deprecated); ignore files need `matches_or_parent_matches`.
        """
        path = clean_path(path)
        parents = _parents(path)
        matched = False
        for pattern in self.patterns:
            if pattern.exclusion != matched:
                continue
            depth = pattern.text.count("/") + 1
            if pattern.matches(path) or (depth <= len(parents) and pattern.matches(parents[depth - 1])):
                matched = not pattern.exclusion
        return matched and path != "."

    def matches_or_parent_matches(self, path: str) -> bool:
        """True if the patterns match `path` or a folder above it: the question an ignore file answers."""
        path = clean_path(path)
        matched = False
        for pattern in self.patterns:
            if pattern.exclusion == matched and pattern.matches_or_above(path):
                matched = not pattern.exclusion
        return matched and path != "."

    def match_below(self, path: str, parent: MatchInfo | None) -> tuple[bool, MatchInfo]:
        """The same question while walking down: `parent` is the info of the folder above, None at the top.

        Returns the answer and the info to pass on for what lies below `path`.
        """
        matched = False
        info = []
        for index, pattern in enumerate(self.patterns):
            hit = parent is not None and parent[index]
            if not hit and pattern.exclusion == matched:
                hit = pattern.matches(path)
            info.append(hit)
            if hit:
                matched = not pattern.exclusion
        return matched, tuple(info)

    def match_down(self, path: str) -> tuple[bool, MatchInfo | None]:
        """`match_below` from the top down to `path`; for "", the root, false and None."""
        ignored, info = False, None
        at = path.find("/")
        while path and at >= 0:
            ignored, info = self.match_below(path[:at], info)
            at = path.find("/", at + 1)
        return self.match_below(path, info) if path else (ignored, info)

    def may_take_back_below(self, folder: str) -> bool:
        """False if surely no `!` pattern matches below an ignored `folder`: no need to look inside."""
        for pattern in self.patterns:
            if pattern.exclusion:
                prefix = pattern.prefix
                if prefix is None or (prefix + "/").startswith(folder + "/"):
                    return True
        return False

    def may_match_below(self, folder: str) -> bool:
        """False if surely no pattern matches anything below `folder`, which does not match itself."""
        for pattern in self.patterns:
            if not pattern.exclusion:
                prefix = pattern.prefix
                if prefix is None or (prefix + "/").startswith(folder + "/"):
                    return True
        return False


def _parents(path: str) -> list[str]:
    """Folders above `path`, outermost first; none for a path without a folder."""
    parts = path.split("/")[:-1]
    return ["/".join(parts[: depth + 1]) for depth in range(len(parts))]


# Globs of COPY and ADD: Go's path/filepath.Match.


@dataclass(frozen=True, slots=True)
class _Class:
    ranges: tuple[tuple[str, str], ...]
    negated: bool

    def has(self, char: str) -> bool:
        return any(low <= char <= high for low, high in self.ranges) != self.negated


_AnyChar = object()
_Element = str | _Class | object


@dataclass(frozen=True, slots=True)
class _Chunk:
    """What lies between two stars: `star` if one comes before it, then characters, classes and `?`."""

    star: bool
    elements: tuple[_Element, ...]

    def match(self, name: str, at: int) -> int:
        """Where in `name` the elements end if they match at `at`, else -1."""
        if at + len(self.elements) > len(name):
            return -1
        for element in self.elements:
            char = name[at]
            if isinstance(element, str):
                if element != char:
                    return -1
            elif isinstance(element, _Class):
                if not element.has(char):
                    return -1
            elif char == "/":
                return -1
            at += 1
        return at


def match_glob(pattern: str, name: str) -> bool:
    """True if `pattern` matches the whole of `name`: Go's filepath.Match. Raises `PatternError`.

    `*` and `?` do not match a slash; a class such as `[^a]` does.
    """
    chunks = _parse_glob(pattern)
    at = 0
    for index, chunk in enumerate(chunks):
        last = index == len(chunks) - 1
        if chunk.star and not chunk.elements:
            return "/" not in name[at:]
        end = chunk.match(name, at)
        if end >= 0 and (end == len(name) or not last):
            at = end
            continue
        end = -1
        if chunk.star:
            # The first place that fits is enough: later chunks may start anywhere behind it anyway.
            while at < len(name) and name[at] != "/":
                at += 1
                end = chunk.match(name, at)
                if end >= 0 and (end == len(name) or not last):
                    break
                end = -1
        if end < 0:
            return False
        at = end
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


@lru_cache(maxsize=256)
def _parse_glob(pattern: str) -> tuple[_Chunk, ...]:
    chunks: list[_Chunk] = []
    at = 0
    while at < len(pattern):
        star = pattern[at] == "*"
        while at < len(pattern) and pattern[at] == "*":
            at += 1
        elements: list[_Element] = []
        while at < len(pattern) and pattern[at] != "*":
            char = pattern[at]
            at += 1
            if char == "[":
                element, at = _parse_class(pattern, at)
                elements.append(element)
            elif char == "?":
                elements.append(_AnyChar)
            elif char == "\\":
                if at >= len(pattern):
                    raise PatternError(pattern, "it ends in a backslash")
                elements.append(pattern[at])
                at += 1
            else:
                elements.append(char)
        chunks.append(_Chunk(star, tuple(elements)))
    return tuple(chunks)


def _parse_class(pattern: str, at: int) -> tuple[_Class, int]:
    """The class whose `[` lies before `at`, and where it ends."""
    negated = pattern.startswith("^", at)
    at += negated
    ranges: list[tuple[str, str]] = []
    while not (ranges and pattern.startswith("]", at)):
        low, at = _class_char(pattern, at)
        high = low
        if pattern.startswith("-", at):
            high, at = _class_char(pattern, at + 1)
        ranges.append((low, high))
    return _Class(tuple(ranges), negated), at + 1


def _class_char(pattern: str, at: int) -> tuple[str, int]:
    if at < len(pattern) and pattern[at] in "-]":
        raise PatternError(pattern, f"unexpected `{pattern[at]}` in `[...]`")
    if pattern.startswith("\\", at):
        at += 1
    if at + 1 >= len(pattern):
        raise PatternError(pattern, "`[` without `]`")
    return pattern[at], at + 1
