"""Layers of which it is known where they are: in a registry, or with us."""

from __future__ import annotations

import threading
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Protocol

from incubator.core.blob import Blob
from incubator.core.compression import GZIP, UNPACK_ERRORS, Packer, unpack
from incubator.errors import BuilderError, RegistryError
from incubator.oci.descriptor import Descriptor
from incubator.oci.media_types import COMPRESSIONS, OCI_LAYERS

if TYPE_CHECKING:
    from collections.abc import Iterator


class CacheBroken(RegistryError):
    """A layer that an earlier build has left in a cache is not there any more, or is not what it was."""


class BlobHome(Protocol):
    """Where blobs are: a repository, or a folder. Both methods raise BuilderError."""

    def has_blob(self, digest: str) -> bool:
        """Whether a blob is there."""

    def read_blob(self, descriptor: Descriptor) -> Iterator[bytes]:
        """The bytes of a blob; only when the iterator ends without an error have they been what its digest says."""


@dataclass(slots=True, kw_only=True, eq=False)
class KnownLayer:
    """A layer by the digest of its tar. For several threads.

    `descriptor` is that of its blob, which is in `home` or in `packed`. Without either there is the
    `tar`, or what it is the same `as_` with another compression: it is packed by `packer` when somebody asks for the
    blob. `size_bytes`: of the tar, None where only that of the blob is known. `cached`: it comes from a cache.
    """

    diff_id: str
    descriptor: Descriptor | None = None
    home: BlobHome | None = None
    tar: Blob | None = None
    size_bytes: int | None = None
    cached: bool = False
    packed: Blob | None = None
    as_: KnownLayer | None = None
    packer: Packer = GZIP
    _reading: threading.Lock = field(default_factory=threading.Lock)
    _packing: threading.Lock = field(default_factory=threading.Lock)
    """Of its own: whoever needs the tar does not wait until it is packed."""

    def close(self) -> None:
        """Let go of files; `tar` and `packed` are this layer's own."""
        for blob in (self.tar, self.packed):
            if blob:
                blob.file.close()

    @property
    def size(self) -> int:
        """Bytes of the tar, or where nobody has told those, of the blob."""
        known = self.descriptor.size if self.descriptor else 0
        return known if self.size_bytes is None else self.size_bytes

    def is_in(self, home: BlobHome, descriptor: Descriptor) -> None:
        """Note a repository that has the layer: what is in a registry need not be uploaded again."""
        with self._reading:
            if self.home is None:
                self.home, self.descriptor = home, descriptor

    def described(self) -> Descriptor:
        """The descriptor of the blob. Raises BuilderError where the disk is full, and as `unpacked` does."""
        with self._packing:
            known = self.descriptor
            if known is None:
                with self.as_.unpacked() if self.as_ else self.unpacked() as tar:
                    packed = self.packer.pack(tar)
                known = Descriptor(
                    media_type=OCI_LAYERS[self.packer.kind], digest=packed.digest, size=packed.size_bytes
                )
                with self._reading:
                    self.packed = packed
                    self.descriptor = self.descriptor or known
            return self.descriptor or known

    def chunks(self) -> Iterator[bytes]:
        """The blob that is `described`. Raises RegistryError, and CacheBroken for one of a cache."""
        descriptor = self.described()
        with self._reading:
            packed = self.packed.shared() if self.packed and self.home is None else None
        if packed:
            with packed:
                yield from packed.chunks()
            return
        assert self.home
        try:
            yield from self.home.read_blob(descriptor)
        except BuilderError as error:
            if not self.cached:
                raise
            raise CacheBroken(f"a cached layer cannot be read: {error.message}") from error

    def gzipped(self) -> Blob | None:
        """The blob, if it is with us and gzip; to be closed by who asks."""
        with self._reading:
            known, packed = self.descriptor, self.packed
            if not (known and packed and known.digest == packed.digest):
                return None
            return packed.shared() if COMPRESSIONS.get(known.media_type) == "gzip" else None

    def unpacked(self) -> Blob:
        """The tar. Raises as `chunks` does, and CacheBroken or RegistryError where it is not what it should be."""
        if self.tar:
            with self._reading:
                return self._tar()
        descriptor = self.described()
        kind = COMPRESSIONS.get(descriptor.media_type)
        kinds: type[RegistryError] = CacheBroken if self.cached else RegistryError
        if kind is None:
            raise kinds(f"no way to unpack a layer of the type {descriptor.media_type!r}")
        try:
            tar = Blob.write(unpack(self.chunks(), kind))
        except UNPACK_ERRORS as error:
            raise kinds(f"the layer {descriptor.digest} is broken: {error}") from error
        if tar.digest != self.diff_id:
            tar.file.close()
            raise kinds(f"the layer {descriptor.digest} unpacks to {tar.digest} instead of {self.diff_id}")
        return tar

    def _tar(self) -> Blob:
        assert self.tar
        return self.tar.shared()
