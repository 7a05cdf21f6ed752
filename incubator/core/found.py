"""What a shared cache has of a key."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from incubator.core.known_layers import KnownLayer

_TIME: Final = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d{1,9})?(Z|[+-]\d\d:\d\d)", re.ASCII)


@dataclass(frozen=True, slots=True, kw_only=True)
class Found:
    """What a key stands for: layers, and when they were made (RFC 3339)."""

    layers: tuple[KnownLayer, ...]
    created: str


def is_time(text: str) -> bool:
    """Whether a text of somebody else's is a time that a config can have."""
    return bool(_TIME.fullmatch(text))
