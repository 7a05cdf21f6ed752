"""Takes secrets out of what build steps print. Pure."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Iterable

MASK: Final = b"***"

SHORTEST: Final = 4
"""Bytes of the shortest text that is masked: what is shorter stands in too many other words."""


def hidden_texts(values: Iterable[bytes]) -> tuple[bytes, ...]:
    """What must not be shown of secrets: each line of each, without blanks around it; the longest first."""
    lines = {line.strip() for value in values for line in value.splitlines()}
    return tuple(
        sorted((line for line in lines if len(line) >= SHORTEST), key=lambda line: (-len(line), line))
    )


@dataclass(slots=True)
class Masker:
    """Masks `hidden` texts in one stream, however its pieces cut them."""

    hidden: tuple[bytes, ...]
    _held: bytes = b""
    _pattern: re.Pattern[bytes] | None = field(default=None, init=False)

    def __post_init__(self) -> None:
        if self.hidden:
            self._pattern = re.compile(b"|".join(map(re.escape, self.hidden)))

    def feed(self, data: bytes) -> bytes:
        """What may be shown of all that came so far; what may begin a secret is held back."""
        if self._pattern is None:
            return data
        data = self._held + data
        shown, at = bytearray(), 0
        for match in self._pattern.finditer(data):
            shown += data[at : match.start()] + MASK
            at = match.end()
        rest = data[at:]
        keep = max(_beginning(rest, text) for text in self.hidden)
        self._held = rest[len(rest) - keep :]
        return bytes(shown + rest[: len(rest) - keep])

    def rest(self) -> bytes:
        """What was held back when the stream ends."""
        held, self._held = self._held, b""
        return held


def _beginning(data: bytes, text: bytes) -> int:
    """Length of the longest end of `data` that begins `text` and is not all of it."""
    most = min(len(data), len(text) - 1)
    start = len(data) - most
    while (start := data.find(text[:1], start)) >= 0:
        if text.startswith(data[start:]):
            return len(data) - start
        start += 1
    return 0
