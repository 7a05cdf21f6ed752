"""What rules look at: the stages of a document, and what every instruction sees of its variables. Pure.

This follows what the reference does when it checks: it walks a stage as a build would, without running it.
Expansion that fails ends the walk of a stage; the plan reports it.
"""

from __future__ import annotations

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
from incubator.dockerfile.text import lower, nearest
from incubator.errors import DockerfileError, ExpandError

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from incubator.dockerfile.instructions import Document

WATCHED = ("PIP_NO_CACHE_DIR",)
"""Variables that rules ask for."""

_MAX_KNOWN = 1000
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


@dataclass(frozen=True, slots=True, kw_only=True)
class Subject:
    """A document, taken apart for the rules. `reached` are the stages that the target needs."""

    document: Document
    stages: tuple[Stage, ...]
    reached: tuple[Stage, ...]
    global_names: tuple[str, ...]
    """Names that FROM lines may use: those declared before the first, and the platform's."""
    ignore_matcher: IgnoreMatcher | None


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
    return Subject(
        document=document,
        stages=tuple(stages),
        reached=_reach(document, stages, target),
        global_names=(*given, *declared),
        ignore_matcher=ignore_matcher,
    )


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
    """Walks over one stage. `declared` are its ARGs, with or without a value, in order."""

    env: dict[str, str]
    declared: dict[str, None]
    global_args: Mapping[str, str]
    build_args: Mapping[str, str]
    escape: str
    unset: dict[str, None] = field(default_factory=dict)

    def walked(self, stage: Stage) -> Stage:
        """`stage` with its steps, and what it leaves to a stage that stands on it."""
        steps: list[Step] = []
        try:
            for instruction in stage.instructions:
                watched = {name: self.env[name] for name in WATCHED if name in self.env}
                self.unset = {}
                texts = self.texts(instruction)
                known = (*self.env, *self.declared)[:_MAX_KNOWN] if self.unset else ()
                steps.append(
                    Step(
                        instruction=instruction,
                        texts=texts,
                        unset=tuple(self.unset),
                        known=known,
                        watched=watched,
                    )
                )
        except ExpandError:
            pass  # the plan reports it
        return replace(stage, steps=tuple(steps), env=self.env, declared=self.declared)

    def expanded(self, *words: str | None) -> tuple[str, ...]:
        """The words expanded; None and what is missing are passed over or noted."""
        texts = []
        for word in words:
            if word is not None:
                expansion = expand(word, self.env, escape=self.escape)
                self.miss(expansion)
                texts.append(expansion.text)
        return tuple(texts)

    def miss(self, expansion: Expansion) -> None:
        """Notes the names that had no value and are not declared."""
        self.unset.update((name, None) for name in expansion.unset if name not in self.declared)

    def texts(self, instruction: Instruction) -> tuple[str, ...]:
        """The expanded words of an instruction; keeps what ARG and ENV set."""
        match instruction:
            case ArgInstruction():
                return self.arg(instruction)
            case EnvInstruction() | LabelInstruction():
                names = self.expanded(*(name for name, _ in instruction.pairs))
                values = self.expanded(*(value for _, value in instruction.pairs))
                if isinstance(instruction, EnvInstruction):
                    self.env.update(zip(names, values, strict=True))
                return names
            case CopyInstruction() | AddInstruction():
                return self.copy(instruction)
            case RunInstruction():
                values_of = (
                    value for mount in instruction.mounts for key, value in mount.options if key != "from"
                )
                return self.expanded(*values_of)
            case ExposeInstruction():
                # What is missing in EXPOSE goes unreported in the reference.
                return tuple(
                    word
                    for port in instruction.ports
                    for word in expand(port, self.env, escape=self.escape).words
                )
            case WorkdirInstruction():
                return self.expanded(instruction.path)
            case UserInstruction():
                return self.expanded(instruction.user)
            case VolumeInstruction():
                return self.expanded(*instruction.paths)
            case StopsignalInstruction():
                return self.expanded(instruction.signal)
            case _:
                return ()

    def arg(self, instruction: ArgInstruction) -> tuple[str, ...]:
        for name, default in instruction.pairs:
            if name in self.build_args:
                self.env[name] = self.build_args[name]
            elif default is not None:
                (self.env[name],) = self.expanded(default)
            elif name in self.global_args:
                self.env[name] = self.global_args[name]
            self.declared[name] = None
        return tuple(name for name, _ in instruction.pairs)

    def copy(self, instruction: CopyInstruction | AddInstruction) -> tuple[str, ...]:
        self.expanded(instruction.chown, instruction.chmod)
        if isinstance(instruction, AddInstruction):
            self.expanded(instruction.checksum)
        sources = self.expanded(*instruction.sources)
        self.expanded(instruction.destination)
        for heredoc in instruction.heredocs:
            if heredoc.expand:
                self.miss(expand_raw(heredoc.content, self.env))
        return sources


def _reach(document: Document, stages: list[Stage], target: str | None) -> tuple[Stage, ...]:
    """The stages that `target` needs, in order; all of them for None."""
    if target is None:
        return tuple(stages)
    found = find_stage(stages, target)
    if found is None:
        names = [stage.name for stage in stages if stage.name]
        near = nearest(lower(target), names)
        last = document.instructions[-1].span
        raise DockerfileError(
            f"there is no stage {target!r}",
            rule="unknown-stage",
            span=last,
            hint=f"did you mean {near}?" if near else f"stages are {', '.join(names) or 'unnamed'}",
        )
    by_name = {str(stage.index): stage for stage in stages} | {
        stage.name: stage for stage in stages if stage.name
    }
    needed: set[int] = set()
    waiting = [found]
    while waiting:
        stage = waiting.pop()
        if stage.index not in needed:
            needed.add(stage.index)
            waiting += _needs(stage, by_name)
    return tuple(stage for stage in stages if stage.index in needed)


def _needs(stage: Stage, by_name: Mapping[str, Stage]) -> Iterator[Stage]:
    if stage.parent:
        yield stage.parent
    for name in _sources(stage.instructions):
        source = by_name.get(lower(name))
        if source and source.index < stage.index:
            yield source


def _sources(instructions: Iterable[Instruction]) -> Iterator[str]:
    for instruction in instructions:
        if isinstance(instruction, CopyInstruction) and instruction.from_:
            yield instruction.from_
        elif isinstance(instruction, RunInstruction):
            for mount in instruction.mounts:
                yield from (value for key, value in mount.options if key == "from" and value)


def find_stage(stages: Iterable[Stage], name: str) -> Stage | None:
    """The last stage of that name, in any case, or the one of that number."""
    found = None
    for stage in stages:
        if stage.name == lower(name) or str(stage.index) == name:
            found = stage
    return found
