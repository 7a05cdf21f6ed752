"""How a group becomes a layer: without a container, in one, or in several."""

from __future__ import annotations

import contextlib
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING

from incubator.core.assemble import group_history
from incubator.core.constants import APP_NAME
from incubator.core.engine import Changes
from incubator.core.layer import LayerContainer
from incubator.core.layer_tar import NotOneTar
from incubator.core.made_layer import fits_a_tar, make_layer
from incubator.core.merge import merged_layer
from incubator.core.mountpoints import MountPoints, view_of
from incubator.core.plan.layers import segments
from incubator.core.plan.model import Group, RunStep
from incubator.core.plan.mounts import targets_of
from incubator.core.refusals import naming_options
from incubator.core.waste import Footprint
from incubator.errors import EngineError, shortened
from incubator.oci.image_config import HistoryEntry

if TYPE_CHECKING:
    from collections.abc import Sequence

    from incubator.core.assemble import Clock
    from incubator.core.blob import Blob
    from incubator.core.copying import SourceFiles
    from incubator.core.engine import Engine, ImageInfo
    from incubator.core.layer import Surroundings
    from incubator.core.leftovers import Workshop
    from incubator.core.stage_result import StageResult
    from incubator.core.step_log import Log
    from incubator.events import StepRef


TIDYING = "remove empty mount points"
"""What the history says of a layer that only tidies up."""

MADE_BY = f"{APP_NAME}: "
"""What the comment of a committed layer begins with; the instructions that made it follow."""

_LONGEST_COMMENT = 200


def tidying_entry(created: str) -> HistoryEntry:
    """The history entry of a layer that only tidies up."""
    return HistoryEntry(created_by=TIDYING, created=created)


def made_by(group: Group) -> str:
    """The comment of a commit: engines note nothing but the shell of what happens in a container."""
    texts = [step.ref.text for step in group.steps if step.changes_files]
    return shortened(MADE_BY + "; ".join(texts), _LONGEST_COMMENT)


class LayerMaker:
    """Makes layers on top of what stages have come to; for several threads."""

    def __init__(self, engine: Engine, *, workshop: Workshop, sources: SourceFiles, clock: Clock) -> None:
        self._engine = engine
        self._workshop = workshop
        self._sources = sources
        self._clock = clock

    def make(
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
            image = self.stack(before, layer, entries)
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
                image = container.commit(self._workshop.reference(), made_by(part))
            grown = image.size_bytes - before.image.size_bytes
            if footprint and footprint.want(before.footprints, grown):
                self._look_last(around, container, footprint)
            logs = tuple(container.logs[step.ref] for step in part.steps if step.ref in container.logs)
        if image is not before.image and (tidy := points.removal_layer(image.id)) is not None:
            image = self.stack(self._after(before, part, image), tidy, (tidying_entry(self._clock.now()),))
        return image, logs

    def _look_last(self, around: Surroundings, container: LayerContainer, footprint: Footprint) -> None:
        """Ask what a container has changed when nobody waits for it any more."""
        look = partial(footprint.look, self._engine)
        if around.keep_containers:
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
            return self.stack(
                before, layer, group_history(whole, made_layer=True, created=self._clock.now())
            ), logs

    def _after(self, before: StageResult, group: Group, image: ImageInfo) -> StageResult:
        """What is there after a group that came to `image`, as far as layers and their history go."""
        made = len(image.config.diff_ids) - len(before.image.config.diff_ids)
        entries = group_history(group, made_layer=made > 0, created=self._clock.now())
        entries += tuple(tidying_entry(self._clock.now()) for _ in range(1, made))
        return replace(before, image=image, history=before.history + entries)

    def stack(self, below: StageResult, layer: Blob, history: tuple[HistoryEntry, ...]) -> ImageInfo:
        """The image of what is below and one more layer."""
        if not layer.size_bytes:
            return below.image
        config = replace(
            below.image.config,
            diff_ids=(*below.image.config.diff_ids, layer.digest),
            history=(*below.history, *history),
            created=self._clock.now(),
            # Those of the build that made what is below would say that nobody is at work on it any more.
            config=replace(
                below.image.config.config, labels=self._workshop.labelled(below.image.config.config.labels)
            ),
        )
        image_id = self._engine.compose(below.image.id, config, top=layer)
        self._engine.tag(image_id, self._workshop.reference())
        image = self._engine.image(image_id)
        if image is None:
            raise EngineError(f"the image {image_id} is gone")
        return image
