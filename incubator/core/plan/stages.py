"""The stages of a file as written: which there are, what they are called, how deep they stand on each other. Pure."""

from __future__ import annotations

import difflib
from bisect import bisect_left
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from incubator.dockerfile import instructions as ins
from incubator.errors import InputError

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

_MOST_NAMES: Final = 50
"""Names that are looked at for one that is nearly the one asked for, and that an error lists."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Stage:
    """A stage as written: its FROM and what follows. `name` is the alias or `stage-N`."""

    index: int
    head: ins.FromInstruction
    body: tuple[ins.Instruction, ...]

    @property
    def name(self) -> str:
        """What logs and `target` call it."""
        return self.head.alias or f"stage-{self.index}"


def split_stages(document: ins.Document) -> tuple[Stage, ...]:
    """The stages of a file in order; at least one."""
    stages: list[tuple[ins.FromInstruction, list[ins.Instruction]]] = []
    for instruction in document.instructions:
        if isinstance(instruction, ins.FromInstruction):
            stages.append((instruction, []))
        elif stages:
            stages[-1][1].append(instruction)
    return tuple(Stage(index=i, head=head, body=tuple(body)) for i, (head, body) in enumerate(stages))


def find_target(stages: tuple[Stage, ...], target: str | None) -> Stage:
    """The stage to build: by name, or the last. Raises InputError; a number is no name here, as with BuildKit."""
    if target is None or target == "":
        return stages[-1]
    for stage in reversed(stages):
        if stage.head.alias and stage.head.alias.lower() == target.lower():
            return stage
    raise InputError(f"there is no stage {target!r} in the Dockerfile", hint=stage_hint(target, stages))


def find_filtered(stages: tuple[Stage, ...], filters: Sequence[str]) -> frozenset[int]:
    """Indexes of the stages that `filters` name, each by name or number. Raises InputError."""
    found = set()
    for name in filters:
        if name.isascii() and name.isdigit() and int(name) < len(stages):
            found.add(int(name))
            continue
        try:
            found.add(find_target(stages, name).index)
        except InputError as error:
            hint = stage_hint(name, stages, numbered=True)
            raise InputError(f"no-cache-filter: {error.message}", hint=hint) from None
    return frozenset(found)


def stage_hint(name: str, stages: Sequence[Stage], *, numbered: bool = False) -> str:
    """What to say where no stage is called `name`. `numbered`: those without a name go by their numbers."""
    close = close_stage(name, stages)
    if close:
        return f"did you mean {close}?"
    last = stages[-_MOST_NAMES:]
    given = [stage.head.alias or (str(stage.index) if numbered else "") for stage in last]
    names = [name for name in given if name]
    return f"stages are {', '.join(names)}" if names else "no stage has a name: add AS NAME to its FROM"


def close_stage(name: str, stages: Sequence[Stage]) -> str | None:
    """The one of the last stages whose name is most like `name`; None where none is."""
    aliases = (stage.head.alias for stage in stages[-_MOST_NAMES:])
    names = {alias.lower(): alias for alias in aliases if alias}
    close = difflib.get_close_matches(name.lower(), names, n=1)
    return names[close[0]] if close else None


class StageNames:
    """Finds stages by their names, which several may share."""

    def __init__(self, stages: Sequence[Stage]) -> None:
        self._indexes: dict[str, list[int]] = {}
        for stage in stages:
            if stage.head.alias:
                self._indexes.setdefault(stage.head.alias.lower(), []).append(stage.index)

    def last(self, name: str, before: int) -> int | None:
        """Index of the last stage above `before` of that name, given in lower case: BuildKit keeps them so."""
        indexes = self._indexes.get(name, [])
        position = bisect_left(indexes, before)
        return indexes[position - 1] if position else None


def needed_stages(target: int, needs: Callable[[int], Sequence[int]]) -> tuple[list[int], int]:
    """Indexes of the stages that `target` needs and its own, sorted, and how many of them are one on another at most.

    `needs` are the stages that one needs itself, all of them above it.
    """
    found: dict[int, Sequence[int]] = {}
    waiting = [target]
    while waiting:
        index = waiting.pop()
        if index not in found:
            found[index] = needs(index)
            waiting += found[index]
    heights: dict[int, int] = {}
    for index in sorted(found):
        heights[index] = 1 + max((heights[below] for below in found[index]), default=0)
    return sorted(found), heights[target]
