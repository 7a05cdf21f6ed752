"""Stages: each group of a stage becomes a layer on top of the one before."""

from __future__ import annotations

import contextlib
import time
from dataclasses import dataclass, replace
from functools import partial
from typing import TYPE_CHECKING

from incubator.core.assemble import as_told, group_history
from incubator.core.caching import find_image
from incubator.core.constants import EMPTY_LAYER
from incubator.core.known_layers import CacheBroken
from incubator.core.layer_maker import LayerMaker, tidying_entry
from incubator.core.mountpoints import MountPoints, volume_paths
from incubator.core.plan.graph import stage_sources
from incubator.core.plan.keys import base_key
from incubator.core.plan.model import BaseImage, Group, RunStep, WorkdirStep
from incubator.core.stage_result import BuiltLayer, StageResult
from incubator.core.waste import waste_warnings
from incubator.errors import BuilderError, EngineError
from incubator.events import LayerCommitted, StepFinished, StepStarted, WarningRaised
from incubator.oci.image_config import ImageConfig, RuntimeConfig

if TYPE_CHECKING:
    from collections.abc import Callable

    from incubator.core.assemble import Clock
    from incubator.core.copying import SourceFiles
    from incubator.core.earlier import EarlierResults
    from incubator.core.engine import ImageInfo
    from incubator.core.layer import Surroundings
    from incubator.core.leftovers import Workshop
    from incubator.core.making import Making
    from incubator.core.plan.graph import Unit
    from incubator.core.plan.keys import KeyParts
    from incubator.core.plan.model import Plan, StagePlan
    from incubator.core.uploads import Uploads


@dataclass(slots=True)
class _Progress:
    """A stage on its way: its files so far."""

    around: Surroundings
    mount_points: MountPoints
    result: StageResult


class StageExecutor:
    """Executes the units of a plan, each once and in any order that `dependencies` allows; for several threads."""

    def __init__(
        self,
        plan: Plan,
        *,
        surroundings: Surroundings,
        workshop: Workshop,
        sources: SourceFiles,
        clock: Clock,
        earlier: EarlierResults,
        making: Making,
        uploads: Uploads | None = None,
    ) -> None:
        self._plan = plan
        self._around = surroundings
        self._engine = surroundings.engine
        self._workshop = workshop
        self._sources = sources
        self._clock = clock
        self._maker = LayerMaker(self._engine, workshop=workshop, sources=sources, clock=clock)
        self._cache = earlier.cache
        self._shared = earlier.shared
        self._keys = earlier.keys
        self._anew = earlier.anew
        self._skipped = earlier.skipped
        self._shared_first = earlier.shared_first
        self._progress: dict[int, _Progress] = {}
        self._made: dict[str, ImageInfo] = {}
        self._making = making
        self._uploads = uploads
        self.results: dict[int, StageResult] = {}
        """Finished stages by their index."""

    def execute(self, unit: Unit) -> None:
        """Make the layer of a group on top of those before it, or finish a stage."""
        self._around.halt.check()
        stage = self._plan.stage(unit.stage)
        if unit.position == 0:
            self._progress[stage.index] = self._begin(stage)
        progress = self._progress[stage.index]
        if unit.position < len(stage.groups):
            group = stage.groups[unit.position]
            if any(isinstance(step, RunStep) for step in group.steps):
                progress.mount_points.note(progress.result.image.id, _folders(stage))
            progress.result = self._group(progress.around, stage, group, progress.result)
        else:
            self.results[stage.index] = self._tidy(progress.result, progress.mount_points)
            self._sources.stages[stage.index] = self.results[stage.index].image.id

    def waste(self, stage: int) -> list[WarningRaised]:
        """What layers of a finished stage store in vain."""
        prints = self.results[stage].footprints
        platform = self._progress[stage].around.platform

        def size_of(index: int, path: str) -> int | None:
            twin = self._sources.container(prints[index].below, platform, twin=True).container
            found = self._engine.stat(twin, path)
            return found.size if found and found.kind == "file" else None

        return waste_warnings(prints, size_of)

    def _begin(self, stage: StagePlan) -> _Progress:
        result = self._start(stage)
        if stage.index in self._anew:
            result = replace(result, fresh=True)
        own = result.platform == self._engine.info().platform
        around = replace(self._around, platform=None if own else result.platform)
        return _Progress(around=around, mount_points=MountPoints(around, volume_paths(around)), result=result)

    def _start(self, stage: StagePlan) -> StageResult:
        engine = self._engine
        if isinstance(stage.base, int):
            return replace(self.results[stage.base], logs=())
        if isinstance(stage.base, BaseImage):
            config = stage.base.config
            history = engine.history(stage.base.image_id)
            parent = stage.base.image_id
        else:
            config = ImageConfig(
                platform=self._plan.platform, config=RuntimeConfig(), created=self._clock.now()
            )
            history = ()
            parent = ""
        if not parent or (config.config.volumes and any(group.changes_files for group in stage.groups)):
            # Every container would get anonymous volumes there, and what is written to them is in no layer.
            plain = replace(config, config=replace(config.config, volumes=()), history=history)
            parent = engine.compose(parent, plain)
            engine.tag(parent, self._workshop.reference())
        image = engine.image(parent)
        if image is None:
            raise EngineError(f"the image {parent} is gone")
        return StageResult(
            image=image,
            key=base_key(config.diff_ids, config.platform),
            platform=config.platform,
            history=history,
            layers=(),
            logs=(),
            created=config.created if config.diff_ids else "",
        )

    def _group(
        self, around: Surroundings, stage: StagePlan, group: Group, before: StageResult
    ) -> StageResult:
        if not group.changes_files:
            entries = group_history(group, made_layer=False, created=self._moment(before.created))
            return replace(before, history=before.history + entries)
        begin = time.monotonic()
        place = self._keys.place(stage, group)
        stages = {index: result.key for index, result in list(self.results.items())} | dict(self._skipped)
        parts = self._keys.parts(group, before.key, stages)
        key = parts.key if parts else None
        sources = [self.results[index] for index in stage_sources(group) if index not in self._skipped]
        before = replace(before, fresh=before.fresh or any(source.fresh for source in sources))
        # Of two stages with the same group the second may find what the first has made.
        with self._making.of(key) if key and not before.fresh else contextlib.nullcontext():
            found = self._find(key, stage, group, before)
            if found:
                image, logs = found, before.logs
                for step in group.steps:
                    if step.changes_files:
                        around.emit(StepStarted(step=step.ref))
                        around.emit(StepFinished(step=step.ref, duration_s=0.0, cached=True))
            else:
                if not self._skipped.keys().isdisjoint(stage_sources(group)):
                    raise CacheBroken("an earlier result was there, and is gone now")
                image, made_logs, footprint = self._maker.make(around, group, before)
                # Sizes are compared as the engine counts them.
                if image.on_engine and not before.image.on_engine:
                    before = replace(before, image=self._engine.image(before.image.id) or before.image)
                if footprint.wanted:
                    before = replace(before, footprints=(*before.footprints, footprint))
                logs = before.logs + made_logs
                if key:
                    self._made[key] = image
                if self._uploads:
                    self._uploads.send(stage.index, image)
            if key and self._shared:
                self._shared.note(key, before.image.config.diff_ids, image, stage.index)
            not_cached = None if found else self._why_made(place, parts, before)
            if parts:
                self._hand_to_cache(place, parts, image, made=found is None)
        duration_s = time.monotonic() - begin
        # Docker makes no layer where nothing changed, Podman an empty one.
        made = [d for d in image.config.diff_ids[len(before.image.config.diff_ids) :] if d != EMPTY_LAYER]
        around.emit(
            LayerCommitted(
                stage=group.steps[0].ref.stage,
                steps=tuple(step.ref for step in group.steps if step.changes_files),
                diff_id=made[0] if made else None,  # more than that is what takes mount points away
                size_bytes=max(0, image.size_bytes - before.image.size_bytes),
                duration_s=duration_s,
                cached=found is not None,
                not_cached=not_cached,
            )
        )
        layers = tuple(
            BuiltLayer(diff_id=diff_id, steps=group.steps, duration_s=duration_s, cached=found is not None)
            for diff_id in made
        )
        created = self._moment(as_told(image.config.created or self._clock.now()) if made else before.created)
        return replace(
            before,
            image=image if made else before.image,
            key=key,
            history=before.history
            + group_history(group, made_layer=bool(made), created=created)
            + tuple(tidying_entry(created) for _ in made[1:]),
            layers=before.layers + layers,
            created=created,
            logs=logs,
            made=before.made or found is None,
        )

    def _moment(self, created: str) -> str:
        """A time, unless all are to be the same."""
        return created if self._clock.epoch is None else self._clock.now()

    def _find(self, key: str | None, stage: StagePlan, group: Group, before: StageResult) -> ImageInfo | None:
        """An earlier result for a key, if it really continues what is below."""
        if not key or before.fresh:
            return None
        if stage.index in self._shared_first:
            return self._find_shared(key, group, before) or self._find_on_engine(key, before)
        return self._find_on_engine(key, before) or self._find_shared(key, group, before)

    def _find_on_engine(self, key: str, before: StageResult) -> ImageInfo | None:
        """One of this build, or that the engine has."""
        image = self._made.get(key)
        image = image or find_image(self._cache, self._engine, key)
        below = before.image.config.diff_ids
        return image if image and image.config.diff_ids[: len(below)] == below else None

    def _find_shared(self, key: str, group: Group, before: StageResult) -> ImageInfo | None:
        """An earlier result that a registry has."""
        below = before.image.config
        found = self._shared.find(key, below.diff_ids) if self._shared else None
        if not (self._shared and found):
            return None
        layers = found.layers
        if not layers:
            return before.image
        entries = group_history(group, made_layer=True, created=found.created)
        entries += tuple(tidying_entry(found.created or self._clock.now()) for _ in layers[1:])
        config = replace(
            below,
            diff_ids=(*below.diff_ids, *(layer.diff_id for layer in layers)),
            history=(*before.history, *entries),
            created=found.created,
        )
        return self._shared.engine.stack(before.image.id, config, layers)

    def _why_made(self, place: str, parts: KeyParts | None, before: StageResult) -> str | None:
        """What changed since the latest result, unless that follows from what was asked or told before."""
        if not (parts and self._keys.records) or before.fresh or before.made:
            return None
        return self._keys.records.why_missed(place, parts)

    def _hand_to_cache(self, place: str, parts: KeyParts, image: ImageInfo, *, made: bool) -> None:
        """Keep a result for later builds, beside the next step where that can be."""
        calls = [partial(self._name, place, parts, image.id, made=made)]
        if self._keys.records:
            calls.append(partial(self._keys.records.forget_earlier, place, parts))
        if not image.on_engine:  # its references come along with it, and cost nothing now
            self._keep(calls.pop(0))
        # Podman loses names that are given at the same time.
        if self._making.by_others or self._engine.info().store == "podman":
            self._keep(*calls)
        else:
            self._workshop.later(partial(self._keep, *calls))

    def _name(self, place: str, parts: KeyParts, image: str, *, made: bool) -> None:
        """Give a result the references under which later builds look for it."""
        if made:
            self._cache.store(parts.key, image)
        if self._keys.records:
            self._keys.records.note(place, parts, image, made=made)

    def _keep(self, *calls: Callable[[], None]) -> None:
        """Call what hands a result to the cache. A failure costs the next build time, and this one nothing."""
        try:
            for call in calls:
                call()
        except BuilderError as error:
            self._around.emit(WarningRaised(message=f"a layer is not kept for later builds: {error.message}"))

    def _tidy(self, result: StageResult, mount_points: MountPoints) -> StageResult:
        """Take away what the engine made to mount things on."""
        tidy = mount_points.removal_layer(result.image.id)
        if tidy is None:
            return result
        entry = tidying_entry(self._moment(result.created) or self._clock.now())
        image = self._maker.stack(result, tidy, (entry,))
        layer = BuiltLayer(diff_id=tidy.digest, steps=(), duration_s=0.0)
        history = (*result.history, entry)
        return replace(result, image=image, history=history, layers=(*result.layers, layer))


def _folders(stage: StagePlan) -> list[str]:
    """Folders that a stage makes itself."""
    return [step.path for group in stage.groups for step in group.steps if isinstance(step, WorkdirStep)]
