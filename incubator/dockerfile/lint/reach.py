"""Which stages a target needs. Pure."""

from __future__ import annotations

from typing import TYPE_CHECKING

from incubator.dockerfile.instructions import named_sources
from incubator.dockerfile.text import lower, nearest
from incubator.errors import DockerfileError

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

    from incubator.dockerfile.instructions import Document
    from incubator.dockerfile.lint.subject import Stage


def find_reached(document: Document, stages: Sequence[Stage], target: str | None) -> tuple[Stage, ...]:
    """The stages that `target` needs, in order; all of them for None.

    Raises `DockerfileError` for a target that is no stage.
    """
    if target is None:
        return tuple(stages)
    found = find_stage(stages, target)
    if found is None:
        names = [stage.name for stage in stages if stage.name]
        near = nearest(lower(target), names)
        last = document.instructions[-1].span
        raise DockerfileError(
            f"there is no stage {target!r}",
            rule="unknown-stage",
            span=last,
            hint=f"did you mean {near}?" if near else f"stages are {', '.join(names) or 'unnamed'}",
        )
    by_name = {str(stage.index): stage for stage in stages} | {
        stage.name: stage for stage in stages if stage.name
    }
    needed: set[int] = set()
    waiting = [found]
    while waiting:
        stage = waiting.pop()
        if stage.index not in needed:
            needed.add(stage.index)
            waiting += _needs(stage, by_name)
    return tuple(stage for stage in stages if stage.index in needed)


def _needs(stage: Stage, by_name: Mapping[str, Stage]) -> Iterator[Stage]:
    if stage.parent:
        yield stage.parent
    for name in named_sources(stage.instructions):
        source = by_name.get(lower(name))
        if source and source.index < stage.index:
            yield source


def find_stage(stages: Iterable[Stage], name: str) -> Stage | None:
    """The last stage of that name, in any case, or the one of that number."""
    found = None
    for stage in stages:
        if stage.name == lower(name) or str(stage.index) == name:
            found = stage
    return found
