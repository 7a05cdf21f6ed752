"""Events to the log of a GitLab job. Spec: GitLab's custom collapsible sections.

A section's mark is made of escape sequences and a carriage return, none of which survive in foreign text, so a step's
output cannot open, close or rename a section.
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from incubator.ci.sections import SectionLog
from incubator.console.text import clean_text

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from typing import TextIO

    from incubator.errors import BuilderError

_CLEAR = "\x1b[0K"
_BOLD_RED = "\x1b[31;1m"
_RESET = "\x1b[0;m"


class GitLabLog(SectionLog):
    """A listener that writes to the job's log. `now` gives Unix seconds, which sections are timed by."""

    def __init__(self, out: TextIO, *, now: Callable[[], float] = time.time) -> None:
        super().__init__(out, now)
        self._sections = 0

    def mask(self, secret: str) -> None:
        """Nothing: GitLab masks by a variable's own setting, and a job cannot add to it."""

    def debug(self, lines: Iterable[str]) -> None:
        """Write lines of a debug log, marked as such."""
        with self._lock:
            for line in lines:
                self._out.write(f"debug: {clean_text(line)}\n")

    def failed(self, error: BuilderError) -> None:
        """Write an error to the log."""
        self.close()
        for line in str(error).splitlines():
            self._out.write(f"{_BOLD_RED}{clean_text(line)}{_RESET}\n")

    def _begin_section(self, title: str) -> None:
        self._sections += 1
        self._out.write(f"{self._mark('start')}{title}\n")

    def _end_section(self) -> None:
        self._out.write(f"{self._mark('end')}\n")

    def _mark(self, edge: str) -> str:
        return f"{_CLEAR}section_{edge}:{int(self._clock())}:incubator_step_{self._sections}\r{_CLEAR}"

    def _foreign_line(self, line: str) -> None:
        self._out.write(f"{line}\n")

    def _end_foreign(self) -> None:
        """Nothing: foreign lines stand in no fence here."""

    _own_line = _foreign_line
