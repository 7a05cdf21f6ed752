"""A parsed Dockerfile and options to a plan. Pure but for the lookup of base images, which comes as an argument."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Final, Protocol

from incubator.core.plan import stage as stage_plan
from incubator.core.plan.layers import resolve_splits
from incubator.core.plan.model import ContextSource, ImageSource, Plan, StageSource
from incubator.core.plan.runtime import with_labels
from incubator.core.plan.scope import BuildArgs, Scope, platform_args
from incubator.core.plan.stages import (
    Stage,
    StageNames,
    close_stage,
    find_filtered,
    find_target,
    needed_stages,
    split_stages,
    stage_hint,
)
from incubator.dockerfile import instructions as ins
from incubator.dockerfile.parser import in_order
from incubator.errors import BuilderError, DockerfileError, DockerfileErrors, InputError
from incubator.oci.platform import Platform, parse_platform
from incubator.oci.reference import familiar_name

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from incubator.core.plan.model import BaseImage, Origin
    from incubator.dockerfile.source import Span
    from incubator.request import LayerSplits


_LONGEST_NUMBER: Final = 9
_DEEP: Final = 20
"""Stages one on another, beyond which they are planned from below: each that waits for another takes stack."""


class Lookup(Protocol):
    """What only an engine or a registry can know."""

    def __call__(self, reference: str, platform: Platform, *, span: Span) -> BaseImage:
        """A base image, fetched if needed. Raises EngineError or RegistryError at `span`."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PlanOptions:
    """Options that shape a plan. `build_platform` is the engine's own, `allow` what the caller lets a file have."""

    build_platform: Platform
    target: str | None = None
    platform: Platform | None = None
    build_args: Mapping[str, str] = field(default_factory=dict)
    labels: Mapping[str, str] = field(default_factory=dict)
    layers: LayerSplits = ()
    network: str | None = None
    allow: frozenset[str] = frozenset()
    contexts: Mapping[str, str | None] = field(default_factory=dict)


def make_plan(document: ins.Document, options: PlanOptions, lookup: Lookup) -> Plan:
    """The plan of a build: the stages that the target needs, in an order that works.

    Raises InputError for options that do not fit the file, DockerfileError for a fault at a line, and
    DockerfileErrors where there are several.
    """
    return _Planner(document, options, lookup).plan()


def check_options(
    document: ins.Document, *, target: str | None, layers: LayerSplits, no_cache_filters: Sequence[str] = ()
) -> None:
    """Raise InputError for options that do not fit the file; asks nobody."""
    stages = split_stages(document)
    resolve_splits(document, layers)
    find_target(stages, target)
    find_filtered(stages, no_cache_filters)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Context:
    """A context that the caller has named; `reference` where it is an image."""

    name: str
    reference: str | None


class _Planner:
    """Plans stages from the target backwards; each needed one once."""

    def __init__(self, document: ins.Document, options: PlanOptions, lookup: Lookup) -> None:
        self._options = options
        self._lookup = lookup
        self._document = document
        self._stages = split_stages(document)
        self._names = StageNames(self._stages)
        splits = resolve_splits(document, options.layers)
        self._splits = splits if splits == "auto" else frozenset(splits)
        self._planned: dict[int, stage_plan.Planned] = {}
        self._failed: dict[int, DockerfileError] = {}
        self._faults: list[DockerfileError] = []
        self._used: set[str] = set()
        self._build_args = BuildArgs(given=options.build_args)
        self._target = find_target(self._stages, options.target)
        self._platform = options.platform or options.build_platform
        self._globals = self._make_globals()

    def plan(self) -> Plan:
        needed, height = needed_stages(self._target.index, self._needs)
        try:
            for index in needed if height > _DEEP else ():
                try:
                    self._stage(index)
                except DockerfileError:  # it comes again where the stage is needed
                    if self._globals.budget.is_spent:
                        raise
            self._stage(self._target.index)
        except DockerfileError as error:  # of a FROM: what comes after it cannot be looked at
            self._faults.append(error)
        except BuilderError:
            self._check()  # what is wrong with the file comes before what a registry lacks
            raise
        self._check()
        stages = [planned.plan for planned in self._planned.values()]
        target = stages[-1]
        stages[-1] = replace(target, config=with_labels(target.config, self._options.labels.items()))
        return Plan(
            stages=tuple(stages),
            platform=self._platform,
            warnings=(
                *(
                    (f"build argument {name} is given, but no ARG declares it", None)
                    for name in self._build_args.unused()
                ),
                *(
                    (f"context {name} is given, but nothing is built from it", None)
                    for name in sorted(set(self._options.contexts) - self._used)
                ),
            ),
        )

    def _check(self) -> None:
        """Raise what was noted, in order of the lines."""
        if not self._faults:
            return
        faults = in_order(list({str(fault): fault for fault in self._faults}.values()))
        raise DockerfileErrors(faults) if len(faults) > 1 else faults[0]

    def _needs(self, index: int) -> tuple[int, ...]:
        """Stages that a stage names, as far as that shows before any is planned: a base image may bring triggers."""
        stage = self._stages[index]
        found: dict[int | None, None] = {}
        with suppress(DockerfileError):
            base = self._globals.expand(stage.head.image, stage.head.span)
            found[self._names.last(base, index)] = None
        for text in ins.named_sources(stage.body):
            with suppress(DockerfileError):
                source = self._source_stage(text, index, stage.head.span)
                found[source.index if source else None] = None
        return tuple(below for below in found if below is not None)

    def _make_globals(self) -> Scope:
        """ARGs before the first FROM, on top of the platform arguments."""
        scope = Scope(
            escape=self._document.directives.escape,
            values=platform_args(
                build=self._options.build_platform,
                target=self._platform,
                stage=self._options.target or self._target.head.alias or "default",
            ),
        )
        # A caller may override the predefined ones too, for images that read them.
        for name in set(scope.values) & set(self._options.build_args):
            scope.values[name] = self._options.build_args[name]
            self._build_args.take(name)
        for instruction in self._document.instructions:
            if not isinstance(instruction, ins.ArgInstruction):
                break
            for name, default in instruction.pairs:
                given = self._build_args.take(name)
                value = given if given is not None else default
                if value is not None:
                    value = value if given is not None else scope.expand(value, instruction.span)
                scope.declare(name, value)
        return scope

    def _stage(self, index: int) -> stage_plan.Planned:
        if index in self._failed:
            raise self._failed[index].with_traceback(None)
        if index not in self._planned:
            try:
                planned = self._plan_stage(self._stages[index])
            except DockerfileError as error:
                self._failed[index] = error
                raise
            self._planned[index] = planned
        return self._planned[index]

    def _plan_stage(self, stage: Stage) -> stage_plan.Planned:
        name = self._globals.expand(stage.head.image, stage.head.span)
        if not name:
            raise DockerfileError(
                f"FROM {stage.head.image} names no image: it expands to nothing",
                rule="empty-base",
                span=stage.head.span,
                hint="give the ARG a default before the first FROM, or a value with --build-arg",
            )
        platform = self._stage_platform(stage)
        earlier = self._names.last(name, stage.index)
        start: stage_plan.Start
        context = self._context(name)
        if context is not None:
            if context.reference is None:
                raise DockerfileError(
                    f"FROM {name}: the context of that name is a folder, not an image",
                    rule="folder-as-base",
                    span=stage.head.span,
                    hint="copy from it: FROM scratch, and COPY --from=" + name,
                )
            start = stage_plan.from_image(
                self._find_image(context.reference, stage.index, platform, stage.head.span)
            )
        elif earlier is not None:
            start = stage_plan.from_stage(self._stage(earlier), earlier)
        elif name == "scratch":
            start = stage_plan.from_scratch()
        else:
            start = stage_plan.from_image(self._find_image(name, stage.index, platform, stage.head.span))
        return stage_plan.plan_stage(
            index=stage.index,
            name=stage.name,
            head=stage.head,
            body=stage.body,
            start=start,
            context=stage_plan.Surroundings(
                escape=self._document.directives.escape,
                globals=self._globals.values,
                budget=self._globals.budget,
                build_args=self._build_args,
                splits=self._splits,
                find_source=lambda text, span: self._find_source(text, stage.index, span),
                faults=self._faults,
                network=self._options.network,
                allow=self._options.allow,
            ),
        )

    def _stage_platform(self, stage: Stage) -> Platform:
        if stage.head.platform is None:
            return self._platform
        text = self._globals.expand(stage.head.platform, stage.head.span)
        try:
            return parse_platform(text)
        except InputError as error:
            raise DockerfileError(
                error.message, rule="platform", span=stage.head.span, hint=error.hint
            ) from error

    def _context(self, name: str) -> _Context | None:
        """What the caller has named so; it comes before a stage or an image of that name."""
        key = familiar_name(name) if self._options.contexts else ""
        if key not in self._options.contexts:
            return None
        self._used.add(key)
        return _Context(name=key, reference=self._options.contexts[key])

    def _find_source(self, text: str, before: int, span: Span) -> Origin:
        """What `--from=text` means in stage `before`: a context, a stage by name or number, else an image.

        The image is for the build's target platform, whatever the stage's own is.
        """
        if "$" in text:
            raise DockerfileError(
                f"--from={text}: variables are not expanded here",
                rule="from-variable",
                span=span,
                hint="give the image a name with its own FROM, which may use global ARGs",
            )
        context = self._context(text)
        if context is not None and context.reference is None:
            return ContextSource(name=context.name)
        if context is not None and context.reference is not None:
            return ImageSource(image=self._find_image(context.reference, before, self._platform, span))
        stage = self._source_stage(text, before, span)
        if stage is not None:
            self._stage(stage.index)
            return StageSource(index=stage.index)
        if text == "scratch":
            raise DockerfileError("--from=scratch: scratch has no files", rule="empty-source", span=span)
        try:
            return ImageSource(image=self._find_image(text, before, self._platform, span))
        except InputError as error:
            raise DockerfileError(
                f"--from={text} is neither a stage above this one nor an image: {error.message}",
                rule="unknown-stage",
                span=span,
                hint=stage_hint(text, self._stages[:before]),
            ) from error

    def _source_stage(self, text: str, before: int, span: Span) -> Stage | None:
        """The stage that `--from=text` means, None for an image's name.

        Of several stages with one name the file's last is meant, so it has to be above stage `before` as well.
        """
        if text.isascii() and text.isdigit():
            if len(text) > _LONGEST_NUMBER or int(text) >= before:
                raise DockerfileError(
                    f"--from={text}: there is no stage {text} above this one",
                    rule="unknown-stage",
                    span=span,
                    hint=f"stages are numbered from 0; this is stage {before}",
                )
            return self._stages[int(text)]
        index = self._names.last(text.lower(), len(self._stages))
        if index is None:
            return None
        stage = self._stages[index]
        if index >= before:
            place = "this one" if index == before else f"at line {stage.head.span.first_line}"
            raise DockerfileError(
                f"--from={text}: the stage {stage.name} is {place}, not above this one",
                rule="unknown-stage",
                span=span,
                hint="a stage can copy from those before it only: move the other one up, or name it differently",
            )
        return stage

    def _find_image(self, name: str, before: int, platform: Platform, span: Span) -> BaseImage:
        """An image; where there is none and a stage above `before` is called nearly so, the error says it."""
        try:
            return self._lookup(name, platform, span=span)
        except BuilderError as error:
            close = close_stage(name, self._stages[:before])
            if close and error.hint is None:
                error.hint = f"did you mean the stage {close}?"
            raise
