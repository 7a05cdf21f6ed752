"""An engine that gets layers made here all at once: when it needs one of their images, or when the build ends.

Each load is a call that engines take long over, the containerd store most of all, and so is each reference given. A row
of COPY instructions comes to one call, in which every image has its references already.
"""

from __future__ import annotations

import threading
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Final, Protocol, runtime_checkable

from incubator.core.engine import ImageInfo
from incubator.core.engine_proxy import EngineProxy
from incubator.oci.image_config import digest_of

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from incubator.core.blob import Blob
    from incubator.core.engine import ContainerSpec, Engine
    from incubator.oci.image_config import HistoryEntry, ImageConfig
    from incubator.oci.platform import Platform

_MOST_IMAGES: Final = 64
"""Images that wait; each may hold a file open."""
_MOST_BYTES: Final = 64 << 20
"""Bytes of layers that wait; more are loaded while the next ones are read."""


@dataclass(slots=True, kw_only=True)
class Stacked:
    """An image of what is below (one of the same row by its place in it, or one of the engine's) and one more layer.

    `top` is its tar, `packed` the same in gzip where somebody has it.
    """

    below: int | str
    config: ImageConfig
    top: Blob
    packed: Blob | None = None
    references: list[str] = field(default_factory=list)

    def close(self) -> None:
        """Let go of the files."""
        for blob in (self.top, self.packed):
            if blob:
                blob.file.close()


@runtime_checkable
class StacksTogether(Protocol):
    """An `Engine` that takes several images in one call."""

    def compose_all(self, images: Sequence[Stacked]) -> list[str]:
        """Make images with their references; their ids. Raises EngineError."""
        ...


@dataclass(frozen=True, slots=True)
class OneByOne:
    """The same of an engine that takes them one after the other."""

    engine: Engine

    def compose_all(self, images: Sequence[Stacked]) -> list[str]:
        """See `StacksTogether`."""
        made: list[str] = []
        for image in images:
            below = made[image.below] if isinstance(image.below, int) else image.below
            made.append(self.engine.compose(below, image.config, top=image.top))
            for reference in image.references:
                self.engine.tag(made[-1], reference)
        return made


def stacks_of(engine: Engine) -> StacksTogether | None:
    """What takes several images for an engine in one call, if it can do that."""
    return engine if isinstance(engine, StacksTogether) and engine.info().store != "podman" else None


class TogetherEngine(EngineProxy):
    """`Engine` that keeps images of client-made layers back until `engine` needs one. For several threads.

    `settle` hands over what waits; it has to be called before references are taken away.
    """

    def __init__(self, engine: Engine, stacks: StacksTogether) -> None:
        super().__init__(engine)
        self._stacks = stacks
        self._lock = threading.RLock()
        self._waiting: dict[str, Stacked] = {}
        self._infos: dict[str, ImageInfo] = {}
        self._brought: dict[str, str] = {}
        self._bytes = 0

    def compose(
        self, layers_of: str, config: ImageConfig, *, top: Blob | None = None, packed: Blob | None = None
    ) -> str:
        """See `Engine`. With a layer, which may be `packed` with gzip besides, nothing is sent yet."""
        if top is None:
            return self._engine.compose(self.on_engine(layers_of), config)
        with self._lock:
            image = digest_of(config.to_json_bytes())
            if image in self._waiting or image in self._brought:
                return image
            under = self.image(layers_of) if layers_of else None
            below: int | str = self._brought.get(layers_of, layers_of)
            if layers_of in self._waiting:
                below = list(self._waiting).index(layers_of)
            self._waiting[image] = Stacked(
                below=below, config=config, top=top.shared(), packed=packed.shared() if packed else None
            )
            self._infos[image] = ImageInfo(
                id=image,
                config=config,
                size_bytes=(under.size_bytes if under else 0) + top.size_bytes,
                on_engine=False,
            )
            self._bytes += top.size_bytes
            if self._bytes > _MOST_BYTES or len(self._waiting) >= _MOST_IMAGES:
                self.settle()
            return image

    def settle(self) -> None:
        """Give the engine all that waits, in one call. Raises EngineError; nothing waits any more then either."""
        with self._lock:
            waiting, self._waiting, self._bytes = self._waiting, {}, 0
            if not waiting:
                return
            try:
                made = self._stacks.compose_all(list(waiting.values()))
            finally:
                for stacked in waiting.values():
                    stacked.close()
            self._brought.update(zip(waiting, made, strict=True))

    def drop(self) -> None:
        """Let go of what waits."""
        with self._lock:
            waiting, self._waiting, self._bytes = self._waiting, {}, 0
            for stacked in waiting.values():
                stacked.close()

    def unsettled(self) -> list[str]:
        """What the engine has yet to be given, by `settle` or by asking for one of them."""
        return list(self._waiting)

    def on_engine(self, image: str) -> str:
        """The engine's id of an image, which is given to it if it waits. Raises EngineError."""
        with self._lock:
            if image in self._waiting:
                self.settle()
            return self._brought.get(image, image)

    def image(self, reference: str, platform: Platform | None = None) -> ImageInfo | None:
        """See `Engine`; an image that waits counts as one of the engine's."""
        with self._lock:
            for image, stacked in self._waiting.items():
                if reference == image or reference in stacked.references:
                    return self._infos[image]
            reference = self._brought.get(reference, reference)
        return self._engine.image(reference, platform)

    def tag(self, image: str, reference: str) -> None:
        """See `Engine`. An image that waits comes with its references."""
        with self._lock:
            self._forget(reference)
            if image in self._waiting:
                self._waiting[image].references.append(reference)
                return
            image = self._brought.get(image, image)
        self._engine.tag(image, reference)

    def remove_image(self, reference: str) -> None:
        """See `Engine`."""
        with self._lock:
            self._forget(reference)
        self._engine.remove_image(self.on_engine(reference))

    def _forget(self, reference: str) -> None:
        for stacked in self._waiting.values():
            if reference in stacked.references:
                stacked.references.remove(reference)

    def create(self, spec: ContainerSpec) -> str:
        """See `Engine`."""
        return self._engine.create(replace(spec, image=self.on_engine(spec.image)))

    def history(self, image: str) -> tuple[HistoryEntry, ...]:
        """See `Engine`."""
        return self._engine.history(self.on_engine(image))

    def layer_sizes(self, image: str) -> list[int]:
        """See `Engine`."""
        return self._engine.layer_sizes(self.on_engine(image))

    def export(self, references: Sequence[str]) -> Iterable[bytes]:
        """See `Engine`."""
        self.settle()
        return self._engine.export([self.on_engine(name) for name in references])

    def archive(self, image: str) -> Iterable[bytes]:
        """See `Engine`."""
        return self._engine.archive(self.on_engine(image))
