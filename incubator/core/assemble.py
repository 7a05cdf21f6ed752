"""The final image config: what the plan says, and one history entry an instruction. Pure but for the clock."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from incubator.core.constants import APP_NAME
from incubator.oci.image_config import HistoryEntry, ImageConfig

if TYPE_CHECKING:
    from collections.abc import Sequence

    from incubator.core.plan.model import Group, StagePlan
    from incubator.oci.platform import Platform


@dataclass(frozen=True, slots=True)
class Clock:
    """Times for image configs: `epoch` (seconds since 1970) if given, else now."""

    epoch: int | None = None

    def now(self) -> str:
        """RFC 3339 with microseconds, UTC."""
        moment = datetime.now(UTC) if self.epoch is None else datetime.fromtimestamp(self.epoch, UTC)
        return moment.strftime("%Y-%m-%dT%H:%M:%S.%fZ")


def group_history(group: Group, *, made_layer: bool, clock: Clock) -> tuple[HistoryEntry, ...]:
    """Entries of a group's instructions; the layer, if it made one, is the last one's that changes files.

    A step without a text has none, which is BuildKit's way with ONBUILD.
    """
    owner = next((step for step in reversed(group.steps) if step.changes_files), None) if made_layer else None
    return tuple(
        HistoryEntry(
            created_by=step.created_by, created=clock.now(), comment=APP_NAME, empty_layer=step is not owner
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
    clock: Clock,
) -> ImageConfig:
    """The config of a stage's image."""
    return ImageConfig(
        platform=platform,
        config=stage.config,
        diff_ids=tuple(diff_ids),
        history=tuple(history),
        created=clock.now(),
        author=stage.author,
    )
