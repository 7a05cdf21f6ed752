"""Everything that happens in a build, as values. Logic emits events, listeners draw them.

A listener is any callable that takes an event; it must not raise. It is called by several threads, but by one at a
time. Steps of different stages run at the same time, so their events are mixed; each names its step. Durations are
seconds of a monotonic clock.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import dataclass, fields, replace
from typing import TYPE_CHECKING, Any, Final, Literal

if TYPE_CHECKING:
    from incubator.dockerfile.source import Span
    from incubator.errors import BuilderError


Written = Literal["output", "cache", "image", "results"]

MOST_COUNTED: Final = 1000
"""Files of a context that are counted: enough to see that it is the right one, and no time is lost with a large one."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Event:
    """Root of all events. `platform`: of the image that it is about, empty where a build is for one alone."""

    platform: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class StepRef:
    """Which step an event is about: `number` of `total` from 1, its stage, and its text on one line.

    `platform` as an event has it.
    """

    number: int
    total: int
    stage: str
    text: str
    span: Span | None = None
    platform: str = ""

    def __str__(self) -> str:
        return f"[{stage_name(self.stage, self.platform)} {self.number}/{self.total}]"


def stage_name(stage: str, platform: str) -> str:
    """A stage, with the platform that it is for where there are several: `linux/arm64 build`."""
    return f"{platform} {stage}" if platform else stage


@dataclass(frozen=True, slots=True, kw_only=True)
class BuildStarted(Event):
    """A plan is made and its execution begins. `build_id`: value of the label `incubator.build` on its containers.

    `context_files`: how many files the context has, `MOST_COUNTED` where it has so many files and folders, or more;
    None: unknown.
    """

    build_id: str
    dockerfile: str
    context: str
    engine: str
    stages: tuple[str, ...]
    steps: int
    layers: int
    context_files: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class BaseResolved(Event):
    """A base image is known. `pulled`: it was fetched for this build; not `on_engine`: only its manifest was."""

    reference: str
    image_id: str
    pulled: bool
    duration_s: float
    on_engine: bool = True


@dataclass(frozen=True, slots=True, kw_only=True)
class StageSkipped(Event):
    """A stage is not made, though something of it is not kept: all that reads it is."""

    stage: str


@dataclass(frozen=True, slots=True, kw_only=True)
class CacheUnused(Event):
    """Layers were looked for in a shared cache, and none was found: as before the first build, or by a wrong name."""

    cache: str


@dataclass(frozen=True, slots=True, kw_only=True)
class StepStarted(Event):
    """A step begins."""

    step: StepRef


@dataclass(frozen=True, slots=True, kw_only=True)
class StepOutput(Event):
    """Bytes that a step's command wrote: untrusted, any length, not cut at lines.

    `skipped_bytes`: so many of the step's bytes, of both streams, are left out before `data`, for there are too many.
    """

    step: StepRef
    stream: Literal["stdout", "stderr"]
    data: bytes
    skipped_bytes: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class StepFinished(Event):
    """A step ended well. `cached`: nothing ran, an earlier result was used.

    `peak_memory_bytes`: the most memory that the container of its layer had used by then; None where nobody tells.
    """

    step: StepRef
    duration_s: float
    cached: bool = False
    peak_memory_bytes: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class LayerCommitted(Event):
    """A layer is made of the steps since the last one. `diff_id` is None where the engine does not tell.

    `not_cached`: what changed since an earlier build made this layer. None where nothing was expected of the cache, or
    where the layer was made anew because one below it was.
    """

    stage: str
    steps: tuple[StepRef, ...]
    diff_id: str | None
    size_bytes: int
    duration_s: float
    cached: bool = False
    not_cached: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Transfer(Event):
    """Progress of a pull or a push; `total_bytes` is None while unknown.

    A push counts what travels. Its total shrinks where the registry turns out to have a layer.
    """

    reference: str
    direction: Literal["pull", "push"]
    current_bytes: int
    total_bytes: int | None


@dataclass(frozen=True, slots=True, kw_only=True)
class WarningRaised(Event):
    """A warning: a build check (`rule` is its name) or something else worth knowing."""

    message: str
    rule: str | None = None
    span: Span | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class ImageBuilt(Event):
    """The image is complete on the engine."""

    image_id: str
    duration_s: float


@dataclass(frozen=True, slots=True, kw_only=True)
class ImageTagged(Event):
    """The image got a reference."""

    reference: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ImagePushed(Event):
    """A reference is in its registry, which confirmed `digest` (`sha256:...`).

    `sent_bytes`: of layers that the registry lacked, as whoever pushed counts them: an engine with the classic store
    counts tars, before they are compressed. None where nobody has told.
    """

    reference: str
    digest: str
    duration_s: float
    sent_bytes: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class WriteStarted(Event):
    """Something is being written that the build makes besides layers and pushes; that can take long.

    An `output` or a `cache`, to `target`; the `image` to the engine; or `results` there, for later builds.
    """

    what: Written
    target: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class WriteFinished(Event):
    """It is written. Not told where that has failed."""

    what: Written
    duration_s: float
    target: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class BuildFailed(Event):
    """The build ended with an error; `step` is None where no step is to blame."""

    error: BuilderError
    step: StepRef | None = None


Listener = Callable[[Event], None]


def broadcast(*listeners: Listener) -> Listener:
    """One listener that hands each event to all of `listeners`, in order."""

    def emit(event: Event) -> None:
        for listener in listeners:
            listener(event)

    return emit


def for_platform(event: Event, platform: str) -> Event:
    """The same event, about the image of a platform."""
    changes: dict[str, Any] = {"platform": platform}
    for field in fields(event):
        value = getattr(event, field.name)
        if isinstance(value, StepRef):
            changes[field.name] = replace(value, platform=platform)
        elif field.name == "steps" and isinstance(value, tuple):
            changes[field.name] = tuple(replace(step, platform=platform) for step in value)
    return replace(event, **changes)


def one_at_a_time(listener: Listener) -> Listener:
    """A listener that hands events on to `listener` one by one, whichever threads they come from."""
    lock = threading.RLock()

    def emit(event: Event) -> None:
        with lock:
            listener(event)

    return emit
