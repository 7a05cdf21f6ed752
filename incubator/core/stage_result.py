"""What a stage has come to so far: a value."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from incubator.core.engine import ImageInfo
    from incubator.core.plan.model import Step
    from incubator.core.step_log import Log
    from incubator.core.waste import Footprint
    from incubator.oci.image_config import HistoryEntry
    from incubator.oci.platform import Platform


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
