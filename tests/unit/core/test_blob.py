"""Blobs in memory and on disk."""

from __future__ import annotations

import hashlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from incubator.core.blob import IN_MEMORY_BYTES, Blob


@given(st.lists(st.binary(max_size=100)))
def test_what_is_written_is_read_as_often_as_wanted(chunks: list[bytes]) -> None:
    data = b"".join(chunks)
    with Blob.write(chunks) as blob:
        assert (blob.size_bytes, blob.digest) == (len(data), f"sha256:{hashlib.sha256(data).hexdigest()}")
        for _ in range(2):
            assert b"".join(blob.chunks()) == data
        same = Blob.of_bytes(data)
        assert (same.size_bytes, same.digest, b"".join(same.chunks())) == (len(data), blob.digest, data)


def test_a_large_one_is_on_disk() -> None:
    with Blob.write([bytes(IN_MEMORY_BYTES), b"x"]) as blob:
        assert blob.file.fileno() > 2
        assert sum(map(len, blob.chunks())) == IN_MEMORY_BYTES + 1
    assert blob.file.closed


def test_what_fails_on_the_way_is_raised() -> None:
    def chunks() -> object:
        yield b"a"
        raise KeyError("gone")

    with pytest.raises(KeyError):
        Blob.write(chunks())  # type: ignore[arg-type]
