"""Base images: the engine's own, or fetched from their registry."""

from __future__ import annotations

import time
from contextlib import suppress
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Literal

from incubator.core.caching import CACHE_REPOSITORY
from incubator.core.plan.model import BaseImage
from incubator.errors import BuilderError, EngineError, InputError, RegistryError
from incubator.events import BaseResolved, Transfer, WarningRaised
from incubator.oci.reference import Reference, parse_reference

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from incubator.core.engine import Engine, ImageInfo
    from incubator.core.stored import StoredImage
    from incubator.dockerfile.source import Span
    from incubator.events import Listener
    from incubator.oci.platform import Platform
    from incubator.request import Credential, ImageStore


def find_credential(reference: Reference, credentials: Sequence[Credential]) -> Credential | None:
    """The login for a reference's registry."""
    return next((login for login in credentials if login.registry == reference.registry), None)


def report_transfer(
    emit: Listener, reference: str, direction: Literal["pull", "push"]
) -> Callable[[int, int | None], None]:
    """A progress callback that emits events."""

    def progress(current: int, total: int | None) -> None:
        emit(
            Transfer(
                reference=reference,
                direction=direction,
                current_bytes=current,
                total_bytes=total,
            )
        )

    return progress


def _repository_digest(reference: str, image: ImageInfo) -> str:
    """What the repository of a reference calls an image; empty where that is not known."""
    wanted = parse_reference(reference)
    if wanted.digest:
        return wanted.digest
    for text in image.repo_digests:
        with suppress(InputError):
            known = parse_reference(text)
            if (known.registry, known.repository) == (wanted.registry, wanted.repository) and known.digest:
                return known.digest
    return ""


@dataclass(slots=True, kw_only=True)
class ImageLookup:
    """Finds each base image once. With `pull` the registry is asked even where the engine has the image.

    Without `fetch` only the engine is asked. `stores` have the images of references that are no registry's.
    """

    engine: Engine
    emit: Listener
    credentials: Sequence[Credential]
    pull: bool
    fetch: bool = True
    stores: Mapping[str, ImageStore] = field(default_factory=dict)
    _found: dict[tuple[str, Platform], BaseImage] = field(default_factory=dict)

    def __call__(self, reference: str, platform: Platform, *, span: Span | None = None) -> BaseImage:
        """The image. Raises InputError for what is no reference, RegistryError and EngineError, at `span`."""
        key = (reference, platform)
        if key not in self._found:
            try:
                self._found[key] = self._find(reference, platform, span)
            except BuilderError as error:
                error.span = error.span or span
                raise
        return self._found[key]

    def _find(self, reference: str, platform: Platform, span: Span | None) -> BaseImage:
        begin = time.monotonic()
        if reference in self.stores:
            image, pulled = self._stored(reference, platform), False
        else:
            image, pulled = self._of_registry(reference, platform)
        if image.config.platform != platform:
            self.emit(
                WarningRaised(
                    message=f"base image {reference} is for {image.config.platform}, expected {platform}",
                    rule="InvalidBaseImagePlatform",
                    span=span,
                )
            )
        duration_s = time.monotonic() - begin
        self.emit(
            BaseResolved(
                reference=reference,
                image_id=image.id,
                pulled=pulled and image.on_engine,
                duration_s=duration_s,
                on_engine=image.on_engine,
            )
        )
        return BaseImage(
            reference=reference,
            image_id=image.id,
            config=image.config,
            repository_digest="" if reference in self.stores else _repository_digest(reference, image),
        )

    def _stored(self, reference: str, platform: Platform) -> ImageInfo:
        """An image of one of the stores, given to the engine if need be; kept there as results of builds are."""
        stored = self.stores[reference].image(platform)
        image_id = stored.id_in(self.engine.info().store)
        image = self.engine.image(image_id)
        if image is None and not self.fetch:
            raise EngineError(
                f"the engine does not have the image of {reference} yet",
                hint="a build gives it to the engine",
            )
        if image is None:
            image = self.engine.image(self._load(stored))
        if image is None:
            raise EngineError(f"the engine was given {reference}, but does not have it now")
        if self.fetch:
            self.engine.tag(image_id, f"{CACHE_REPOSITORY}:{image_id.rpartition(':')[2]}")
        return image

    def _load(self, stored: StoredImage) -> str:
        try:
            return self.engine.load(stored)
        except EngineError as error:
            if stored.uses_zstd:
                error.hint = (
                    error.hint or "a layer is compressed with zstd, which Docker reads since version 23"
                )
            raise

    def _of_registry(self, reference: str, platform: Platform) -> tuple[ImageInfo, bool]:
        """The image, and whether it was pulled."""
        parsed = parse_reference(reference)  # before it becomes part of a request
        local = None if self.pull else self.engine.image(reference, platform)
        if local is not None and local.config.platform == platform:
            return local, False
        if not self.fetch:
            if local is not None:
                return local, False
            raise EngineError(
                f"the engine does not have the base image {reference}",
                hint="--pull fetches it; without it a plan changes nothing on the engine",
            )
        try:
            return self._pull(parsed, platform), True
        except RegistryError as error:
            if local is None:
                raise
            raise RegistryError(
                f"the engine has {reference} for {local.config.platform} only, and none for {platform} "
                f"can be had: {error.message}",
                hint=f"load an image for {platform}, or ask for the one that is there: "
                f"FROM --platform={local.config.platform} {reference}",
            ) from error

    def _pull(self, reference: Reference, platform: Platform) -> ImageInfo:
        return self.engine.pull(
            str(reference),
            # An engine asked for its own platform says so in its errors; most registries need no telling.
            platform=None if platform == self.engine.info().platform else platform,
            credential=find_credential(reference, self.credentials),
            progress=report_transfer(self.emit, str(reference), "pull"),
        )
