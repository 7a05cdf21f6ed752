"""Tokens that registries ask for, over real connections to a server of this test's own."""

from __future__ import annotations

import contextlib
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING

import pytest

from incubator.errors import RegistryError
from incubator.oci.reference import parse_reference
from incubator.registry.manifests import manifest_digest
from incubator.request import Credential

if TYPE_CHECKING:
    from collections.abc import Iterator

DIGEST = f"sha256:{'a' * 64}"


@contextlib.contextmanager
def demanding(
    realm: str, body: bytes = b'{"token": "good"}'
) -> Iterator[tuple[str, list[tuple[str, str, str]]]]:
    """A registry that answers to the token `good` only, and gives it out; its address and what it was asked."""
    asked: list[tuple[str, str, str]] = []

    class Handler(BaseHTTPRequestHandler):
        def do_HEAD(self) -> None:
            self._note()
            if self.headers["Authorization"] == "Bearer good":
                self.send_response(200)
                self.send_header("Docker-Content-Digest", DIGEST)
            else:
                self.send_response(401)
                where = realm.format(port=server.server_port)
                self.send_header("WWW-Authenticate", f'Bearer realm="{where}",service=here')
            self.end_headers()

        def do_GET(self) -> None:
            self._note()
            self.send_response(200)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            with contextlib.suppress(ConnectionError):  # a client may have read enough
                self.wfile.write(body)

        def _note(self) -> None:
            asked.append((self.command, self.path, self.headers["Authorization"] or ""))

        def log_message(self, *_: object) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        try:
            yield f"127.0.0.1:{server.server_port}", asked
        finally:
            server.shutdown()


def test_a_token_is_fetched_with_the_login_and_sent() -> None:
    with demanding("http://127.0.0.1:{port}/token") as (address, asked):
        login = Credential(registry=address, username="me", password="secret")
        assert manifest_digest(parse_reference(f"{address}/a/b:1"), login) == DIGEST
    assert asked == [
        ("HEAD", "/v2/a/b/manifests/1", ""),
        ("GET", "/token?service=here", "Basic bWU6c2VjcmV0"),
        ("HEAD", "/v2/a/b/manifests/1", "Bearer good"),
    ]


def test_no_login_leaves_for_an_address_that_is_no_token_server() -> None:
    with demanding("ftp://127.0.0.1:{port}/token") as (address, asked):
        login = Credential(registry=address, username="me", password="secret")
        with pytest.raises(RegistryError, match="names no token server"):
            manifest_digest(parse_reference(f"{address}/a/b:1"), login)
    assert [(method, authorization) for method, _, authorization in asked] == [("HEAD", "")]


def test_a_refused_login_comes_with_a_hint() -> None:
    with demanding("http://127.0.0.1:{port}/token", b'{"token": "bad"}') as (address, _):
        with pytest.raises(RegistryError, match="401") as caught:
            manifest_digest(parse_reference(f"{address}/a/b:1"), None)
        assert "password" in (caught.value.hint or "")


def test_a_flood_of_an_answer_is_not_read_to_its_end() -> None:
    with demanding("http://127.0.0.1:{port}/token", b" " * (64 << 20)) as (address, asked):
        with pytest.raises(RegistryError, match="longer than"):
            manifest_digest(parse_reference(f"{address}/a/b:1"), None)
        assert [method for method, _, _ in asked] == ["HEAD", "GET"]
