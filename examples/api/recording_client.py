"""An engine client that notes every call: wraps another client, and is given to `build(container_client=...)`.

client = RecordingClient(DockerClient.from_env())
build(path=".", container_client=client)
print(client.report())
"""

from __future__ import annotations

import functools
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from incubator.core.engine import Engine


@dataclass(frozen=True)
class Call:
    """One call of the engine: its name and how long it took; `failed` if it raised."""

    name: str
    duration_s: float
    failed: bool


class RecordingClient:
    """Passes every call on to `engine`. Stages run in parallel, so calls come from several threads."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self.calls: list[Call] = []

    def __getattr__(self, name: str) -> Any:
        method = getattr(self._engine, name)
        if not callable(method):
            return method

        @functools.wraps(method)
        def recorded(*arguments: Any, **options: Any) -> Any:
            begin, failed = time.monotonic(), True
            try:
                result = method(*arguments, **options)
                failed = False
                return result
            finally:
                # Appending to a list is safe from several threads.
                self.calls.append(Call(name, time.monotonic() - begin, failed))

        return recorded

    def report(self) -> str:
        """A line for each kind of call, the costliest first: name, number of calls, seconds altogether."""
        names = {call.name for call in self.calls}
        totals = {name: [call.duration_s for call in self.calls if call.name == name] for name in names}
        ordered = sorted(totals.items(), key=lambda item: -sum(item[1]))
        return "\n".join(f"{name:<18} {len(times):>5} {sum(times):8.3f} s" for name, times in ordered)
