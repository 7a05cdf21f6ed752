"""Lines of a file to nodes: directives, continuations, comments and heredocs. Pure.

Source: BuildKit, frontend/dockerfile/parser/parser.go.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from incubator.dockerfile.directives import detect_directives, read_directive
from incubator.dockerfile.heredoc import find_heredocs
from incubator.dockerfile.instructions import Directives, Heredoc, Warning_
from incubator.dockerfile.line import LexError, Node, split_line
from incubator.dockerfile.markers import Marker, read_marker
from incubator.dockerfile.source import Piece, Source, Span, locate
from incubator.dockerfile.text import SPACES
from incubator.errors import DockerfileError

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = ["Lexed", "Node", "Reader", "lex"]

MAX_LINE_BYTES: Final = 65_535


@dataclass(frozen=True, slots=True, kw_only=True)
class Lexed:
    """A file's nodes, and the faults found on the way: a node is missing where its line could not be split."""

    nodes: tuple[Node, ...]
    directives: Directives
    warnings: tuple[Warning_, ...]
    faults: tuple[DockerfileError, ...]


def lex(source: Source) -> Lexed:
    """The nodes of `source` and all faults of its lines."""
    reader = Reader(source)
    return Lexed(
        nodes=tuple(reader.nodes()),
        directives=reader.directives,
        warnings=tuple(reader.warnings),
        faults=tuple(reader.faults),
    )


class Reader:
    """Walks over the lines of one file.

    `directives` are known at once, `warnings` and `faults` grow while `nodes` is being drawn from.
    """

    def __init__(self, source: Source) -> None:
        self.source = source
        self.raw = source.text.split("\n")
        if not self.raw[-1]:
            self.raw.pop()
        self.position = 0  # of the next line in `raw`; also the number of the line just read
        self.number = 0  # of the last node
        self.escape = "\\"
        self.warnings: list[Warning_] = []
        self.faults: list[DockerfileError] = []
        self.comments: list[str] = []
        self.markers: list[Marker] = []

        self.check_lengths()
        if self.raw:
            self.raw[0] = self.raw[0].removeprefix("\ufeff")
        self.directives = self.read_directives()
        self.enders = ("", " ", "\t", self.directives.escape)  # what a line may end with that goes on

    def nodes(self) -> Iterator[Node]:
        """The instructions; one whose line cannot be split is missing, and noted in `faults`."""
        while self.position < len(self.raw):
            node = self.read_instruction()
            if node:
                yield node

    def check_lengths(self) -> None:
        """Notes the lines that are too long."""
        for number, line in enumerate(self.raw, 1):
            # A character has four bytes at most.
            if len(line) * 4 > MAX_LINE_BYTES and len(line.encode("utf-8", "surrogatepass")) > MAX_LINE_BYTES:
                self.fault(
                    number,
                    "line-too-long",
                    f"the line is longer than {MAX_LINE_BYTES} bytes",
                    "split it with continuations, or put the text into a file and COPY it",
                )

    def fault(self, line: int, rule: str, message: str, hint: str | None = None, column: int = 1) -> None:
        """Notes a fault of one line."""
        span = Span(self.source, line, line, column)
        self.faults.append(DockerfileError(message, rule=rule, span=span, hint=hint))

    def read_directives(self) -> Directives:
        """Takes the directives at the head of the file; they leave no node and are no comment."""
        seen: dict[str, str] = {}
        escape = "\\"
        while self.position < len(self.raw):
            line = self.raw[self.position].rstrip("\r").lstrip(SPACES)
            directive = read_directive(line)
            if directive is None:
                break
            self.position += 1
            key, value = directive
            if key in seen:
                self.fault(self.position, "duplicate-directive", f"the directive {key} may be given once")
            elif key == "escape" and value not in ("\\", "`"):
                self.fault(
                    self.position,
                    "invalid-escape",
                    f"the escape character must be \\ or `, not {value!r}",
                    "write # escape=` or leave the directive out",
                    column=self.raw[self.position - 1].find(value) + 1,
                )
            elif key == "escape":
                escape = value
            seen.setdefault(key, value)
        self.escape = escape
        # The frontend looks for these two by other rules: a first line #! is skipped, blanks before # are not.
        detected = detect_directives(self.raw)
        return Directives(
            syntax=detected.get("syntax"),
            escape="`" if escape == "`" else "\\",
            check=detected.get("check"),
        )

    def read_instruction(self) -> Node | None:
        """The instruction that begins on the next line; None where none does."""
        raw = self.raw[self.position]
        self.position += 1
        line = raw.rstrip("\r").lstrip(SPACES)
        if not line:
            self.comments.clear()
            return None
        if line[0] == "#":
            self.read_comment(line)
            return None
        first = self.position
        column = 1 if raw[0] not in SPACES else 1 + len(raw) - len(raw.lstrip(SPACES))
        line, goes_on = self.trim_continuation(line)
        pieces: tuple[Piece, ...] = ()
        if goes_on:
            line, pieces = self.read_continuation(line)
        comments: tuple[str, ...] = ()
        if self.comments:
            comments = tuple(self.comments)
            self.comments.clear()
        try:
            node = split_line(line, self.escape)
            heredocs = find_heredocs(node) if "<<" in line else ()
        except LexError as error:
            at = max(line.find(error.word), 0) if error.word else 0
            span = locate(Span(self.source, first, first, column), pieces, at)
            self.faults.append(DockerfileError(error.message, rule=error.rule, span=span, hint=error.hint))
            return None
        if heredocs:
            node.heredocs = self.read_heredocs(heredocs, Span(self.source, first, first, column))
        self.number += 1
        node.number = self.number
        node.source = self.source
        node.first_line = first
        node.last_line = self.position
        node.column = column
        node.pieces = pieces
        node.comments = comments
        return node

    def read_comment(self, line: str) -> None:
        """Keeps a comment for the instruction below; an empty one parts those above from it."""
        self.read_marker(line)
        comment = line[1:].strip(SPACES)
        if comment:
            self.comments.append(comment)
        else:
            self.comments.clear()

    def read_marker(self, line: str) -> None:
        """Keeps a layer marker, wherever it stands: what it means is for others to say."""
        text = read_marker(line)
        if text is not None:
            span = Span(self.source, self.position, self.position)
            self.markers.append(Marker(text=text, span=span))

    def trim_continuation(self, line: str) -> tuple[str, bool]:
        """`line` without the escape that ends it, and whether there was one. Two escapes are none."""
        if line[-1:] not in self.enders:
            return line, False
        trimmed = line.rstrip(" \t")
        if trimmed.endswith(self.escape) and not trimmed.endswith(self.escape * 2):
            return trimmed[:-1], True
        return line, False

    def read_continuation(self, first_piece: str) -> tuple[str, tuple[Piece, ...]]:
        """The logical line that begins with `first_piece`: comments and empty lines inside are left out."""
        texts = [first_piece]
        pieces: list[Piece] = []
        length = len(first_piece)
        goes_on, empty = True, 0
        while goes_on and self.position < len(self.raw):
            raw = self.raw[self.position].rstrip("\r")
            self.position += 1
            content = raw.lstrip(SPACES)
            if not content:
                empty = empty or self.position
                continue
            if content[0] == "#":
                self.read_marker(content)
                continue
            piece, goes_on = self.trim_continuation(raw)
            if piece:
                texts.append(piece)
                pieces.append((length, self.position, 1))
                length += len(piece)
        if empty:
            span = Span(self.source, empty, empty)
            self.warnings.append(
                Warning_(rule="NoEmptyContinuation", message="Empty continuation line", span=span)
            )
        return "".join(texts), tuple(pieces)

    def read_heredocs(self, heredocs: tuple[Heredoc, ...], place: Span) -> tuple[Heredoc, ...]:
        """The heredocs with their content, which is taken from the lines that follow."""
        complete: list[Heredoc] = []
        for heredoc in heredocs:
            start = self.position
            while self.position < len(self.raw):
                line = self.raw[self.position].rstrip("\r")
                self.position += 1
                if (line.lstrip("\t") if heredoc.strip_tabs else line) == heredoc.name:
                    content = "".join(f"{text}\n" for text in self.raw[start : self.position - 1])
                    complete.append(
                        Heredoc(  # `replace` takes ten times as long
                            name=heredoc.name,
                            content=content,
                            expand=heredoc.expand,
                            strip_tabs=heredoc.strip_tabs,
                            file_descriptor=heredoc.file_descriptor,
                        )
                    )
                    break
            else:
                self.faults.append(
                    DockerfileError(
                        f"the heredoc {heredoc.name} is not terminated",
                        rule="unterminated-heredoc",
                        span=place,
                        hint=self.hint_for_heredoc(heredoc, start),
                    )
                )
                break
        return tuple(complete)

    def hint_for_heredoc(self, heredoc: Heredoc, start: int) -> str:
        """What to do about a heredoc without an end."""
        for number, line in enumerate(self.raw[start:], start + 1):
            if heredoc.name and line.strip(SPACES) == heredoc.name:
                return f"line {number} has {heredoc.name} with blanks around it: it must stand alone"
        return f"end it with a line that holds nothing but {heredoc.name}"
