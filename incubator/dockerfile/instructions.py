"""Typed instructions: what a parsed Dockerfile is made of.

Words are kept as written (quotes, escapes and variables in place): expansion needs the values of a
stage and happens in `expand`, called by the planner. What is pure syntax (flags, JSON form, heredocs,
splitting of `ENV a=b c=d`) is already done here.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    from incubator.dockerfile.source import Source, Span


@dataclass(frozen=True, slots=True, kw_only=True)
class Heredoc:
    """One heredoc. `expand`: its word was unquoted, so the builder expands the body in COPY and ADD."""

    name: str
    content: str
    expand: bool
    strip_tabs: bool
    file_descriptor: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Command:
    """Arguments of RUN, CMD, ENTRYPOINT, HEALTHCHECK: exec form (a list) or shell form (one text)."""

    words: tuple[str, ...]
    shell_form: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Instruction:
    """What all instructions share.

    `number` counts instructions of the file from 1. `original` is the logical line with continuations joined.
    """

    span: Span
    number: int
    original: str

    @property
    def keyword(self) -> str:
        """Upper-case name, as in `COPY`."""
        return type(self).__name__.removesuffix("Instruction").upper()


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
    """One `--mount=` of RUN: key and value pairs as written, in order; a bare key (`ro`) has value None."""

    raw: str
    options: tuple[tuple[str, str | None], ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class RunInstruction(Instruction):
    command: Command
    heredocs: tuple[Heredoc, ...] = ()
    mounts: tuple[Mount, ...] = ()
    network: str | None = None
    security: str | None = None
    devices: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class CopyInstruction(Instruction):
    """COPY. `sources` are paths only; inline files are in `heredocs`, in order."""

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
class CmdInstruction(Instruction):
    command: Command


@dataclass(frozen=True, slots=True, kw_only=True)
class EntrypointInstruction(Instruction):
    command: Command


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
