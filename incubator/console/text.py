"""Bytes that a build step wrote, to lines that are safe to show. Pure.

The bytes are hostile: escape sequences could rewrite what is already on the screen, and bidirectional controls
could make a line read as something else. Only printable characters and tabs come through. Progress bars, which
redraw one line with carriage returns or backspaces, end as the one line that a terminal would show.
"""

from __future__ import annotations

import codecs
import re
import unicodedata
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

LONGEST_LINE = 8192
"""Characters of a line; longer ones are cut in pieces, so that memory stays flat."""

_LONGEST_SEQUENCE = 256

_ESCAPE = re.compile(
    r"[\x1b][\[][0-?]*[ -/]*[@-~]|\x9b[0-?]*[ -/]*[@-~]"  # control sequences: colours, cursor
    r"|(?:\x1b[\]PX^_]|[\x90\x98\x9d-\x9f])[^\x07\x1b\x9c]*(?:\x07|\x1b\\|\x9c)"  # strings: titles, links
    r"|\x1b[ -/]+[0-~]"
    r"|\x1b[0-OQ-WYZ\\`-~]"
)
_OPEN_ESCAPE = re.compile(
    r"(?:\x1b[\[]|\x9b)[0-?]*[ -/]*\Z|(?:\x1b[\]PX^_]|[\x90\x98\x9d-\x9f])[^\x07\x1b\x9c]*\x1b?\Z|\x1b[ -/]*\Z"
)
_UNSAFE = re.compile(
    "[\x00-\x07\x0b\x0c\x0e-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069\ufeff\ud800-\udfff]"
)
_BREAKS = re.compile(r"[\r\n\b]")


def clean_text(text: str) -> str:
    """`text` on one line: no control characters but tabs."""
    return _UNSAFE.sub("", _BREAKS.sub(" ", _ESCAPE.sub("", text)))


class LineBuffer:
    """Cuts the bytes of one stream into safe lines."""

    def __init__(self) -> None:
        self._decoder = codecs.getincrementaldecoder("utf-8")(errors="replace")
        self._held = ""  # an escape sequence that is not complete yet
        self._returned = False
        self.partial = ""
        """The line that is not ended yet."""
        self.redrawn = False
        """Whether `partial` has replaced an earlier state of the line, as progress bars do."""

    def feed(self, data: bytes) -> Iterator[str]:
        """The lines that `data` ends."""
        yield from self._read(self._held + self._decoder.decode(data))

    def end(self) -> Iterator[str]:
        """What is left without a line end."""
        yield from self._read(self._held + self._decoder.decode(b"", final=True), is_last=True)
        if self.partial.strip():
            yield self.partial
        self._end_line()

    def _read(self, text: str, *, is_last: bool = False) -> Iterator[str]:
        self._held = ""
        text = _ESCAPE.sub("", text)
        if opened := _OPEN_ESCAPE.search(text):
            held = opened[0]
            text = text[: opened.start()]
            if not is_last and len(held) <= _LONGEST_SEQUENCE:
                self._held = held
            elif not is_last:
                text += held
        *ended, rest = _UNSAFE.sub("", text).split("\n")
        for segment in ended:
            yield from self._append(segment)
            yield self.partial
            self._end_line()
        yield from self._append(rest)

    def _append(self, segment: str) -> Iterator[str]:
        for index, piece in enumerate(segment.split("\r")):
            if index:
                self._returned = True
            if not piece:
                continue
            if self._returned:
                self.partial, self._returned, self.redrawn = "", False, True
            self.partial = _erase(self.partial + piece) if "\b" in piece else self.partial + piece
            while len(self.partial) > LONGEST_LINE:
                yield self.partial[:LONGEST_LINE]
                self.partial = self.partial[LONGEST_LINE:]

    def _end_line(self) -> None:
        self.partial, self._returned, self.redrawn = "", False, False


def _erase(text: str) -> str:
    """Let each backspace take the character before it."""
    kept: list[str] = []
    for char in text:
        if char != "\b":
            kept.append(char)
        elif kept:
            kept.pop()
    return "".join(kept)


def text_width(text: str) -> int:
    """Columns that `text` takes on a terminal."""
    return len(text) if text.isascii() else sum(map(_char_width, text))


def fit(text: str, columns: int) -> str:
    """`text`, cut with `...` where it takes more than `columns`."""
    if columns <= 0:
        return ""
    text = text.expandtabs(4)
    if text_width(text) <= columns:
        return text
    dots = "..." if columns > 6 else ""
    room, kept = columns - len(dots), []
    for char in text:
        room -= _char_width(char)
        if room < 0:
            break
        kept.append(char)
    return "".join(kept) + dots


def _char_width(char: str) -> int:
    if unicodedata.combining(char) or unicodedata.category(char) in {"Mn", "Me", "Cf"}:
        return 0
    return 2 if unicodedata.east_asian_width(char) in "WF" else 1
