"""Events to plain lines, where no pipeline is known."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from incubator.ci.narrate import describe, error_lines, title
from incubator.ci.text import LineCutter, plain_line
from incubator.events import StepFinished, StepOutput, StepStarted, Transfer

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from typing import TextIO

    from incubator.errors import BuilderError
    from incubator.events import Event

_TRANSFER_EVERY_S = 5.0


class PlainLog:
    """A listener that writes one line an event, a step's output indented below its title."""

    def __init__(self, out: TextIO, *, clock: Callable[[], float] = time.monotonic) -> None:
        self._out = out
        self._clock = clock
        self._cutters: dict[str, LineCutter] = {}
        self._last_transfer = -_TRANSFER_EVERY_S

    def __call__(self, event: Event) -> None:
        """Write what `event` has to say."""
        match event:
            case StepStarted():
                self.close()
                self._out.write(f"{title(event.step)}\n")
            case StepOutput():
                for line in self._cutters.setdefault(event.stream, LineCutter()).feed(event.data):
                    self._out.write(f"  {line}\n")
            case StepFinished() if not event.cached and event.duration_s < 0.1:
                self.close()
            case Transfer() if self._clock() - self._last_transfer < _TRANSFER_EVERY_S:
                pass
            case _:
                if isinstance(event, Transfer):
                    self._last_transfer = self._clock()
                self.close()
                text = describe(event)
                if text is not None:
                    self._out.write(f"{text}\n")
        self._out.flush()

    def mask(self, secret: str) -> None:
        """Nothing: there is no log but this one, and no secret is ever written to it."""

    def failed(self, error: BuilderError) -> None:
        """Write an error."""
        self.foreign_text(error_lines(error))

    def foreign_text(self, lines: Iterable[str]) -> None:
        """Write lines that may hold anything."""
        self.close()
        for line in lines:
            self._out.write(f"{plain_line(line)}\n")
        self._out.flush()

    def close(self) -> None:
        """Write what is left without a line end."""
        for cutter in self._cutters.values():
            for line in cutter.end():
                self._out.write(f"  {line}\n")
        self._cutters = {}
        self._out.flush()
