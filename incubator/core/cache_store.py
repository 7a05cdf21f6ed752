"""Where entries of a shared cache are kept: what a cache asks of a place, and registries as such places.

An entry is a small manifest under a name of 64 hex digits, with its blobs beside it.
"""

from __future__ import annotations

from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Final, Protocol

from incubator.core.assembly import ensure_layers, put_small_blob
from incubator.core.lookup import find_credential
from incubator.errors import RegistryError
from incubator.oci.manifest import Manifest

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from contextlib import AbstractContextManager

    from incubator.core.engine import ImageInfo
    from incubator.core.known_layers import BlobHome, KnownLayer
    from incubator.core.lazy import LazyEngine
    from incubator.oci.descriptor import Descriptor
    from incubator.oci.reference import Reference
    from incubator.registry.repository import Repository
    from incubator.request import Credential

LONGEST_TAG: Final = 63
"""A registry takes 128 characters, and the tag of an entry is that of its cache with `-` and 64 hex digits."""


class CacheWriter(Protocol):
    """What puts entries into a place. For several threads; all methods raise BuilderError."""

    def put_layers(self, layers: Sequence[KnownLayer]) -> None:
        """See to it that the blobs of `layers` are there."""

    def put_blob(self, data: bytes, media_type: str) -> Descriptor:
        """See to it that some bytes are there as a blob."""

    def put_entry(self, name: str, entry: Manifest) -> None:
        """Store an entry, the blobs of which are there."""


class CacheStore(Protocol):
    """A place of entries. For several threads; all methods raise BuilderError."""

    @property
    def home(self) -> BlobHome:
        """Where the blobs of entries are read from."""

    def entry(self, name: str) -> Manifest | None:
        """The entry of that name; None where there is none, or it is none of ours."""

    def has(self, blob: Descriptor) -> bool:
        """Whether there is a blob, as far as can be told without reading it."""

    def small_blob(self, blob: Descriptor, limit: int) -> bytes:
        """A blob of `limit` bytes at most."""

    def bring(self, image: ImageInfo, layers: Sequence[str]) -> None:
        """Let `engine.layers` know of those layers of an image (by diff IDs) that the engine alone has."""

    def writing(self) -> AbstractContextManager[CacheWriter]:
        """A writer; when it ends, all that it was given is there for others."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RegistryStore:
    """A `CacheStore` and its `CacheWriter`: tags `<tag>-<name>` of a repository.

    A `reference` with a digest, or with a tag so long that there cannot be a longer one, has no entries.
    """

    reference: Reference
    repository: Repository
    engine: LazyEngine
    credentials: Sequence[Credential]

    @property
    def home(self) -> BlobHome:
        """See `CacheStore`."""
        return self.repository

    def entry(self, name: str) -> Manifest | None:
        """See `CacheStore`."""
        if self.reference.digest or len(self.reference.tag or "") > LONGEST_TAG:
            return None
        try:
            document, _ = self.repository.manifest(self._tag(name))
        except RegistryError as error:
            if error.status == 404:
                return None
            raise
        return document if isinstance(document, Manifest) else None

    def has(self, blob: Descriptor) -> bool:
        """See `CacheStore`."""
        return self.repository.has_blob(blob.digest)

    def small_blob(self, blob: Descriptor, limit: int) -> bytes:
        """See `CacheStore`."""
        return self.repository.small_blob(blob, limit)

    def bring(self, image: ImageInfo, _layers: Sequence[str]) -> None:
        """Let the engine upload an image whose layers nobody else has: it reads them from its own disk."""
        reference = replace(self.reference, tag=self._tag("image"))
        self.engine.upload(image, reference, find_credential(reference, self.credentials))

    @contextmanager
    def writing(self) -> Iterator[RegistryStore]:
        """See `CacheStore`. Each entry is there for others at once."""
        yield self

    def put_layers(self, layers: Sequence[KnownLayer]) -> None:
        """See `CacheWriter`."""
        ensure_layers(self.repository, layers, lambda *_: None)

    def put_blob(self, data: bytes, media_type: str) -> Descriptor:
        """See `CacheWriter`."""
        return put_small_blob(self.repository, data, media_type)

    def put_entry(self, name: str, entry: Manifest) -> None:
        """See `CacheWriter`."""
        self.repository.put_manifest(entry, tag_or_digest=self._tag(name))

    def _tag(self, name: str) -> str:
        return f"{self.reference.tag}-{name}"
