"""What a build would reuse and make, and why: the plan held against the cache. Changes nothing on the engine."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from incubator.core.plan.graph import stage_sources
from incubator.core.plan.keys import base_key
from incubator.core.plan.model import BaseImage

if TYPE_CHECKING:
    from incubator.core.caching import ImageCache
    from incubator.core.engine import Engine
    from incubator.core.group_keys import GroupKeys
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
    """One stage; `base` is an image's reference, a stage's name, or `scratch`."""

    name: str
    base: str
    layers: tuple[LayerPreview, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class _Below:
    """What a group builds on. `made`: it would be made anew; `asked`: because the caller asks for it."""

    key: str | None
    diff_ids: tuple[str, ...]
    made: bool = False
    asked: bool = False


class Previewer:
    """Looks up each group of a plan, as a build would."""

    def __init__(
        self,
        plan: Plan,
        *,
        engine: Engine,
        cache: ImageCache,
        keys: GroupKeys,
        anew: frozenset[int],
    ) -> None:
        self._plan = plan
        self._engine = engine
        self._cache = cache
        self._keys = keys
        self._anew = anew
        self._ends: dict[int, _Below] = {}

    def preview(self) -> tuple[StagePreview, ...]:
        """The stages in their order."""
        return tuple(self._stage(stage) for stage in self._plan.stages)

    def _stage(self, stage: StagePlan) -> StagePreview:
        below, layers = self._start(stage), []
        for group in stage.groups:
            layer, below = self._layer(stage, group, below)
            layers.append(layer)
        self._ends[stage.index] = below
        return StagePreview(name=stage.name, base=self._base_name(stage), layers=tuple(layers))

    def _start(self, stage: StagePlan) -> _Below:
        asked = stage.index in self._anew
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
            reference = self._cache.find(parts.key)
            image = self._engine.image(reference) if reference else None
            count = len(below.diff_ids)
            if image and image.config.diff_ids[:count] == below.diff_ids:
                after = _Below(key=key, diff_ids=image.config.diff_ids)
                return LayerPreview(steps=group.steps, state="reuse", key=key), after
            records, place = self._keys.records, self._keys.place(stage, group)
            why = "the cache does not have it"
            if records:
                why = records.why_missed(place, parts) or "not built before"
        after = _Below(key=key, diff_ids=below.diff_ids, made=True, asked=asked)
        return LayerPreview(steps=group.steps, state="build", why=why, key=key), after
