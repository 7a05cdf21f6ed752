"""What rules look at: the stages of a document, and what every instruction sees of its variables. Pure.

This follows what the reference does when it checks: it walks a stage as a build would, without running it.
A word that cannot be expanded counts as empty; it is a fault if no value of a variable could mend it.
"""

from __future__ import annotations

import functools
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Protocol

from incubator.dockerfile.expand import Expansion, expand, expand_raw
from incubator.dockerfile.instructions import (
    AddInstruction,
    ArgInstruction,
    CopyInstruction,
    EnvInstruction,
    ExposeInstruction,
    FromInstruction,
    Instruction,
    LabelInstruction,
    RunInstruction,
    ShellInstruction,
    StopsignalInstruction,
    UserInstruction,
    VolumeInstruction,
    WorkdirInstruction,
)
from incubator.dockerfile.lint.reach import find_reached
from incubator.dockerfile.text import lower
from incubator.errors import ExpandError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from incubator.dockerfile.instructions import Document

WATCHED = ("PIP_NO_CACHE_DIR",)
"""Variables that rules ask for."""

_MAX_KNOWN = 1000
_MAX_FAULTS = 100
DEFAULT_PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"


class IgnoreMatcher(Protocol):
    """What is needed of the ignore rules."""

    has_exclusions: bool

    def matches_or_parent_matches(self, path: str, /) -> bool:
        """Whether the path itself or a folder above it is excluded."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """One instruction as it is evaluated: `texts` are its expanded words, as its kind has them.

    COPY and ADD: sources; ENV, LABEL and ARG: names; WORKDIR: the path; EXPOSE: the ports. `unset` are the names it
    used that had no value and are not declared; where there are any, `known` are names that would have done.
    `watched` are those of the variables `WATCHED` that had a value before it.
    """

    instruction: Instruction
    texts: tuple[str, ...]
    unset: tuple[str, ...]
    known: tuple[str, ...]
    watched: Mapping[str, str]


@dataclass(frozen=True, slots=True, kw_only=True)
class Stage:
    """From a FROM to the next. `name` is in lower case, empty without one.

    `base` is the base's name expanded with the build's arguments, `default_base` with their defaults only; None where
    that fails. `parent` is the stage it stands on. `env_known`: the base's environment is known. `has_shell` and
    `has_workdir`: SHELL or WORKDIR is set in it or below it.
    """

    index: int
    name: str
    start: FromInstruction
    instructions: tuple[Instruction, ...]
    base: Expansion | None
    default_base: Expansion | None
    platform: Expansion | None
    parent: Stage | None
    env_known: bool
    has_shell: bool
    has_workdir: bool
    steps: tuple[Step, ...] = ()
    env: Mapping[str, str] = field(default_factory=dict)
    declared: Mapping[str, None] = field(default_factory=dict)
    faults: tuple[ExpandError, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Subject:
    """A document, taken apart for the rules. `reached` are the stages that the target needs."""

    document: Document
    stages: tuple[Stage, ...]
    reached: tuple[Stage, ...]
    global_names: tuple[str, ...]
    """Names that FROM lines may use: those declared before the first, and the platform's."""
    ignore_matcher: IgnoreMatcher | None
    faults: tuple[ExpandError, ...]
    """Words of the `reached` stages that cannot be expanded whatever the variables hold, at their places."""


def make_subject(
    document: Document,
    *,
    build_args: Mapping[str, str],
    target: str | None,
    platform: str,
    base_env: Mapping[str, Mapping[str, str]],
    ignore_matcher: IgnoreMatcher | None,
) -> Subject:
    """The subject of `document`. Raises `DockerfileError` for a target that is no stage."""
    head, bodies = _split(document)
    escape = document.directives.escape
    defaults = _platform_args(platform, {})
    given = _platform_args(platform, build_args)
    default_args = _global_args(head, defaults, {}, escape)
    actual_args = _global_args(head, given, build_args, escape)
    declared = tuple(name for arg in head for name, _ in arg.pairs)
    stages: list[Stage] = []
    by_name: dict[str, Stage] = {}
    for index, (start, body) in enumerate(bodies):
        base = _try_expand(start.image, actual_args, escape)
        parent = by_name.get(base.text) if base else None
        known = base is not None and (base.text == "scratch" or base.text in base_env)
        plain = Stage(
            index=index,
            name=lower(start.alias or ""),
            start=start,
            instructions=body,
            base=base,
            default_base=_try_expand(start.image, default_args, escape),
            platform=_try_expand(start.platform, actual_args, escape) if start.platform else None,
            parent=parent,
            env_known=parent.env_known if parent else known,
            has_shell=_has(ShellInstruction, body) or (parent is not None and parent.has_shell),
            has_workdir=_has(WorkdirInstruction, body) or (parent is not None and parent.has_workdir),
        )
        inherited = {"PATH": DEFAULT_PATH} | dict(base_env.get(base.text, {}) if base else {})
        walk = _Walk(
            env=dict(parent.env) if parent else inherited,
            declared=dict(parent.declared) if parent else {},
            global_args=actual_args,
            build_args=build_args,
            escape=escape,
        )
        stage = walk.walked(plain)
        stages.append(stage)
        if stage.name:
            by_name[stage.name] = stage
    reached = find_reached(document, stages, target)
    words: list[tuple[Instruction, str]] = [
        (arg, default) for arg in head for name, default in arg.pairs if default and name not in build_args
    ]
    for stage in reached:
        words += ((stage.start, word) for word in (stage.start.image, stage.start.platform) if word)
    faults = [fault for instruction, word in words for fault in _unsound(instruction, word, escape)]
    return Subject(
        document=document,
        stages=tuple(stages),
        reached=reached,
        global_names=(*given, *declared),
        ignore_matcher=ignore_matcher,
        faults=(*faults, *(fault for stage in reached for fault in stage.faults)),
    )


def _unsound(instruction: Instruction, word: str, escape: str) -> Iterator[ExpandError]:
    try:
        expand(word, {}, escape=escape)
    except ExpandError as error:
        if not error.by_value:
            yield error.at(instruction.place_of(word))


def _split(
    document: Document,
) -> tuple[list[ArgInstruction], list[tuple[FromInstruction, tuple[Instruction, ...]]]]:
    """The ARGs before the first FROM, and each FROM with what follows it."""
    head: list[ArgInstruction] = []
    bodies: list[tuple[FromInstruction, list[Instruction]]] = []
    for instruction in document.instructions:
        if isinstance(instruction, FromInstruction):
            bodies.append((instruction, []))
        elif bodies:
            bodies[-1][1].append(instruction)
        elif isinstance(instruction, ArgInstruction):
            head.append(instruction)
    return head, [(start, tuple(body)) for start, body in bodies]


def _has(kind: type[Instruction], body: tuple[Instruction, ...]) -> bool:
    return any(isinstance(instruction, kind) for instruction in body)


def _platform_args(platform: str, build_args: Mapping[str, str]) -> dict[str, str]:
    os, architecture, variant = (*platform.split("/"), "", "")[:3]
    parts = {"PLATFORM": platform, "OS": os, "ARCH": architecture, "VARIANT": variant}
    values = {f"{side}{name}": value for side in ("BUILD", "TARGET") for name, value in parts.items()}
    values["TARGETSTAGE"] = "default"
    return {name: build_args.get(name, value) for name, value in values.items()}


def _global_args(
    head: list[ArgInstruction], values: Mapping[str, str], build_args: Mapping[str, str], escape: str
) -> dict[str, str]:
    env = dict(values)
    for instruction in head:
        for name, default in instruction.pairs:
            if name in build_args:
                env[name] = build_args[name]
            elif default is not None and (expansion := _try_expand(default, env, escape)):
                env[name] = expansion.text
    return env


def _try_expand(word: str, env: Mapping[str, str], escape: str) -> Expansion | None:
    try:
        return expand(word, env, escape=escape)
    except ExpandError:
        return None


@dataclass(slots=True, kw_only=True)
class _Walk:
    """Walks over one stage. `declared` are its ARGs, with or without a value, in order.

    `unset` and `is_broken` are about the instruction at hand: names that it missed, and whether a word of it could
    not be expanded; that counts as empty then.
    """

    env: dict[str, str]
    declared: dict[str, None]
    global_args: Mapping[str, str]
    build_args: Mapping[str, str]
    escape: str
    unset: dict[str, None] = field(default_factory=dict)
    is_broken: bool = False
    faults: list[ExpandError] = field(default_factory=list)

    def walked(self, stage: Stage) -> Stage:
        """`stage` with its steps, and what it leaves to a stage that stands on it."""
        steps: list[Step] = []
        for instruction in stage.instructions:
            watched = {name: self.env[name] for name in WATCHED if name in self.env}
            self.unset, self.is_broken = {}, False
            texts = self.texts(instruction)
            known = (*self.env, *self.declared)[:_MAX_KNOWN] if self.unset else ()
            if not self.is_broken:  # else rules would speak of words that nobody has written
                steps.append(
                    Step(
                        instruction=instruction,
                        texts=texts,
                        unset=tuple(self.unset),
                        known=known,
                        watched=watched,
                    )
                )
        return replace(
            stage, steps=tuple(steps), env=self.env, declared=self.declared, faults=tuple(self.faults)
        )

    def expand(self, instruction: Instruction, word: str) -> Expansion:
        """One word expanded; names it missed are noted. Empty for one that cannot be expanded."""
        return self.attempt(instruction, word, lambda: expand(word, self.env, escape=self.escape))

    def attempt(self, instruction: Instruction, word: str, act: Callable[[], Expansion]) -> Expansion:
        """What `act` returns for `word`; empty where it fails, which is noted."""
        try:
            expansion = act()
        except ExpandError as error:
            self.is_broken = True
            # What hangs on values is the plan's to report, which knows them.
            if not error.by_value and len(self.faults) < _MAX_FAULTS:
                self.faults.append(error.at(instruction.place_of(word)))
            return Expansion(text="", words=(), used=(), unset=())
        self.unset.update((name, None) for name in expansion.unset if name not in self.declared)
        return expansion

    def expanded(self, instruction: Instruction, *words: str | None) -> tuple[str, ...]:
        """The words expanded; None is passed over."""
        return tuple(self.expand(instruction, word).text for word in words if word is not None)

    def texts(self, instruction: Instruction) -> tuple[str, ...]:
        """The expanded words of an instruction; keeps what ARG and ENV set."""
        match instruction:
            case ArgInstruction():
                return self.arg(instruction)
            case EnvInstruction() | LabelInstruction():
                names = self.expanded(instruction, *(name for name, _ in instruction.pairs))
                values = self.expanded(instruction, *(value for _, value in instruction.pairs))
                if isinstance(instruction, EnvInstruction):
                    self.env.update(zip(names, values, strict=True))
                return names
            case CopyInstruction() | AddInstruction():
                return self.copy(instruction)
            case RunInstruction():
                values_of = (
                    value for mount in instruction.mounts for key, value in mount.options if key != "from"
                )
                return self.expanded(instruction, *values_of)
            case ExposeInstruction():
                words = (self.expand(instruction, port).words for port in instruction.ports)
                ports = tuple(word for parts in words for word in parts)
                self.unset = {}  # what is missing in EXPOSE goes unreported in the reference
                return ports
            case WorkdirInstruction():
                return self.expanded(instruction, instruction.path)
            case UserInstruction():
                return self.expanded(instruction, instruction.user)
            case VolumeInstruction():
                return self.expanded(instruction, *instruction.paths)
            case StopsignalInstruction():
                return self.expanded(instruction, instruction.signal)
            case _:
                return ()

    def arg(self, instruction: ArgInstruction) -> tuple[str, ...]:
        for name, default in instruction.pairs:
            if name in self.build_args:
                self.env[name] = self.build_args[name]
            elif default is not None:
                (self.env[name],) = self.expanded(instruction, default)
            elif name in self.global_args:
                self.env[name] = self.global_args[name]
            self.declared[name] = None
        return tuple(name for name, _ in instruction.pairs)

    def copy(self, instruction: CopyInstruction | AddInstruction) -> tuple[str, ...]:
        self.expanded(instruction, instruction.chown, instruction.chmod)
        if isinstance(instruction, AddInstruction):
            self.expanded(instruction, instruction.checksum)
        sources = self.expanded(instruction, *instruction.sources)
        self.expanded(instruction, instruction.destination)
        for heredoc in instruction.heredocs:
            if heredoc.expand:
                body = heredoc.content
                self.attempt(instruction, body, functools.partial(expand_raw, body, self.env))
        return sources
