"""A Dockerfile's text and places in it."""

from __future__ import annotations

from bisect import bisect_right
from dataclasses import dataclass, field
from operator import itemgetter
from typing import Final

from incubator.dockerfile.text import visible

SNIPPET_COLUMNS: Final = 120
"""Longest piece of a line that a snippet shows."""


@dataclass(frozen=True, slots=True)
class Source:
    """Text of one Dockerfile. `name` is how messages call it, usually the path the user gave."""

    name: str
    text: str
    lines: tuple[str, ...] = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        # Not `splitlines`: only a line feed ends a line of a Dockerfile.
        lines = self.text.split("\n")
        if not lines[-1]:
            lines.pop()
        object.__setattr__(self, "lines", tuple(line.rstrip("\r") for line in lines))


@dataclass(frozen=True, slots=True)
class Span:
    """Lines `first_line` to `last_line` of a source; lines and columns count from 1.

    For one word the lines are those of the word and `column` is where it starts.
    """

    source: Source = field(repr=False, compare=False)
    first_line: int
    last_line: int
    column: int = 1

    def __str__(self) -> str:
        return f"{self.source.name}:{self.first_line}:{self.column}"

    @property
    def text(self) -> str:
        """The raw lines, joined with newlines."""
        return "\n".join(self.source.lines[self.first_line - 1 : self.last_line])

    def beginning(self, most: int) -> str:
        """The first `most` characters of `text`, in time that does not grow with the others."""
        last = min(self.last_line, self.first_line + most)
        return "\n".join(line[:most] for line in self.source.lines[self.first_line - 1 : last])[:most]

    def snippet(self, context: int = 1, most: int = 6) -> list[str]:
        """The marked lines (at most `most`) with `context` lines around them, to put below a message.

        They are safe to show. Of a long line only a piece is shown: of the first marked one that around the column,
        with a line below that points to it.
        """
        last = min(self.last_line, self.first_line + most - 1)
        first_shown = max(1, self.first_line - context)
        last_shown = min(len(self.source.lines), last + context)
        width = len(str(last_shown))
        shown: list[str] = []
        for number in range(first_shown, last_shown + 1):
            mark = ">>" if self.first_line <= number <= last else "  "
            column = self.column if number == self.first_line else 1
            piece, at = _piece(self.source.lines[number - 1], column)
            shown.append(f"{mark} {number:>{width}} | {piece}")
            if at is not None and number == self.first_line:
                shown.append(f"{' ' * (width + 3)} | {' ' * at}^")
        return shown


def _piece(line: str, column: int) -> tuple[str, int | None]:
    """The piece of `line` around `column`, and where the column is in it, from 0; None where the line is whole."""
    if len(line) <= SNIPPET_COLUMNS:
        return visible(line), None
    begin = max(0, min(column - 1 - SNIPPET_COLUMNS // 3, len(line) - SNIPPET_COLUMNS))
    end = begin + SNIPPET_COLUMNS
    before, after = "..." * (begin > 0), "..." * (end < len(line))
    piece = visible(line[begin:end]).replace("\t", " ")
    return f"{before}{piece}{after}", len(before) + min(column - 1 - begin, len(piece))


Piece = tuple[int, int, int]
"""Where a continued line of an instruction begins: offset in the logical line, line and column in the source."""


def locate(start: Span, pieces: tuple[Piece, ...], offset: int) -> Span:
    """The place of the character at `offset` of a logical line that begins at `start` and goes on in `pieces`."""
    begin, line, column = 0, start.first_line, start.column
    if pieces and offset >= pieces[0][0]:
        begin, line, column = pieces[bisect_right(pieces, offset, key=itemgetter(0)) - 1]
    return Span(start.source, line, line, column + offset - begin)
