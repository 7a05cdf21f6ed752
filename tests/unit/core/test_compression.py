"""Layers packed and unpacked: equal blobs of equal tars, and errors for what is broken."""

from __future__ import annotations

import gzip
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from incubator.core.blob import Blob
from incubator.core.compression import UNPACK_ERRORS, Packer, compression_of, unpack

if TYPE_CHECKING:
    from incubator.oci.media_types import Compression

KINDS: tuple[Compression, ...] = ("none", "gzip", "zstd")


def packed(data: bytes, kind: Compression, level: int | None = None) -> bytes:
    with Blob.of_bytes(data) as tar, Packer(kind=kind, level=level).pack(tar) as blob:
        return b"".join(blob.chunks())


def unpacked(data: bytes, kind: Compression, size: int = 1000) -> bytes:
    return b"".join(unpack((data[start : start + size] for start in range(0, len(data), size)), kind))


@given(st.sampled_from(KINDS), st.lists(st.binary(max_size=200), max_size=4), st.integers(1, 50))
def test_what_is_packed_comes_back(kind: Compression, members: list[bytes], size: int) -> None:
    stream = b"".join(packed(data, kind) for data in [b"first", *members])
    assert unpacked(stream, kind, size) == b"".join([b"first", *members])
    assert stream == b"".join(packed(data, kind) for data in [b"first", *members])


@pytest.mark.parametrize("kind", ["gzip", "zstd"])
def test_a_level_makes_it_smaller(kind: Compression) -> None:
    data = b"".join(b"%d %d\n" % (number, number * number % 7919) for number in range(200_000))
    sizes = [len(packed(data, kind, level)) for level in (1, 19 if kind == "zstd" else 9)]
    assert sizes == sorted(sizes, reverse=True)
    assert sizes[0] > sizes[-1]
    assert unpacked(packed(data, kind, 9), kind) == data
    assert compression_of(packed(data, kind)) == kind
    assert compression_of(data) == "none"


def test_what_comes_out_is_in_pieces_of_bounded_size() -> None:
    for kind in KINDS:
        bomb = packed(bytes(64 << 20), kind)
        pieces = [len(piece) for piece in unpack(iter((bomb,)), kind)] if kind != "none" else [1]
        assert max(pieces) <= 1 << 20


@pytest.mark.parametrize("kind", ["gzip", "zstd"])
@pytest.mark.parametrize("cut", [0, 3, 100, -1])
def test_what_ends_too_early_is_an_error(kind: Compression, cut: int) -> None:
    with pytest.raises(UNPACK_ERRORS):
        unpacked(packed(bytes(range(256)) * 100, kind)[:cut], kind)


@pytest.mark.parametrize("kind", ["gzip", "zstd"])
def test_what_is_broken_is_an_error(kind: Compression) -> None:
    data = bytearray(packed(bytes(range(256)) * 100, kind))
    data[len(data) // 2] ^= 0xFF
    with pytest.raises(UNPACK_ERRORS):
        unpacked(bytes(data), kind)


def test_a_window_that_would_take_all_memory_is_refused() -> None:
    frame = bytes.fromhex("28b52ffd") + bytes([0x00, 0xB0]) + bytes(16)  # a window of 2 TiB
    with pytest.raises(UNPACK_ERRORS):
        unpacked(frame, "zstd")


def test_gzip_holds_no_time() -> None:
    data = packed(b"x", "gzip")
    assert data[4:8] == bytes(4)
    assert gzip.decompress(data) == b"x"
