"""The layer cache's protocol: what a build asks of it."""

from __future__ import annotations

from typing import Protocol


class ImageCache(Protocol):
    """Finds the results of earlier builds.

    A key stands for a layer and all below it; equal keys mean equal files. What a cache forgets is made again.
    """

    def find(self, key: str) -> str | None:
        """Reference or id of an image on the engine whose layers end with the one of `key`; None if unknown."""
        ...

    def store(self, key: str, image: str) -> None:
        """Remember that `image`, which is on the engine now, is the result for `key`."""
        ...
