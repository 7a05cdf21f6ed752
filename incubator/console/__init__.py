"""Displays of the command line: listeners that draw events on a terminal or in a log."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal, Protocol

from incubator.errors import InputError

if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import TextIO

    from incubator.events import Event

Progress = Literal["auto", "plain", "tty", "quiet", "rawjson"]
PROGRESS_MODES: tuple[Progress, ...] = ("auto", "plain", "tty", "quiet", "rawjson")


class Console(Protocol):
    """A listener with an end."""

    def __call__(self, event: Event) -> None:
        """Show an event; never raises."""

    def close(self) -> None:
        """Finish the display; no event may follow."""


class QuietConsole:
    """Listener that shows nothing."""

    def __call__(self, event: Event) -> None:
        """Ignore `event`."""

    def close(self) -> None:
        """Nothing to finish."""


def make_console(progress: Progress, out: TextIO, environ: Mapping[str, str]) -> Console:
    """The display for `progress`.

    `auto` is the one for terminals if `out` is one that can move its cursor, else plain lines. NO_COLOR takes the
    colours away, FORCE_COLOR gives them to a log that is no terminal. Raises InputError for `tty` without one.
    """
    from incubator.console.jsonl import JsonConsole
    from incubator.console.plain import PlainConsole
    from incubator.console.tty import TtyConsole

    is_terminal = out.isatty()
    no_colour = bool(environ.get("NO_COLOR"))
    match progress:
        case "quiet":
            return QuietConsole()
        case "rawjson":
            return JsonConsole(out)
        case "plain":
            return PlainConsole(out)
        case "tty":
            if not is_terminal:
                raise InputError(
                    "--progress tty needs a terminal on standard error",
                    hint="use --progress plain, or auto, which looks by itself",
                )
            return TtyConsole(out, colour=not no_colour)
        case "auto":
            if is_terminal and environ.get("TERM", "dumb") != "dumb":
                return TtyConsole(out, colour=not no_colour)
            return PlainConsole(out, colour=bool(environ.get("FORCE_COLOR")) and not no_colour)
