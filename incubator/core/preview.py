"""What a build would reuse and make, and why: the plan held against the cache. Changes nothing on the engine."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Literal

from incubator.core.caching import find_image
from incubator.core.plan.graph import stage_sources
from incubator.core.plan.keys import base_key
from incubator.core.plan.model import BaseImage

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from incubator.core.earlier import EarlierResults
    from incubator.core.engine import Engine
    from incubator.core.plan.model import Group, Plan, StagePlan, Step


@dataclass(frozen=True, slots=True, kw_only=True)
class LayerPreview:
    """One group of steps. `config`: it changes the image config only. `why`: what made it necessary to build."""

    steps: tuple[Step, ...]
    state: Literal["reuse", "build", "config"]
    why: str = ""
    key: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class StagePreview:
    """One stage; `base` is an image's reference, a stage's name, or `scratch`.

    `key` stands for its files. Not `needed`: something of it would have to be made, and all that reads it is there.
    """

    name: str
    base: str
    layers: tuple[LayerPreview, ...]
    key: str | None = None
    needed: bool = True


@dataclass(frozen=True, slots=True, kw_only=True)
class _Below:
    """What a group builds on. `made`: it would be made anew; `asked`: because the caller asks for it."""

    key: str | None
    diff_ids: tuple[str, ...]
    made: bool = False
    asked: bool = False


class Previewer:
    """Looks up each group of a plan, as a build would."""

    def __init__(self, plan: Plan, *, engine: Engine, earlier: EarlierResults) -> None:
        self._plan = plan
        self._engine = engine
        self._earlier = earlier
        self._keys = earlier.keys
        self._ends: dict[int, _Below] = {}
        self.shared_first: set[int] = set()
        """After `preview`: see `EarlierResults`."""

    def preview(self) -> tuple[StagePreview, ...]:
        """The stages in their order."""
        stages = {stage.index: self._stage(stage) for stage in self._plan.stages}
        needed = self._needed(stages)
        return tuple(replace(stage, needed=index in needed) for index, stage in stages.items())

    def _needed(self, stages: Mapping[int, StagePreview]) -> set[int]:
        """Stages that the target builds on, that what has to be made reads, and those of which all is there."""
        needed = {
            index for index, stage in stages.items() if all(layer.state != "build" for layer in stage.layers)
        }
        waiting = [self._plan.target.index]
        seen: set[int] = set()
        while waiting:
            stage = self._plan.stage(waiting.pop())
            if stage.index in seen:
                continue
            seen.add(stage.index)
            waiting += [stage.base] if isinstance(stage.base, int) else []
            for group, layer in zip(stage.groups, stages[stage.index].layers, strict=True):
                if layer.state == "build":
                    waiting += stage_sources(group)
        return needed | seen

    def _stage(self, stage: StagePlan) -> StagePreview:
        layers, end = self._layers(stage)
        if self._earlier.shared and any(layer.state == "build" for layer in layers):
            self.shared_first.add(stage.index)
            others, other_end = self._layers(stage)
            if _reused(others) > _reused(layers):
                layers, end = others, other_end
            else:
                self.shared_first.remove(stage.index)
        self._ends[stage.index] = end
        return StagePreview(name=stage.name, base=self._base_name(stage), layers=tuple(layers), key=end.key)

    def _layers(self, stage: StagePlan) -> tuple[list[LayerPreview], _Below]:
        below, layers = self._start(stage), []
        for group in stage.groups:
            layer, below = self._layer(stage, group, below)
            layers.append(layer)
        return layers, below

    def _start(self, stage: StagePlan) -> _Below:
        asked = stage.index in self._earlier.anew
        if isinstance(stage.base, int):
            end = self._ends[stage.base]
            return _Below(key=end.key, diff_ids=end.diff_ids, made=end.made, asked=end.asked or asked)
        if isinstance(stage.base, BaseImage):
            config = stage.base.config
            return _Below(
                key=base_key(config.diff_ids, config.platform), diff_ids=config.diff_ids, asked=asked
            )
        return _Below(key=base_key((), self._plan.platform), diff_ids=(), asked=asked)

    def _base_name(self, stage: StagePlan) -> str:
        if isinstance(stage.base, int):
            return self._plan.stage(stage.base).name
        return stage.base.reference if stage.base else "scratch"

    def _layer(self, stage: StagePlan, group: Group, below: _Below) -> tuple[LayerPreview, _Below]:
        if not group.changes_files:
            return LayerPreview(steps=group.steps, state="config"), below
        parts = self._keys.parts(group, below.key, {index: end.key for index, end in self._ends.items()})
        asked = below.asked or any(self._ends[index].asked for index in stage_sources(group))
        key = parts.key if parts else None
        if parts is None:
            why = "it reads what has no key"
        elif asked:
            why = "earlier results are not to be used"
        elif below.made:
            why = "what is below is made anew"
        else:
            found = self._find(stage, parts.key, below.diff_ids)
            if found:
                after = _Below(key=key, diff_ids=found)
                return LayerPreview(steps=group.steps, state="reuse", key=key), after
            records, place = self._keys.records, self._keys.place(stage, group)
            why = "the cache does not have it"
            if records:
                why = records.why_missed(place, parts) or "not built before"
        after = _Below(key=key, diff_ids=below.diff_ids, made=True, asked=asked)
        return LayerPreview(steps=group.steps, state="build", why=why, key=key), after

    def _find(self, stage: StagePlan, key: str, below: tuple[str, ...]) -> tuple[str, ...] | None:
        """The layers of an earlier result that continues what is below, with those."""
        kinds = [self._find_on_engine, self._find_shared]
        for find in reversed(kinds) if stage.index in self.shared_first else kinds:
            found = find(key, below)
            if found:
                return found
        return None

    def _find_on_engine(self, key: str, below: tuple[str, ...]) -> tuple[str, ...] | None:
        image = find_image(self._earlier.cache, self._engine, key)
        return image.config.diff_ids if image and image.config.diff_ids[: len(below)] == below else None

    def _find_shared(self, key: str, below: tuple[str, ...]) -> tuple[str, ...] | None:
        found = self._earlier.shared.find(key, below) if self._earlier.shared else None
        return (*below, *(layer.diff_id for layer in found.layers)) if found else None


def _reused(layers: Sequence[LayerPreview]) -> int:
    return sum(layer.state == "reuse" for layer in layers)
