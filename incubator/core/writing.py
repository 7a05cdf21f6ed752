"""Telling what is written in the end, and how long that took."""

from __future__ import annotations

import time
from contextlib import contextmanager
from typing import TYPE_CHECKING

from incubator.events import WriteFinished, WriteStarted

if TYPE_CHECKING:
    from collections.abc import Iterator

    from incubator.events import Listener, Written


@contextmanager
def told(emit: Listener, what: Written, target: str = "") -> Iterator[None]:
    """Tell when it begins and when it has ended well."""
    emit(WriteStarted(what=what, target=target))
    begin = time.monotonic()
    yield
    emit(WriteFinished(what=what, target=target, duration_s=time.monotonic() - begin))
