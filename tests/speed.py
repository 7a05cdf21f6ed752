"""Times that mean the same on a busy machine: told as if a fixed piece of work took what it takes on a quiet one."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

_NOMINAL_S = 0.02
"""Processor time of `_work` on a quiet machine of 2023."""
_TRIES = 3


def _work() -> None:
    total = 0
    for number in range(500_000):
        total += number & 7


def _took(action: Callable[[], object]) -> float:
    begin = time.process_time()
    action()
    return time.process_time() - begin


def nominal_seconds(action: Callable[[], object]) -> float:
    """Processor time of an action, less where this machine is slow just now.

    Other processes cost an action more than the time they run: they share caches and the core's units.
    """
    before = _took(_work)
    took = _took(action)
    slower = min(before, _took(_work)) / _NOMINAL_S
    return took / max(1.0, slower)


def is_within(limit_s: float, action: Callable[[], object]) -> bool:
    """True if an action takes less in one of a few tries: noise passes, what grows too fast is slow each time."""
    return any(nominal_seconds(action) < limit_s for _ in range(_TRIES))
