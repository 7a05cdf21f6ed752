"""What the log says besides where the pipeline runs in its debug mode: facts, events with their times, tracebacks."""

from __future__ import annotations

import json
import platform
import time
import traceback
from typing import TYPE_CHECKING

from incubator import __version__
from incubator.ci.raw import given_names
from incubator.console.jsonl import event_record
from incubator.events import StepOutput, Transfer

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

    from incubator.ci.surroundings import Surroundings
    from incubator.events import Event, Listener


def is_debugging(environ: Mapping[str, str]) -> bool:
    """Whether GitHub's `RUNNER_DEBUG` or GitLab's `CI_DEBUG_TRACE` is on."""
    return environ.get("RUNNER_DEBUG") == "1" or environ.get("CI_DEBUG_TRACE", "").lower() in {"1", "true"}


def fact_lines(around: Surroundings) -> list[str]:
    """Versions, surroundings, and the names of the inputs that were given; never their values."""
    names = ", ".join(given_names(around.environ, around.ci)) or "none"
    return [
        f"incubator {__version__}, Python {platform.python_version()}, {platform.platform()}",
        f"surroundings: {around.ci}, workspace {around.workspace}",
        f"engine address: {around.environ.get('DOCKER_HOST') or 'default'}",
        f"inputs that were given: {names}",
    ]


def event_lines(write: Callable[[Iterable[str]], None]) -> Listener:
    """A listener that writes each event as JSON, but for output and progress, which the log has anyway."""

    def emit(event: Event) -> None:
        if not isinstance(event, StepOutput | Transfer):
            write([json.dumps(event_record(event, time.time()), ensure_ascii=True)])

    return emit


def traceback_lines(error: BaseException) -> list[str]:
    """Where an error comes from, with what caused it."""
    return "".join(traceback.format_exception(error)).splitlines()
