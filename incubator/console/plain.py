"""The plain display: one line an event, each line of a step's output with the step's mark. No escape codes.

With `colour`, the marks are coloured: for logs that show colours but are no terminal (FORCE_COLOR).
"""

from __future__ import annotations

import threading
import time
from typing import TYPE_CHECKING, Final

from incubator.console.stream import SafeStream
from incubator.console.text import LineBuffer, clean_text
from incubator.console.words import short_digest, show_count, show_duration, show_size
from incubator.errors import Cancelled
from incubator.events import (
    MOST_COUNTED,
    BaseResolved,
    BuildFailed,
    BuildStarted,
    CacheUnused,
    ImageBuilt,
    ImagePushed,
    ImageTagged,
    LayerCommitted,
    StageSkipped,
    StepFinished,
    StepOutput,
    StepStarted,
    Transfer,
    WarningRaised,
    WriteFinished,
    WriteStarted,
)

if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import TextIO

    from incubator.events import Event, StepRef, Written

_TRANSFER_EVERY_S = 5.0
_PROGRESS_EVERY_S = 10.0


class PlainConsole:
    """Listener that writes plain lines."""

    def __init__(
        self, out: TextIO, *, colour: bool = False, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._out = SafeStream(out)
        self._colour = colour
        self._clock = clock
        self._lock = threading.RLock()  # steps of several stages may speak at once
        self._started: dict[StepRef, float] = {}
        self._buffers: dict[tuple[StepRef, str], LineBuffer] = {}
        self._shown_at: dict[tuple[StepRef, str], float] = {}
        self._transfers: dict[tuple[str, str, str], float] = {}

    def __call__(self, event: Event) -> None:
        """Write what `event` has to say."""
        with self._lock:
            self._show(event)

    def close(self) -> None:
        """Write what steps left without a line end."""
        with self._lock:
            for step in list(self._started):
                self._end(step)

    def _show(self, event: Event) -> None:
        match event:
            case StepStarted():
                self._started[event.step] = self._clock()
                self._line(f"{self._mark(event.step)} {clean_text(event.step.text)}")
            case StepOutput():
                self._output(event)
            case StepFinished():
                self._end(event.step)
                words = "CACHED" if event.cached else f"done in {show_duration(event.duration_s)}"
                self._line(f"{self._mark(event.step)} {words}")
            case Transfer():
                self._transfer(event)
            case BuildFailed():
                for step, begin in list(self._started.items()):
                    self._end(step)
                    took = show_duration(self._clock() - begin)
                    self._line(f"{self._mark(step)} {how_it_ended(step, event)} after {took}")
            case _:
                if text := describe(event):
                    self._line(clean_text(text))

    def _output(self, event: StepOutput) -> None:
        key = (event.step, event.stream)
        if event.skipped_bytes:
            self._output_line(key, describe_skipped(event))
        buffer = self._buffers.setdefault(key, LineBuffer())
        for line in buffer.feed(event.data):
            self._output_line(key, line)
        # A progress bar that takes long says so now and then, though its line does not end.
        if (
            buffer.redrawn
            and self._clock() - self._shown_at.setdefault(key, self._clock()) >= _PROGRESS_EVERY_S
        ):
            self._output_line(key, buffer.partial)

    def _output_line(self, key: tuple[StepRef, str], line: str) -> None:
        self._shown_at[key] = self._clock()
        self._line(f"{self._mark(key[0])} | {line}".rstrip())

    def _end(self, step: StepRef) -> None:
        for key in [key for key in self._buffers if key[0] == step]:
            for line in self._buffers.pop(key).end():
                self._output_line(key, line)
            self._shown_at.pop(key, None)
        self._started.pop(step, None)

    def _transfer(self, event: Transfer) -> None:
        key = (event.platform, event.direction, event.reference)
        is_complete = event.current_bytes == event.total_bytes
        if (
            not is_complete
            and self._clock() - self._transfers.get(key, -_TRANSFER_EVERY_S) < _TRANSFER_EVERY_S
        ):
            return
        self._transfers[key] = self._clock()
        self._line(clean_text(describe_transfer(event)))

    def _mark(self, step: StepRef) -> str:
        mark = clean_text(str(step))
        return f"\x1b[36m{mark}\x1b[0m" if self._colour else mark

    def _line(self, text: str) -> None:
        self._out.write(f"{text}\n")


def how_it_ended(step: StepRef, failure: BuildFailed) -> str:
    """A word for a step that was running when the build failed."""
    if isinstance(failure.error, Cancelled):
        return "cancelled"
    return "FAILED" if failure.step in (None, step) else "stopped"


def describe(event: Event) -> str | None:
    """One line about an event that is not of a step, None where there is nothing to say; not cleaned yet."""
    text = _words(event)
    return f"[{event.platform}] {text}" if text and event.platform else text


def _words(event: Event) -> str | None:
    match event:
        case BuildStarted():
            parts = (
                show_count(len(event.stages), "stage"),
                show_count(event.steps, "step"),
                show_count(event.layers, "layer"),
            )
            context = f"context {event.context}{_count(event.context_files)}"
            text = f"building {event.dockerfile} ({context}) on {event.engine}: {', '.join(parts)}"
        case BaseResolved():
            text = f"base {event.reference}: {short_digest(event.image_id)}, {_whence(event)}"
        case StageSkipped():
            text = f"stage {event.stage}: not made, all that reads it is kept from earlier builds"
        case CacheUnused():
            text = f"nothing is found in the cache {event.cache}"
        case LayerCommitted():
            name = f"{short_digest(event.diff_id)} " if event.diff_id else ""
            took = "CACHED" if event.cached else f"in {show_duration(event.duration_s)}"
            steps = show_count(len(event.steps), "step")
            text = f"layer {name}of {event.stage}: {show_size(event.size_bytes)} {took}, {steps}"
            if event.not_cached:
                text += f"; not cached: {event.not_cached}"
        case WarningRaised():
            place = f"{event.span}: " if event.span else ""
            text = f"warning: {place}{event.message}" + (f" [{event.rule}]" if event.rule else "")
        case ImageBuilt():
            text = f"built {event.image_id} in {show_duration(event.duration_s)}"
        case ImageTagged():
            text = f"tagged {event.reference}"
        case ImagePushed():
            text = (
                f"pushed {event.reference}@{event.digest} in {show_duration(event.duration_s)}{_sent(event)}"
            )
        case WriteStarted():
            text = _WRITING[event.what].format(event.target)
        case WriteFinished():
            text = f"{_WRITING[event.what].format(event.target)}: done in {show_duration(event.duration_s)}"
        case _:
            return None
    return text


_WRITING: Final[dict[Written, str]] = {
    "output": "writing {}",
    "cache": "writing the cache {}",
    "image": "giving the image to the engine",
    "results": "giving results to the engine, for later builds",
}


def describe_skipped(event: StepOutput) -> str:
    """What to say before output in front of which some is left out."""
    return f"... {show_size(event.skipped_bytes)} of output left out ..."


def describe_transfer(event: Transfer) -> str:
    """`pulling NAME: 1.2 MB of 3.4 MB (35 %)`."""
    size = show_size(event.current_bytes)
    if event.total_bytes:
        size += f" of {show_size(event.total_bytes)} ({min(100, 100 * event.current_bytes // event.total_bytes)} %)"
    text = f"{event.direction}ing {event.reference}: {size}"
    return f"[{event.platform}] {text}" if event.platform else text


def _count(files: int | None) -> str:
    if files is None:
        return ""
    return f", {MOST_COUNTED} files or more" if files >= MOST_COUNTED else f", {show_count(files, 'file')}"


def _sent(pushed: ImagePushed) -> str:
    """What a push has moved; empty where nobody has told."""
    if pushed.sent_bytes is None:
        return ""
    return (
        f", {show_size(pushed.sent_bytes)} of new layers" if pushed.sent_bytes else ", all layers were there"
    )


def _whence(base: BaseResolved) -> str:
    """Where a base image is from."""
    if base.pulled:
        return f"pulled in {show_duration(base.duration_s)}"
    return "already on the engine" if base.on_engine else "in its registry, to be pulled if need be"
