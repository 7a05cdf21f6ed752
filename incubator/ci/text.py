r"""Foreign bytes to lines that are safe to print: what a step of the build writes is untrusted. Pure.

Only colours (SGR sequences) and tabs survive of the control characters: other escape sequences could fake the
sections of a GitLab log or move the cursor. A carriage return ends a line, as GitHub's runner sees it too, so that
`progress\r::error::` cannot put a command where a line starts.
"""

from __future__ import annotations

import codecs
import re
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

LONGEST_LINE = 16_000
"""In characters; log viewers choke on longer lines, and memory must stay flat."""

_COLOUR = r"\x1b\[[0-9;]{0,20}m"
_UNSAFE = re.compile(
    rf"({_COLOUR})"
    r"|\x1b\][^\x07\x1b]*(?:\x07|\x1b\\)?"  # operating system commands: titles, links
    r"|\x1b\[[0-?]*[ -/]*[@-~]"  # other control sequences
    r"|\x1b[@-Z\\-_a-z]?"
    r"|[\x00-\x08\x0b-\x1f\x7f-\x9f\u2028\u2029]"
)
_HAS_COLOUR = re.compile(_COLOUR)
_RESET = "\x1b[0m"


def safe_line(line: str) -> str:
    """One line without control characters, but tabs and colours, which end with it; newlines become blanks."""
    line = re.sub(r"[\r\n]+", " ", line)
    clean = _UNSAFE.sub(lambda match: match[1] or "", line)
    if _HAS_COLOUR.search(clean) and not clean.endswith(_RESET):
        clean += _RESET
    return clean


def plain_line(line: str) -> str:
    """One line without any control character but tabs."""
    return _HAS_COLOUR.sub("", safe_line(line))


class LineCutter:
    """Cuts one stream of bytes into safe lines; over-long ones are cut at `LONGEST_LINE`."""

    def __init__(self) -> None:
        self._decoder = codecs.getincrementaldecoder("utf-8")(errors="replace")
        self._rest = ""

    def feed(self, data: bytes) -> Iterator[str]:
        """The lines that `data` completes."""
        *lines, self._rest = re.split(
            r"\r*\n|\r+(?=.)", self._rest + self._decoder.decode(data), flags=re.DOTALL
        )
        for line in lines:
            yield from _pieces(line)
        while len(self._rest) > LONGEST_LINE:
            yield safe_line(self._rest[:LONGEST_LINE])
            self._rest = self._rest[LONGEST_LINE:]

    def end(self) -> Iterator[str]:
        """What is left without a line end."""
        rest, self._rest = (self._rest + self._decoder.decode(b"", final=True)).rstrip("\r"), ""
        if rest:
            yield from _pieces(rest)


def _pieces(line: str) -> Iterator[str]:
    for start in range(0, max(len(line), 1), LONGEST_LINE):
        yield safe_line(line[start : start + LONGEST_LINE])
