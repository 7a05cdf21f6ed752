"""The command line: finds the command, shows errors, decides the exit code. Commands are in `incubator.commands`.

Exit codes: 0 done, 1 the build failed, 2 bad input, 3 no engine answers, 4 a registry refused, 130 and 143 cancelled
by SIGINT and SIGTERM.
"""

from __future__ import annotations

import importlib
import logging
import os
import sys
import traceback
from typing import TYPE_CHECKING

from incubator.commands import COMMANDS
from incubator.commands.version import version_text
from incubator.console.text import clean_text
from incubator.core.constants import APP_NAME
from incubator.errors import BuilderError, Cancelled, InputError, InputErrors, interrupts_are_errors
from incubator.faults import did_you_mean
from incubator.signals import cancel_on_signals

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

_DEBUG_FLAGS = ("-D", "--debug")
_CRASHED = 1


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command line, `sys.argv` by default; the exit code."""
    given = list(sys.argv[1:] if arguments is None else arguments)
    debug = bool(os.environ.get("INCUBATOR_DEBUG")) or any(flag in given for flag in _DEBUG_FLAGS)
    _set_logging(debug=debug)
    with cancel_on_signals() as cancellation:
        try:
            with interrupts_are_errors():
                code = _run(given)
                sys.stdout.flush()
        except BrokenPipeError:  # who reads our output has gone
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
            code = 1
        except SystemExit as end:  # argparse has shown its help
            code = end.code if isinstance(end.code, int) else 0
        except BuilderError as error:
            code = error.exit_code
            _show(error_lines(error))
            if debug:
                traceback.print_exc()
        except Exception as error:  # noqa: BLE001 - the last resort
            code = _CRASHED
            if cancellation.signal_number is None:
                _show(_crash_lines(error, debug=debug))
            if debug:
                traceback.print_exc()
        # Whatever has become of it: who has sent a signal must not read of success.
        return code if cancellation.signal_number is None else 128 + cancellation.signal_number


def _run(given: list[str]) -> int:
    while given and given[0] in _DEBUG_FLAGS:
        del given[0]
    if not given:
        sys.stderr.write(_help())
        return InputError.exit_code
    name, *rest = given
    if name in ("-h", "--help", "help"):
        sys.stdout.write(_help())
        return 0
    if name in ("-V", "--version"):
        name = "version"
    if name not in COMMANDS:
        kind = "option" if name.startswith("-") else "command"
        hint = did_you_mean(name, [*COMMANDS, "--help", "--version"])
        raise InputError(f"unknown {kind} {name!r}", hint=hint or "see incubator --help")
    command = importlib.import_module(f"incubator.commands.{name}")
    code: int = command.run(command.make_parser().parse(rest))
    return code


def _help() -> str:
    commands = "".join(f"  {name:<10} {text}\n" for name, text in COMMANDS.items())
    return (
        "usage: incubator COMMAND [OPTIONS] ...\n\n"
        "Builds container images from standard Dockerfiles, with your choice of layers.\n\n"
        f"commands:\n{commands}\n"
        "options:\n"
        "  -h, --help     show this help and exit\n"
        "  -V, --version  show the version and exit\n"
        "  -D, --debug    show tracebacks and diagnostics (also: INCUBATOR_DEBUG=1)\n\n"
        "incubator COMMAND --help has the options of a command.\n"
    )


def error_lines(error: BuilderError) -> Iterator[str]:
    """Lines of an error, free of control characters; what names no place starts with `error:`."""
    parts: Sequence[BuilderError] = error.errors if isinstance(error, InputErrors) else (error,)
    for part in parts:
        text = str(part)
        places_itself = part.span is not None or "error[" in text.partition("\n")[0]
        prefix = "" if places_itself or isinstance(part, Cancelled) else "error: "
        yield from (clean_text(line) for line in f"{prefix}{text}".split("\n"))


def _crash_lines(error: Exception, *, debug: bool) -> list[str]:
    what = clean_text(f"{type(error).__name__}: {error}")
    how = "" if debug else "; run it again with --debug (or INCUBATOR_DEBUG=1) for the traceback"
    return [
        f"error: incubator crashed: {what}",
        f"hint: this is a bug in incubator, not in your build. Please report it with {version_text()}{how}",
    ]


def _show(lines: Sequence[str] | Iterator[str]) -> None:
    try:
        sys.stderr.write("".join(f"{line}\n" for line in lines))
        sys.stderr.flush()
    except (OSError, ValueError):
        pass  # nobody listens; the exit code still tells


def _set_logging(*, debug: bool) -> None:
    """The logger's warnings repeat what is shown anyway: they go nowhere, or with `debug` to standard error."""
    logger = logging.getLogger(APP_NAME)
    logger.handlers = [logging.StreamHandler(sys.stderr) if debug else logging.NullHandler()]
    logger.propagate = False
    logger.setLevel(logging.DEBUG if debug else logging.WARNING)


if __name__ == "__main__":
    sys.exit(main())
