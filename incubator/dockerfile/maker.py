"""What the making of every instruction shares: the node, its place, and the faults noted on the way. Pure."""

from __future__ import annotations

import re
from itertools import islice
from typing import TYPE_CHECKING, Final

from incubator.dockerfile.flags import MAX_FAULTS, Kind, read_flags
from incubator.dockerfile.source import locate
from incubator.errors import DockerfileError

if TYPE_CHECKING:
    from collections.abc import Mapping

    from incubator.dockerfile.line import Node

_NO_FLAGS: Final[Mapping[str, Kind]] = {}
_LONGEST_WORD: Final = 200
"""Of a longer word this much is looked for in the line."""
_EXAMPLES: Final = {
    "argument": "CMD command, or NONE",
    "user": "NAME, NAME:GROUP or UID:GID",
    "port": "PORT or PORT/udp",
    "signal": "SIGTERM, or another name or number",
    "word": '["/bin/sh", "-c"]',
}
"""What to write where an argument is missing, if not its name in capitals."""


class Stop(Exception):
    """The instruction cannot be made; its faults are noted."""


class Maker:
    """Makes the instruction of one node and notes its faults."""

    __slots__ = ("faults", "node")

    def __init__(self, node: Node) -> None:
        self.node = node
        self.faults: list[DockerfileError] = []

    @property
    def name(self) -> str:
        """The instruction's name as messages write it."""
        return self.node.name.upper()

    def note(self, message: str, *, rule: str, hint: str | None = None, word: str = "", nth: int = 0) -> None:
        """Notes a fault, where `word` begins a word of the line (the `nth` time, from 0), or at least stands in it.

        Raises `Stop` where there were `MAX_FAULTS` before it: each is looked up in the line.
        """
        span = self.node.span
        if len(self.faults) >= MAX_FAULTS:
            more = "there are more faults in this instruction"
            self.faults.append(DockerfileError(more, rule="many-faults", span=span))
            raise Stop
        if word and self.node.placed:
            line, begin, word = self.node.original, len(self.node.name), word[:_LONGEST_WORD]
            starts = (match.start() for match in re.finditer(rf"(?<=\s){re.escape(word)}", line[begin:]))
            offset = next(islice(starts, nth, None), line.find(word, begin) - begin) + begin
            if offset >= begin:
                span = locate(span, self.node.pieces, offset)
        self.faults.append(DockerfileError(message, rule=rule, span=span, hint=hint))

    def stop(self, message: str, *, rule: str, hint: str | None = None, word: str = "") -> Stop:
        """Notes a fault; what it returns is to be raised."""
        self.note(message, rule=rule, hint=hint, word=word)
        return Stop()

    def flags(self, known: Mapping[str, Kind] = _NO_FLAGS) -> tuple[dict[str, str], dict[str, list[str]]]:
        """The flags' values, as `read_flags` gives them; faults are noted and do not stop."""
        if not self.node.flags:
            return {}, {}
        single, many, faults = read_flags(self.node.flags, known)
        for fault in faults:
            names = [flag.partition("=")[0] for flag in self.node.flags[: fault.index + 1]]
            word = names.pop()
            self.note(
                f"{self.name}: {fault.message}",
                rule=fault.rule,
                hint=fault.hint,
                word=word,
                nth=names.count(word),
            )
        return single, many

    def done(self) -> None:
        """Stops if faults were noted."""
        if self.faults:
            raise Stop

    def one_argument(self, what: str) -> str:
        """The only argument. Raises `Stop` where there is none."""
        if len(self.node.args) != 1:
            raise self.stop(
                f"{self.name} needs a {what}",
                rule="missing-argument",
                hint=f"write {self.name} {_EXAMPLES.get(what, what.upper())}",
            )
        return self.node.args[0]

    def some_arguments(self, what: str) -> tuple[str, ...]:
        """The arguments. Raises `Stop` where there is none."""
        if not self.node.args:
            raise self.stop(
                f"{self.name} needs at least one {what}",
                rule="missing-argument",
                hint=f"write {self.name} {_EXAMPLES.get(what, what.upper())}",
            )
        return self.node.args
