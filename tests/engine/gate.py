"""A registry behind a gate: the real one, reached through a server that breaks off, refuses, or wants fresh tokens."""

from __future__ import annotations

import contextlib
import http.client
import json
import secrets
import threading
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING, Final, Literal

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

Verdict = Literal["pass", "cut", "forget"]
"""Hand a request on, close the connection in its midst, or forget all tokens before."""


@dataclass
class Gate:
    """A gate that stands. `judge` gets each request as `METHOD path`, in the threads that serve."""

    address: str = ""
    judge: Callable[[str], Verdict] = lambda _: "pass"
    with_tokens: bool = False
    asked: list[str] = field(default_factory=list)
    tokens: set[str] = field(default_factory=set)
    refused: int = 0

    def new_token(self) -> str:
        token = secrets.token_hex(8)
        self.tokens.add(token)
        return token

    def opens(self, authorization: str | None) -> bool:
        """Whether a request may pass: with a token that is not forgotten, where one is wanted."""
        if self.with_tokens and (authorization or "").removeprefix("Bearer ") not in self.tokens:
            self.refused += 1
            return False
        return True


_METHODS: Final = ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE")
_OF_A_HOP: Final = {"transfer-encoding", "content-length", "connection", "authorization"}
"""Headers that are not handed on."""


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    gate: Gate
    registry: str

    def __getattr__(self, name: str) -> Callable[[], None]:
        if name.removeprefix("do_") in _METHODS:
            return self.serve
        raise AttributeError(name)

    def serve(self) -> None:
        asked = f"{self.command} {self.path}"
        self.gate.asked.append(asked)
        verdict = self.gate.judge(asked)
        if verdict == "forget":
            self.gate.tokens.clear()
        if verdict == "cut":
            self.rfile.read(min(1000, int(self.headers.get("Content-Length") or 0)))
            self.close_connection = True
            return
        body = self.body()
        if self.path.startswith("/token"):
            answer = json.dumps({"token": self.gate.new_token(), "expires_in": 60}).encode()
            self.answer(200, {"Content-Type": "application/json"}, answer)
        elif not self.gate.opens(self.headers.get("Authorization")):
            challenge = f'Bearer realm="http://{self.gate.address}/token",service="gate"'
            self.answer(401, {"WWW-Authenticate": challenge}, b"")
        else:
            self.hand_on(body)

    def body(self) -> bytes:
        if self.headers.get("Transfer-Encoding", "").lower() != "chunked":
            return self.rfile.read(int(self.headers.get("Content-Length") or 0))
        pieces = []
        while size := int(self.rfile.readline().split(b";")[0], 16):
            pieces.append(self.rfile.read(size))
            self.rfile.readline()
        while self.rfile.readline().strip():
            """Trailers say nothing here."""
        return b"".join(pieces)

    def hand_on(self, body: bytes) -> None:
        with contextlib.closing(http.client.HTTPConnection(self.registry, timeout=60)) as upstream:
            upstream.putrequest(self.command, self.path, skip_host=True, skip_accept_encoding=True)
            for name, value in self.headers.items():  # engines send several of one name
                if name.lower() not in _OF_A_HOP:
                    upstream.putheader(name, value)
            upstream.putheader("Content-Length", str(len(body)))
            upstream.endheaders(body)
            reply = upstream.getresponse()
            content = reply.read()
            kept = {name: value for name, value in reply.getheaders() if name.lower() not in _OF_A_HOP}
            if self.command == "HEAD":
                kept["Content-Length"] = reply.getheader("Content-Length") or "0"
            self.answer(reply.status, kept, content)

    def answer(self, status: int, headers: dict[str, str], content: bytes) -> None:
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name, value)
        if "Content-Length" not in headers:
            self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    def log_message(self, *_: object) -> None:
        """Say nothing."""


class _Server(ThreadingHTTPServer):
    daemon_threads = True

    def handle_error(self, *_: object) -> None:
        """Who is cut off may hang up."""


@contextlib.contextmanager
def gated(registry: str) -> Iterator[Gate]:
    """A gate before the registry at `HOST:PORT`."""
    gate = Gate()
    handler = type("Handler", (_Handler,), {"gate": gate, "registry": registry})
    with _Server(("127.0.0.1", 0), handler) as server:
        gate.address = f"127.0.0.1:{server.server_port}"
        thread = threading.Thread(target=server.serve_forever, daemon=True)
        thread.start()
        try:
            yield gate
        finally:
            server.shutdown()
            thread.join()
