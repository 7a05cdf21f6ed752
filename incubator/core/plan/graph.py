"""What of a plan has to wait for what. Pure.

A group of steps needs the files of the group before it, and all of each stage it reads from. So a stage that copies
from another one in its last group does all before that beside it.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from incubator.core.plan.model import CopyStep, RunStep, StageSource
from incubator.core.plan.mounts import read_mounts

if TYPE_CHECKING:
    from collections.abc import Iterator

    from incubator.core.plan.model import Group, Origin, Plan, StagePlan, Step


@dataclass(frozen=True, slots=True, kw_only=True)
class Unit:
    """What is done in one go: the group at `position` of the stage with this index, or what ends the stage.

    The end's position is the number of the stage's groups.
    """

    stage: int
    position: int


def end_of(stage: StagePlan) -> Unit:
    """The unit that ends a stage."""
    return Unit(stage=stage.index, position=len(stage.groups))


def dependencies(plan: Plan) -> dict[Unit, frozenset[Unit]]:
    """Each unit of a plan, in the plan's order, with those that have to be done before it.

    Of stages that are not in the plan nobody needs anything.
    """
    ends = {stage.index: end_of(stage) for stage in plan.stages}
    needs: dict[Unit, frozenset[Unit]] = {}
    for stage in plan.stages:
        below = ends[stage.base] if isinstance(stage.base, int) else None
        for position in range(len(stage.groups) + 1):
            unit = Unit(stage=stage.index, position=position)
            sources = stage_sources(stage.groups[position]) if position < len(stage.groups) else ()
            needs[unit] = frozenset(
                {*([below] if below else []), *(ends[index] for index in sources if index in ends)}
            )
            below = unit
    return needs


def chain_of(plan: Plan, stage: StagePlan) -> frozenset[int]:
    """Indices of a stage and of those it stands on."""
    chain = {stage.index}
    while isinstance(stage.base, int):
        stage = plan.stage(stage.base)
        chain.add(stage.index)
    return frozenset(chain)


def stage_sources(group: Group) -> Iterator[int]:
    """Indices of the stages that a group reads files of."""
    for step in group.steps:
        for origin in origins(step):
            if isinstance(origin, StageSource):
                yield origin.index


def origins(step: Step) -> Iterator[Origin | None]:
    """Where a step reads files: None for the context."""
    if isinstance(step, CopyStep):
        yield step.origin
    elif isinstance(step, RunStep):
        yield from (mount.origin for mount in read_mounts(step))
