"""Annotations of an image and where each goes. Pure. Spec: OCI image-spec annotations.md."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, Literal, get_args

if TYPE_CHECKING:
    from collections.abc import Iterable

    from incubator.oci.descriptor import Annotations
    from incubator.oci.platform import Platform

Level = Literal["manifest", "index", "manifest-descriptor", "index-descriptor"]
"""In an image's manifest, in an index, or in what an index says of the manifest, or a layout of the index."""

LEVELS: Final[tuple[Level, ...]] = get_args(Level)


@dataclass(frozen=True, slots=True, kw_only=True)
class Annotation:
    """A key and its value at one level. `platform` None: of every platform's image."""

    key: str
    value: str
    level: Level = "manifest"
    platform: Platform | None = None


def select(annotations: Iterable[Annotation], level: Level, platform: Platform | None = None) -> Annotations:
    """Keys and values for one place, sorted; of two for a key the one for this very platform, else the later one."""
    fitting = [found for found in annotations if found.level == level and found.platform in {None, platform}]
    fitting.sort(key=lambda found: found.platform is not None)
    return tuple(sorted({found.key: found.value for found in fitting}.items()))
