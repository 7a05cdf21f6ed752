"""Base images: the engine's own, or fetched from their registry."""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Literal

from incubator.core.plan.model import BaseImage
from incubator.errors import BuilderError, EngineError, RegistryError
from incubator.events import BaseResolved, Transfer, WarningRaised
from incubator.oci.reference import Reference, parse_reference

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from incubator.core.engine import Engine, ImageInfo
    from incubator.dockerfile.source import Span
    from incubator.events import Listener
    from incubator.oci.platform import Platform
    from incubator.request import Credential


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


@dataclass(slots=True, kw_only=True)
class ImageLookup:
    """Finds each base image once. With `pull` the registry is asked even where the engine has the image.

    Without `fetch` only the engine is asked.
    """

    engine: Engine
    emit: Listener
    credentials: Sequence[Credential]
    pull: bool
    fetch: bool = True
    _found: dict[tuple[str, Platform], BaseImage] = field(default_factory=dict)

    def __call__(self, reference: str, platform: Platform, *, span: Span) -> BaseImage:
        """The image. Raises InputError for what is no reference, RegistryError and EngineError, at `span`."""
        key = (reference, platform)
        if key not in self._found:
            try:
                self._found[key] = self._find(reference, platform, span)
            except BuilderError as error:
                error.span = error.span or span
                raise
        return self._found[key]

    def _find(self, reference: str, platform: Platform, span: Span) -> BaseImage:
        begin = time.monotonic()
        parsed = parse_reference(reference)  # before it becomes part of a request
        local = None if self.pull else self.engine.image(reference, platform)
        fits = local is not None and local.config.platform == platform
        image, pulled = local, False
        if not fits and not self.fetch:
            if local is None:
                raise EngineError(
                    f"the engine does not have the base image {reference}",
                    hint="--pull fetches it; without it a plan changes nothing on the engine",
                )
        elif not fits:
            try:
                image, pulled = self._pull(parsed, platform), True
            except RegistryError as error:
                if local is None:
                    raise
                raise RegistryError(
                    f"the engine has {reference} for {local.config.platform} only, and none for {platform} "
                    f"can be had: {error.message}",
                    hint=f"load an image for {platform}, or ask for the one that is there: "
                    f"FROM --platform={local.config.platform} {reference}",
                ) from error
        if image is None:
            raise RegistryError(f"there is no image {reference}")
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
        return BaseImage(reference=reference, image_id=image.id, config=image.config)

    def _pull(self, reference: Reference, platform: Platform) -> ImageInfo:
        return self.engine.pull(
            str(reference),
            # An engine asked for its own platform says so in its errors; most registries need no telling.
            platform=None if platform == self.engine.info().platform else platform,
            credential=find_credential(reference, self.credentials),
            progress=report_transfer(self.emit, str(reference), "pull"),
        )
