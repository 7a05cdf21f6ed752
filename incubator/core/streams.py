"""Standard streams of containers and commands, over docker-py's sockets."""

from __future__ import annotations

import contextlib
import io
import socket
from typing import TYPE_CHECKING, Any, cast

from docker.utils.socket import frames_iter

from incubator.core.docker_types import engine_errors

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from docker import APIClient

    from incubator.core.engine import Frame


class AttachedSocket:
    """The hijacked connection of `POST /containers/{id}/attach`."""

    def __init__(self, raw: Any) -> None:
        # Over a Unix socket or plain TCP docker-py hands out a SocketIO, which cannot write.
        self._socket = getattr(raw, "_sock", raw)
        self._raw = raw

    def send(self, data: bytes) -> None:
        """Write all of `data`; a container that has ended takes nothing, and its exit code tells why."""
        with contextlib.suppress(BrokenPipeError, ConnectionResetError):
            self._socket.sendall(data)

    def frames(self) -> Iterator[Frame]:
        """Output frames until the container ends. Raises EngineError."""
        with engine_errors("read the output of a build container"):
            for stream, data in cast("Any", frames_iter)(self._raw, tty=False):
                yield ("stderr" if stream == 2 else "stdout", data)

    def close(self) -> None:
        """Close both directions."""
        with contextlib.suppress(OSError):
            self._socket.shutdown(socket.SHUT_RDWR)
        for end in (self._raw, self._socket):
            with contextlib.suppress(OSError):
                end.close()


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
