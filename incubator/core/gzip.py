"""gzip, RFC 1951 and 1952: a stream of pieces that are packed on their own by all processors at once, and its reading.

The bytes depend on nothing but the data and the level: not on how many processors there are or what they can do, nor
on which zlib Python has been built with. What does not compress, such as archives and pictures, is stored as it is.
"""

from __future__ import annotations

import os
import struct
from collections import deque
from concurrent.futures import Future, ThreadPoolExecutor
from typing import TYPE_CHECKING, Final, cast

from zlib_ng import zlib_ng

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

GZIP_LEVEL: Final = 5
"""What is used unless something else is asked for."""
BROKEN_GZIP: Final = cast("type[Exception]", zlib_ng.error)
"""What reading a broken stream raises."""

_HEADER: Final = bytes.fromhex("1f8b08000000000000ff")
"""Deflate, with neither a time nor a name, made on a system that does not matter."""
_END: Final = b"\x03\x00"
"""A last block that is empty."""
_RAW: Final = -15
"""Deflate with its full window, without a header."""
_WITH_HEADER: Final = 31
"""The same in a gzip stream, to its reader."""
_CHUNK: Final = 1 << 20
_MEMORY: Final = 8
_WINDOW_BYTES: Final = 32 << 10
_STORED_BYTES: Final = 0xFFFF
"""As much as a stored block may hold."""
_STORED: Final = struct.Struct("<BHH")
_TAIL: Final = struct.Struct("<II")

_SAMPLE_BYTES: Final = 2 << 10
_SAMPLE_EVERY: Final = 64 << 10
_SAMPLE_LEVEL: Final = 3
_WORTH_PACKING: Final = 0.97
"""What a sample has to come to for its piece to be packed. Zlib would take ten times as long for what gains less, and
whoever reads it pays again. What repeats only from one sample to the next is not seen."""

_MOST_THREADS: Final = 8


def gzip_of(pieces: Iterable[bytes], level: int) -> Iterator[bytes]:
    """The stream, for `pieces` of a MiB or so, each with a level from 0 to 9. Where they begin shows in the bytes."""
    yield _HEADER
    checksum = size = 0
    before = b""
    threads = min(_MOST_THREADS, len(os.sched_getaffinity(0)))
    underway: deque[Future[bytes]] = deque()
    with ThreadPoolExecutor(threads, thread_name_prefix="incubator-gzip") as pool:
        for piece in pieces:
            underway.append(pool.submit(_packed, piece, before, level))
            before = piece[-_WINDOW_BYTES:]
            checksum = zlib_ng.crc32(piece, checksum)
            size += len(piece)
            while len(underway) > 2 * threads:
                yield underway.popleft().result()
        while underway:
            yield underway.popleft().result()
    yield _END + _TAIL.pack(checksum, size & 0xFFFFFFFF)


def _packed(piece: bytes, before: bytes, level: int) -> bytes:
    """Blocks that end at a byte; they may refer to what is `before`."""
    if level == 0 or not _is_worth_packing(piece):
        return b"".join(_stored(piece))
    packer = zlib_ng.compressobj(level, zlib_ng.DEFLATED, _RAW, _MEMORY, zlib_ng.Z_DEFAULT_STRATEGY, before)
    return packer.compress(piece) + packer.flush(zlib_ng.Z_SYNC_FLUSH)


def _is_worth_packing(piece: bytes) -> bool:
    starts = range(0, len(piece), _SAMPLE_EVERY)
    sample = b"".join(piece[start : start + _SAMPLE_BYTES] for start in starts)
    return len(zlib_ng.compress(sample, _SAMPLE_LEVEL, _RAW)) < _WORTH_PACKING * len(sample)


def _stored(piece: bytes) -> Iterator[bytes]:
    for start in range(0, len(piece), _STORED_BYTES):
        block = piece[start : start + _STORED_BYTES]
        yield _STORED.pack(0, len(block), len(block) ^ 0xFFFF) + block


def gunzip(chunks: Iterable[bytes]) -> Iterator[bytes]:
    """A stream's content in pieces of bounded size; it may have several members. Raises BROKEN_GZIP."""
    unpacker = zlib_ng.decompressobj(_WITH_HEADER)
    for chunk in chunks:
        data = chunk
        while data:
            if unpacker.eof:
                unpacker = zlib_ng.decompressobj(_WITH_HEADER)
            yield unpacker.decompress(data, _CHUNK)
            data = unpacker.unused_data if unpacker.eof else unpacker.unconsumed_tail
    yield unpacker.flush()
    if not unpacker.eof:
        raise BROKEN_GZIP("it ends too early")


def gunzip_small(data: bytes, most: int) -> bytes:
    """A stream's content of up to `most` bytes; it has one member. Raises BROKEN_GZIP, ValueError where it is more."""
    unpacker = zlib_ng.decompressobj(_WITH_HEADER)
    text = unpacker.decompress(data, most)
    if not unpacker.eof:
        raise ValueError("a stream that is too large, or cut off")
    return text
