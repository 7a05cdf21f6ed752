"""What a Dockerfile offers its callers: its stages, and the arguments, secrets, agents and caches of one. Pure.

The objects are those of BuildKit's subrequests `frontend.outline` and `frontend.targets`, which docker shows for
`--call outline` and `--call targets`.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from incubator.core.plan.model import ContextSource
from incubator.core.plan.mounts import CacheMount, SecretMount, SshMount, plan_mounts
from incubator.core.plan.scope import Scope
from incubator.dockerfile import instructions as ins
from incubator.dockerfile.lint.subject import make_subject
from incubator.errors import DockerfileError

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from incubator.core.plan.mounts import Mount
    from incubator.dockerfile.lint.subject import Stage, Subject
    from incubator.dockerfile.source import Span

_PLATFORM = "linux/amd64"


@dataclass(frozen=True, slots=True, kw_only=True)
class Argument:
    """A build argument; `value` is what it has in this build, None where it has none."""

    name: str
    value: str | None
    description: str
    span: Span


@dataclass(frozen=True, slots=True, kw_only=True)
class Mounted:
    """A secret, an agent or a cache that RUNs mount; `required` of the first two: a build without it fails."""

    id: str
    required: bool
    span: Span


@dataclass(frozen=True, slots=True, kw_only=True)
class Outline:
    """What a stage takes from its caller, with all stages that it needs. `name` is empty where it has none."""

    name: str
    description: str
    arguments: tuple[Argument, ...]
    secrets: tuple[Mounted, ...]
    ssh: tuple[Mounted, ...]
    caches: tuple[Mounted, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Target:
    """A stage that can be built."""

    name: str
    default: bool
    description: str
    base: str
    platform: str
    span: Span


def list_targets(document: ins.Document, build_args: Mapping[str, str]) -> tuple[Target, ...]:
    """All stages in their order; the last is the default."""
    stages = _subject(document, build_args, None).stages
    return tuple(
        Target(
            name=stage.start.alias or "",
            default=stage is stages[-1],
            description=_description(stage.start, stage.name),
            base=stage.base.text if stage.base else stage.start.image,
            platform=stage.platform.text if stage.platform else "",
            span=stage.start.span,
        )
        for stage in stages
    )


def make_outline(document: ins.Document, *, target: str | None, build_args: Mapping[str, str]) -> Outline:
    """The outline of a stage, of the last for None.

    Raises DockerfileError for a target that is no stage, and for a word or a mount that no build would take.
    """
    subject = _subject(document, build_args, target or _last(document))
    walk = _Walk(subject, build_args)
    stage = _chosen(subject, target)
    return Outline(
        name=stage.start.alias or "",
        description=_description(stage.start, stage.name),
        arguments=tuple(walk.arguments.values()),
        secrets=_merged(walk.mounts, SecretMount),
        ssh=_merged(walk.mounts, SshMount),
        caches=_merged(walk.mounts, CacheMount),
    )


def _subject(document: ins.Document, build_args: Mapping[str, str], target: str | None) -> Subject:
    return make_subject(
        document, build_args=build_args, target=target, platform=_PLATFORM, base_env={}, ignore_matcher=None
    )


def _last(document: ins.Document) -> str:
    """Number of the last stage."""
    return str(sum(isinstance(instruction, ins.FromInstruction) for instruction in document.instructions) - 1)


def _chosen(subject: Subject, target: str | None) -> Stage:
    named = [stage for stage in subject.reached if target in {stage.name, str(stage.index)}]
    return (named or subject.reached)[-1]


def _description(instruction: ins.Instruction, name: str) -> str:
    """The comment right above that begins with the name, without it: `# <name> <description>`."""
    comment = instruction.comments[-1] if instruction.comments else ""
    first, _, rest = comment.partition(" ")
    return rest.strip() if name and first.lower() == name.lower() else ""


class _Walk:
    """Walks over the stages that are needed, and gathers arguments and mounts."""

    def __init__(self, subject: Subject, build_args: Mapping[str, str]) -> None:
        self._given = build_args
        self._escape = subject.document.directives.escape
        self._globals: dict[str, Argument] = {}
        self.arguments: dict[str, Argument] = {}
        self.mounts: list[tuple[Mount, Span]] = []
        self._global = Scope(escape=self._escape)
        for instruction in subject.document.instructions:
            if isinstance(instruction, ins.FromInstruction):
                break
            if isinstance(instruction, ins.ArgInstruction):
                for argument in self._declared(instruction, self._global):
                    self._globals[argument.name] = argument
        scopes: dict[int, Scope] = {}
        for stage in subject.reached:
            self._take_globals(stage)
            below = scopes.get(stage.parent.index) if stage.parent else None
            scope = Scope(
                escape=self._escape,
                values=dict(below.values) if below else {},
                budget=self._global.budget,
            )
            scope.carry(len(scope.values), stage.start.span)
            scopes[stage.index] = scope
            for instruction in stage.instructions:
                self._walk(instruction, scope)

    def _take_globals(self, stage: Stage) -> None:
        """Note the global arguments that the stage's FROM uses."""
        used = [*(stage.base.used if stage.base else ()), *(stage.base.unset if stage.base else ())]
        used += [*(stage.platform.used if stage.platform else ())]
        for name in used:
            if name in self._globals:
                self.arguments.setdefault(name, self._globals[name])

    def _walk(self, instruction: ins.Instruction, scope: Scope) -> None:
        match instruction:
            case ins.ArgInstruction():
                for argument in self._declared(instruction, scope):
                    self.arguments.setdefault(argument.name, argument)
            case ins.EnvInstruction():
                values = [
                    (scope.expand(name, instruction.span), scope.expand(value, instruction.span))
                    for name, value in instruction.pairs
                ]
                scope.values.update(values)
            case ins.RunInstruction():
                self.mounts += ((mount, instruction.span) for mount in _mounts(instruction, scope))
            case _:
                pass

    def _declared(self, instruction: ins.ArgInstruction, scope: Scope) -> Iterator[Argument]:
        for name, default in instruction.pairs:
            value = self._given.get(name)
            if value is None and default is not None:
                value = scope.expand(default, instruction.span)
            if value is None:
                value = self._global.values.get(name)
            scope.declare(name, value)
            above = self._globals.get(name)
            description = _description(instruction, name) or (above.description if above else "")
            yield Argument(name=name, value=value, description=description, span=instruction.span)


def _mounts(instruction: ins.RunInstruction, scope: Scope) -> tuple[Mount, ...]:
    def fault(message: str, word: str, hint: str | None) -> DockerfileError:
        return DockerfileError(message, rule="invalid-mount", span=instruction.place_of(word), hint=hint)

    return plan_mounts(
        instruction.mounts,
        cwd="/",
        expand=lambda word: scope.expand(word, instruction.span),
        find_source=lambda name: ContextSource(name=name),  # where files come from does not matter here
        fault=fault,
    )


def _merged(
    mounts: Sequence[tuple[Mount, Span]], kind: type[SecretMount | SshMount | CacheMount]
) -> tuple[Mounted, ...]:
    """Mounts of a kind, one for an id, at its first place."""
    found: dict[str, Mounted] = {}
    for mount, span in mounts:
        if isinstance(mount, kind):
            required = not isinstance(mount, CacheMount) and mount.required
            before = found.get(mount.id)
            found[mount.id] = Mounted(
                id=mount.id,
                required=required or (before is not None and before.required),
                span=before.span if before else span,
            )
    return tuple(found.values())


# -- forms --------------------------------------------------------------------------------------------------


def outline_json(outline: Outline) -> dict[str, Any]:
    """An outline as docker prints it for `--call outline,format=json`, but for the file's own text."""
    return _filled(
        {
            "name": outline.name,
            "description": outline.description,
            "args": [
                _filled(
                    {
                        "name": argument.name,
                        "description": argument.description,
                        "value": argument.value,
                        "location": _location(argument.span),
                    }
                )
                for argument in outline.arguments
            ],
            "secrets": [_needed(secret, "name") for secret in outline.secrets],
            "ssh": [_needed(agent, "name") for agent in outline.ssh],
            "cache": [_needed(cache, "id") for cache in outline.caches],
        }
    )


def targets_json(targets: Sequence[Target]) -> dict[str, Any]:
    """Targets as docker prints them for `--call targets,format=json`, but for the file's own text."""
    return {
        "targets": [
            _filled(
                {
                    "name": target.name,
                    "default": target.default,
                    "description": target.description,
                    "base": target.base,
                    "platform": target.platform,
                    "location": _location(target.span),
                }
            )
            for target in targets
        ]
    }


def _needed(mounted: Mounted, key: str) -> dict[str, Any]:
    return _filled({key: mounted.id, "required": mounted.required, "location": _location(mounted.span)})


def _location(span: Span) -> dict[str, Any]:
    return {"ranges": [{"start": {"line": span.first_line}, "end": {"line": span.last_line}}]}


def _filled(fields: dict[str, Any]) -> dict[str, Any]:
    """Without what says nothing, as docker leaves it out."""
    return {key: value for key, value in fields.items() if value not in ("", None, False, [])}
