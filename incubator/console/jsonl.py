"""The raw display: one JSON object a line. A stable interface: `schemas/events.schema.json` describes it.

Fields are those of the event classes. `version` changes when a field changes its meaning or goes away; new fields
and new events may come at any time.
"""

from __future__ import annotations

import dataclasses
import json
import re
import threading
import time
from typing import TYPE_CHECKING, Any

from incubator.console.stream import SafeStream
from incubator.dockerfile.source import Span
from incubator.errors import BuilderError
from incubator.events import BuildFailed

if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import TextIO

    from incubator.events import Event

FORMAT_VERSION = 1


class JsonConsole:
    """Listener that writes JSON lines."""

    def __init__(self, out: TextIO, *, now: Callable[[], float] = time.time) -> None:
        self._out = SafeStream(out)
        self._now = now
        self._lock = threading.Lock()
        self._has_failed = False

    def __call__(self, event: Event) -> None:
        """Write `event`."""
        self._has_failed = self._has_failed or isinstance(event, BuildFailed)
        line = json.dumps(event_record(event, self._now()), ensure_ascii=True, separators=(",", ":"))
        with self._lock:
            self._out.write(f"{line}\n")

    def failed(self, error: BuilderError) -> None:
        """Write that the build failed, if no event has told so."""
        if not self._has_failed:
            self(BuildFailed(error=error))

    def close(self) -> None:
        """Nothing is held back."""


def event_record(event: Event, time_s: float) -> dict[str, Any]:
    """An event as JSON has it; `time_s` is seconds since 1970."""
    fields = {field.name: _plain(getattr(event, field.name)) for field in dataclasses.fields(event)}
    return {"version": FORMAT_VERSION, "event": event_name(type(event)), "time": round(time_s, 3), **fields}


def event_name(kind: type[Event]) -> str:
    """`step-started` for `StepStarted`."""
    return re.sub(r"(?<!^)([A-Z])", r"-\1", kind.__name__).lower()


def _plain(value: object) -> Any:
    match value:
        case bytes():
            return value.decode("utf-8", "replace")
        case Span():
            return {
                "file": value.source.name,
                "first_line": value.first_line,
                "last_line": value.last_line,
                "column": value.column,
            }
        case BuilderError():
            return {
                "kind": type(value).__name__,
                "message": value.message or str(value),
                "hint": value.hint,
                "span": _plain(value.span),
                "exit_code": value.exit_code,
            }
        case tuple():
            return [_plain(item) for item in value]
        case _ if dataclasses.is_dataclass(value) and not isinstance(value, type):
            return {field.name: _plain(getattr(value, field.name)) for field in dataclasses.fields(value)}
        case _:
            return value
