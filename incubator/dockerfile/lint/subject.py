"""What rules look at: the stages of a document, and what every instruction sees of its variables. Pure.

This follows what the reference does when it checks: it walks a stage as a build would, without running it.
"""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass
from itertools import islice
from typing import TYPE_CHECKING, Protocol

from incubator.dockerfile.expand import Budget, Expansion, expand
from incubator.dockerfile.instructions import (
    ArgInstruction,
    FromInstruction,
    Instruction,
    ShellInstruction,
    WorkdirInstruction,
)
from incubator.dockerfile.lint.guesses import Guesses
from incubator.dockerfile.lint.reach import find_kept, find_reached
from incubator.dockerfile.lint.walk import Step, Variables, Walk
from incubator.dockerfile.text import lower
from incubator.errors import ExpandError

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from incubator.dockerfile.instructions import Document

DEFAULT_PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
_MAX_FAULTS = 100


class IgnoreMatcher(Protocol):
    """What is needed of the ignore rules."""

    has_exclusions: bool

    def matches_or_parent_matches(self, path: str, /) -> bool:
        """Whether the path itself or a folder above it is excluded."""
        ...


@dataclass(slots=True, kw_only=True)  # not frozen: what the walk finds comes last
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
    faults: tuple[ExpandError, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Subject:
    """A document, taken apart for the rules.

    `reached` are the stages that the target needs, `kept` the indexes of those whose layers are in an image.
    """

    document: Document
    stages: tuple[Stage, ...]
    reached: tuple[Stage, ...]
    kept: frozenset[int]
    global_names: Mapping[str, None]
    """Names that FROM lines may use: those declared before the first, and the platform's."""
    target_platform: str
    """The value of TARGETPLATFORM in FROM lines."""
    ignore_matcher: IgnoreMatcher | None
    guesses: Guesses
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
    budget, guesses = Budget(), Guesses()
    defaults = _platform_args(platform, {})
    given = _platform_args(platform, build_args)
    default_args = _global_args(head, defaults, {}, escape, budget)
    actual_args = _global_args(head, given, build_args, escape, budget)
    same_args = default_args == actual_args
    stages: list[Stage] = []
    by_name: dict[str, Stage] = {}
    for index, (start, body) in enumerate(bodies):
        base = _try_expand(start.image, actual_args, escape, budget)
        parent = by_name.get(base.text) if base else None
        known = base is not None and (base.text == "scratch" or base.text in base_env)
        kinds = set(map(type, body))
        stage = Stage(
            index=index,
            name=lower(start.alias or ""),
            start=start,
            instructions=body,
            base=base,
            default_base=base
            if same_args or "$" not in start.image
            else _try_expand(start.image, default_args, escape, budget),
            platform=_try_expand(start.platform, actual_args, escape, budget) if start.platform else None,
            parent=parent,
            env_known=parent.env_known if parent else known,
            has_shell=ShellInstruction in kinds or (parent is not None and parent.has_shell),
            has_workdir=WorkdirInstruction in kinds or (parent is not None and parent.has_workdir),
        )
        stages.append(stage)
        if stage.name:
            by_name[stage.name] = stage
    walk = Walk(global_args=actual_args, build_args=build_args, escape=escape, budget=budget, guesses=guesses)
    _walk_all(stages, walk, base_env)
    reached = find_reached(document, stages, target)
    words: list[tuple[Instruction, str]] = [
        (arg, default) for arg in head for name, default in arg.pairs if default and name not in build_args
    ]
    for stage in reached:
        words += ((stage.start, word) for word in (stage.start.image, stage.start.platform) if word)
    faults = (fault for instruction, word in words for fault in _unsound(instruction, word, escape))
    return Subject(
        document=document,
        stages=tuple(stages),
        reached=reached,
        kept=find_kept(stages, target),
        global_names=dict.fromkeys((*given, *(name for arg in head for name, _ in arg.pairs))),
        target_platform=actual_args["TARGETPLATFORM"],
        ignore_matcher=ignore_matcher,
        guesses=guesses,
        faults=(*islice(faults, _MAX_FAULTS), *(fault for stage in reached for fault in stage.faults)),
    )


def _walk_all(stages: Sequence[Stage], walk: Walk, base_env: Mapping[str, Mapping[str, str]]) -> None:
    """Gives the stages their steps. Each is walked between the one it stands on and those that stand on it."""
    above: dict[int, list[Stage]] = defaultdict(list)
    for stage in stages:
        if stage.parent:
            above[stage.parent.index].append(stage)
    of_none = Variables({"PATH": DEFAULT_PATH})
    for root in stages:
        if root.parent:
            continue
        known = base_env.get(root.base.text, {}) if root.base else {}
        variables = Variables({"PATH": DEFAULT_PATH} | dict(known)) if known else of_none
        waiting = [(root, 0)]
        while waiting:
            stage, mark = waiting.pop()
            variables.undo(mark)
            stage.steps = walk.steps(stage.instructions, variables)
            stage.faults = tuple(walk.faults)
            here = variables.mark()
            waiting += ((child, here) for child in reversed(above.get(stage.index, ())))


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


def _platform_args(platform: str, build_args: Mapping[str, str]) -> dict[str, str]:
    os, architecture, variant = (*platform.split("/"), "", "")[:3]
    parts = {"PLATFORM": platform, "OS": os, "ARCH": architecture, "VARIANT": variant}
    values = {f"{side}{name}": value for side in ("BUILD", "TARGET") for name, value in parts.items()}
    values["TARGETSTAGE"] = "default"
    return {name: build_args.get(name, value) for name, value in values.items()}


def _global_args(
    head: list[ArgInstruction],
    values: Mapping[str, str],
    build_args: Mapping[str, str],
    escape: str,
    budget: Budget,
) -> dict[str, str]:
    env = dict(values)
    for instruction in head:
        for name, default in instruction.pairs:
            if name in build_args:
                env[name] = build_args[name]
            elif default is not None and (expansion := _try_expand(default, env, escape, budget)):
                env[name] = expansion.text
    return env


def _try_expand(word: str, env: Mapping[str, str], escape: str, budget: Budget) -> Expansion | None:
    try:
        return expand(word, env, escape=escape, budget=budget)
    except ExpandError:
        return None
