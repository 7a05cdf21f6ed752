"""Layer markers: comments on a line of their own that say where a layer ends. Pure.

    # incubator: layer

Other builders see a comment. The layer ends after the last instruction above the marker.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from incubator.dockerfile.source import Span

_BEGINNING: Final = re.compile(r"#[ \t]*incubator:", re.IGNORECASE)
LAYER: Final = "layer"


@dataclass(frozen=True, slots=True, kw_only=True)
class Marker:
    """A comment that begins with `incubator:`. `text` is what follows; only `layer` means something."""

    text: str
    span: Span

    @property
    def valid(self) -> bool:
        """Whether it is a layer's end."""
        return self.text == LAYER


def read_marker(line: str) -> str | None:
    """What follows `incubator:` in the comment `line`, which begins with its `#`; None for other comments."""
    match = _BEGINNING.match(line)
    return line[match.end() :].lstrip(" \t").rstrip(" \t\r") if match else None
