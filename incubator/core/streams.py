"""Standard streams of containers and commands, over docker-py's sockets."""

from __future__ import annotations

import contextlib
import io
import socket
import struct
from typing import TYPE_CHECKING, Any

from incubator.core.docker_types import engine_errors

_CHUNK = 1 << 16
_HEADER = struct.Struct(">BxxxL")

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from docker import APIClient

    from incubator.core.engine import Frame, StreamName


class AttachedSocket:
    """The hijacked connection of `POST /containers/{id}/attach`."""

    def __init__(self, raw: Any) -> None:
        # Over a Unix socket or plain TCP docker-py hands out a SocketIO, which cannot write.
        self._socket = getattr(raw, "_sock", raw)
        self._raw = raw
        self._response = getattr(raw, "_response", None)
        # What read the answer's headers may have read the first of the output with them: then the socket has it no
        # more. The channels of paramiko have no such reader.
        reader = self._response.raw._fp.fp if self._response is not None else None  # noqa: SLF001 - as docker-py does
        self._receive = getattr(reader, "read1", self._socket.recv)

    def send(self, data: bytes) -> None:
        """Write all of `data`; a container that has ended takes nothing, and its exit code tells why."""
        with contextlib.suppress(BrokenPipeError, ConnectionResetError):
            self._socket.sendall(data)

    def frames(self) -> Iterator[Frame]:
        """Output frames until the container ends. Raises EngineError."""
        with engine_errors("read the output of a build container"):
            yield from split_frames(self._chunks())

    def _chunks(self) -> Iterator[bytes]:
        with contextlib.suppress(AttributeError, OSError):
            self._socket.settimeout(None)  # a command may be silent for as long as it likes
        while chunk := self._receive(_CHUNK):
            yield chunk

    def close(self) -> None:
        """Close both directions."""
        with contextlib.suppress(OSError):
            self._socket.shutdown(socket.SHUT_RDWR)
        # With TLS docker-py hands out the socket itself, and the response keeps it open.
        for end in (self._response, self._raw, self._socket):
            with contextlib.suppress(OSError):
                if end is not None:
                    end.close()


def split_frames(chunks: Iterable[bytes]) -> Iterator[Frame]:
    """Frames of the engine's multiplexed stream, and the parts of those that are longer than a chunk.

    What a chunk holds of one stream is joined: a command that writes line by line makes a frame of each. A frame is
    a header of the stream's number, three zeros and the size, then the bytes.
    """
    rest = b""
    stream, left = 0, 0
    for chunk in chunks:
        data = rest + chunk
        at = 0
        parts: list[bytes] = []
        while at < len(data):
            if not left:
                if len(data) - at < _HEADER.size:
                    break
                number, left = _HEADER.unpack_from(data, at)
                at += _HEADER.size
                if number != stream and parts:
                    yield _name(stream), b"".join(parts)
                    parts = []
                stream = number
            part = data[at : at + left]
            at += len(part)
            left -= len(part)
            if part:
                parts.append(part)
        rest = data[at:]
        if parts:
            yield _name(stream), b"".join(parts)


def _name(stream: int) -> StreamName:
    return "stderr" if stream == 2 else "stdout"


class RunningCommand:
    """A command of `POST /exec/{id}/start`."""

    def __init__(self, api: APIClient, command: str) -> None:
        self._api = api
        self._id = command

    def frames(self) -> Iterator[Frame]:
        """Output frames until the command ends."""
        with engine_errors("run a command in a build container"):
            # docker-py's own stream would leave its connection open.
            output = AttachedSocket(self._api.exec_start(self._id, socket=True))
        try:
            yield from output.frames()
        finally:
            output.close()

    def exit_code(self) -> int:
        """Exit status; call after `frames` is exhausted."""
        with engine_errors("ask for the status of a command"):
            return int(self._api.exec_inspect(self._id)["ExitCode"] or 0)


class ChunkReader(io.RawIOBase):
    """A readable file over an iterable of chunks; closing it lets go of the iterable."""

    def __init__(self, chunks: Iterable[bytes]) -> None:
        self._chunks = iter(chunks)
        self._rest = b""

    def readable(self) -> bool:
        """Always."""
        return True

    def readinto(self, buffer: Any) -> int:
        """Fill from the current chunk, or the next one; 0 at the end."""
        view = memoryview(buffer).cast("B")
        while not self._rest:
            chunk = next(self._chunks, None)
            if chunk is None:
                return 0
            self._rest = chunk
        count = min(len(view), len(self._rest))
        view[:count] = self._rest[:count]
        self._rest = self._rest[count:]
        return count

    def close(self) -> None:
        """Close the source too, if it can be closed."""
        close = getattr(self._chunks, "close", None)
        if close:
            close()
        super().close()
