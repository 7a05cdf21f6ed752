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
    by_name = _by_name(stages)
    needed: set[int] = set()
    waiting = [found]
    while waiting:
        stage = waiting.pop()
        if stage.index not in needed:
            needed.add(stage.index)
            waiting += _needs(stage, by_name)
    return tuple(stage for stage in stages if stage.index in needed)


def find_kept(stages: Sequence[Stage], target: str | None) -> frozenset[int]:
    """The stages whose layers are in an image: of `target`, which is there, and of those it stands on.

    For None that is the last stage, and each other that no stage uses. Such a one may be a product too, or a test of
    what another builds: what it stands on counts up to a stage that lends files, which is a place to build in.
    """
    if not stages:
        return frozenset()
    by_name = _by_name(stages)
    lending = {source.index for stage in stages for source in _sources(stage, by_name)}
    used = lending | {stage.parent.index for stage in stages if stage.parent}
    last = find_stage(stages, target) if target is not None else stages[-1]
    kept: set[int] = set()
    for stage in stages:
        if stage is last or (target is None and stage.index not in used):
            kept.add(stage.index)
            below = stage.parent
            while below and below.index not in kept and (stage is last or below.index not in lending):
                kept.add(below.index)
                below = below.parent
    return frozenset(kept)


def _needs(stage: Stage, by_name: Mapping[str, Stage]) -> Iterator[Stage]:
    if stage.parent:
        yield stage.parent
    yield from _sources(stage, by_name)


def _sources(stage: Stage, by_name: Mapping[str, Stage]) -> Iterator[Stage]:
    """The stages that it takes files from."""
    for name in named_sources(stage.instructions):
        source = by_name.get(lower(name))
        if source and source.index < stage.index:
            yield source


def _by_name(stages: Iterable[Stage]) -> dict[str, Stage]:
    return {str(stage.index): stage for stage in stages} | {
        stage.name: stage for stage in stages if stage.name
    }


def find_stage(stages: Iterable[Stage], name: str) -> Stage | None:
    """The last stage of that name, in any case, or the one of that number."""
    found = None
    for stage in stages:
        if stage.name == lower(name) or str(stage.index) == name:
            found = stage
    return found
