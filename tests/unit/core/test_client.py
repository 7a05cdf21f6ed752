"""How an engine is found: what is wrong with its address is told before anything is asked of it."""

from __future__ import annotations

import gc
import json
import threading
import warnings
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, HTTPServer
from typing import TYPE_CHECKING

import pytest
from docker import APIClient

from incubator.core.client import DockerClient
from incubator.errors import EngineError, EngineUnreachable

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


def test_missing_certificates_are_named(tmp_path: Path) -> None:
    environ = {
        "DOCKER_HOST": "tcp://127.0.0.1:1",
        "DOCKER_TLS_VERIFY": "1",
        "DOCKER_CERT_PATH": str(tmp_path / "certificates"),
    }
    with pytest.raises(EngineUnreachable) as raised:
        DockerClient.from_env(environ)
    assert f"tcp://127.0.0.1:1 in {tmp_path / 'certificates'}" in raised.value.message
    assert "DOCKER_CERT_PATH" in str(raised.value.hint)


def test_certificates_are_looked_for_where_docker_looks() -> None:
    with pytest.raises(EngineUnreachable, match=r"in ~/\.docker"):
        DockerClient.from_env(
            {"DOCKER_HOST": "tcp://127.0.0.1:1", "DOCKER_TLS_VERIFY": "1", "DOCKER_CERT_PATH": ""}
        )


@pytest.mark.parametrize("host", ["foo", "tcp:/engine", "tcp://"])
def test_an_address_that_is_none_is_named_with_what_it_begins_with(host: str) -> None:
    with pytest.raises(EngineUnreachable) as raised:
        DockerClient.from_env({"DOCKER_HOST": host})
    assert raised.value.message.startswith(f"{host!r} is no address of an engine: ")
    assert "unix://, tcp:// or ssh://" in str(raised.value.hint)


def test_no_socket_is_left_open_where_no_engine_answers(tmp_path: Path) -> None:
    with warnings.catch_warnings(record=True) as left_open:
        warnings.simplefilter("always", ResourceWarning)
        with pytest.raises(EngineUnreachable, match="no container engine answers"):
            DockerClient.from_env({"DOCKER_HOST": f"unix://{tmp_path}/none.sock"})
        gc.collect()
    assert [str(warning.message) for warning in left_open] == []


@contextmanager
def listing(statuses: list[int]) -> Iterator[DockerClient]:
    """A client of a server that lists one image, but first answers with `statuses`, one each time."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            status = statuses.pop(0) if statuses else 200
            body = (
                [{"Id": "sha256:1", "RepoTags": ["kept:1", "other:1"]}] if status == 200 else {"message": "x"}
            )
            data = json.dumps(body).encode()
            self.send_response(status)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(data)))
            self.end_headers()
            self.wfile.write(data)

        def log_message(self, *_: object) -> None:
            pass

    with HTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        client = DockerClient(APIClient(f"http://127.0.0.1:{server.server_port}", version="1.43"))
        try:
            yield client
        finally:
            client.close()
            server.shutdown()
            thread.join()


@pytest.mark.parametrize("status", [404, 500])
def test_a_list_in_which_an_image_goes_meanwhile_is_asked_for_again(status: int) -> None:
    """Podman fails with 500, the containerd store with 404."""
    with listing([status, status]) as client:
        assert client.references("kept") == ["kept:1"]
    with listing([status] * 9) as client, pytest.raises(EngineError, match="cannot list images"):
        client.references("kept")
