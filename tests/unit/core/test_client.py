"""How an engine is found: what is wrong with its address is told before anything is asked of it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from incubator.core.client import DockerClient
from incubator.errors import EngineUnreachable

if TYPE_CHECKING:
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
