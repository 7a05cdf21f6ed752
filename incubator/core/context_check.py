"""Whether the context has what a plan wants of it, told before anything is made."""

from __future__ import annotations

from typing import TYPE_CHECKING

from incubator.core.plan.model import CopyStep, RunStep
from incubator.core.plan.mounts import read_mounts
from incubator.errors import InputError, InputErrors

if TYPE_CHECKING:
    from collections.abc import Sequence

    from incubator.core.context import BuildContext
    from incubator.core.plan.model import Plan, Step


def check_sources(plan: Plan, context: BuildContext) -> None:
    """Raise InputErrors for all files that the plan wants of the context and that are not there."""
    faults = []
    for step in plan.steps:
        for source in _of_context(step):
            try:
                context.resolve(source)
            except InputError as error:
                error.span = error.span or step.span
                faults.append(error)
    if faults:
        raise InputErrors(faults)


def _of_context(step: Step) -> Sequence[str]:
    """What a step reads of the context, as far as it can be told beforehand."""
    match step:
        case CopyStep(origin=None, parents=False):
            return step.paths
        case RunStep():
            return [mount.source for mount in read_mounts(step) if mount.origin is None]
        case _:
            return ()
