"""The display for terminals: what is done scrolls up, what runs is redrawn in place below it.

Each running step shows its time and its last lines of output, each transfer a bar. Lines are cut to the terminal's
width and the part that is redrawn to its height, so that it stays one picture on narrow and low terminals too.
"""

from __future__ import annotations

import threading
import time
from collections import deque
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from incubator.console.plain import describe, describe_skipped, how_it_ended
from incubator.console.stream import SafeStream
from incubator.console.text import LineBuffer, clean_text, fit, text_width
from incubator.console.words import show_duration, show_size
from incubator.events import (
    BaseResolved,
    BuildFailed,
    BuildStarted,
    ImageBuilt,
    ImagePushed,
    LayerCommitted,
    StepFinished,
    StepOutput,
    StepStarted,
    Transfer,
    WarningRaised,
    stage_name,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from typing import TextIO

    from incubator.events import Event, StepRef

_REDRAW_EVERY_S = 0.1
_TAIL_LINES = 6
_BAR_COLUMNS = 20
_NARROW = 60

_DIM, _BLUE, _RED, _YELLOW, _BOLD = "2", "34", "31", "33", "1"


@dataclass(slots=True)
class _RunningStep:
    """What is shown of a step while it runs."""

    begin: float
    tail: deque[str] = field(default_factory=lambda: deque(maxlen=_TAIL_LINES))
    buffers: dict[str, LineBuffer] = field(default_factory=dict)

    def lines(self) -> list[str]:
        partials = [buffer.partial for buffer in self.buffers.values() if buffer.partial.strip()]
        return [*self.tail, *partials][-_TAIL_LINES:]


class TtyConsole:
    """Listener for a terminal. `close` stops its timer and leaves the cursor below all output."""

    def __init__(
        self,
        out: TextIO,
        *,
        colour: bool = True,
        clock: Callable[[], float] = time.monotonic,
        timer: bool = True,
    ) -> None:
        self._out = SafeStream(out)
        self._colour = colour
        self._clock = clock
        self._lock = threading.RLock()
        self._begin = clock()
        self._steps: dict[StepRef, _RunningStep] = {}
        self._transfers: dict[tuple[str, str, str], tuple[Transfer, float]] = {}
        self._done = 0
        self._totals: dict[str, int] = {}  # of steps, by platform
        self._drawn: list[int] = []  # width of each line of the part that is redrawn
        self._closed = threading.Event()
        self._timer = (
            threading.Thread(target=self._tick, daemon=True, name="incubator-console") if timer else None
        )
        if self._timer:
            self._timer.start()

    def __call__(self, event: Event) -> None:
        """Show `event`."""
        with self._lock:
            finished = list(self._take(event))
            if finished or not self._timer:
                self._draw(finished)

    def close(self) -> None:
        """Erase what was redrawn in place; what is done stays."""
        self._closed.set()
        if self._timer and self._timer is not threading.current_thread():
            self._timer.join(timeout=1)
        with self._lock:
            self._steps.clear()
            self._transfers.clear()
            self._totals.clear()
            self._draw([])

    def _tick(self) -> None:
        while not self._closed.wait(_REDRAW_EVERY_S):
            with self._lock:
                if self._steps or self._transfers:
                    self._draw([])

    def _take(self, event: Event) -> Iterator[str]:
        """Note what `event` says; the lines that stay on the screen for good."""
        match event:
            case BuildStarted():
                self._totals[event.platform] = event.steps
                yield self._style(clean_text(describe(event) or ""), _BOLD)
            case StepStarted():
                self._steps[event.step] = _RunningStep(self._clock())
            case StepOutput():
                running = self._steps.setdefault(event.step, _RunningStep(self._clock()))
                if event.skipped_bytes:
                    running.tail.append(describe_skipped(event))
                running.tail.extend(running.buffers.setdefault(event.stream, LineBuffer()).feed(event.data))
            case StepFinished():
                self._steps.pop(event.step, None)
                self._done += 1
                yield self._step_line(event.step, "CACHED " if event.cached else "", event.duration_s, _BLUE)
            case Transfer():
                key = (event.platform, event.direction, event.reference)
                _, begin = self._transfers.get(key, (event, self._clock()))
                self._transfers[key] = event, begin
            case BuildFailed():
                for step, running in self._steps.items():
                    word = how_it_ended(step, event).upper()
                    yield self._step_line(step, f"{word} ", self._clock() - running.begin, _RED)
                self._steps.clear()
                self._transfers.clear()
            case BaseResolved() | ImagePushed():
                self._end_transfers(event)
                yield self._style(f" => {clean_text(describe(event) or '')}", _BLUE)
            case WarningRaised():
                yield self._style(clean_text(describe(event) or ""), _YELLOW)
            case LayerCommitted(not_cached=str() as why):
                stage = stage_name(event.stage, event.platform)
                yield self._style(clean_text(f" => [{stage}] not cached: {why}"), _DIM)
            case LayerCommitted() | ImageBuilt():
                pass  # the summary has them
            case _:
                if text := describe(event):
                    yield self._style(f" => {clean_text(text)}", _BLUE)

    def _end_transfers(self, ended: BaseResolved | ImagePushed) -> None:
        for key in [key for key in self._transfers if (key[0], key[2]) == (ended.platform, ended.reference)]:
            del self._transfers[key]

    def _step_line(self, step: StepRef, word: str, duration_s: float, style: str) -> str:
        return self._style(
            self._timed(f" => {word}{clean_text(f'{step} {step.text}')}", show_duration(duration_s)), style
        )

    def _timed(self, text: str, took: str) -> str:
        """`text`, cut or filled, with `took` at the right edge."""
        columns = self._out.columns() - 1
        room = columns - len(took) - 1
        if room < len(took):
            return fit(text, columns)
        text = fit(text, room)
        return f"{text}{' ' * (room - text_width(text) + 1)}{took}"

    def _style(self, text: str, code: str) -> str:
        return f"\x1b[{code}m{text}\x1b[0m" if self._colour and text else text

    def _draw(self, finished: list[str]) -> None:
        columns = self._out.columns()
        live = list(self._live(columns))
        erase = ""
        if self._drawn:
            rows = sum(
                max(1, -(-width // columns)) for width in self._drawn
            )  # a narrowed terminal has wrapped lines
            erase = f"\x1b[{rows}A\r\x1b[J"
        self._drawn = [text_width(text) for text, _ in live]
        lines = finished + [self._style(text, code) if code else text for text, code in live]
        if erase or lines:
            self._out.write(erase + "".join(f"{line}\n" for line in lines))

    def _live(self, columns: int) -> Iterator[tuple[str, str]]:
        """Lines to redraw with their styles, cut to the terminal."""
        if not (self._steps or self._transfers):
            return
        now = self._clock()
        total = sum(self._totals.values())
        count = f" ({min(self._done, total)}/{total})" if total else ""
        head = fit(f"[+] Building {show_duration(now - self._begin)}{count}", columns - 1)
        heads: list[tuple[str, str]] = []
        tails: list[list[tuple[str, str]]] = []
        for transfer, begin in self._transfers.values():
            heads.append(
                (self._timed(self._transfer_text(transfer, columns), show_duration(now - begin)), "")
            )
            tails.append([])
        for step, running in self._steps.items():
            text = f" => {clean_text(f'{step} {step.text}')}"
            heads.append((self._timed(text, show_duration(now - running.begin)), ""))
            tails.append([(fit(f" => => # {line}", columns - 1), _DIM) for line in running.lines()])
        room = max(1, self._out.rows() - 2)
        heads, tails = heads[-room:], tails[-room:]
        spare = (room - len(heads)) // len(heads)
        yield head, _BOLD
        for line, tail in zip(heads, tails, strict=True):
            yield line
            yield from tail[-spare:] if spare else []

    def _transfer_text(self, transfer: Transfer, columns: int) -> str:
        size = show_size(transfer.current_bytes)
        bar = ""
        if transfer.total_bytes:
            size += f" / {show_size(transfer.total_bytes)}"
            done = min(1.0, transfer.current_bytes / transfer.total_bytes)
            filled = int(done * _BAR_COLUMNS)
            if columns >= _NARROW:
                bar = (
                    f"[{'=' * filled}{'>' if filled < _BAR_COLUMNS else ''}".ljust(_BAR_COLUMNS + 1)[
                        : _BAR_COLUMNS + 1
                    ]
                    + "] "
                )
        whose = f"[{transfer.platform}] " if transfer.platform else ""
        return f" => {whose}{transfer.direction}ing {clean_text(transfer.reference)} {bar}{size}"
