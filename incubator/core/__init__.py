"""Instructions to an image: planning (pure), then execution behind the engine client."""

from incubator.core.volume import Volume

__all__ = ["Volume"]
