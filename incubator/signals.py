"""SIGINT and SIGTERM as an exception, so that a cancelled build cleans up behind itself."""

from __future__ import annotations

import signal
import threading
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING

from incubator.errors import Interrupt, interrupts_are_errors

if TYPE_CHECKING:
    from collections.abc import Iterator
    from types import FrameType

_SIGNALS = (signal.SIGINT, signal.SIGTERM)
_PATIENCE = 3


@dataclass(slots=True)
class Cancellation:
    """What arrived: `signal_number` is that of the first signal, None while there was none."""

    signal_number: int | None = None
    received: int = 0


@contextmanager
def cancel_on_signals() -> Iterator[Cancellation]:
    """Raise Interrupt in the main thread at the first signal, which leaves here as Cancelled.

    Earlier handlers are back in place afterwards. A second signal is ignored, since the build is being cleaned up; the
    third ends the process at once. Only the main thread can handle signals: elsewhere this does nothing.
    """
    cancellation = Cancellation()
    if threading.current_thread() is not threading.main_thread():
        yield cancellation
        return

    def handle(number: int, _frame: FrameType | None) -> None:
        cancellation.received += 1
        if cancellation.received >= _PATIENCE:
            signal.signal(number, signal.SIG_DFL)
            signal.raise_signal(number)
        if cancellation.received == 1:
            cancellation.signal_number = number
            raise Interrupt(number)

    before = {number: signal.signal(number, handle) for number in _SIGNALS}
    try:
        with interrupts_are_errors():
            yield cancellation
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
