"""The final image config: what the plan says, and one history entry an instruction. Pure but for the clock."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from incubator.core.constants import APP_NAME
from incubator.oci.image_config import HistoryEntry, ImageConfig

if TYPE_CHECKING:
    from collections.abc import Sequence

    from incubator.core.plan.model import Group, StagePlan
    from incubator.oci.cached_layers import CachedLayers
    from incubator.oci.platform import Platform


@dataclass(frozen=True, slots=True)
class Clock:
    """Times for image configs: `epoch` (seconds since 1970) if given, else now."""

    epoch: int | None = None

    def now(self) -> str:
        """RFC 3339 with microseconds, UTC."""
        moment = datetime.now(UTC) if self.epoch is None else datetime.fromtimestamp(self.epoch, UTC)
        return moment.strftime("%Y-%m-%dT%H:%M:%S.%fZ")


def as_told(moment: str) -> str:
    """A time as engines tell it: without zeros at the end, so a build that finds a layer there comes to the same."""
    head, dot, fraction = moment.removesuffix("Z").partition(".")
    fraction = fraction.rstrip("0")
    return f"{head}{dot if fraction else ''}{fraction}Z" if moment.endswith("Z") else moment


def group_history(group: Group, *, made_layer: bool, created: str) -> tuple[HistoryEntry, ...]:
    """Entries of a group's instructions; the layer, if it made one, is the last one's that changes files.

    `created`: when the layer was made, or else the one below; empty where there is none yet.
    A step without a text has none, which is BuildKit's way with ONBUILD.
    """
    owner = next((step for step in reversed(group.steps) if step.changes_files), None) if made_layer else None
    return tuple(
        HistoryEntry(
            created_by=step.created_by, created=created, comment=APP_NAME, empty_layer=step is not owner
        )
        for step in group.steps
        if step.created_by
    )


def assemble(
    stage: StagePlan,
    *,
    diff_ids: Sequence[str],
    history: Sequence[HistoryEntry],
    platform: Platform,
    created: str,
    cached: tuple[CachedLayers, ...] = (),
) -> ImageConfig:
    """The config of a stage's image. An entry without a time gets that of the one after it, the last one `created`."""
    timed = []
    after = created
    for entry in reversed(history):
        after = entry.created or after
        timed.append(replace(entry, created=after))
    return ImageConfig(
        platform=platform,
        config=stage.config,
        diff_ids=tuple(diff_ids),
        history=tuple(reversed(timed)),
        created=created,
        author=stage.author,
        cached=cached,
    )
