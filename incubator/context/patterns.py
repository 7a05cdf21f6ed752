"""Ignore patterns and source globs, as the engine understands them. Pure.

Two languages that look alike: ignore files and `--exclude` follow moby/patternmatcher (`PatternMatcher`), the
sources of COPY and ADD follow Go's `path/filepath.Match` (`match_glob`). Neither can blow up on any input.
"""

from __future__ import annotations

import posixpath
import re
from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING, Literal

from incubator.context.goregexp import (
    NOT_SLASH,
    Automaton,
    CharSet,
    CodeRange,
    Regexp,
    RegexpError,
    Token,
    compile_regexp,
    literal,
    merged,
)
from incubator.errors import InputError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

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
            count = len(compiled.parts)
            return _parts_match(compiled.parts, path.split("/", count)[:count])
        return self._ask(path, also_above=True)

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
            return _parts_match(compiled.parts, path.split("/", len(compiled.parts)))
        return self._ask(path, also_above=False)

    @property
    def regexp(self) -> Regexp | None:
        """Its expression, None where something simpler will do. Raises `PatternError`."""
        return self._compile().regexp

    def _ask(self, path: str, *, also_above: bool) -> bool:
        regexp = self.regexp
        assert regexp
        try:
            return regexp.matches(path, also_above=also_above)
        except RegexpError as error:
            raise PatternError(self.text, str(error)) from error

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


_WILD = re.compile(r"[*?\[\]\\]")
_BEYOND_STARS = re.compile(r"[?\[\]^\\]")


def _compile(pattern: str) -> _Compiled:
    """The cheapest exact form of a cleaned pattern; its kinds are those of the engine's matcher."""
    if pattern.startswith("**") and not _WILD.search(pattern, 2):
        return _Compiled("suffix", pattern[2:])
    if not _WILD.search(pattern):
        return _Compiled("exact", pattern)
    if pattern.endswith("**") and not _WILD.search(pattern, 0, len(pattern) - 2):
        return _Compiled("prefix", pattern[:-2])
    if "**" not in pattern and not _BEYOND_STARS.search(pattern):
        # Nothing has to be compiled, which matters where an ignore file has thousands of lines.
        return _Compiled("parts", parts=tuple(tuple(part.split("*")) for part in pattern.split("/")))
    try:
        return _Compiled("regexp", regexp=compile_regexp(_to_regexp(pattern)))
    except RegexpError as error:
        raise PatternError(pattern, str(error)) from error


def _parts_match(parts: tuple[tuple[str, ...], ...], path: list[str]) -> bool:
    return len(parts) == len(path) and all(map(_part_matches, parts, path))


def _part_matches(pieces: tuple[str, ...], name: str) -> bool:
    """True if `name` is `pieces` with anything between them."""
    first, last = pieces[0], pieces[-1]
    if len(pieces) == 1:
        return name == first
    end = len(name) - len(last)
    at = len(first)
    if end < at or not name.startswith(first) or not name.endswith(last):
        return False
    for piece in pieces[1:-1]:
        found = name.find(piece, at, end)
        if found < 0:
            return False
        at = found + len(piece)
    return True


_SPECIAL = re.compile(r"\*\*/?|[*?.+()|{}$]|\\.", re.DOTALL)
_TRANSLATED = str.maketrans({char: "\\" + char for char in ".+()|{}$"} | {"*": "[^/]*", "?": "[^/]"})


def _to_regexp(pattern: str) -> str:
    """The text of the Go expression, without `^` and `$`, that the engine makes of `pattern`."""

    def translated(found: re.Match[str]) -> str:
        text = found.group()
        if text.startswith("**"):
            return "(.*/)?" if found.end() < len(pattern) else ".*"
        if text.startswith("\\"):
            return text
        return text.translate(_TRANSLATED)

    if "**" not in pattern and "\\" not in pattern:
        return pattern.translate(_TRANSLATED)  # the same, quicker
    return _SPECIAL.sub(translated, pattern)


_ALONE = 16_000
"""Characters of patterns up to which each is asked for itself. `re` is faster then, but slow to be made ready."""
_TOGETHER = 50_000
"""Characters of patterns for one automaton, which bound its tokens. A longer pattern is asked for itself."""


class _Together:
    """A part of a long list, made ready when first asked; its expressions are asked with one walk over a path."""

    def __init__(self) -> None:
        self.patterns: list[tuple[int, Pattern]] = []
        self._automaton: Automaton | None = None
        self._order: list[list[int]] = []
        self.indexes: frozenset[int] = frozenset()
        """Those it can tell about, once asked."""

    def matching(self, path: str, *, also_above: bool) -> set[int]:
        """Which of `indexes` match. Raises `RegexpError`."""
        if self._automaton is None:  # of two threads both may come here, and make the same
            self._order, made = self._made()
            self.indexes = frozenset(index for indexes in self._order for index in indexes)
            self._automaton = made
        found = self._automaton.matching(path, also_above=also_above)
        return {index for place in found for index in self._order[place]}

    def _made(self) -> tuple[list[list[int]], Automaton]:
        of_pattern: dict[Pattern, list[int]] = {}
        for index, pattern in self.patterns:
            of_pattern.setdefault(pattern, []).append(index)
        order: list[list[int]] = []
        tokens: list[tuple[Token, ...]] = []
        for pattern, indexes in of_pattern.items():
            try:
                regexp = pattern.regexp
            except PatternError:
                continue  # whoever comes to ask this one is told
            if regexp and not regexp.impossible and len(regexp.tokens) <= _TOGETHER:
                order.append(indexes)
                tokens.append(regexp.tokens)
        return order, Automaton(tokens)


def _parts(patterns: list[Pattern]) -> list[_Together]:
    """For each pattern the part of the list that it belongs to."""
    parts = [_Together()]
    of = []
    size = 0
    for index, pattern in enumerate(patterns):
        if size >= _TOGETHER:
            parts.append(_Together())
            size = 0
        size += len(pattern.text)
        parts[-1].patterns.append((index, pattern))
        of.append(parts[-1])
    return of


def _made_pattern(raw: str) -> Pattern | None:
    """The pattern of a line, None for a blank one. Raises `PatternError`."""
    text = raw.strip(_BLANKS)
    if not text:
        return None
    text = clean_path(text)
    if text == "!":
        raise PatternError(text, "`!` needs a pattern after it")
    pattern = Pattern(text)
    if not _SOUND.fullmatch(pattern.text):
        _parse_glob(pattern.text)  # says what is wrong
    return pattern


class PatternMatcher:
    """A list of ignore patterns; later ones win, and `!` takes back.

    Paths are relative, with slashes. Raises `PatternError` for a malformed pattern: most when made, some only
    when such a pattern is first compared with a path, as the engine does.
    """

    __slots__ = ("_is_long", "_parts", "has_exclusions", "patterns")

    def __init__(self, patterns: Iterable[str]) -> None:
        self.patterns: list[Pattern] = []
        """A text that comes again is the same object again."""
        self._parts: list[_Together] | None = None
        made: dict[str, Pattern | None] = {}
        for raw in patterns:
            if raw not in made:
                made[raw] = _made_pattern(raw)
            pattern = made[raw]
            if pattern:
                self.patterns.append(pattern)
        self._is_long = (
            sum(len(pattern.text) for pattern in self.patterns) > _ALONE and len(self.patterns) > 1
        )
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
        ask = self._asked(path, also_above=True)
        for index, pattern in enumerate(self.patterns):
            if pattern.exclusion == matched and ask(index):
                matched = not pattern.exclusion
        return matched and path != "."

    def match_below(self, path: str, parent: MatchInfo | None) -> tuple[bool, MatchInfo]:
        """The same question while walking down: `parent` is the info of the folder above, None at the top.

        Returns the answer and the info to pass on for what lies below `path`.
        """
        matched = False
        info = []
        ask = self._asked(path, also_above=False)
        for index, pattern in enumerate(self.patterns):
            hit = parent is not None and parent[index]
            if not hit and pattern.exclusion == matched:
                hit = ask(index)
            info.append(hit)
            if hit:
                matched = not pattern.exclusion
        return matched, tuple(info)

    def _asked(self, path: str, *, also_above: bool) -> Callable[[int], bool]:
        """What tells of the index of a pattern whether it matches `path` (or a folder above it)."""
        patterns = self.patterns

        def alone(index: int) -> bool:
            return patterns[index].matches_or_above(path) if also_above else patterns[index].matches(path)

        if not self._is_long:
            return alone
        if self._parts is None:
            self._parts = _parts(patterns)
        parts = self._parts
        found: dict[_Together, set[int]] = {}
        answers: dict[Pattern, bool] = {}

        def together(index: int) -> bool:
            part = parts[index]
            if part not in found:
                try:
                    found[part] = part.matching(path, also_above=also_above)
                except RegexpError as error:
                    raise PatternError(f"{len(part.patterns)} patterns", str(error)) from error
            if index in part.indexes:
                return index in found[part]
            pattern = patterns[index]
            if pattern not in answers:
                answers[pattern] = alone(index)
            return answers[pattern]

        return together

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


_SOUND = re.compile(r"(?:[^\\\[]|\\.|\[\^?(?:[^]\[\\^-](?:-[^]\[\\^-])?)+\])*+", re.DOTALL)
"""Matches only what `_parse_glob` has nothing to say about, for speed."""


@dataclass(frozen=True, slots=True)
class _Chunk:
    """What lies between two stars: `star` if one comes before it, then single characters."""

    star: bool
    tokens: tuple[Token, ...]

    def end(self, name: str, at: int, *, last: bool) -> int:
        """Where its first match in `name` from `at` on ends, -1 where there is none; `last`: at the very end."""
        length = len(self.tokens)
        if not self.star or last:
            start = len(name) - length if last else at
            if start < at or start + length > len(name) or (start > at and not self.star):
                return -1
            if "/" in name[at:start]:
                return -1
            return start + length if _automaton(self.tokens).matching(name[start : start + length]) else -1
        for end, found in enumerate(_automaton((Token(NOT_SLASH, "many"), *self.tokens)).walk(name, at), at):
            if found:
                return end
        return -1


@lru_cache(maxsize=256)
def _automaton(tokens: tuple[Token, ...]) -> Automaton:
    return Automaton([tokens])


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
        except RegexpError as error:
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


_ANY = Token(NOT_SLASH)


@lru_cache(maxsize=256)
def _parse_glob(pattern: str) -> tuple[_Chunk, ...]:
    chunks: list[_Chunk] = []
    at = 0
    while at < len(pattern):
        star = pattern[at] == "*"
        while at < len(pattern) and pattern[at] == "*":
            at += 1
        tokens: list[Token] = []
        while at < len(pattern) and pattern[at] != "*":
            char = pattern[at]
            at += 1
            if char == "[":
                chars, at = _parse_class(pattern, at)
                tokens.append(Token(chars))
            elif char == "?":
                tokens.append(_ANY)
            elif char == "\\":
                if at >= len(pattern):
                    raise PatternError(pattern, "it ends in a backslash")
                tokens.append(literal(pattern[at]))
                at += 1
            else:
                tokens.append(literal(char))
        chunks.append(_Chunk(star, tuple(tokens)))
    return tuple(chunks)


def _parse_class(pattern: str, at: int) -> tuple[CharSet, int]:
    """The class whose `[` lies before `at`, and where it ends."""
    negated = pattern.startswith("^", at)
    at += negated
    ranges: list[CodeRange] = []
    is_first = True
    while is_first or not pattern.startswith("]", at):
        low, at = _class_char(pattern, at)
        high = low
        if pattern.startswith("-", at):
            high, at = _class_char(pattern, at + 1)
        is_first = False
        if low <= high:  # Go takes a range the wrong way round as an empty one
            ranges.append((ord(low), ord(high)))
    return CharSet(merged(ranges), negated), at + 1


def _class_char(pattern: str, at: int) -> tuple[str, int]:
    if at < len(pattern) and pattern[at] in "-]":
        raise PatternError(pattern, f"unexpected `{pattern[at]}` in `[...]`")
    if pattern.startswith("\\", at):
        at += 1
    if at + 1 >= len(pattern):
        raise PatternError(pattern, "`[` without `]`")
    return pattern[at], at + 1
