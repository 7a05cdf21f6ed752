"""Stopping a build before its end: what one thread asks for, and all others obey."""

from __future__ import annotations

import threading
import time
from typing import TYPE_CHECKING, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

_Item = TypeVar("_Item")


class Halted(Exception):
    """The build was stopped. Raised in its threads, and seen by nobody outside: why it was stopped is the error."""


class Halt:
    """Whether a build is to stop, and the containers that have to end for that.

    A thread that waits for a container cannot be interrupted, but its wait ends with the container.
    """

    def __init__(self, remove: Callable[[str], None]) -> None:
        self._remove = remove
        self._lock = threading.Lock()
        self._containers: set[str] = set()
        self._requested = False

    @property
    def requested(self) -> bool:
        """Whether the build is to stop."""
        return self._requested

    def request(self) -> None:
        """Have all threads stop, and remove the containers they may be waiting for."""
        with self._lock:
            self._requested = True
            containers, self._containers = self._containers, set()
        for container in containers:
            self._remove(container)

    def check(self) -> None:
        """Raise Halted if the build is to stop."""
        if self._requested:
            raise Halted

    def guard(self, items: Iterable[_Item]) -> Iterator[_Item]:
        """The items; raises Halted between two of them if the build is to stop."""
        for item in items:
            self.check()
            yield item

    def sleep(self, seconds: float) -> None:
        """Wait a while. Raises Halted if the build is to stop."""
        self.check()
        time.sleep(seconds)
        self.check()

    def watch(self, container: str) -> None:
        """Count a container among those that have to end. Raises Halted where it comes too late."""
        with self._lock:
            if not self._requested:
                self._containers.add(container)
        self.check()

    def forget(self, container: str) -> None:
        """The container is somebody else's care from now on."""
        with self._lock:
            self._containers.discard(container)
