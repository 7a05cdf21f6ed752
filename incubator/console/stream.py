"""A text stream that listeners can write to without ever raising."""

from __future__ import annotations

import contextlib
import os
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from typing import TextIO


class SafeStream:
    """Writes to `out`; after the first failure (a closed pipe, a full disk) it writes nothing more."""

    def __init__(self, out: TextIO) -> None:
        self._out = out
        self._broken = False

    def write(self, text: str) -> None:
        """Write and flush; characters the stream cannot encode become escapes."""
        if self._broken:
            return
        try:
            self._out.write(self._encodable(text))
            self._out.flush()
        except (OSError, ValueError):
            self._broken = True
            # What is still buffered would raise again when the interpreter ends.
            with contextlib.suppress(OSError, ValueError):
                null = os.open(os.devnull, os.O_WRONLY)
                os.dup2(null, self._out.fileno())
                os.close(null)

    def columns(self) -> int:
        """Width of the terminal, 80 where it is not known."""
        return self._size()[0]

    def rows(self) -> int:
        """Height of the terminal, 24 where it is not known."""
        return self._size()[1]

    def _size(self) -> tuple[int, int]:
        try:
            size = os.get_terminal_size(self._out.fileno())
        except (OSError, ValueError):
            return 80, 24
        return size.columns or 80, size.lines or 24

    def _encodable(self, text: str) -> str:
        encoding = getattr(self._out, "encoding", None) or "utf-8"
        return text.encode(encoding, "backslashreplace").decode(encoding)
