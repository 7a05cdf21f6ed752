"""Events to the log of a GitLab job: one collapsible section a step. Spec: GitLab's "custom collapsible sections".

A section's mark is made of escape sequences and a carriage return, none of which survive in foreign text
(`incubator.ci.text`), so a step's output cannot open, close or rename a section.
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from incubator.ci.narrate import describe, error_lines, title
from incubator.ci.text import LineCutter, plain_line
from incubator.events import BuildFailed, StepFinished, StepOutput, StepStarted, Transfer

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from typing import TextIO

    from incubator.errors import BuilderError
    from incubator.events import Event, StepRef

_CLEAR = "\x1b[0K"
_BOLD_RED = "\x1b[31;1m"
_RESET = "\x1b[0;m"
_TRANSFER_EVERY_S = 5.0


class GitLabLog:
    """A listener that writes to the job's log. `now` gives Unix seconds, which sections are timed by."""

    def __init__(self, out: TextIO, *, now: Callable[[], float] = time.time) -> None:
        self._out = out
        self._now = now
        self._step: StepRef | None = None
        self._section = ""
        self._sections = 0
        self._cutters: dict[str, LineCutter] = {}
        self._last_transfer = 0.0

    def __call__(self, event: Event) -> None:
        """Write what `event` has to say."""
        match event:
            case StepStarted():
                self._open(event.step)
            case StepOutput():
                if self._step != event.step:
                    self._open(event.step)
                for line in self._cutters.setdefault(event.stream, LineCutter()).feed(event.data):
                    self._out.write(f"{line}\n")
            case StepFinished():
                self._close()
                self._line(describe(event))
            case BuildFailed():
                self._close()
            case Transfer():
                if self._now() - self._last_transfer >= _TRANSFER_EVERY_S:
                    self._last_transfer = self._now()
                    self._line(describe(event))
            case _:
                self._close()
                self._line(describe(event))
        self._out.flush()

    def mask(self, secret: str) -> None:
        """Nothing: GitLab masks by a variable's own setting, and a job cannot add to it."""

    def failed(self, error: BuilderError) -> None:
        """Write an error to the log."""
        self._close()
        for line in error_lines(error):
            self._out.write(f"{_BOLD_RED}{line}{_RESET}\n")
        self._out.flush()

    def foreign_text(self, lines: Iterable[str]) -> None:
        """Write lines that may hold anything."""
        self._close()
        for line in lines:
            self._out.write(f"{plain_line(line)}\n")
        self._out.flush()

    def close(self) -> None:
        """End what is open."""
        self._close()
        self._out.flush()

    def _line(self, text: str | None) -> None:
        if text is not None:
            self._out.write(f"{text}\n")

    def _open(self, step: StepRef) -> None:
        self._close()
        self._step = step
        self._sections += 1
        self._section = f"incubator_step_{self._sections}"
        self._mark("start", title(step))

    def _close(self) -> None:
        for cutter in self._cutters.values():
            for line in cutter.end():
                self._out.write(f"{line}\n")
        self._cutters = {}
        if self._step is not None:
            self._mark("end", "")
            self._step = None

    def _mark(self, edge: str, header: str) -> None:
        end = "\n" if header else ""
        self._out.write(f"{_CLEAR}section_{edge}:{int(self._now())}:{self._section}\r{_CLEAR}{header}{end}")
