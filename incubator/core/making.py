"""Who makes what: of those that would make the same layer at the same time, one does."""

from __future__ import annotations

import threading
from collections import defaultdict


class Making:
    """A lock for each key of a group, which is held while its layer is made. For several threads.

    `by_others`: builds beside this one have the same locks, so a layer has to be in the cache when its lock is free.
    """

    def __init__(self, *, by_others: bool = False) -> None:
        self.by_others = by_others
        self._locks: defaultdict[str, threading.Lock] = defaultdict(threading.Lock)

    def of(self, key: str) -> threading.Lock:
        """The lock of a key."""
        return self._locks[key]
