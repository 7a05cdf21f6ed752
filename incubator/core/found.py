"""What a shared cache has of a key."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Final

from incubator.oci.media_types import COMPRESSIONS

if TYPE_CHECKING:
    from collections.abc import Iterable

    from incubator.core.known_layers import KnownLayer
    from incubator.oci.descriptor import Descriptor

_TIME: Final = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d{1,9})?(Z|[+-]\d\d:[0-5]\d)", re.ASCII)


@dataclass(frozen=True, slots=True, kw_only=True)
class Found:
    """What a key stands for: layers, and when they were made (RFC 3339); no layers for what has changed nothing."""

    layers: tuple[KnownLayer, ...]
    created: str


def is_time(text: str) -> bool:
    """Whether a text of somebody else's is a time that a config can have: engines load no image with another."""
    if not _TIME.fullmatch(text):
        return False
    try:
        datetime.fromisoformat(text)
    except ValueError:  # such as a month 13
        return False
    return True


def can_be_read(layers: Iterable[Descriptor]) -> bool:
    """Whether blobs are layers that can be unpacked here, and are in the registry itself."""
    return all(layer.media_type in COMPRESSIONS and not layer.urls for layer in layers)
