"""Ignore rules by the thousand: which of them match a path, without asking each. Pure."""

from __future__ import annotations

import itertools
from typing import TYPE_CHECKING

from incubator.context.automaton import TooMuchError
from incubator.context.goregexp import automaton_of
from incubator.context.pattern import Pattern, PatternError
from incubator.context.prefilter import Prefilter

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

_TOGETHER = 50_000
"""Characters of patterns for one automaton, which bound its tokens. A longer pattern is asked for itself."""
_FEW = 64
"""Patterns of a part that are asked each for itself: with more, all are, by one walk over the path."""
_FEW_CHARACTERS = 4_000
"""And characters of these: a long expression is slow to be made ready."""


class _Part:
    """A part of a long list: its expressions made one automaton."""

    def __init__(self, rules: Sequence[Pattern], start: int, unknown: list[int]) -> None:
        """`start`: the index in the list of the first of `rules`; `unknown`: those that may match any path."""
        indexes: dict[str, list[int]] = {}
        for index, rule in enumerate(rules, start):
            if rule.needs_regexp and len(rule.text) <= _TOGETHER:
                indexes.setdefault(rule.regexp_text, []).append(index)
        self._automaton, known = automaton_of(list(indexes))
        of_text = list(indexes.values())
        self._indexes = [of_text[place] for place in known]
        self._covered = frozenset(itertools.chain.from_iterable(self._indexes))
        self.unknown = self.uncovered(unknown)
        """Those that are still to be asked about any path."""

    def uncovered(self, indexes: list[int]) -> list[int]:
        """Those of which `matching` does not tell: simple, malformed, or never matching."""
        if not self._covered:
            return indexes
        return [index for index in indexes if index not in self._covered]

    def matching(self, path: str, *, also_above: bool) -> list[int]:
        """Which of the others match. Raises `PatternError`."""
        try:
            found = self._automaton.matching(path, also_above=also_above)
        except TooMuchError as error:
            raise PatternError(f"{len(self._indexes)} patterns", str(error)) from error
        return [index for place in found for index in self._indexes[place]]


class LongList:
    """Rules so many that not each is asked about each path."""

    def __init__(self, rules: list[Pattern]) -> None:
        self._rules = rules
        self._prefilter = Prefilter([rule.scanned for rule in rules])
        self._part_of: list[int] = []
        """For each rule the part of the list that it belongs to."""
        self._starts = [0]
        """For each part its first rule, and the number of rules."""
        size = 0
        for index, rule in enumerate(rules):
            if size >= _TOGETHER:
                self._starts.append(index)
                size = 0
            size += len(rule.text)
            self._part_of.append(len(self._starts) - 1)
        self._starts.append(len(rules))
        self._parts: list[_Part | None] = [None] * (len(self._starts) - 1)
        """Those that were needed so far."""
        self._unknown = self._by_part(self._prefilter.unknown)

    def asked(self, path: str, *, also_above: bool) -> tuple[list[int], Callable[[int], bool]]:
        """The indexes, sorted, of all rules that may match `path` (or a folder above it) or be malformed.

        And what tells whether one of them does match. Raises `PatternError`.
        """
        candidates: list[int] = []
        matching: set[int] = set()
        found = self._by_part(self._prefilter.found(path))
        for number in found.keys() | self._unknown.keys():
            own, unknown = found.get(number, []), self._unknown.get(number, [])
            if self._are_few(own, unknown):
                candidates += own + unknown
                continue
            part = self._parts[number]
            if part is None:
                start, end = self._starts[number : number + 2]
                part = self._parts[number] = _Part(self._rules[start:end], start, unknown)
            candidates += part.uncovered(own)
            candidates += part.unknown
            matching.update(part.matching(path, also_above=also_above))
        candidates += matching
        candidates.sort()
        answers: dict[Pattern, bool] = {}

        def answer(index: int) -> bool:
            if index in matching:
                return True
            pattern = self._rules[index]
            if pattern not in answers:
                answers[pattern] = pattern.asked(path, also_above=also_above)
            return answers[pattern]

        return candidates, answer

    def _are_few(self, own: list[int], unknown: list[int]) -> bool:
        """Whether these are better asked each for itself."""
        if len(own) + len(unknown) > _FEW:
            return False
        return sum(len(self._rules[index].text) for index in (*own, *unknown)) <= _FEW_CHARACTERS

    def _by_part(self, indexes: list[int]) -> dict[int, list[int]]:
        by_part: dict[int, list[int]] = {}
        for index in indexes:
            by_part.setdefault(self._part_of[index], []).append(index)
        return by_part
