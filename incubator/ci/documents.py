"""Reading what a pipeline hands over as a file, with bounds: anybody may have had a say in it."""

from __future__ import annotations

import json
import stat
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from pathlib import Path

MOST_BYTES = 32 * 1024 * 1024
"""GitHub's own limit of a payload is 25 MB."""

LONGEST_TEXT = 4096


def read_bounded(path: Path, most: int) -> bytes | None:
    """Content of a regular file of at most `most` bytes; None where there is none."""
    try:
        if not stat.S_ISREG(path.stat().st_mode):
            return None
        with path.open("rb") as file:
            data = file.read(most + 1)
    except (OSError, ValueError):
        return None
    return data if len(data) <= most else None


def read_json_object(path: Path) -> Document:
    """A JSON object from a file; an empty one where it cannot be read as that."""
    data = read_bounded(path, MOST_BYTES)
    try:
        value = json.loads(data or b"{}")
    except (ValueError, RecursionError):
        value = {}
    return Document(value)


class Document:
    """A value out of JSON that may have any shape: what is asked of it is there, or is empty."""

    def __init__(self, value: Any) -> None:
        self._value = value

    def __getitem__(self, key: str) -> Document:
        """The value of a key; an empty document where this is no object or has no such key."""
        return Document(self._value.get(key) if isinstance(self._value, dict) else None)

    @property
    def text(self) -> str:
        """A text, cut where it is very long; numbers as texts; empty for all else."""
        if isinstance(self._value, str):
            return clean(self._value)
        number = isinstance(self._value, int) and not isinstance(self._value, bool)
        return str(self._value) if number and abs(self._value) < 10**15 else ""

    @property
    def items(self) -> list[Document]:
        """The values of a list."""
        return [Document(value) for value in self._value] if isinstance(self._value, list) else []


def clean(text: str) -> str:
    """`text`, cut where it is very long, as something that can be written out as UTF-8."""
    return text[:LONGEST_TEXT].encode("utf-8", "replace").decode("utf-8")
