"""Layers without a container: COPY, ADD and WORKDIR alone come to a tar that the engine loads as it is.

That costs one pass over the files, where an engine that gets them into a container packs and unpacks them twice more.
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from incubator.context.rootfs import EmptyRoot, View
from incubator.core.layer import at_step
from incubator.core.layer_tar import layer_entries, write_layer
from incubator.core.layered_root import stat_of
from incubator.core.plan.model import CopyStep, WorkdirStep
from incubator.core.waste import MOST_PATHS
from incubator.events import StepFinished, StepStarted

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from incubator.context.entry import Entry
    from incubator.context.rootfs import Stat
    from incubator.core.blob import Blob
    from incubator.core.engine import ImageInfo
    from incubator.core.layer import Surroundings
    from incubator.core.plan.model import Group
    from incubator.events import StepRef


def fits_a_tar(around: Surroundings, image: ImageInfo, group: Group) -> bool:
    """Whether the group's steps come to a tar on `image`, as far as can be told before they are carried out."""
    if around.engine.info().store == "podman" and not around.copier.sources.is_from_nothing(image):
        return False  # the owners of the folders above cost an export of the whole container
    steps = [step for step in group.steps if step.changes_files]
    if not all(isinstance(step, CopyStep | WorkdirStep) for step in steps):
        return False
    # What one step puts there, the next would have to find: owners by name.
    return len(steps) == 1 or not any(_asks_much(step) for step in steps)


def _asks_much(step: object) -> bool:
    match step:
        case CopyStep():
            return step.link or not _is_number(step.chown)
        case WorkdirStep():
            return not _is_number(step.owner)
        case _:
            return True


def _is_number(owner: str | None) -> bool:
    return not owner or owner.replace(":", "", 1).isdigit()


def make_layer(
    around: Surroundings, image: ImageInfo, group: Group, started: set[StepRef], sizes: dict[str, int]
) -> tuple[Blob, dict[str, Stat]]:
    """The layer of a group on top of `image`, which is asked and not changed; empty where nothing changes.

    With it comes what is in the layer by its path, nothing where that is too much to remember. Adds the step that was
    announced to `started`, and files with their sizes to `sizes`. Raises `NotOneTar` where only a container can tell
    what the group comes to, and what the steps raise, at their lines.
    """
    copier = around.copier
    root = copier.sources.root(image, around.platform)
    steps = [step for step in group.steps if isinstance(step, CopyStep | WorkdirStep)]
    view = View(root)
    durations: list[float] = []
    placed: dict[str, Stat] = {}

    def entries() -> Iterator[Entry]:
        for step in steps:
            begin = time.monotonic()
            with at_step(step):
                for entry in copier.entries(step, root, view):
                    if entry.kind == "file" and len(sizes) < MOST_PATHS:
                        sizes[f"/{entry.path}"] = entry.size
                    yield entry
            durations.append(time.monotonic() - begin)

    def noted(changes: Iterable[Entry]) -> Iterator[Entry]:
        for entry in changes:
            if len(placed) <= MOST_PATHS:
                placed[entry.path] = stat_of(entry, mtime_clamp=copier.clock.epoch)
            yield entry

    around.emit(StepStarted(step=steps[0].ref))
    started.add(steps[0].ref)
    # A layer that is independent of what is below repeats nothing of it either.
    repeated = EmptyRoot() if any(isinstance(step, CopyStep) and step.link for step in steps) else root
    changes = layer_entries(around.halt.guard(entries()), repeated, made_at_ns=copier.now_ns())
    layer = write_layer(noted(changes), mtime_clamp=copier.clock.epoch)
    for step, duration_s in zip(steps, durations, strict=True):
        if step.ref not in started:  # its files came right behind those of the step before
            around.emit(StepStarted(step=step.ref))
        around.emit(StepFinished(step=step.ref, duration_s=duration_s))
    return layer, placed if len(placed) <= MOST_PATHS else {}
