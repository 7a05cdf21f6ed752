"""Stages: each group of a stage becomes a layer on top of the one before."""

from __future__ import annotations

import contextlib
import threading
import time
from collections import defaultdict
from dataclasses import dataclass, replace
from functools import partial
from typing import TYPE_CHECKING

from incubator.core.assemble import group_history
from incubator.core.engine import Changes
from incubator.core.known_layers import CacheBroken
from incubator.core.layer import LayerContainer
from incubator.core.layer_tar import NotOneTar
from incubator.core.made_layer import fits_a_tar, make_layer
from incubator.core.merge import merged_layer
from incubator.core.mountpoints import MountPoints, view_of, volume_paths
from incubator.core.plan.graph import stage_sources
from incubator.core.plan.keys import base_key
from incubator.core.plan.layers import segments
from incubator.core.plan.model import BaseImage, Group, RunStep, WorkdirStep
from incubator.core.plan.mounts import targets_of
from incubator.core.refusals import naming_options
from incubator.core.waste import Footprint, waste_warnings
from incubator.errors import BuilderError, EngineError
from incubator.events import LayerCommitted, StepFinished, StepStarted, WarningRaised
from incubator.oci.image_config import HistoryEntry, ImageConfig, RuntimeConfig

if TYPE_CHECKING:
    from collections.abc import Sequence

    from incubator.core.assemble import Clock
    from incubator.core.blob import Blob
    from incubator.core.copying import SourceFiles
    from incubator.core.earlier import EarlierResults
    from incubator.core.engine import ImageInfo
    from incubator.core.layer import Surroundings
    from incubator.core.leftovers import Workshop
    from incubator.core.plan.graph import Unit
    from incubator.core.plan.keys import KeyParts
    from incubator.core.plan.model import Plan, StagePlan, Step
    from incubator.core.step_log import Log
    from incubator.events import StepRef
    from incubator.oci.platform import Platform


EMPTY_LAYER = "sha256:5f70bf18a086007016e948b04aed3b82103a36bea41755b6cddfaf10ace3c6ef"
"""Diff ID of a tar without entries: 1024 zero bytes."""


@dataclass(frozen=True, slots=True, kw_only=True)
class BuiltLayer:
    """A layer that a stage made; empty `steps` for one that only tidies up."""

    diff_id: str
    steps: tuple[Step, ...]
    duration_s: float
    cached: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class StageResult:
    """A stage's files as an image on the engine, whose config does not matter.

    `history` covers all layers of `image`; `layers` are those made since the base image, this stage's and
    those of stages below it. `logs`: output of each RUN. `key`: cache key of the files, None where unknown.
    `fresh`: made anew on demand, so that earlier results which read it are out of date, whatever their key.
    `made`: this build has made a layer of it. `created`: when the last layer was made, by whatever build; empty where
    there is none. So an image of which nothing changed is the same again. `footprints`: what those layers do to files,
    lowest first.
    """

    image: ImageInfo
    key: str | None
    platform: Platform
    history: tuple[HistoryEntry, ...]
    layers: tuple[BuiltLayer, ...]
    logs: tuple[Log, ...]
    created: str = ""
    fresh: bool = False
    made: bool = False
    footprints: tuple[Footprint, ...] = ()


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
    ) -> None:
        self._plan = plan
        self._around = surroundings
        self._engine = surroundings.engine
        self._workshop = workshop
        self._sources = sources
        self._clock = clock
        self._cache = earlier.cache
        self._shared = earlier.shared
        self._keys = earlier.keys
        self._anew = earlier.anew
        self._skipped = earlier.skipped
        self._progress: dict[int, _Progress] = {}
        self._made: dict[str, ImageInfo] = {}
        self._making: defaultdict[str, threading.Lock] = defaultdict(threading.Lock)
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
        with self._making[key] if key and not before.fresh else contextlib.nullcontext():
            found = self._find(key, group, before)
            if found:
                image, logs = found, before.logs
                for step in group.steps:
                    if step.changes_files:
                        around.emit(StepStarted(step=step.ref))
                        around.emit(StepFinished(step=step.ref, duration_s=0.0, cached=True))
            else:
                if not self._skipped.keys().isdisjoint(stage_sources(group)):
                    raise CacheBroken("an earlier result was there, and is gone now")
                image, made_logs, footprint = self._make(around, group, before)
                if footprint.wanted:
                    before = replace(before, footprints=(*before.footprints, footprint))
                logs = before.logs + made_logs
                if key:
                    self._made[key] = image
                    if self._engine.info().store == "podman":  # loses names that are given at the same time
                        self._store(key, image.id)
                    else:
                        self._workshop.later(partial(self._store, key), image.id)
            if key and self._shared:
                self._shared.note(key, before.image.config.diff_ids, image, stage.index)
            not_cached = None if found else self._why_made(place, parts, before)
            if parts and self._keys.records:
                self._keys.records.note(place, parts, image.id)
        duration_s = time.monotonic() - begin
        # Docker makes no layer where nothing changed, Podman an empty one.
        made = [d for d in image.config.diff_ids[len(before.image.config.diff_ids) :] if d != EMPTY_LAYER]
        around.emit(
            LayerCommitted(
                stage=group.steps[0].ref.stage,
                steps=tuple(step.ref for step in group.steps if step.changes_files),
                diff_id=made[-1] if made else None,
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
        created = self._moment((image.config.created or self._clock.now()) if made else before.created)
        return replace(
            before,
            image=image if made else before.image,
            key=key,
            history=before.history
            + group_history(group, made_layer=bool(made), created=created)
            + tuple(self._tidied(created) for _ in made[1:]),
            layers=before.layers + layers,
            created=created,
            logs=logs,
            made=before.made or found is None,
        )

    def _moment(self, created: str) -> str:
        """A time, unless all are to be the same."""
        return created if self._clock.epoch is None else self._clock.now()

    def _make(
        self, around: Surroundings, group: Group, before: StageResult
    ) -> tuple[ImageInfo, tuple[Log, ...], Footprint]:
        """Execute a group; its image, the output of its RUNs, and what is worth remembering of its files."""
        started: set[StepRef] = set()
        refs = tuple(step.ref for step in group.steps if step.changes_files)
        footprint = Footprint(steps=refs, below=before.image.id)
        logs: tuple[Log, ...] = ()
        if fits_a_tar(around, before.image, group):
            with contextlib.suppress(NotOneTar):
                return (
                    self._make_without_container(around, group, before, started, footprint),
                    logs,
                    footprint,
                )
            footprint.sizes.clear()
        parts = segments(group)
        if len(parts) == 1:
            image, logs = self._make_part(around, group, before, started, footprint)
        else:
            image, logs = self._make_parts(around, parts, before, started, footprint)
            footprint.want(before.footprints, image.size_bytes - before.image.size_bytes)
        return image, logs, footprint

    def _make_without_container(
        self,
        around: Surroundings,
        group: Group,
        before: StageResult,
        started: set[StepRef],
        footprint: Footprint,
    ) -> ImageInfo:
        layer, placed = make_layer(around, before.image, group, started, footprint.sizes)
        with layer:
            entries = group_history(group, made_layer=True, created=self._clock.now())
            footprint.changes.set_result(Changes(touched=frozenset(footprint.sizes)))
            footprint.want(before.footprints, layer.size_bytes)
            image = self._stack(before, layer, entries)
        if placed:
            self._sources.learn(image, before.image, placed, around.platform)
        return image

    def _make_part(
        self,
        around: Surroundings,
        part: Group,
        before: StageResult,
        started: set[StepRef],
        footprint: Footprint | None = None,
        changes: list[Changes] | None = None,
    ) -> tuple[ImageInfo, tuple[Log, ...]]:
        """Execute what shares a container; `changes` gets what it changed, and sooner or later `footprint` too."""
        targets = [target for step in part.steps if isinstance(step, RunStep) for target in targets_of(step)]
        points = MountPoints(around, targets)
        points.note(before.image.id)
        with (
            naming_options(around.limits, around.add_hosts, around.security_opts),
            LayerContainer(around, before.image.id, part, started) as container,
        ):
            container.execute()
            changed = container.changes() if targets or changes is not None else None
            if changes is not None and changed is not None:
                changes.append(changed)
            if changed is not None and points.are_all_of(changed, container.id, before.image.id):
                image = before.image
            else:
                image = container.commit(self._workshop.reference())
            grown = image.size_bytes - before.image.size_bytes
            if footprint and footprint.want(before.footprints, grown):
                self._look_last(container, footprint)
            logs = tuple(container.logs[step.ref] for step in part.steps if step.ref in container.logs)
        if image is not before.image and (tidy := points.removal_layer(image.id)) is not None:
            image = self._stack(self._after(before, part, image), tidy, (self._tidied(),))
        return image, logs

    def _look_last(self, container: LayerContainer, footprint: Footprint) -> None:
        """Ask what a container has changed when nobody waits for it any more."""
        look = partial(footprint.look, self._engine)
        if self._around.keep_containers:
            look(container.id)
        else:
            container.discard = partial(self._workshop.discard, look=look)

    def _make_parts(
        self,
        around: Surroundings,
        parts: Sequence[Group],
        before: StageResult,
        started: set[StepRef],
        footprint: Footprint,
    ) -> tuple[ImageInfo, tuple[Log, ...]]:
        """Execute a group in several containers, and put what they change together as one layer."""
        if self._engine.info().store == "podman":
            raise EngineError(
                "RUNs with different mounts or networks cannot share a layer with Podman",
                span=parts[1].steps[0].span,
                hint="let the layer end before this instruction with a layer split",
            )
        result, logs, changes = before, before.logs[:0], list[Changes]()
        for part in parts:
            image, made = self._make_part(around, part, result, started, changes=changes)
            result, logs = self._after(result, part, image), logs + made
        image_id = result.image.id
        below = view_of(around, before.image.id)
        changed = Changes(
            touched=frozenset().union(*(change.touched for change in changes)),
            removed=frozenset().union(*(change.removed for change in changes)),
        )
        footprint.changes.set_result(changed)
        layer = merged_layer(
            changed,
            after=self._sources.container(image_id, around.platform),
            twin=self._sources.container(image_id, around.platform, twin=True),
            was_there=lambda path: below.stat(path.strip("/")) is not None,
        )
        whole = Group(steps=tuple(step for part in parts for step in part.steps))
        with layer:
            return self._stack(
                before, layer, group_history(whole, made_layer=True, created=self._clock.now())
            ), logs

    def _after(self, before: StageResult, group: Group, image: ImageInfo) -> StageResult:
        """What is there after a group that came to `image`, as far as layers and their history go."""
        made = len(image.config.diff_ids) - len(before.image.config.diff_ids)
        entries = group_history(group, made_layer=made > 0, created=self._clock.now())
        entries += tuple(self._tidied() for _ in range(1, made))
        return replace(before, image=image, history=before.history + entries)

    def _find(self, key: str | None, group: Group, before: StageResult) -> ImageInfo | None:
        """An earlier result for a key, if it really continues what is below."""
        if not key or before.fresh:
            return None
        image = self._made.get(key)
        if image is None and (reference := self._cache.find(key)):
            image = self._engine.image(reference)
        below = before.image.config.diff_ids
        if image and image.config.diff_ids[: len(below)] == below:
            return image
        return self._find_shared(key, group, before)

    def _find_shared(self, key: str, group: Group, before: StageResult) -> ImageInfo | None:
        """An earlier result that a registry has."""
        below = before.image.config
        found = self._shared.find(key, below.diff_ids) if self._shared else None
        if not (self._shared and found):
            return None
        layers = found.layers
        entries = group_history(group, made_layer=True, created=found.created)
        entries += tuple(self._tidied(found.created) for _ in layers[1:])
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

    def _store(self, key: str, image: str) -> None:
        """Hand a result to the cache. A cache that fails costs the next build time, and not this one its image."""
        try:
            self._cache.store(key, image)
        except BuilderError as error:
            self._around.emit(WarningRaised(message=f"a layer is not kept for later builds: {error.message}"))

    def _tidy(self, result: StageResult, mount_points: MountPoints) -> StageResult:
        """Take away what the engine made to mount things on."""
        tidy = mount_points.removal_layer(result.image.id)
        if tidy is None:
            return result
        entry = self._tidied(self._moment(result.created))
        image = self._stack(result, tidy, (entry,))
        layer = BuiltLayer(diff_id=tidy.digest, steps=(), duration_s=0.0)
        history = (*result.history, entry)
        return replace(result, image=image, history=history, layers=(*result.layers, layer))

    def _tidied(self, created: str = "") -> HistoryEntry:
        """The history entry of a layer that only tidies up."""
        return HistoryEntry(created_by="remove empty mount points", created=created or self._clock.now())

    def _stack(self, below: StageResult, layer: Blob, history: tuple[HistoryEntry, ...]) -> ImageInfo:
        """The image of what is below and one more layer."""
        if not layer.size_bytes:
            return below.image
        config = replace(
            below.image.config,
            diff_ids=(*below.image.config.diff_ids, layer.digest),
            history=(*below.history, *history),
            created=self._clock.now(),
        )
        image_id = self._engine.compose(below.image.id, config, top=layer)
        self._engine.tag(image_id, self._workshop.reference())
        image = self._engine.image(image_id)
        if image is None:
            raise EngineError(f"the image {image_id} is gone")
        return image


def _folders(stage: StagePlan) -> list[str]:
    """Folders that a stage makes itself."""
    return [step.path for group in stage.groups for step in group.steps if isinstance(step, WorkdirStep)]
