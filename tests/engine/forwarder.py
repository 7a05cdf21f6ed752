"""A TCP port that leads to an engine's socket: the same engine, reached as one on another machine is."""

from __future__ import annotations

import asyncio
import contextlib
import socket
import ssl
import threading
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

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


@contextlib.contextmanager
def forwarded_tls(path: str, certificate: Path, key: Path) -> Iterator[str]:
    """The same with TLS; only who has the certificate and its key is let in."""
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH, cafile=certificate)
    context.load_cert_chain(certificate, key)
    context.verify_mode = ssl.CERT_REQUIRED

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        engine_reader, engine_writer = await asyncio.open_unix_connection(path)
        pumps = [
            asyncio.create_task(pump(reader, engine_writer)),
            asyncio.create_task(pump(engine_reader, writer)),
        ]
        try:
            await asyncio.wait(pumps, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for task in pumps:
                task.cancel()
            for end in (engine_writer, writer):
                end.close()
            for end in (engine_writer, writer):
                with contextlib.suppress(OSError):
                    await end.wait_closed()

    async def pump(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(OSError):
            while data := await reader.read(_PIECE):
                writer.write(data)
                await writer.drain()

    async def listen() -> asyncio.Server:
        # The address in the certificate. Who has gone says no goodbye.
        return await asyncio.start_server(serve, "0.0.0.0", 0, ssl=context, ssl_shutdown_timeout=1)

    loop = asyncio.new_event_loop()
    thread = threading.Thread(target=loop.run_forever)
    thread.start()
    server = asyncio.run_coroutine_threadsafe(listen(), loop).result()
    try:
        yield f"tcp://0.0.0.0:{server.sockets[0].getsockname()[1]}"
    finally:
        asyncio.run_coroutine_threadsafe(_end(server), loop).result()
        loop.call_soon_threadsafe(loop.stop)
        thread.join()
        loop.close()


async def _end(server: asyncio.Server) -> None:
    server.close()
    others = asyncio.all_tasks() - {asyncio.current_task()}
    for task in others:
        task.cancel()
    await asyncio.gather(*others, return_exceptions=True)
