"""The log where no pipeline is known: the console's plain lines."""

from __future__ import annotations

from typing import TYPE_CHECKING

from incubator.console.plain import PlainConsole
from incubator.console.text import clean_text

if TYPE_CHECKING:
    from collections.abc import Iterable

    from incubator.errors import BuilderError


class PlainLog(PlainConsole):
    """A listener with what a pipeline's log has beside events."""

    def mask(self, secret: str) -> None:
        """Nothing: no secret is ever written to a log, and nobody else reads this one."""

    def debug(self, lines: Iterable[str]) -> None:
        """Write lines of a debug log, marked as such."""
        self.foreign_text(f"debug: {line}" for line in lines)

    def failed(self, error: BuilderError) -> None:
        """Write an error."""
        self.foreign_text(str(error).splitlines())

    def foreign_text(self, lines: Iterable[str]) -> None:
        """Write lines that may hold anything."""
        self.close()
        for line in lines:
            self._out.write(f"{clean_text(line)}\n")
