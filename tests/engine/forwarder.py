"""A TCP port that leads to an engine's socket: the same engine, reached as one on another machine is."""

from __future__ import annotations

import contextlib
import socket
import ssl
import threading
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

_PIECE = 1 << 16


@contextlib.contextmanager
def forwarded(path: str, tls: ssl.SSLContext | None = None) -> Iterator[str]:
    """The `tcp://` address of a port of this machine that leads to the unix socket `path`, over TLS where asked."""
    ending = threading.Event()
    served: list[tuple[socket.socket, threading.Thread]] = []
    with socket.create_server(("127.0.0.1", 0)) as server:
        server.settimeout(0.1)

        def accept() -> None:
            while not ending.is_set():
                with contextlib.suppress(TimeoutError):
                    client, _ = server.accept()
                    thread = threading.Thread(target=_serve, args=(client, path, tls), daemon=True)
                    served.append((client, thread))
                    thread.start()

        acceptor = threading.Thread(target=accept)
        acceptor.start()
        try:
            yield f"tcp://127.0.0.1:{server.getsockname()[1]}"
        finally:
            ending.set()
            acceptor.join()
            for client, thread in served:
                with contextlib.suppress(OSError):  # most are closed by now
                    client.shutdown(socket.SHUT_RDWR)
                thread.join()


def _serve(plain: socket.socket, path: str, tls: ssl.SSLContext | None) -> None:
    try:
        client = tls.wrap_socket(plain, server_side=True) if tls else plain
    except OSError:  # a client without the right certificate
        plain.close()
        return
    with client, socket.socket(socket.AF_UNIX) as engine:
        client.settimeout(None)
        engine.connect(path)
        back = threading.Thread(target=_pump, args=(engine, client), daemon=True)
        back.start()
        _pump(client, engine)
        back.join()


def _pump(source: socket.socket, target: socket.socket) -> None:
    """Hand on until the end, and then that there is an end: attached streams are closed one way at a time."""
    with contextlib.suppress(OSError):
        while data := source.recv(_PIECE):
            target.sendall(data)
    with contextlib.suppress(OSError):
        target.shutdown(socket.SHUT_WR)
