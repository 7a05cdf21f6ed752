"""One pattern of an ignore file or of `--exclude`, as moby/patternmatcher understands it. Pure."""

from __future__ import annotations

import posixpath
import re
from dataclasses import dataclass
from typing import Literal

from incubator.context.automaton import TooMuchError
from incubator.context.goregexp import Regexp, RegexpError, compile_regexp
from incubator.errors import InputError

BOM = "\ufeff"


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
    if "/" not in path:
        return path or "."
    cleaned = posixpath.normpath(path)
    return cleaned[1:] if cleaned.startswith("//") else cleaned


class Pattern:
    """One pattern of a `PatternMatcher`, compiled when it is first asked."""

    __slots__ = ("_compiled", "exclusion", "text")

    def __init__(self, text: str) -> None:
        self.exclusion = text.startswith("!")
        self.text = text[1:] if self.exclusion else text
        self._compiled: _Compiled | None = None

    @property
    def needs_regexp(self) -> bool:
        """True if nothing simpler than a regular expression tells what it matches."""
        if self._compiled is None:
            self._compiled = _simple(self.text)
        return self._compiled is None or self._compiled.kind == "regexp"

    @property
    def scanned(self) -> str:
        """What a scanner of Go makes of the text: it skips a byte order mark at the beginning."""
        return self.text.removeprefix(BOM)

    @property
    def regexp_text(self) -> str:
        """That expression, as Go would be given it, without `^` and `$`."""
        return _to_regexp(self.scanned)

    def _compile(self) -> _Compiled:
        if self._compiled is None:
            self._compiled = _simple(self.text) or _compiled(self.text)
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

    def asked(self, path: str, *, also_above: bool) -> bool:
        """`matches_or_above` or `matches`."""
        return self.matches_or_above(path) if also_above else self.matches(path)

    def _ask(self, path: str, *, also_above: bool) -> bool:
        regexp = self._compile().regexp
        assert regexp
        try:
            return regexp.matches(path, also_above=also_above)
        except TooMuchError as error:
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


def _simple(pattern: str) -> _Compiled | None:
    """The cheapest exact form of a cleaned pattern, None if it needs an expression.

    Its kinds are those of the engine's matcher, which looks at what is scanned, and then compares the whole text.
    """
    scanned = pattern.removeprefix(BOM)
    if scanned.startswith("**") and not _WILD.search(scanned, 2):
        # It takes two bytes off; of a mark one is left, which only a name that is no UTF-8 has.
        return _Compiled("suffix", pattern[2:] if scanned == pattern else f"\udcbf{scanned}")
    if not _WILD.search(pattern):
        return _Compiled("exact", pattern)
    if pattern.endswith("**") and not _WILD.search(pattern, 0, len(pattern) - 2):
        return _Compiled("prefix", pattern[:-2])
    if "**" not in scanned and not _BEYOND_STARS.search(scanned):
        # Nothing has to be compiled, which matters where an ignore file has thousands of lines.
        return _Compiled("parts", parts=tuple(tuple(part.split("*")) for part in scanned.split("/")))
    return None


def _compiled(pattern: str) -> _Compiled:
    try:
        return _Compiled("regexp", regexp=compile_regexp(_to_regexp(pattern.removeprefix(BOM))))
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
_ESCAPE = re.compile(r"(\\.)", re.DOTALL)
_TO_TRANSLATE = re.compile(r"[*?.+()|{}$]")
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

    # Mostly there is a quicker way to the same.
    if not _TO_TRANSLATE.search(pattern):
        return pattern
    if "**" not in pattern:
        if "\\" not in pattern:
            return pattern.translate(_TRANSLATED)
        pieces = _ESCAPE.split(pattern)
        pieces[::2] = [piece.translate(_TRANSLATED) for piece in pieces[::2]]
        return "".join(pieces)
    return _SPECIAL.sub(translated, pattern)
