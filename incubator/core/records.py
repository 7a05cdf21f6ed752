"""What the latest result of each place was made of, so that a miss can be told: references on the engine."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING

from incubator.core.constants import APP_NAME
from incubator.core.plan.keys import FILE_LENGTH

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

        self._files: dict[str, dict[str, list[str]]] = {}

    def _known(self, place: str) -> dict[str, list[str]]:
        """Parts of all places of the same file as the engine has them, several where builds ran at the same time."""
        file = place[:FILE_LENGTH]
        if file not in self._files:
            known = self._files[file] = {}
            for reference in self._engine.references(RECORD_REPOSITORY, f"{file}*"):
                name, _, parts = reference.rpartition(":")[2].partition(".")
                known.setdefault(name, []).append(parts)
        return self._files[file]

    def why_missed(self, place: str, parts: KeyParts) -> str | None:
        """What changed since the latest result of a place; None where there was none."""
        with self._lock:
            earlier = self._known(place).get(place, [])
        if not earlier:
            return None
        return parts.changed_since(earlier[-1]) or "the earlier result is gone"

    def note(self, place: str, parts: KeyParts, image: str, *, made: bool) -> None:
        """Remember that `image`, which may have been `made` anew, is now the latest result of a place.

        `forget_earlier` has to follow.
        """
        with self._lock:
            if not made and self._known(place).get(place, []) == [parts.short]:
                return
        self._engine.tag(image, f"{RECORD_REPOSITORY}:{place}.{parts.short}")

    def forget_earlier(self, place: str, parts: KeyParts) -> None:
        """Take away what is known of results of a place other than the latest."""
        with self._lock:
            known = self._known(place)
            earlier = known.get(place, [])
            known[place] = [parts.short]
        for old in earlier:
            if old != parts.short:
                self._engine.remove_image(f"{RECORD_REPOSITORY}:{place}.{old}")
