"""gzip of pieces: Python's own zlib reads it, equal data gives equal bytes, and what does not compress is stored."""

from __future__ import annotations

import base64
import gzip
import os
import random
import threading
import zlib
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from incubator.core.blob import IN_MEMORY_BYTES, Blob
from incubator.core.compression import Packer
from incubator.core.gzip import gzip_of
from incubator.oci.image_config import digest_of

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

PIECE = 1 << 20
LEVELS = range(10)


def stream(data: bytes, level: int = 5, size: int = PIECE) -> bytes:
    return b"".join(gzip_of((data[start : start + size] for start in range(0, len(data), size)), level))


def text(lines: int) -> bytes:
    return b"".join(b"line %d of %d\n" % (number, number * number % 7919) for number in range(lines))


def noise(size: int) -> bytes:
    return random.Random(1).randbytes(size)


@given(st.lists(st.binary(max_size=300)), st.sampled_from(LEVELS))
def test_what_is_packed_is_what_comes_out(pieces: list[bytes], level: int) -> None:
    packed = b"".join(gzip_of(pieces, level))
    assert gzip.decompress(packed) == b"".join(pieces)
    unpacker = zlib.decompressobj(31)
    unpacker.decompress(packed)
    assert unpacker.eof
    assert not unpacker.unused_data  # one member, which readers that stop after the first take, too


@pytest.mark.parametrize("level", LEVELS)
def test_large_mixed_data_comes_back(level: int) -> None:
    data = text(150_000) + noise(2_500_000) + bytes(1_500_000) + text(1000)
    assert gzip.decompress(stream(data, level)) == data


def test_the_bytes_are_those_of_any_other_machine(monkeypatch: pytest.MonkeyPatch) -> None:
    """The digests have been the same on x86-64 with and without AVX2 and AVX-512, and on arm64."""
    data = text(120_000) + noise(300_000) + bytes(200_000) + text(60_000)
    known = {
        1: "sha256:f1637a113f0ba38f63ed43da39d5005e69fd271a887c0fe47e2beca853b8d70c",
        5: "sha256:98e2badf1e0a21209974749da8e57830a56c4c3797f60cf244754938e75d5f08",
        6: "sha256:04238750e102ba7c4014f32314defa796686e3b9d7bb86d90772e5b0d54d95eb",
        9: "sha256:0592d2c8c534fdcdaf793a4e990b59089deedd24638f20d82121ed8ba6f15311",
    }
    for threads in (1, 3):
        monkeypatch.setattr(os, "sched_getaffinity", lambda _, count=threads: set(range(count)))
        assert {level: digest_of(stream(data, level)) for level in known} == known


def test_data_in_memory_and_in_a_file_are_packed_alike() -> None:
    data = text(1_000_000)
    assert len(data) > IN_MEMORY_BYTES
    with Blob.of_bytes(data) as here, Blob.write(iter([data])) as there, there.shared() as shared:
        digests = set()
        for blob in (here, there, shared):
            with Packer().pack(blob) as packed:
                digests.add(packed.digest)
    assert digests == {digest_of(stream(data))}


@pytest.mark.parametrize("make", [noise, lambda size: zlib.compress(text(size // 4))])
def test_what_does_not_compress_is_stored(make: Callable[[int], bytes]) -> None:
    data = make(3_000_000)
    packed = stream(data)
    assert len(packed) < len(data) * 1.0002 + 100
    assert data[1000:2000] in packed  # as it is
    assert gzip.decompress(packed) == data


def test_a_little_noise_does_not_stop_packing() -> None:
    data = (text(20_000)[:400_000] + noise(100_000)) * 4
    assert len(stream(data)) < len(data) * 0.5


def test_pieces_are_packed_as_well_as_the_whole() -> None:
    data = text(300_000)
    assert len(stream(data)) < len(stream(data, size=len(data))) * 1.01
    repeated = base64.b64encode(noise(15_000)) * 200
    small = stream(repeated, size=1 << 16)  # each piece finds in the one before what it begins with
    assert len(small) < 80_000


def test_an_error_in_the_data_is_told_and_leaves_no_threads() -> None:
    def pieces() -> Iterator[bytes]:
        yield noise(PIECE)
        raise OSError("gone")

    with pytest.raises(OSError, match="gone"):
        list(gzip_of(pieces(), 5))
    assert not [thread for thread in threading.enumerate() if thread.name.startswith("incubator-gzip")]
