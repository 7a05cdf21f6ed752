"""Which steps share a layer. Pure."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Collection
from typing import TYPE_CHECKING, Literal

from incubator.core.plan.model import CopyStep, Group, RunStep
from incubator.errors import InputError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from incubator.core.plan.model import Step
    from incubator.dockerfile.instructions import Document, Instruction
    from incubator.request import LayerSplits

Boundaries = Literal["auto"] | Collection[int]
"""Layer splits of which only numbers of instructions are left. Of many a set is asked quicker than a tuple."""

_FILE_KEYWORDS = ("ADD", "COPY", "RUN", "WORKDIR")


def resolve_splits(document: Document, splits: LayerSplits) -> Literal["auto"] | tuple[int, ...]:
    """`splits` as numbers of instructions; where they say nothing, the markers of the file do.

    Raises InputError for a number or a line that the file has not.
    """
    if splits == "auto":
        return "auto"
    if not splits:
        return _marked(document)
    instructions, lines = document.instructions, len(document.source.lines)
    begins = _begins(document)
    numbers = set()
    for split in splits:
        if isinstance(split, int):
            _check_range("", split, len(instructions), "instructions", least=0)
            numbers.add(split)
        else:
            line = int(split.removeprefix("L"))
            _check_range("L", line, lines, "lines", least=1)
            numbers.add(
                _number_at(document, begins, line) or 0
            )  # 0: above all instructions, where no layer ends
    return tuple(sorted(numbers))


def _check_range(prefix: str, split: int, last: int, what: str, *, least: int) -> None:
    if not least <= split <= last:
        raise InputError(
            f"layer split {prefix}{split}: the Dockerfile has {last} {what}",
            hint=f"splits are numbers of instructions, 1 to {last}, counted from the top of the file; "
            "[0] alone puts each stage into one layer"
            if not prefix
            else f"lines are L1 to L{last}: the layer ends after the instruction there, or the last one above it",
        )


def _begins(document: Document) -> list[int]:
    """The first lines of the instructions, in order."""
    return [instruction.node.first_line for instruction in document.instructions]


def _number_at(document: Document, begins: Sequence[int], line: int) -> int | None:
    """Number of the instruction on a line, or of the last one above it."""
    position = bisect_right(begins, line)
    return document.instructions[position - 1].number if position else None


def _marked(document: Document) -> tuple[int, ...]:
    """Numbers of the instructions behind which the file's markers end a layer; `()` where it has none.

    A stage without markers is as if the file had none: a layer for each of its instructions that changes files.
    """
    if not document.markers:
        return ()
    ends = set()
    begins = _begins(document)
    for marker in document.markers:
        number = _number_at(document, begins, marker.span.first_line)
        if marker.valid and number:
            inside = document.instructions[number - 1].span.last_line >= marker.span.first_line
            ends |= set() if inside else {number}
    if not ends:
        return ()
    for stage in _stages(document):
        numbers = {instruction.number for instruction in stage}
        if not numbers & ends:
            ends |= {one.number for one in stage if one.keyword in _FILE_KEYWORDS}
    return tuple(sorted(ends))


def _stages(document: Document) -> list[list[Instruction]]:
    stages: list[list[Instruction]] = [[]]
    for instruction in document.instructions:
        if instruction.keyword == "FROM":
            stages.append([])
        stages[-1].append(instruction)
    return stages


def group_steps(steps: Sequence[Step], splits: Boundaries) -> tuple[Group, ...]:
    """Cut the steps of one stage into groups, in order; no group is empty.

    Triggers of a base count as its FROM. The end of the stage is always a boundary.
    """
    groups: list[list[Step]] = [[]]
    for position, step in enumerate(steps):
        if splits == "auto" and _reads_elsewhere(step) and groups[-1]:
            groups.append([])
        groups[-1].append(step)
        following = steps[position + 1] if position + 1 < len(steps) else None
        if _boundary_after(step, following, splits):
            groups.append([])
    return tuple(Group(steps=tuple(group)) for group in groups if group)


def _boundary_after(step: Step, following: Step | None, splits: Boundaries) -> bool:
    if splits == "auto":
        return False
    if not splits:
        return step.changes_files
    # Several triggers of one FROM bear its number: the boundary is behind the last of them.
    number = step.instruction.number
    return number in splits and (following is None or following.instruction.number != number)


def _reads_elsewhere(step: Step) -> bool:
    return isinstance(step, CopyStep) and (step.origin is not None or bool(step.sources))


def segments(group: Group) -> tuple[Group, ...]:
    """The group cut into pieces that can share a container: RUNs of one piece have the same mounts and rights.

    What copies files is never in a container with mounts, which could hide where the files go.
    """
    pieces: list[list[Step]] = []
    kind: tuple[object, ...] | None = None
    for step in group.steps:
        own = (step.mounts, step.network, step.insecure) if isinstance(step, RunStep) else None
        fits = own is None or kind is None or own == kind
        if not step.changes_files and pieces:
            pieces[-1].append(step)
            continue
        if own is None and kind is not None and kind[0]:
            fits = False
        if (
            own is not None
            and own[0]
            and pieces
            and kind is None
            and any(s.changes_files for s in pieces[-1])
        ):
            fits = False
        if not pieces or not fits:
            pieces.append([])
            kind = None
        pieces[-1].append(step)
        kind = own if own is not None else kind
    return tuple(Group(steps=tuple(piece)) for piece in pieces)
