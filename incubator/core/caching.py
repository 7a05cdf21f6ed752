"""The layer cache: what a build asks of one, and the one that needs nothing but the engine."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

from incubator.core.constants import APP_NAME

if TYPE_CHECKING:
    from incubator.core.engine import Engine, ImageInfo

CACHE_REPOSITORY = f"{APP_NAME}-cache"
"""Repository of the references that keep results of builds on the engine."""


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


class EngineCache:
    """Keeps results on the engine itself: images under references `incubator-cache:<key>`."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    def find(self, key: str) -> str | None:
        """The reference, if the engine has it."""
        return f"{CACHE_REPOSITORY}:{key}" if self.image(key) else None

    def image(self, key: str) -> ImageInfo | None:
        """The image, if the engine has it."""
        return self._engine.image(f"{CACHE_REPOSITORY}:{key}")

    def store(self, key: str, image: str) -> None:
        """Give the image the reference."""
        self._engine.tag(image, f"{CACHE_REPOSITORY}:{key}")


def find_image(cache: ImageCache, engine: Engine, key: str) -> ImageInfo | None:
    """The image that a cache has for a key, if `engine` has it too. Raises EngineError."""
    if isinstance(cache, EngineCache):
        return cache.image(key)  # one question instead of two
    reference = cache.find(key)
    return engine.image(reference) if reference else None
