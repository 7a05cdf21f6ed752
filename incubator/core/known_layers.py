"""Layers of which it is known where their blobs are: in a registry, or with us."""

from __future__ import annotations

import threading
import zlib
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from incubator.core.blob import Blob
from incubator.errors import RegistryError
from incubator.oci.media_types import COMPRESSIONS

if TYPE_CHECKING:
    from collections.abc import Iterator

    from incubator.oci.descriptor import Descriptor
    from incubator.registry.repository import Repository

_GZIP = 31
_CHUNK = 1 << 20


class CacheBroken(RegistryError):
    """A layer that an earlier build has left in a registry is not there any more, or is not what it was."""


@dataclass(frozen=True, slots=True, kw_only=True)
class KnownLayer:
    """A layer by the digest of its tar. `descriptor` is that of the blob in the repository `home`, or of `blob`.

    With both, `blob` is another one of the same tar, which need not be fetched. `size_bytes`: of the tar, None where
    only that of the blob is known. `cached`: it comes from a cache.
    """

    diff_id: str
    descriptor: Descriptor
    home: Repository | None = None
    blob: Blob | None = None
    size_bytes: int | None = None
    cached: bool = False
    _reading: threading.Lock = field(default_factory=threading.Lock, compare=False, repr=False)

    @property
    def size(self) -> int:
        """Bytes of the tar, or where nobody has told those, of the blob."""
        return self.descriptor.size if self.size_bytes is None else self.size_bytes

    def chunks(self) -> Iterator[bytes]:
        """The blob of the descriptor. Raises RegistryError, and CacheBroken for one of a cache."""
        if self.home is None:
            yield from self._own()
        else:
            try:
                yield from self.home.read_blob(self.descriptor)
            except RegistryError as error:
                if not self.cached:
                    raise
                raise CacheBroken(f"a cached layer cannot be read: {error.message}") from error

    def _own(self) -> Iterator[bytes]:
        assert self.blob
        with self._reading:
            yield from self.blob.chunks()

    def unpacked(self) -> Blob:
        """The tar. Raises as `chunks` does, and CacheBroken or RegistryError where it is not what it should be."""
        if self.blob:
            return Blob.write(_gunzip(self._own()))
        kind = COMPRESSIONS.get(self.descriptor.media_type)
        kinds: type[RegistryError] = CacheBroken if self.cached else RegistryError
        if kind not in ("none", "gzip"):
            raise kinds(f"no way to unpack a layer of the type {self.descriptor.media_type!r}")
        try:
            tar = Blob.write(_gunzip(self.chunks()) if kind == "gzip" else self.chunks())
        except zlib.error as error:
            raise kinds(f"the layer {self.descriptor.digest} is broken: {error}") from error
        if tar.digest != self.diff_id:
            tar.file.close()
            raise kinds(
                f"the layer {self.descriptor.digest} unpacks to {tar.digest} instead of {self.diff_id}"
            )
        return tar


def _gunzip(chunks: Iterator[bytes]) -> Iterator[bytes]:
    """A gzip stream unpacked in pieces of bounded size; it may have several members."""
    unpacker = zlib.decompressobj(_GZIP)
    for chunk in chunks:
        data = chunk
        while data:
            if unpacker.eof:
                unpacker = zlib.decompressobj(_GZIP)
            yield unpacker.decompress(data, _CHUNK)
            data = unpacker.unused_data if unpacker.eof else unpacker.unconsumed_tail
    yield unpacker.flush()
    if not unpacker.eof:
        raise zlib.error("it ends too early")
