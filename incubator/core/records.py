"""What the latest result of each place was made of, so that a miss can be told: references on the engine."""

from __future__ import annotations

import threading
from functools import cached_property
from typing import TYPE_CHECKING

from incubator.core.constants import APP_NAME

if TYPE_CHECKING:
    from incubator.core.engine import Engine
    from incubator.core.plan.keys import KeyParts

RECORD_REPOSITORY = f"{APP_NAME}-latest"
"""Repository of references `incubator-latest:<place>.<parts>`: digests alone, and no value of anything."""


class Records:
    """The latest results by their places: one reference for each, beside that of the cache. For several threads."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._lock = threading.Lock()

    @cached_property
    def _known(self) -> dict[str, list[str]]:
        """Parts of each place as the engine has them; there may be several where builds ran at the same time."""
        known: dict[str, list[str]] = {}
        for reference in self._engine.references(RECORD_REPOSITORY):
            place, _, parts = reference.rpartition(":")[2].partition(".")
            known.setdefault(place, []).append(parts)
        return known

    def why_missed(self, place: str, parts: KeyParts) -> str | None:
        """What changed since the latest result of a place; None where there was none."""
        with self._lock:
            earlier = self._known.get(place, [])
        if not earlier:
            return None
        return parts.changed_since(earlier[-1]) or "the earlier result is gone"

    def note(self, place: str, parts: KeyParts, image: str) -> None:
        """Remember that `image` is now the latest result of a place."""
        with self._lock:
            earlier = self._known.get(place, [])
            if earlier == [parts.short]:
                return
            self._known[place] = [parts.short]
        self._engine.tag(image, f"{RECORD_REPOSITORY}:{place}.{parts.short}")
        for old in earlier:
            if old != parts.short:
                self._engine.remove_image(f"{RECORD_REPOSITORY}:{place}.{old}")
