"""Ignore patterns and source globs, as the engine understands them. Pure.

Two languages that look alike: ignore files and `--exclude` follow moby/patternmatcher (`PatternMatcher`), the
sources of COPY and ADD follow Go's `path/filepath.Match` (`match_glob`). Neither can blow up on any input.
"""

from __future__ import annotations

import itertools
import posixpath
import re
from dataclasses import dataclass, field
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
from incubator.context.prefilter import Prefilter
from incubator.errors import InputError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

_BLANKS = " \t\n\v\f\r\x85\xa0"
"""What Go's strings.TrimSpace takes off, as far as a line of an ignore file can hold it."""
_BOM = "\ufeff"

MatchInfo = frozenset[int]
"""Which rules of a matcher matched a folder or one above it: few, where an ignore file has many."""


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

    def asked(self, path: str, *, also_above: bool) -> bool:
        """`matches_or_above` or `matches`."""
        return self.matches_or_above(path) if also_above else self.matches(path)

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
_FEW = 64
"""Expressions of a part that are asked each for itself, before all of them are made one automaton."""


class _Together:
    """A part of a long list; when many of its expressions have been asked, all are, with one walk over a path."""

    def __init__(self) -> None:
        self.patterns: dict[Pattern, None] = {}
        self.unknown: dict[Pattern, list[int]] = {}
        """Where in the list those stand of which only their expression can tell."""
        self._asked: set[Pattern] = set()
        self._automaton: Automaton | None = None
        self._order: list[Pattern] = []
        self._known: frozenset[Pattern] = frozenset()
        self._rest: dict[Pattern, list[int]] = {}

    def serves(self, pattern: Pattern) -> bool:
        """True if `matching` tells about `pattern`. Raises `PatternError` if that is malformed."""
        if pattern.regexp is None:
            return False
        if self._automaton is None:  # of two threads both may come here, and make the same
            self._asked.add(pattern)
            if len(self._asked) <= _FEW:
                return False
            self._order, made = self._made()
            self._known = frozenset(self._order)
            self._rest = {pattern: at for pattern, at in self.unknown.items() if pattern not in self._known}
            self._automaton = made
        return pattern in self._known

    @property
    def is_ready(self) -> bool:
        """True once all expressions are asked together."""
        return self._automaton is not None

    def is_too_much(self, path: str) -> bool:
        """True if `matching` would raise: left to when one of its patterns has to be asked."""
        return self._automaton is not None and self._automaton.is_too_much(len(path))

    def candidates(self, matching: set[Pattern]) -> Iterable[list[int]]:
        """Where the unknown ones stand of which `matching` does not say that they do not match."""
        yield from self._rest.values()
        for pattern in matching & self.unknown.keys():
            yield self.unknown[pattern]

    def matching(self, path: str, *, also_above: bool) -> set[Pattern]:
        """Which of those it serves match. Raises `PatternError`."""
        assert self._automaton
        try:
            found = self._automaton.matching(path, also_above=also_above)
        except RegexpError as error:
            raise PatternError(f"{len(self.patterns)} patterns", str(error)) from error
        return {self._order[place] for place in found}

    def _made(self) -> tuple[list[Pattern], Automaton]:
        order: list[Pattern] = []
        tokens: list[tuple[Token, ...]] = []
        for pattern in self.patterns:
            try:
                regexp = pattern.regexp
            except PatternError:
                continue  # whoever comes to ask this one is told
            if regexp and not regexp.impossible and regexp.size <= _TOGETHER:
                order.append(pattern)
                tokens.append(regexp.tokens)
        return order, Automaton(tokens)


class _LongList:
    """Rules so many that not each is asked about each path."""

    def __init__(self, rules: list[Pattern]) -> None:
        self._rules = rules
        self._prefilter = Prefilter([rule.text for rule in rules])
        self._parts: list[_Together] = []
        """For each rule the part of the list that it belongs to."""
        part, size = _Together(), 0
        for rule in rules:
            if size >= _TOGETHER:
                part, size = _Together(), 0
            size += len(rule.text)
            part.patterns[rule] = None
            self._parts.append(part)
        for index in self._prefilter.unknown:
            self._parts[index].unknown.setdefault(rules[index], []).append(index)
        self._with_unknown = [part for part in dict.fromkeys(self._parts) if part.unknown]

    def asked(self, path: str, *, also_above: bool) -> tuple[list[int], Callable[[int], bool]]:
        """The indexes, sorted, of all rules that may match `path` (or a folder above it) or be malformed.

        And what tells whether one of them does match.
        """
        found: dict[_Together, set[Pattern]] = {}
        answers: dict[Pattern, bool] = {}
        candidates = self._prefilter.found(path)
        for part in self._with_unknown:
            if part.is_ready and not part.is_too_much(path):
                found[part] = part.matching(path, also_above=also_above)
                candidates += itertools.chain.from_iterable(part.candidates(found[part]))
            else:
                candidates += itertools.chain.from_iterable(part.unknown.values())
        candidates.sort()

        def answer(index: int) -> bool:
            pattern, part = self._rules[index], self._parts[index]
            if pattern not in answers:
                if part.serves(pattern):
                    if part not in found:
                        found[part] = part.matching(path, also_above=also_above)
                    answers[pattern] = pattern in found[part]
                else:
                    answers[pattern] = pattern.asked(path, also_above=also_above)
            return answers[pattern]

        return candidates, answer


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

    __slots__ = ("_is_long", "_long", "_rules", "has_exclusions", "patterns")

    def __init__(self, patterns: Iterable[str]) -> None:
        self.patterns: list[Pattern] = []
        """A text that comes again is the same object again."""
        self._rules: list[Pattern] = []
        """The same without what cannot change an answer."""
        made: dict[str, Pattern | None] = {}
        run: set[Pattern] = set()
        for raw in patterns:
            if raw not in made:
                made[raw] = _made_pattern(raw)
            pattern = made[raw]
            if pattern is None:
                continue
            if self._rules and self._rules[-1].exclusion != pattern.exclusion:
                run.clear()
            # With none of the other sort between them, the second of two that are the same is never decisive.
            if pattern not in run:
                run.add(pattern)
                self._rules.append(pattern)
            self.patterns.append(pattern)
        self._is_long = sum(len(rule.text) for rule in self._rules) > _ALONE and len(self._rules) > 1
        self._long: _LongList | None = None
        self.has_exclusions = any(rule.exclusion for rule in self._rules)

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
        for pattern in self._rules:
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
        candidates, ask = self._asked(path, also_above=True)
        for index in candidates:
            if self._rules[index].exclusion == matched and ask(index):
                matched = not matched
        return matched and path != "."

    def match_below(self, path: str, parent: MatchInfo | None) -> tuple[bool, MatchInfo]:
        """The same question while walking down: `parent` is the info of the folder above, None at the top.

        Returns the answer and the info to pass on for what lies below `path`.
        """
        above = parent or frozenset()
        matched = False
        hits = []
        candidates, ask = self._asked(path, also_above=False)
        for index in sorted([*candidates, *above]) if above else candidates:
            exclusion = self._rules[index].exclusion
            if index in above or (exclusion == matched and ask(index)):
                hits.append(index)
                matched = not exclusion
        info = frozenset(hits)
        return matched, above if info == above else info  # one object for all that is below an ignored folder

    def _asked(self, path: str, *, also_above: bool) -> tuple[Sequence[int], Callable[[int], bool]]:
        """The indexes of rules that may match, and what tells whether they do (or match a folder above)."""
        rules = self._rules
        if not self._is_long:
            return range(len(rules)), lambda index: rules[index].asked(path, also_above=also_above)
        if self._long is None:
            self._long = _LongList(rules)
        return self._long.asked(path, also_above=also_above)

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
        for pattern in self._rules:
            if pattern.exclusion:
                prefix = pattern.prefix
                if prefix is None or (prefix + "/").startswith(folder + "/"):
                    return True
        return False

    def may_match_below(self, folder: str) -> bool:
        """False if surely no pattern matches anything below `folder`, which does not match itself."""
        for pattern in self._rules:
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
            self._automatons[starred] = Automaton([tokens])
        return self._automatons[starred]


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


_GLOB_CHAR = r"(?:\\.|[^]\\-])"
_GLOB_MEMBERS = rf"(?:{_GLOB_CHAR}(?:-{_GLOB_CHAR})?)"
_GLOB_MEMBER = re.compile(rf"({_GLOB_CHAR})(?:-({_GLOB_CHAR}))?", re.DOTALL)
_GLOB_ITEM = re.compile(rf"[^*\[\\]|\\.|\[\^?+{_GLOB_MEMBERS}++\]", re.DOTALL)
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
