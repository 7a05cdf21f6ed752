"""What each instruction of a stage sees of its variables. Pure.

A stage is walked as a build would go through it, without running it. A word that cannot be expanded counts as empty;
it is a fault if no value of a variable could mend it.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final

from incubator.dockerfile.expand import expand, expand_raw
from incubator.dockerfile.instructions import (
    AddInstruction,
    ArgInstruction,
    CopyInstruction,
    EnvInstruction,
    ExposeInstruction,
    Instruction,
    LabelInstruction,
    RunInstruction,
    StopsignalInstruction,
    UserInstruction,
    VolumeInstruction,
    WorkdirInstruction,
)
from incubator.errors import ExpandError

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from incubator.dockerfile.expand import Budget, Expansion
    from incubator.dockerfile.lint.guesses import Guesses

WATCHED: Final = ("PIP_NO_CACHE_DIR", "PIP_CACHE_DIR")
"""Variables that rules ask for."""

_MAX_FAULTS: Final = 100
_ABSENT: Final = object()


@dataclass(slots=True, kw_only=True)  # not frozen, which would cost: a large file has many
class Step:
    """One instruction as it is evaluated: `texts` are its expanded words, as its kind has them.

    COPY and ADD: sources; ENV, LABEL and ARG: names; WORKDIR: the path; EXPOSE: the ports. `unset` are the names it
    used that had no value and are not declared, each with a known name that is nearly the same, where there is one.
    `watched` are those of the variables `WATCHED` that had a value before it.
    """

    instruction: Instruction
    texts: tuple[str, ...]
    unset: tuple[tuple[str, str | None], ...]
    watched: Mapping[str, str]


class Variables:
    """Values of ENV and ARG (`env`) and the ARGs with or without a value (`declared`); what is set can be undone.

    So stages that stand on each other need no copies, of which a file could ask for any number.
    """

    __slots__ = ("_log", "declared", "env")

    def __init__(self, env: Mapping[str, str]) -> None:
        self.env: dict[str, str] = dict(env)
        self.declared: dict[str, str] = {}
        self._log: list[tuple[dict[str, str], str, Any]] = []

    def set(self, name: str, value: str) -> None:
        """Give a variable a value."""
        self._put(self.env, name, value)

    def declare(self, name: str) -> None:
        """Note that an ARG has that name."""
        if name not in self.declared:
            self._put(self.declared, name, "")

    def mark(self) -> int:
        """What `undo` takes to come back to here."""
        return len(self._log)

    def undo(self, mark: int) -> None:
        """Take back what was set since `mark`."""
        while len(self._log) > mark:
            table, name, before = self._log.pop()
            if before is _ABSENT:
                del table[name]
            else:
                table[name] = before

    def _put(self, table: dict[str, str], name: str, value: str) -> None:
        self._log.append((table, name, table.get(name, _ABSENT)))
        table[name] = value


@dataclass(slots=True, kw_only=True)
class Walk:
    """Walks over stages, one after the other. `faults` are those of the stage walked last.

    `unset` and `is_broken` are about the instruction at hand: names that it missed, and whether a word of it could
    not be expanded; that counts as empty then.
    """

    global_args: Mapping[str, str]
    build_args: Mapping[str, str]
    escape: str
    budget: Budget
    guesses: Guesses
    variables: Variables = field(default_factory=lambda: Variables({}))
    unset: dict[str, None] = field(default_factory=dict)
    is_broken: bool = False
    faults: list[ExpandError] = field(default_factory=list)

    def steps(self, instructions: Iterable[Instruction], variables: Variables) -> tuple[Step, ...]:
        """The steps of a stage's instructions, which set `variables`."""
        self.variables, self.faults = variables, []
        env = variables.env
        steps: list[Step] = []
        mark = -1
        watched: Mapping[str, str] = {}
        for instruction in instructions:
            if variables.mark() != mark:
                mark, watched = variables.mark(), {name: env[name] for name in WATCHED if name in env}
            self.is_broken = False
            texts = self._texts(instruction)
            unset: tuple[tuple[str, str | None], ...] = ()
            if self.unset:
                if not self.is_broken:
                    guess = self.guesses.nearest
                    unset = tuple((name, guess(name, env, variables.declared)) for name in self.unset)
                self.unset = {}
            if not self.is_broken:  # else rules would speak of words that nobody has written
                steps.append(Step(instruction=instruction, texts=texts, unset=unset, watched=watched))
        return tuple(steps)

    def _expand(self, instruction: Instruction, word: str, *, raw: bool = False) -> Expansion | None:
        """One word expanded, or with `raw` a text whose quotes stay; names it missed are noted.

        None for one that cannot be expanded, which is noted as well.
        """
        env = self.variables.env
        try:
            if raw:
                expansion = expand_raw(word, env, budget=self.budget)
            else:
                expansion = expand(word, env, escape=self.escape, budget=self.budget)
        except ExpandError as error:
            self.is_broken = True
            # What hangs on values is the plan's to report, which knows them.
            if not error.by_value and len(self.faults) < _MAX_FAULTS:
                self.faults.append(error.at(instruction.place_of(word)))
            return None
        declared = self.variables.declared
        self.unset.update((name, None) for name in expansion.unset if name not in declared)
        return expansion

    def _expanded(self, instruction: Instruction, *words: str | None) -> tuple[str, ...]:
        """The words expanded, empty where that fails; None is passed over."""
        found = (self._expand(instruction, word) for word in words if word is not None)
        return tuple(expansion.text if expansion else "" for expansion in found)

    def _texts(self, instruction: Instruction) -> tuple[str, ...]:
        """The expanded words of an instruction; keeps what ARG and ENV set."""
        match instruction:
            case ArgInstruction():
                return self._arg(instruction)
            case EnvInstruction() | LabelInstruction():
                names = self._expanded(instruction, *(name for name, _ in instruction.pairs))
                values = self._expanded(instruction, *(value for _, value in instruction.pairs))
                if isinstance(instruction, EnvInstruction):
                    for name, value in zip(names, values, strict=True):
                        self.variables.set(name, value)
                return names
            case CopyInstruction() | AddInstruction():
                return self._copy(instruction)
            case RunInstruction():
                if not instruction.mounts:  # as nearly always
                    return ()
                values_of = (
                    value for mount in instruction.mounts for key, value in mount.options if key != "from"
                )
                return self._expanded(instruction, *values_of)
            case ExposeInstruction():
                found = (self._expand(instruction, port) for port in instruction.ports)
                ports = tuple(word for expansion in found if expansion for word in expansion.words)
                self.unset = {}  # what is missing in EXPOSE goes unreported in the reference
                return ports
            case WorkdirInstruction():
                return self._expanded(instruction, instruction.path)
            case UserInstruction():
                return self._expanded(instruction, instruction.user)
            case VolumeInstruction():
                return self._expanded(instruction, *instruction.paths)
            case StopsignalInstruction():
                return self._expanded(instruction, instruction.signal)
            case _:
                return ()

    def _arg(self, instruction: ArgInstruction) -> tuple[str, ...]:
        for name, default in instruction.pairs:
            if name in self.build_args:
                self.variables.set(name, self.build_args[name])
            elif default is not None:
                (value,) = self._expanded(instruction, default)
                self.variables.set(name, value)
            elif name in self.global_args:
                self.variables.set(name, self.global_args[name])
            self.variables.declare(name)
        return tuple(name for name, _ in instruction.pairs)

    def _copy(self, instruction: CopyInstruction | AddInstruction) -> tuple[str, ...]:
        self._expanded(instruction, instruction.chown, instruction.chmod)
        if isinstance(instruction, AddInstruction):
            self._expanded(instruction, instruction.checksum)
        sources = self._expanded(instruction, *instruction.sources)
        self._expanded(instruction, instruction.destination)
        # Files of one name have one content, of which there may be very many.
        for content in dict.fromkeys(heredoc.content for heredoc in instruction.heredocs if heredoc.expand):
            self._expand(instruction, content, raw=True)
        return sources
