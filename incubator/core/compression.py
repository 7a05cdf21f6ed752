"""How the tar of a layer is packed into its blob: gzip, zstd or not at all. Equal tars give equal blobs."""

from __future__ import annotations

import sys
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from incubator.core.blob import Blob
from incubator.core.gzip import BROKEN_GZIP, GZIP_LEVEL, gunzip, gzip_of

if sys.version_info >= (3, 14):
    from compression import zstd
else:
    from backports import zstd

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from incubator.oci.media_types import Compression

_ZSTD_WINDOW_LOG: Final = 23
"""8 MiB, what RFC 8878 recommends every reader to support; higher levels would take hundreds of MB of both sides."""
_LARGEST_WINDOW_LOG: Final = 25
_LARGE_LEVEL: Final = 12
_LARGE_TABLE_LOG: Final = 20
_LEVELS: Final[dict[Compression, int]] = {"gzip": GZIP_LEVEL, "zstd": 3, "none": 0}
_CHUNK: Final = 1 << 20
_MAGIC: Final[dict[bytes, Compression]] = {b"\x1f\x8b": "gzip", b"\x28\xb5\x2f\xfd": "zstd"}

UNPACK_ERRORS: Final = (BROKEN_GZIP, zstd.ZstdError)
"""What reading a broken stream raises."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Packer:
    """A kind of compression; `level` None: the usual one."""

    kind: Compression = "gzip"
    level: int | None = None

    def pack(self, tar: Blob) -> Blob:
        """The blob of a tar. Raises BuilderError where the disk is full."""
        if self.kind == "none":
            return tar.shared()
        level = _LEVELS[self.kind] if self.level is None else self.level
        return Blob.write(gzip_of(tar.chunks(), level) if self.kind == "gzip" else _zstd(tar, level))


GZIP: Final = Packer()
"""What layers are packed with unless something else is asked for."""


def unpack(chunks: Iterable[bytes], kind: Compression) -> Iterator[bytes]:
    """A packed stream's content in pieces of bounded size; it may have several members. Raises UNPACK_ERRORS."""
    match kind:
        case "none":
            yield from chunks
        case "gzip":
            yield from gunzip(chunks)
        case "zstd":
            yield from _unzstd(chunks)


def compression_of(head: bytes) -> Compression:
    """How a blob is packed, by its first bytes."""
    return next((kind for magic, kind in _MAGIC.items() if head.startswith(magic)), "none")


def _zstd(tar: Blob, level: int) -> Iterator[bytes]:
    options = zstd.CompressionParameter
    window = min(_ZSTD_WINDOW_LOG, max(10, tar.size_bytes.bit_length()))
    chosen: dict[int, int] = {
        options.compression_level: level,
        options.window_log: window,
        options.checksum_flag: 1,
    }
    if (
        level > _LARGE_LEVEL
    ):  # else the tables alone would take hundreds of MB, and four layers are packed at a time
        chosen |= {options.chain_log: _LARGE_TABLE_LOG, options.hash_log: _LARGE_TABLE_LOG}
    packer = zstd.ZstdCompressor(options=chosen)
    for chunk in tar.chunks():
        yield packer.compress(chunk)
    yield packer.flush()


def _unzstd(chunks: Iterable[bytes]) -> Iterator[bytes]:
    options: dict[int, int] = {zstd.DecompressionParameter.window_log_max: _LARGEST_WINDOW_LOG}
    unpacker = zstd.ZstdDecompressor(options=options)
    for chunk in chunks:
        data = chunk
        while data or not (unpacker.needs_input or unpacker.eof):
            if unpacker.eof:
                unpacker = zstd.ZstdDecompressor(options=options)
            yield unpacker.decompress(data, _CHUNK)
            data = unpacker.unused_data if unpacker.eof else b""
    if not unpacker.eof:
        raise zstd.ZstdError("it ends too early")
