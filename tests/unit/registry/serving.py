"""Servers of a test's own on loopback, for answers that no real registry gives on demand."""

from __future__ import annotations

import contextlib
import threading
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING
from urllib.parse import parse_qs, urlsplit

from incubator.registry.credentials import Credentials
from incubator.registry.patience import Patience
from incubator.registry.repository import Registries, Repository
from incubator.request import Credential

if TYPE_CHECKING:
    import ssl
    from collections.abc import Callable, Iterable, Iterator

SHORT = Patience(attempts=3, first_wait_s=0.001, longest_wait_s=2.0, silence_timeout_s=20.0)
"""Enough of it for a server that answers at once."""


@dataclass(frozen=True, kw_only=True)
class Asked:
    """A request as it came."""

    method: str
    target: str
    headers: dict[str, str]
    body: bytes

    @property
    def path(self) -> str:
        return urlsplit(self.target).path

    @property
    def query(self) -> dict[str, list[str]]:
        return parse_qs(urlsplit(self.target).query)

    @property
    def authorization(self) -> str:
        return self.headers.get("authorization", "")


@dataclass(frozen=True, kw_only=True)
class Answer:
    """What is sent. `body` may be endless; `length` is what is said of it, None: the truth.

    A body shorter than is said breaks the connection off. `unread`: the request's body is left where it is.
    """

    status: int = 200
    headers: dict[str, str] = field(default_factory=dict)
    body: bytes | Iterable[bytes] = b""
    length: int | None = None


@dataclass(kw_only=True)
class Serving:
    """A server that runs, and what it was asked so far."""

    address: str
    asked: list[Asked] = field(default_factory=list)

    def told(self) -> list[tuple[str, str, str]]:
        """Method, path and `Authorization` of all requests, in order."""
        return [(asked.method, asked.path, asked.authorization) for asked in self.asked]


@contextlib.contextmanager
def serving(
    answer: Callable[[Asked], Answer], *, tls: ssl.SSLContext | None = None, unread: Iterable[str] = ()
) -> Iterator[Serving]:
    """A server that answers by a function; the bodies of requests of the methods `unread` are not read."""
    unread = frozenset(unread)

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        timeout = 20
        disable_nagle_algorithm = True  # each answer is several small writes

        def answer(self) -> None:
            length = 0 if self.command in unread else int(self.headers.get("Content-Length", "0"))
            body = self.rfile.read(length)
            headers = {name.lower(): value for name, value in self.headers.items()}
            asked = Asked(method=self.command, target=self.path, headers=headers, body=body)
            here.asked.append(asked)
            found = answer(asked)
            self.send_response(found.status)
            for name, value in found.headers.items():
                self.send_header(name, value)
            chunks = [found.body] if isinstance(found.body, bytes) else found.body
            if isinstance(found.body, bytes):
                length = len(found.body) if found.length is None else found.length
                self.close_connection = length != len(found.body) and self.command != "HEAD"
                self.send_header("Content-Length", str(length))
            else:
                self.close_connection = True
            if self.command in unread:
                self.close_connection = True
            self.end_headers()
            if self.command != "HEAD":
                with contextlib.suppress(OSError):  # a client may have read enough
                    for chunk in chunks:
                        self.wfile.write(chunk)

        do_GET = do_HEAD = do_POST = do_PUT = do_DELETE = answer  # noqa: N815

        def log_message(self, *_: object) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        if tls is not None:
            server.socket = tls.wrap_socket(server.socket, server_side=True)
        here = Serving(address=f"127.0.0.1:{server.server_port}")
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
        thread.start()
        try:
            yield here
        finally:
            server.shutdown()
            thread.join()


def flood(sent: list[int]) -> Iterator[bytes]:
    """A body of 1 TiB; `sent` counts its MiB that were made."""
    for number in range(1 << 20):
        sent.append(number)
        yield b" " * (1 << 20)


@contextlib.contextmanager
def repository_at(
    address: str, *, login: tuple[str, str] | None = None, patience: Patience = SHORT, name: str = "a/b"
) -> Iterator[Repository]:
    """A repository of the registry at an address."""
    given = [Credential(registry=address, username=login[0], password=login[1])] if login else []
    with Registries(Credentials(given), patience=patience) as registries:
        yield registries.repository(f"{address}/{name}")
