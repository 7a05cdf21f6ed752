"""What a step prints: kept for the result and for failures, and passed on to listeners up to a limit. Pure.

A step may print without end. Listeners get the first `SHOWN_BYTES` as they come; of what follows, a sample of the
latest lines every few seconds, with the number of bytes that were left out before it, and the last lines at the end.
"""

from __future__ import annotations

import threading
import time
from collections import deque
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Callable

    from incubator.core.engine import StreamName

SHOWN_BYTES: Final = 2 << 20
"""Of a step's output, passed on at full speed."""

SAMPLE_BYTES: Final = 4 << 10
SAMPLE_EVERY_S: Final = 5.0

KEPT_BYTES: Final = 1 << 20
"""Of a step's output, for the build's result: its end."""

ALL_KEPT_BYTES: Final = 8 << 20
"""Of the output of all steps together. A text may take four times as much memory as its bytes."""

TAIL_LINES: Final = 20
_TAIL_BYTES = 1 << 16
_NEWLINE = ord("\n")


@dataclass(slots=True)
class Log:
    """Output of one step, whose text is `command`: all of it up to a bound, of which the end is kept.

    `peak_bytes`: the most memory that its container has used so far, None where nobody tells.
    """

    command: str = ""
    data: bytearray = field(default_factory=bytearray)
    peak_bytes: int | None = None

    def add(self, data: bytes) -> None:
        """Append."""
        self.data += data
        if len(self.data) > 2 * KEPT_BYTES:
            del self.data[:-KEPT_BYTES]

    @property
    def text(self) -> str:
        """As text; bytes that are no UTF-8 are replaced."""
        return self.data[-KEPT_BYTES:].decode(errors="replace")

    @property
    def tail(self) -> list[str]:
        """The last lines."""
        return self.data[-_TAIL_BYTES:].decode(errors="replace").splitlines()[-TAIL_LINES:]


class Logs:
    """The logs of all steps of a build, together in bounds: the longest lose their beginnings. For several threads."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._logs: list[Log] = []
        self._bytes = 0

    def begin(self, command: str) -> Log:
        """The log of one more step."""
        log = Log(command=command)
        with self._lock:
            self._logs.append(log)
        return log

    def add(self, log: Log, data: bytes) -> None:
        """Append to a log."""
        with self._lock:
            self._bytes -= len(log.data)
            log.add(data)
            self._bytes += len(log.data)
            while self._bytes > ALL_KEPT_BYTES:
                longest = max(self._logs, key=lambda other: len(other.data))
                size = len(longest.data)
                gone = size - (KEPT_BYTES if size > KEPT_BYTES else size // 2)
                del longest.data[:gone]
                self._bytes -= gone


class OutputLimit:
    """Passes output on to `show(stream, data, skipped_bytes)` within the limit."""

    def __init__(
        self,
        show: Callable[[StreamName, bytes, int], None],
        *,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._show = show
        self._clock = clock
        self._room = SHOWN_BYTES
        self._held: deque[tuple[StreamName, bytes]] = deque()
        self._held_bytes = 0
        self._skipped = 0
        self._at_line = True  # whether what was left out last ends a line
        self._sampled_at = 0.0

    def add(self, stream: StreamName, data: bytes) -> None:
        """Output as it comes."""
        if self._room:
            shown, data = data[: self._room], data[self._room :]
            self._room -= len(shown)
            self._show(stream, shown, 0)
            self._sampled_at = self._clock()
        if not data:
            return
        self._hold(stream, data)
        if self._clock() - self._sampled_at >= SAMPLE_EVERY_S:
            self.flush()

    def flush(self) -> None:
        """Pass on what is held: the latest lines. Also the end of the output."""
        if not self._held:
            return
        self._begin_at_a_line()
        for stream, data in self._held:
            self._show(stream, data, self._skipped)
            self._skipped = 0
        self._held.clear()
        self._held_bytes = 0
        self._sampled_at = self._clock()

    def _hold(self, stream: StreamName, data: bytes) -> None:
        if len(data) > SAMPLE_BYTES:
            self._skipped += len(data) - SAMPLE_BYTES
            self._at_line = data[-SAMPLE_BYTES - 1] == _NEWLINE
            data = data[-SAMPLE_BYTES:]
        self._held.append((stream, data))
        self._held_bytes += len(data)
        while self._held_bytes - len(self._held[0][1]) >= SAMPLE_BYTES:
            _, gone = self._held.popleft()
            self._held_bytes -= len(gone)
            self._skipped += len(gone)
            self._at_line = gone[-1] == _NEWLINE

    def _begin_at_a_line(self) -> None:
        """Leave out a line whose beginning was left out."""
        while self._skipped and not self._at_line:
            stream, data = self._held[0]
            end = data.find(b"\n") + 1 or len(data)
            if end == len(data) and len(self._held) == 1:
                return  # it is all there is
            self._held.popleft()
            if end < len(data):
                self._held.appendleft((stream, data[end:]))
            self._skipped += end
            self._at_line = data[end - 1] == _NEWLINE
