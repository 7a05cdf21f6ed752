"""Whether the context has what a plan wants of it, told before anything is made."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

from incubator.context.directory import DirectoryContext
from incubator.core.plan.model import CopyStep, RunStep
from incubator.core.plan.mounts import read_mounts
from incubator.errors import InputError, InputErrors

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from incubator.core.context import BuildContext
    from incubator.core.plan.model import Plan, Step
    from incubator.request import CacheSource, CacheTarget


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


def exposed_caches(
    plan: Plan, context: BuildContext, caches: Iterable[CacheSource | CacheTarget]
) -> Iterator[str]:
    """Texts of warnings about folders of caches that the plan reads as files of the context."""
    if not isinstance(context, DirectoryContext):
        return
    root = context.root.resolve()
    read = [
        match.path
        for step in plan.steps
        if not (isinstance(step, CopyStep) and step.exclude)
        for source in _of_context(step)
        for match in context.resolve(source)
    ]
    for place in dict.fromkeys(cache.place for cache in caches):
        if not isinstance(place, Path) or not place.resolve().is_relative_to(root):
            continue
        path = os.fspath(place.resolve().relative_to(root))
        ignored = context.ignore and context.ignore.matches_or_parent_matches(path)
        if not ignored and any(above in {"", path} or path.startswith(f"{above}/") for above in read):
            advice = "give it a folder of its own" if path == "." else f"write {path} into .dockerignore"
            yield (
                f"the folder {os.fspath(place)!r} of a cache is copied from the context, so a build never finds what "
                f"the one before has left: {advice}"
            )


def _of_context(step: Step) -> Sequence[str]:
    """What a step reads of the context, as far as it can be told beforehand."""
    match step:
        case CopyStep(origin=None, parents=False):
            return step.paths
        case RunStep():
            return [mount.source for mount in read_mounts(step) if mount.origin is None]
        case _:
            return ()
