"""What the logs of all pipelines have in common: a foldable section a step, with the step's output in it.

Sections of such logs cannot be open side by side. Of steps that run at the same time the first speaks as it goes; what
the others say is held back, and follows as sections of their own once the first has ended.
"""

from __future__ import annotations

import threading
from abc import ABC, abstractmethod
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from incubator.console.plain import describe, describe_skipped, describe_transfer
from incubator.console.stream import SafeStream
from incubator.console.text import LineBuffer, clean_text
from incubator.console.words import show_duration
from incubator.events import BuildFailed, StepFinished, StepOutput, StepStarted, Transfer

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from typing import TextIO

    from incubator.events import Event, StepRef

_TRANSFER_EVERY_S = 5.0
_MOST_HELD = 16 << 20
"""Characters of steps that have ended which wait for the one that speaks; then they may break into its section."""


@dataclass(slots=True)
class _Block:
    """Lines of a step that waits for its turn; `end` is the line behind its section once it has ended."""

    step: StepRef
    lines: list[str] = field(default_factory=list)
    end: str | None = None


class SectionLog(ABC):
    """A listener. Every line that reaches the subclass's hooks is free of control characters."""

    def __init__(self, out: TextIO, clock: Callable[[], float]) -> None:
        self._out = SafeStream(out)
        self._clock = clock
        self._lock = threading.RLock()  # steps of several stages may speak at once
        self._step: StepRef | None = None
        self._buffers: dict[tuple[StepRef, str], LineBuffer] = {}
        self._waiting: list[_Block | str] = []  # own lines keep their place among the blocks
        self._held = 0
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
            self._finish()
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
                # Others seldom have output: their section would be empty.
                if event.step.text[:3].upper() == "RUN":
                    self._begin(event.step)
            case StepOutput():
                if event.skipped_bytes:
                    self._say(event.step, describe_skipped(event))
                buffer = self._buffers.setdefault((event.step, event.stream), LineBuffer())
                for line in buffer.feed(event.data):
                    self._say(event.step, line)
            case StepFinished():
                self._drain(event.step)
                took = "cached" if event.cached else show_duration(event.duration_s)
                self._end(event.step, f"{_title(event.step)}: {took}")
            case BuildFailed():
                self._finish()
            case Transfer():
                now = self._clock()
                if self._last_transfer is None or now - self._last_transfer >= _TRANSFER_EVERY_S:
                    self._last_transfer = now
                    self._tell(clean_text(describe_transfer(event)))
            case _:
                text = describe(event)
                if text is not None:
                    self._tell(clean_text(text))

    def _begin(self, step: StepRef) -> _Block | None:
        """Give a step the word if nobody has it; else its block, in which it waits."""
        if self._step is None:
            self._step = step
            self._begin_section(_title(step))
        if self._step == step:
            return None
        for block in self._waiting:
            if isinstance(block, _Block) and block.step == step:
                return block
        block = _Block(step=step)
        self._waiting.append(block)
        return block

    def _say(self, step: StepRef, line: str) -> None:
        block = self._begin(step)
        if block is None:
            self._foreign_line(line)
            return
        block.lines.append(line)
        self._held += len(line)
        if self._held > _MOST_HELD and any(isinstance(b, _Block) and b.end for b in self._waiting):
            assert self._step is not None
            self._waiting.insert(0, _Block(step=self._step))
            self._close()
            self._next()

    def _end(self, step: StepRef, text: str) -> None:
        """The step has said all; `text` is the line behind its section."""
        if self._step == step:
            self._close()
            self._own_line(text)
            self._next()
            return
        block = next((b for b in self._waiting if isinstance(b, _Block) and b.step == step), None)
        if block:
            block.end = text
        else:
            self._tell(text)

    def _tell(self, text: str) -> None:
        """Write a line of our own, but in nobody's section."""
        if self._step is None:
            self._own_line(text)
        else:
            self._waiting.append(text)

    def _next(self) -> None:
        """No section is open: write what waits for nothing else, and give the oldest step that runs the word."""
        running: list[_Block | str] = []
        for entry in self._waiting:
            if isinstance(entry, str):
                self._own_line(entry)
            elif entry.end is None:
                running.append(entry)
            else:
                self._write(entry)
                self._close()
                self._own_line(entry.end)
        self._waiting = running[1:]
        if running and isinstance(running[0], _Block):
            self._write(running[0])
        self._held = sum(len(line) for b in self._waiting if isinstance(b, _Block) for line in b.lines)

    def _write(self, block: _Block) -> None:
        self._begin(block.step)
        for line in block.lines:
            self._foreign_line(line)

    def _finish(self) -> None:
        for step, _ in list(self._buffers):
            self._drain(step)
        self._close()
        while self._waiting:
            self._next()
            self._close()

    def _close(self) -> None:
        self._end_foreign()
        if self._step is not None:
            self._step = None
            self._end_section()

    def _drain(self, step: StepRef) -> None:
        for key in [key for key in self._buffers if key[0] == step]:
            for line in self._buffers.pop(key).end():
                self._say(step, line)


def _title(step: StepRef) -> str:
    """`[stage 2/5] RUN make`, on one line."""
    return clean_text(f"{step} {step.text}")
