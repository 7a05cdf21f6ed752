"""Ignore files and `--exclude`, as the engine understands them: moby/patternmatcher. Pure.

The sources of COPY and ADD follow a language that looks alike: see `globs`. Neither can blow up on any input.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from incubator.context.globs import check_glob
from incubator.context.longlist import LongList
from incubator.context.pattern import BOM, Pattern, PatternError, clean_path

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

_BLANKS = (
    " \t\n\v\f\r\x85\xa0\u1680\u2000\u2001\u2002\u2003\u2004\u2005\u2006\u2007\u2008\u2009\u200a\u2028\u2029"
    "\u202f\u205f\u3000"
)
"""What Go's strings.TrimSpace takes off: what Unicode calls white space. Python's strip takes more."""

MatchInfo = frozenset[int]
"""Which rules of a matcher matched a folder or one above it: few, where an ignore file has many."""


def parse_ignore_file(text: str) -> list[str]:
    """The patterns of an ignore file in order: no comments, no blank lines, paths cleaned, leading `/` gone.

    Follows moby/patternmatcher, ignorefile. A lone `!` is kept: `PatternMatcher` refuses it.
    """
    patterns = []
    for number, raw in enumerate(text.split("\n")):
        line = raw.removeprefix(BOM) if number == 0 else raw
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


_ALONE = 16_000
"""Characters of patterns up to which each is asked for itself. `re` is faster then, but slow to be made ready."""


def _made_pattern(raw: str) -> Pattern | None:
    """The pattern of a line, None for a blank one. Raises `PatternError`."""
    text = raw.strip(_BLANKS)
    if not text:
        return None
    text = clean_path(text)
    if text == "!":
        raise PatternError(text, "`!` needs a pattern after it")
    pattern = Pattern(text)
    check_glob(pattern.text)
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
        self._long: LongList | None = None
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
            self._long = LongList(rules)
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
