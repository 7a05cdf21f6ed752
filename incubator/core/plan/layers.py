"""Which steps share a layer. Pure."""

from __future__ import annotations

from typing import TYPE_CHECKING

from incubator.core.plan.model import CopyStep, Group
from incubator.errors import InputError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from incubator.core.plan.model import Step
    from incubator.request import LayerSplits


def check_splits(splits: LayerSplits, instructions: int) -> None:
    """Raise InputError for a split behind the last of the file's `instructions`."""
    if splits == "auto":
        return
    beyond = [number for number in splits if not 0 <= number <= instructions]
    if beyond:
        raise InputError(
            f"layer split {beyond[0]}: the Dockerfile has {instructions} instructions",
            hint=f"splits are numbers of instructions, 1 to {instructions}, counted from the top of the file; "
            "[0] alone puts each stage into one layer",
        )


def group_steps(steps: Sequence[Step], splits: LayerSplits) -> tuple[Group, ...]:
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


def _boundary_after(step: Step, following: Step | None, splits: LayerSplits) -> bool:
    if splits == "auto":
        return False
    if not splits:
        return step.changes_files
    # Several triggers of one FROM bear its number: the boundary is behind the last of them.
    number = step.instruction.number
    return number in splits and (following is None or following.instruction.number != number)


def _reads_elsewhere(step: Step) -> bool:
    return isinstance(step, CopyStep) and (step.origin is not None or bool(step.sources))
