"""A build that has ended, as a value: made of its events and, where there is one, of its result.

`Recorder` is a listener; all else is frozen. Output of steps is kept as safe lines, and of long output the end.
"""

from __future__ import annotations

import time
from collections import deque
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Final, Literal

from incubator.console.text import LineBuffer
from incubator.errors import DockerfileErrors, InputErrors, StepFailed
from incubator.events import (
    BaseResolved,
    BuildFailed,
    BuildStarted,
    LayerCommitted,
    StepFinished,
    StepOutput,
    StepStarted,
    WarningRaised,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence

    from incubator.core.result import LayerResult, ReplacedImage, ResultImage
    from incubator.dockerfile.source import Span
    from incubator.errors import BuilderError
    from incubator.events import Event, StepRef
    from incubator.oci.image_config import RuntimeConfig

STEP_CHARACTERS: Final = 128 << 10
"""Of a step's output."""

ALL_CHARACTERS: Final = 4 << 20
"""Of the output of all steps; beyond, the longest logs lose their beginnings."""

MOST_FINDINGS: Final = 1000

StepState = Literal["made", "cached", "failed", "stopped"]


@dataclass(frozen=True, slots=True, kw_only=True)
class StepReport:
    """One step. `start_s` counts from the build's begin. `stopped`: it ran when another one failed.

    `lines` are the last of its output; `left_out`: there was more before them.
    """

    ref: StepRef
    start_s: float
    duration_s: float
    state: StepState
    lines: tuple[str, ...] = ()
    left_out: bool = False
    peak_memory_bytes: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class LayerReport:
    """A layer that the build made or reused. `number` is its place in the image, None if it is in none.

    `size_bytes` is None where the engine does not tell. `not_cached`: what changed since it was made the last time.
    """

    number: int | None
    stage: str
    commands: tuple[str, ...]
    line: int | None
    size_bytes: int | None
    duration_s: float
    cached: bool
    not_cached: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Base:
    """A base image of the build."""

    reference: str
    pulled: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Change:
    """How the image differs from the one that `reference` named before. `config`: one line a difference."""

    reference: str
    is_same: bool
    size_bytes: int
    layers_kept: int
    layers_new: int
    layers_gone: int
    config: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class ImageReport:
    """The image that was built; `base_size_bytes` are of the `base_layers` below those of this build."""

    id: str
    tags: tuple[str, ...]
    digests: Mapping[str, str]
    platform: str
    size_bytes: int | None
    base_layers: int
    base_size_bytes: int
    changes: tuple[Change, ...]

    @property
    def name(self) -> str:
        """The first tag, or the id."""
        return self.tags[0] if self.tags else self.id

    @property
    def digest(self) -> str | None:
        """Manifest digest in the registry."""
        return next(iter(self.digests.values()), None)


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """A warning of the build; `rule` is None where no build check gave it."""

    message: str
    rule: str | None
    span: Span | None

    @property
    def place(self) -> str:
        """`Dockerfile:3`, or nothing."""
        return place_of(self.span)


@dataclass(frozen=True, slots=True, kw_only=True)
class Failure:
    """One error, with the lines of the file around it and the last lines of output."""

    message: str
    span: Span | None
    snippet: tuple[str, ...]
    log_tail: tuple[str, ...]
    advice: tuple[str, ...]

    @property
    def place(self) -> str:
        """`Dockerfile:3`, or nothing."""
        return place_of(self.span)


@dataclass(frozen=True, slots=True, kw_only=True)
class BuildReport:
    """A build that has ended: `image` is there if it went well, `failures` if not.

    `dockerfile`, `context` and `engine` are empty where it failed before it began. `steps` in order of their start.
    Of a build for several platforms `parts` has a report for each that began, and this one what concerns them all.
    """

    started_at: datetime
    duration_s: float
    dockerfile: str
    context: str
    engine: str
    stages: tuple[str, ...]
    bases: tuple[Base, ...]
    steps: tuple[StepReport, ...]
    layers: tuple[LayerReport, ...]
    findings: tuple[Finding, ...]
    image: ImageReport | None
    failures: tuple[Failure, ...]
    platform: str = ""
    parts: tuple[BuildReport, ...] = ()


def place_of(span: Span | None) -> str:
    """`Dockerfile:3`, or nothing."""
    return f"{span.source.name}:{span.first_line}" if span else ""


@dataclass(slots=True)
class _Output:
    """The last lines of a step."""

    lines: deque[str] = field(default_factory=deque)
    characters: int = 0
    left_out: bool = False

    def add(self, line: str) -> None:
        self.lines.append(line)
        self.characters += len(line) + 1

    def cut(self, most: int) -> int:
        """Keep `most` characters; how many are gone."""
        before = self.characters
        while self.characters > most:
            self.characters -= len(self.lines.popleft()) + 1
            self.left_out = True
        return before - self.characters


@dataclass(slots=True)
class _Step:
    start_s: float
    finished: StepFinished | None = None
    output: _Output = field(default_factory=_Output)
    buffers: dict[str, LineBuffer] = field(default_factory=dict)


class Recorder:
    """A listener that remembers what a report needs; `clock` is monotonic, `now` the time of day."""

    def __init__(
        self,
        *,
        clock: Callable[[], float] = time.monotonic,
        now: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        self._clock = clock
        self._begin = clock()
        self._started_at = now()
        self._started: BuildStarted | None = None
        self._bases: dict[str, Base] = {}
        self._steps: dict[StepRef, _Step] = {}
        self._layers: list[LayerCommitted] = []
        self._findings: list[Finding] = []
        self._characters = 0

    def __call__(self, event: Event) -> None:
        """Remember `event`."""
        match event:
            case BuildStarted():
                self._started = event
            case BaseResolved():
                self._bases[event.reference] = Base(reference=event.reference, pulled=event.pulled)
            case StepStarted():
                self._step(event.step)
            case StepOutput():
                self._hear(event)
            case StepFinished():
                step = self._step(event.step)
                step.finished = event
                self._drain(step)
            case LayerCommitted():
                self._layers.append(event)
            case WarningRaised():
                if len(self._findings) < MOST_FINDINGS:
                    finding = Finding(message=event.message, rule=event.rule, span=event.span)
                    self._findings.append(finding)
            case BuildFailed():
                for step in self._steps.values():
                    self._drain(step)
            case _:
                pass

    def report(self, outcome: ResultImage | BuilderError) -> BuildReport:
        """The report of a build that ended with `outcome`."""
        end_s = self._clock() - self._begin
        error = outcome if isinstance(outcome, Exception) else None
        result = None if isinstance(outcome, Exception) else outcome
        started = self._started
        return BuildReport(
            started_at=self._started_at,
            duration_s=end_s,
            dockerfile=started.dockerfile if started else "",
            context=started.context if started else "",
            engine=started.engine if started else "",
            stages=started.stages if started else (),
            bases=tuple(self._bases.values()),
            steps=tuple(
                _step_report(ref, step, end_s, error.step if error else None)
                for ref, step in sorted(self._steps.items(), key=lambda item: item[1].start_s)
            ),
            layers=_layer_reports(self._layers, result),
            findings=tuple(self._findings),
            image=_image_report(result) if result else None,
            failures=_failures(error) if error else (),
        )

    def _step(self, ref: StepRef) -> _Step:
        if ref not in self._steps:
            self._steps[ref] = _Step(start_s=self._clock() - self._begin)
        return self._steps[ref]

    def _hear(self, event: StepOutput) -> None:
        step = self._step(event.step)
        buffer = step.buffers.setdefault(event.stream, LineBuffer())
        self._keep(step, buffer.feed(event.data))
        step.output.left_out = step.output.left_out or event.skipped_bytes > 0

    def _drain(self, step: _Step) -> None:
        """Keep what is left without a line end."""
        for buffer in step.buffers.values():
            self._keep(step, buffer.end())
        step.buffers.clear()

    def _keep(self, step: _Step, lines: Iterable[str]) -> None:
        before = step.output.characters
        for line in lines:
            step.output.add(line)
            if step.output.characters > 2 * STEP_CHARACTERS:
                step.output.cut(STEP_CHARACTERS)
        step.output.cut(STEP_CHARACTERS)
        self._characters += step.output.characters - before
        while self._characters > ALL_CHARACTERS:
            longest = max((other.output for other in self._steps.values()), key=lambda out: out.characters)
            self._characters -= longest.cut(longest.characters // 2)


def _step_report(ref: StepRef, step: _Step, end_s: float, failed: StepRef | None) -> StepReport:
    done = step.finished
    state: StepState = "failed" if ref == failed else "stopped"
    if done:
        state = "cached" if done.cached else "made"
    return StepReport(
        ref=ref,
        start_s=step.start_s,
        duration_s=done.duration_s if done else max(0.0, end_s - step.start_s),
        state=state,
        lines=tuple(step.output.lines),
        left_out=step.output.left_out,
        peak_memory_bytes=done.peak_memory_bytes if done else None,
    )


def _layer_reports(events: Sequence[LayerCommitted], result: ResultImage | None) -> tuple[LayerReport, ...]:
    """Those of the image in their order, then those of other stages in the order they were made."""
    left = list(events)
    reports: list[LayerReport] = []
    for number, layer in enumerate(result.layers if result else (), start=1):
        if layer.base:
            continue
        told = _told(left, layer)
        if told:
            left.remove(told)
        reports.append(
            LayerReport(
                number=number,
                stage=told.stage if told else "",
                commands=layer.commands,
                line=_line(told.steps) if told else None,
                size_bytes=layer.size_bytes,
                duration_s=layer.duration_s,
                cached=layer.cached,
                not_cached=told.not_cached if told else None,
            )
        )
    return (
        *reports,
        *(
            LayerReport(
                number=None,
                stage=event.stage,
                commands=tuple(step.text for step in event.steps),
                line=_line(event.steps),
                size_bytes=event.size_bytes,
                duration_s=event.duration_s,
                cached=event.cached,
                not_cached=event.not_cached,
            )
            for event in left
            if event.diff_id  # without: no file changed, so there is no layer
        ),
    )


def _told(events: Sequence[LayerCommitted], layer: LayerResult) -> LayerCommitted | None:
    """The event about a layer of the image: two stages may have made the same."""
    same = [event for event in events if event.diff_id == layer.diff_id]
    like = [event for event in same if tuple(step.text for step in event.steps) == layer.commands]
    return next(iter(like or same), None)


def _line(steps: Sequence[StepRef]) -> int | None:
    return next((step.span.first_line for step in steps if step.span), None)


def _image_report(result: ResultImage) -> ImageReport:
    base = [layer for layer in result.layers if layer.base]
    return ImageReport(
        id=result.id,
        tags=result.tags,
        digests=result.digests,
        platform=", ".join(result.platforms),
        size_bytes=result.size_bytes,
        base_layers=len(base),
        base_size_bytes=sum(layer.size_bytes or 0 for layer in base),
        changes=tuple(_change(result, old) for old in result.replaced),
    )


def _change(result: ResultImage, old: ReplacedImage) -> Change:
    new = [layer.diff_id for layer in result.layers]
    kept = 0
    for one, other in zip(new, old.diff_ids, strict=False):
        if one != other:
            break
        kept += 1
    return Change(
        reference=old.reference,
        is_same=old.id == result.id,
        size_bytes=old.size_bytes,
        layers_kept=kept,
        layers_new=len(new) - kept,
        layers_gone=len(old.diff_ids) - kept,
        config=tuple(_config_changes(old.config, result.config)),
    )


def _config_changes(old: RuntimeConfig, new: RuntimeConfig) -> Iterable[str]:
    """Names of what differs, not the values: they may be long, and are of interest to few."""
    before, after = old.to_json(), new.to_json()
    before["Env"], after["Env"] = old.env_map(), new.env_map()
    for key in sorted(before.keys() | after.keys()):
        one, other = before.get(key) or {}, after.get(key) or {}
        if one == other:
            continue
        if not isinstance(one, dict) or not isinstance(other, dict):
            yield f"{key} changed"
            continue
        names = sorted(one.keys() | other.keys())
        for name in (name for name in names if one.get(name) != other.get(name)):
            how = "added" if name not in one else "gone" if name not in other else "changed"
            yield f"{key} {name} {how}"


def _failures(error: BuilderError) -> tuple[Failure, ...]:
    if isinstance(error, DockerfileErrors | InputErrors):
        return tuple(failure for part in error.errors for failure in _failures(part))
    kept = error.kept_lines if isinstance(error, StepFailed) and error.kept_image else []
    return (
        Failure(
            message=error.message,
            span=error.span,
            snippet=tuple(error.span.snippet()) if error.span else (),
            log_tail=error.log_tail if isinstance(error, StepFailed) else (),
            advice=(*kept, *error.advice),
        ),
    )
