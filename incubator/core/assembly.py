"""An image put together in a registry, out of layers that are there, elsewhere, or with us."""

from __future__ import annotations

import threading
import time
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

from incubator.core.known_layers import CacheBroken
from incubator.errors import RegistryError
from incubator.oci.descriptor import Descriptor
from incubator.oci.image_config import digest_of
from incubator.oci.manifest import Manifest
from incubator.oci.media_types import (
    COMPRESSIONS,
    DOCKER_CONFIG,
    DOCKER_LAYERS,
    DOCKER_MANIFEST,
    OCI_CONFIG,
    OCI_LAYERS,
    OCI_MANIFEST,
)
from incubator.registry.repository import Repository

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence

    from incubator.core.known_layers import KnownLayer
    from incubator.oci.image_config import ImageConfig
    from incubator.oci.media_types import Compression

_UPLOADS = 4
"""Layers that are moved at the same time."""
_TELL_EVERY_S = 0.2


def push_image(
    repository: Repository,
    config: ImageConfig,
    layers: Sequence[KnownLayer],
    *,
    tag: str | None,
    oci_types: bool = True,
    progress: Callable[[int, int | None], None],
) -> str:
    """Make `tag` an image of `layers`, base first; the digest of its manifest, its only name without a tag.

    Only what the repository lacks is moved: mounted from another repository of the registry, copied from another
    registry, or uploaded. Raises RegistryError, and CacheBroken where a cache promised what is not there.
    """
    ensure_layers(repository, layers, progress)
    manifest = manifest_of(config, layers, oci_types=oci_types)
    put_small_blob(repository, config.to_json_bytes(), manifest.config.media_type)
    return repository.put_manifest(manifest, tag_or_digest=tag).digest


def manifest_of(config: ImageConfig, layers: Sequence[KnownLayer], *, oci_types: bool = True) -> Manifest:
    """The manifest of an image. Raises what compressing its layers raises, and RegistryError."""
    data = config.to_json_bytes()
    return Manifest(
        media_type=OCI_MANIFEST if oci_types else DOCKER_MANIFEST,
        config=Descriptor(
            media_type=OCI_CONFIG if oci_types else DOCKER_CONFIG, digest=digest_of(data), size=len(data)
        ),
        layers=tuple(
            typed(layer.described(), OCI_LAYERS if oci_types else DOCKER_LAYERS) for layer in layers
        ),
    )


def ensure_layers(
    repository: Repository, layers: Sequence[KnownLayer], progress: Callable[[int, int | None], None]
) -> None:
    """See to it that a repository has the blobs of all `layers`. Raises as `push_image` does.

    `progress` is told of bytes that travel, and at the end of all that have: of 0 where nothing was missing.
    """
    different = {layer.diff_id: layer for layer in layers}
    sending = _Sending(different.values(), progress)
    with ThreadPoolExecutor(_UPLOADS, thread_name_prefix="incubator-push") as pool:
        for _ in pool.map(lambda layer: sending.ensure(repository, layer), different.values()):
            pass
    sending.tell()


class _Sending:
    """Bytes of all layers together that travel. Those of layers that turn out to be there go off the total."""

    def __init__(self, layers: Iterable[KnownLayer], progress: Callable[[int, int | None], None]) -> None:
        self._progress = progress
        self._lock = threading.Lock()
        self._sizes = {layer.diff_id: _size(layer) for layer in layers}
        self._sent: dict[str, int] = {}
        self._told: tuple[int, int] | None = None
        self._told_at = 0.0

    def ensure(self, repository: Repository, layer: KnownLayer) -> None:
        uploaded = ensure_layer(repository, layer, lambda: self._chunks(layer))
        size = layer.described().size if uploaded else 0
        with self._lock:
            self._sizes[layer.diff_id] = self._sent[layer.diff_id] = size

    def tell(self) -> None:
        with self._lock:
            self._tell()

    def _tell(self) -> None:
        now = sum(self._sent.values()), sum(self._sizes.values())
        if now != self._told:
            self._told, self._told_at = now, time.monotonic()
            self._progress(*now)

    def _chunks(self, layer: KnownLayer) -> Iterator[bytes]:
        """The blob of a layer, counted from its begin with each attempt."""
        sent, size = 0, layer.described().size
        for chunk in layer.chunks():
            yield chunk
            sent += len(chunk)
            with self._lock:
                self._sizes[layer.diff_id], self._sent[layer.diff_id] = size, sent
                if time.monotonic() - self._told_at >= _TELL_EVERY_S:
                    self._tell()


def ensure_layer(
    repository: Repository, layer: KnownLayer, chunks: Callable[[], Iterator[bytes]] | None = None
) -> bool:
    """See to it that a repository has the blob of a layer; whether it was uploaded. Raises as `push_image` does.

    `chunks` gives the blob, if anybody counts it.
    """
    descriptor = layer.described()
    if repository.has_blob(descriptor.digest) or _mounted(repository, layer):
        return False
    if layer.cached and layer.home is not None and not layer.home.has_blob(descriptor.digest):
        raise CacheBroken(f"the cached layer {descriptor.digest} is gone")
    repository.upload_blob(descriptor.digest, descriptor.size, chunks or layer.chunks)
    return True


def _size(layer: KnownLayer) -> int:
    """Bytes to move, as far as they are known: those of the tar where it is not compressed yet."""
    return layer.descriptor.size if layer.descriptor else layer.size


def _mounted(repository: Repository, layer: KnownLayer) -> bool:
    """Whether the registry has taken a layer over from another of its repositories."""
    home = layer.home
    if not isinstance(home, Repository):
        return False
    if home.registry != repository.registry or home.path == repository.path:
        return False
    return repository.mount_blob(layer.described(), home.path)


def put_small_blob(repository: Repository, data: bytes, media_type: str) -> Descriptor:
    """See to it that a repository has some bytes as a blob. Raises RegistryError."""
    descriptor = Descriptor(media_type=media_type, digest=digest_of(data), size=len(data))
    if not repository.has_blob(descriptor.digest):
        repository.upload_blob(descriptor.digest, descriptor.size, lambda: iter((data,)))
    return descriptor


def typed(layer: Descriptor, types: Mapping[Compression, str]) -> Descriptor:
    """A layer's descriptor with the media type that a family of `types` has for it. Raises RegistryError."""
    kind = COMPRESSIONS.get(layer.media_type)
    if kind is None:
        raise RegistryError(f"a layer has the type {layer.media_type!r}, which is not known")
    return Descriptor(media_type=types[kind], digest=layer.digest, size=layer.size, urls=layer.urls)
