"""Doing what depends on each other in an order that works, and the rest at the same time."""

from __future__ import annotations

import queue
import threading
import time
from typing import TYPE_CHECKING, Final, Generic, TypeVar

from incubator.errors import TimedOut

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Hashable, Mapping

    from incubator.core.halt import Halt

_Unit = TypeVar("_Unit", bound="Hashable")
_End = tuple[_Unit, BaseException | None]

PATIENCE_S: Final = 3.0
"""How long threads may take to end after a halt; what then hangs in a call of the engine is left behind."""


class Schedule(Generic[_Unit]):
    """Executes each unit once, after all it needs, at most `parallelism` at a time, each in a thread of its own.

    The threads keep no process from ending: a call that an engine does not answer must not hold up who cancels.
    """

    def __init__(
        self,
        needs: Mapping[_Unit, Collection[_Unit]],
        execute: Callable[[_Unit], None],
        *,
        parallelism: int,
        halt: Halt,
        patience_s: float = PATIENCE_S,
    ) -> None:
        self._waiting = {unit: set(needed) for unit, needed in needs.items()}
        self._execute = execute
        self._parallelism = parallelism
        self._halt = halt
        self._patience_s = patience_s
        self._running: set[_Unit] = set()
        self._ended: queue.SimpleQueue[_End[_Unit]] = queue.SimpleQueue()

    def run(self, *, begin: float = 0, timeout_s: float | None = None) -> None:
        """Execute all. Raises TimedOut `timeout_s` after `begin`, a time of the monotonic clock.

        The first failure halts what else runs, and is raised once that has ended. So does whatever is raised in
        this thread, such as Interrupt.
        """
        deadline = None if timeout_s is None else begin + timeout_s
        try:
            while self._waiting or self._running:
                self._start_ready()
                ended = self._next_end(deadline)
                self._check(ended, timeout_s)
        except BaseException:
            self._halt.request()
            self._let_end()
            raise

    def _check(self, ended: _End[_Unit] | None, timeout_s: float | None) -> None:
        if ended is None:
            raise TimedOut(timeout_s or 0)
        unit, error = ended
        if error:
            raise error
        for needed in self._waiting.values():
            needed.discard(unit)

    def _start_ready(self) -> None:
        ready = [unit for unit, needed in self._waiting.items() if not needed]
        for unit in ready[: self._parallelism - len(self._running)]:
            del self._waiting[unit]
            self._running.add(unit)
            threading.Thread(target=self._work, args=(unit,), daemon=True, name=f"incubator-{unit}").start()
        assert self._running, "the units wait for each other"

    def _work(self, unit: _Unit) -> None:
        error: BaseException | None = None
        try:
            self._execute(unit)
        except BaseException as raised:  # noqa: BLE001 - raised again in the thread that waits
            error = raised
        self._ended.put((unit, error))

    def _next_end(self, deadline: float | None) -> _End[_Unit] | None:
        """A unit that ended and its failure; None at the deadline."""
        left = None if deadline is None else max(0.0, deadline - time.monotonic())
        try:
            ended = self._ended.get(timeout=left)
        except queue.Empty:
            return None
        self._running.discard(ended[0])
        return ended

    def _let_end(self) -> None:
        """Wait for the threads, whose failures are consequences of the first one."""
        deadline = time.monotonic() + self._patience_s
        while self._running and self._next_end(deadline):
            pass
