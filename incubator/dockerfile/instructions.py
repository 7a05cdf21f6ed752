"""Typed instructions: what a parsed Dockerfile is made of.

Words are kept as written (quotes, escapes and variables in place): expansion needs the values of a
stage and happens in `expand`, called by the planner. What is pure syntax (flags, JSON form, heredocs,
splitting of `ENV a=b c=d`) is already done here.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from incubator.dockerfile.source import locate
from incubator.dockerfile.text import SPACES

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from incubator.dockerfile.line import Node
    from incubator.dockerfile.markers import Marker
    from incubator.dockerfile.source import Source, Span

_WORD = re.compile(r"""(?:[^\s'"\\`]++|[\\`](?s:.)?|"(?:[^"\\]++|\\(?s:.))*+(?:"|\\?\Z)|'[^']*+(?:'|\Z))++""")
_LEADING_TABS = re.compile(r"^\t+", re.MULTILINE)


@dataclass(frozen=True, slots=True, kw_only=True)
class Heredoc:
    """One heredoc. `expand`: its word was unquoted, so the builder expands the body in COPY and ADD.

    `content` is the body as written, with the tabs that `<<-` drops; `body` is without them.
    """

    name: str
    content: str
    expand: bool
    strip_tabs: bool
    file_descriptor: int = 0

    @property
    def body(self) -> str:
        """The content as it is meant: without leading tabs where the heredoc was written `<<-`."""
        return _LEADING_TABS.sub("", self.content) if self.strip_tabs else self.content


@dataclass(frozen=True, slots=True, kw_only=True)
class Command:
    """Arguments of RUN, CMD, ENTRYPOINT, HEALTHCHECK: exec form (a list) or shell form (one text)."""

    words: tuple[str, ...]
    shell_form: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Instruction:
    """What all instructions share: the node of which they are made."""

    node: Node

    @property
    def span(self) -> Span:
        """Its place; for a trigger that comes with a base image, that of the FROM."""
        return self.node.span

    @property
    def number(self) -> int:
        """Counts instructions of the file from 1."""
        return self.node.number

    @property
    def original(self) -> str:
        """The logical line, with continuations joined."""
        return self.node.original.strip(SPACES)

    @property
    def written(self) -> str:
        """The keyword as written."""
        return self.node.name

    @property
    def comments(self) -> tuple[str, ...]:
        """Those right above."""
        return self.node.comments

    @property
    def keyword(self) -> str:
        """Upper-case name, as in `COPY`."""
        return type(self).__name__.removesuffix("Instruction").upper()

    def place_of(self, word: str) -> Span:
        """Where `word` first stands behind the keyword; the whole instruction where it does not."""
        offset = self.original.find(word, len(self.written)) if word else -1
        return self._place(offset) if offset >= 0 and self.node.placed else self.span

    def words(self) -> tuple[tuple[str, Span], ...]:
        """The words of the line, keyword first, as written and with their places; quotes keep blanks in."""
        if not self.node.placed:
            return ()
        found = _WORD.finditer(self.original)
        return tuple((match[0], self._place(match.start())) for match in found)

    def _place(self, offset: int) -> Span:
        return locate(self.span, self.node.pieces, offset)


@dataclass(frozen=True, slots=True, kw_only=True)
class _CommandInstruction(Instruction):
    @property
    def command(self) -> Command:
        """All words of the line, in the form in which they were given."""
        return Command(words=self.node.args, shell_form=not self.node.json)


@dataclass(frozen=True, slots=True, kw_only=True)
class FromInstruction(Instruction):
    image: str
    platform: str | None = None
    alias: str | None = None
    """Stage name as written; names compare case-insensitively."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ArgInstruction(Instruction):
    pairs: tuple[tuple[str, str | None], ...]
    """Name and default, None where there is no `=`."""


@dataclass(frozen=True, slots=True, kw_only=True)
class EnvInstruction(Instruction):
    pairs: tuple[tuple[str, str], ...]
    legacy: bool = False
    """`ENV name value`: the rest of the line is one value, and warns."""


@dataclass(frozen=True, slots=True, kw_only=True)
class LabelInstruction(Instruction):
    pairs: tuple[tuple[str, str], ...]
    legacy: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Mount:
    """One `--mount=` of RUN: key and value pairs in order, keys in lower case; a bare key (`ro`) has value None."""

    raw: str
    options: tuple[tuple[str, str | None], ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class RunInstruction(_CommandInstruction):
    """RUN. `script`: the command is nothing but one heredoc, whose body is what is to be run.

    With other heredocs the command and their contents go to the shell as they are.
    """

    script: bool = False
    mounts: tuple[Mount, ...] = ()
    network: str | None = None
    security: str | None = None
    devices: tuple[str, ...] = ()

    @property
    def heredocs(self) -> tuple[Heredoc, ...]:
        """Those of the line, in order."""
        return self.node.heredocs


@dataclass(frozen=True, slots=True, kw_only=True)
class CopyInstruction(Instruction):
    """COPY. `sources` are paths only; inline files are in `heredocs`, in order, their tabs already dropped."""

    sources: tuple[str, ...]
    destination: str
    heredocs: tuple[Heredoc, ...] = ()
    from_: str | None = None
    chown: str | None = None
    chmod: str | None = None
    link: bool = False
    parents: bool = False
    exclude: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class AddInstruction(Instruction):
    sources: tuple[str, ...]
    destination: str
    heredocs: tuple[Heredoc, ...] = ()
    chown: str | None = None
    chmod: str | None = None
    link: bool = False
    exclude: tuple[str, ...] = ()
    checksum: str | None = None
    keep_git_dir: bool | None = None
    unpack: bool | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class CmdInstruction(_CommandInstruction):
    pass


@dataclass(frozen=True, slots=True, kw_only=True)
class EntrypointInstruction(_CommandInstruction):
    pass


@dataclass(frozen=True, slots=True, kw_only=True)
class WorkdirInstruction(Instruction):
    path: str


@dataclass(frozen=True, slots=True, kw_only=True)
class UserInstruction(Instruction):
    user: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ExposeInstruction(Instruction):
    ports: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class VolumeInstruction(Instruction):
    paths: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class StopsignalInstruction(Instruction):
    signal: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ShellInstruction(Instruction):
    shell: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class MaintainerInstruction(Instruction):
    name: str


@dataclass(frozen=True, slots=True, kw_only=True)
class HealthcheckInstruction(Instruction):
    """HEALTHCHECK. Durations in nanoseconds, 0 where unset; `command` is None for `NONE`."""

    command: Command | None
    interval_ns: int = 0
    timeout_ns: int = 0
    start_period_ns: int = 0
    start_interval_ns: int = 0
    retries: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class OnbuildInstruction(Instruction):
    trigger: str
    """Text of the trigger as it is stored in the image config."""
    instruction: Instruction
    """The trigger parsed, to report its faults here."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Directives:
    """Parser directives at the top of the file."""

    syntax: str | None = None
    escape: Literal["\\", "`"] = "\\"
    check: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Warning_:  # noqa: N801 - `Warning` is a builtin
    """A build check that fired: `rule` under its name in the Dockerfile reference."""

    rule: str
    message: str
    span: Span


@dataclass(frozen=True, slots=True, kw_only=True)
class Document:
    """A parsed Dockerfile: at least one FROM; only ARG before the first."""

    source: Source
    directives: Directives
    instructions: tuple[Instruction, ...]
    warnings: tuple[Warning_, ...] = ()
    markers: tuple[Marker, ...] = ()


def named_sources(instructions: Iterable[Instruction]) -> Iterator[str]:
    """What COPY and the mounts of RUN name as places of files other than the context: stages, contexts, images."""
    for instruction in instructions:
        if isinstance(instruction, CopyInstruction) and instruction.from_:
            yield instruction.from_
        elif isinstance(instruction, RunInstruction):
            for mount in instruction.mounts:
                yield from (value for key, value in mount.options if key == "from" and value)
