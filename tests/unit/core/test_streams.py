"""Chunks as a file, and an attached socket."""

from __future__ import annotations

import contextlib
import io
import itertools
import socket
import tarfile
from itertools import groupby
from operator import itemgetter
from threading import Thread
from typing import TYPE_CHECKING

import docker
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from incubator.core.streams import AttachedSocket, ChunkReader, RunningCommand, split_frames
from incubator.errors import EngineUnreachable

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


@settings(max_examples=60)
@given(st.lists(st.binary(max_size=9), max_size=12), st.lists(st.integers(1, 20), max_size=30))
def test_any_reads_give_the_bytes_of_the_chunks(chunks: list[bytes], sizes: list[int]) -> None:
    reader = ChunkReader(chunks)
    got = b"".join(reader.read(size) for size in sizes)
    assert got + reader.readall() == b"".join(chunks)
    assert reader.read(5) == b""
    assert reader.readable()


def test_a_buffered_reader_over_it() -> None:
    assert io.BufferedReader(ChunkReader([b"ab\nc", b"", b"d\n"])).readlines() == [b"ab\n", b"cd\n"]


def test_a_tar_is_read_and_the_rest_is_let_go() -> None:
    closed = []

    def chunks() -> Iterator[bytes]:
        buffer = io.BytesIO()
        with tarfile.open(fileobj=buffer, mode="w") as tar:
            for name in ("a", "b"):
                info = tarfile.TarInfo(name)
                info.size = 3000
                tar.addfile(info, io.BytesIO(b"x" * 3000))
        try:
            for start in range(0, len(buffer.getvalue()), 700):
                yield buffer.getvalue()[start : start + 700]
        finally:
            closed.append(True)

    with ChunkReader(chunks()) as reader, tarfile.open(fileobj=reader, mode="r|", bufsize=512) as tar:
        first = tar.next()
    assert first is not None
    assert first.name == "a"
    assert closed == [True]


def frame(stream: int, data: bytes) -> bytes:
    return bytes([stream, 0, 0, 0]) + len(data).to_bytes(4, "big") + data


def test_frames_of_both_streams_come_in_order() -> None:
    engine, ours = socket.socketpair()
    attached = AttachedSocket(ours)
    attached.send(b"script\n")
    assert engine.recv(100) == b"script\n"
    engine.sendall(frame(1, b"out") + frame(2, b"err") + frame(1, b"\xff"))
    engine.close()
    assert list(attached.frames()) == [("stdout", b"out"), ("stderr", b"err"), ("stdout", b"\xff")]
    attached.close()
    attached.close()


@settings(max_examples=100)
@given(
    st.lists(st.tuples(st.sampled_from([1, 2]), st.binary(min_size=1, max_size=20)), max_size=20),
    st.lists(st.integers(1, 30), min_size=1, max_size=9),
)
def test_frames_are_found_wherever_chunks_are_cut(parts: list[tuple[int, bytes]], sizes: list[int]) -> None:
    data = b"".join(frame(stream, content) for stream, content in parts)
    chunks, at = [], 0
    for size in itertools.cycle(sizes):
        if at >= len(data):
            break
        chunks.append(data[at : at + size])
        at += size
    found = list(split_frames(chunks))
    joined = [
        (name, b"".join(content for _, content in same)) for name, same in groupby(found, itemgetter(0))
    ]
    written = [("stderr" if stream == 2 else "stdout", content) for stream, content in parts if content]
    assert joined == [
        (name, b"".join(content for _, content in same)) for name, same in groupby(written, itemgetter(0))
    ]
    assert len(list(split_frames([data]))) <= len(joined)


def test_sending_to_what_has_ended_is_no_error() -> None:
    engine, ours = socket.socketpair()
    engine.close()
    attached = AttachedSocket(ours)
    attached.send(b"x" * 100)
    attached.send(b"x" * 100)
    attached.close()
    assert ours.fileno() == -1


def test_a_connection_that_breaks_is_an_engine_that_does_not_answer() -> None:
    class Broken:
        def recv(self, _size: int) -> bytes:
            raise ConnectionResetError("reset by peer")

        def fileno(self) -> int:
            raise ConnectionResetError("reset by peer")

    with pytest.raises(
        EngineUnreachable, match=r"^cannot read the output of a build container: .* reset by peer"
    ):
        list(AttachedSocket(Broken()).frames())


def test_a_socket_file_is_written_to_through_its_socket() -> None:
    engine, ours = socket.socketpair()
    attached = AttachedSocket(ours.makefile("rb", buffering=0))
    attached.send(b"hello")
    assert engine.recv(10) == b"hello"
    attached.close()
    engine.close()
    ours.close()


def test_output_that_came_with_the_headers_of_the_answer(tmp_path: Path) -> None:
    """An engine on a busy machine: the command has ended before its answer is read."""
    frame = b"\x01\0\0\0\0\0\0\x03hi\n"
    headers = b"HTTP/1.1 101 UPGRADED\r\nConnection: Upgrade\r\nUpgrade: tcp\r\n\r\n"
    path = tmp_path / "socket"
    with socket.socket(socket.AF_UNIX) as server:
        server.bind(str(path))
        server.listen()

        def answer() -> None:
            connection, _ = server.accept()
            with connection:
                connection.recv(1 << 16)
                connection.sendall(headers + frame)

        thread = Thread(target=answer)
        thread.start()
        with contextlib.closing(docker.APIClient(f"unix://{path}", version="1.41")) as api:
            assert list(RunningCommand(api, "id").frames()) == [("stdout", b"hi\n")]
        thread.join()
