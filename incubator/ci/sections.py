"""What the logs of all pipelines have in common: a foldable section a step, with the step's output in it."""

from __future__ import annotations

import threading
from abc import ABC, abstractmethod
from typing import TYPE_CHECKING

from incubator.console.plain import describe, describe_transfer
from incubator.console.stream import SafeStream
from incubator.console.text import LineBuffer, clean_text
from incubator.console.words import show_duration
from incubator.events import BuildFailed, StepFinished, StepOutput, StepStarted, Transfer

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from typing import TextIO

    from incubator.events import Event, StepRef

_TRANSFER_EVERY_S = 5.0


class SectionLog(ABC):
    """A listener. Every line that reaches the subclass's hooks is free of control characters."""

    def __init__(self, out: TextIO, clock: Callable[[], float]) -> None:
        self._out = SafeStream(out)
        self._clock = clock
        self._lock = threading.RLock()  # steps of several stages may speak at once
        self._step: StepRef | None = None
        self._buffers: dict[tuple[StepRef, str], LineBuffer] = {}
        self._last_transfer: float | None = None

    def __call__(self, event: Event) -> None:
        """Write what `event` has to say."""
        with self._lock:
            self._show(event)

    def close(self) -> None:
        """Write what steps left without a line end, and end what is open."""
        with self._lock:
            self._finish()

    def foreign_text(self, lines: Iterable[str]) -> None:
        """Write lines that may hold anything, in no section."""
        with self._lock:
            self._close()
            for line in lines:
                self._foreign_line(clean_text(line))
            self._end_foreign()

    # -- what a pipeline's log adds -----------------------------------------------------------------------

    @abstractmethod
    def _begin_section(self, title: str) -> None:
        """Begin a section; none is open."""

    @abstractmethod
    def _end_section(self) -> None:
        """End the section that is open."""

    @abstractmethod
    def _foreign_line(self, line: str) -> None:
        """Write a line whose content is not ours."""

    @abstractmethod
    def _end_foreign(self) -> None:
        """No more foreign lines follow for now."""

    @abstractmethod
    def _own_line(self, line: str) -> None:
        """Write a line that starts with words of ours; what comes after them may be foreign."""

    # -- events -------------------------------------------------------------------------------------------

    def _show(self, event: Event) -> None:
        match event:
            case StepStarted():
                if (
                    event.step.text[:3].upper() == "RUN"
                ):  # others seldom have output: their section would be empty
                    self._open(event.step)
            case StepOutput():
                buffer = self._buffers.setdefault((event.step, event.stream), LineBuffer())
                for line in buffer.feed(event.data):
                    self._open(event.step)
                    self._foreign_line(line)
            case StepFinished():
                self._drain(event.step)
                if self._step == event.step:
                    self._close()
                took = "cached" if event.cached else show_duration(event.duration_s)
                self._own_line(f"{_title(event.step)}: {took}")
            case BuildFailed():
                self._finish()
            case Transfer():
                now = self._clock()
                if self._last_transfer is None or now - self._last_transfer >= _TRANSFER_EVERY_S:
                    self._last_transfer = now
                    self._own_line(clean_text(describe_transfer(event)))
            case _:
                text = describe(event)
                if text is not None:
                    self._own_line(clean_text(text))

    def _finish(self) -> None:
        for step, _ in list(self._buffers):
            self._drain(step)
        self._close()

    def _open(self, step: StepRef) -> None:
        """Have the section of `step` open."""
        if self._step != step:
            self._close()
            self._step = step
            self._begin_section(_title(step))

    def _close(self) -> None:
        self._end_foreign()
        if self._step is not None:
            self._step = None
            self._end_section()

    def _drain(self, step: StepRef) -> None:
        for key in [key for key in self._buffers if key[0] == step]:
            for line in self._buffers.pop(key).end():
                self._open(step)
                self._foreign_line(line)


def _title(step: StepRef) -> str:
    """`[stage 2/5] RUN make`, on one line."""
    return clean_text(f"{step} {step.text}")
