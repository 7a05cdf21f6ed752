"""Addresses of engines by ssh, and what the user's ssh is called with."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from incubator.core.client import DockerClient
from incubator.core.ssh_tunnel import ssh_arguments
from incubator.errors import EngineUnreachable, InputError
from incubator.platform_options import parse_node
from incubator.ssh_address import DEFAULT_PATH, SshAddress, parse_ssh_address

if TYPE_CHECKING:
    from pathlib import Path


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("ssh://builder", SshAddress("builder")),
        ("ssh://builder/", SshAddress("builder")),
        ("ssh://Deploy@Builder.example.com", SshAddress("Builder.example.com", "Deploy")),
        ("ssh://builder:2222", SshAddress("builder", port=2222)),
        (
            "ssh://ci@10.0.0.1:22/run/user/1000/docker.sock",
            SshAddress("10.0.0.1", "ci", 22, "/run/user/1000/docker.sock"),
        ),
        ("ssh://[fe80::1%eth0]:22", SshAddress("fe80::1%eth0", port=22)),
        ("ssh://my_alias", SshAddress("my_alias")),
    ],
)
def test_addresses(text: str, expected: SshAddress) -> None:
    assert parse_ssh_address(text) == expected
    assert parse_ssh_address(str(expected)) == expected


@pytest.mark.parametrize(
    "text",
    [
        "ssh://",
        "ssh:///run/docker.sock",
        "ssh://-oProxyCommand=touch x",
        "ssh://-F@builder",
        "ssh://-lroot@builder",
        "ssh://builder -oProxyCommand=x",
        "ssh://builder:99999",
        "ssh://builder:0",
        "ssh://builder:x",
        "ssh://a:b:c",
        "ssh://builder/a:b",
        "ssh://builder/${HOME}/docker.sock",
        "ssh://builder/%d/docker.sock",
        "ssh://builder/a b",
        "ssh://builder?x=y",
        "ssh://builder#x",
        "ssh://builder\n",
        "ssh://b\u00fcilder",
    ],
)
def test_what_is_no_address_is_refused(text: str) -> None:
    with pytest.raises(InputError, match="invalid address of an engine"):
        parse_ssh_address(text)
    with pytest.raises(InputError, match="DOCKER_HOST: invalid address"):
        DockerClient.from_env({"DOCKER_HOST": text})
    with pytest.raises(InputError, match=r"node for linux/arm64|no address of an engine"):
        parse_node(f"linux/arm64={text}?")


def test_a_password_is_refused_and_not_repeated() -> None:
    with pytest.raises(InputError, match="has a password") as raised:
        DockerClient.from_env({"DOCKER_HOST": "ssh://bob:secret@builder.example"})
    assert "SSH_AUTH_SOCK" in str(raised.value.hint)
    assert "secret" not in str(raised.value)


@given(st.text(alphabet="abz-_.@:/[]%=$ 109\n", max_size=20))
def test_no_address_becomes_an_option(text: str) -> None:
    try:
        address = parse_ssh_address(f"ssh://{text}")
    except InputError:
        return
    arguments = ssh_arguments(address, "/tmp/x/engine.sock")
    end = arguments.index("--")
    assert arguments[end + 1 :] == [address.host, "cat"]
    assert not address.host.startswith("-")
    assert not (address.user or "").startswith("-")
    assert arguments[end - 1] == f"/tmp/x/engine.sock:{address.path}"
    assert not set(address.path) & set(":%$ \n")


def test_arguments() -> None:
    arguments = ssh_arguments(SshAddress("builder", "ci", 2222), "/s")
    assert arguments[:3] == ["-T", "-a", "-x"]
    assert arguments[-9:] == ["-l", "ci", "-p", "2222", "-L", f"/s:{DEFAULT_PATH}", "--", "builder", "cat"]
    assert "BatchMode=yes" in arguments
    assert "ControlPath=none" in arguments


def test_without_the_program_it_is_named(tmp_path: Path) -> None:
    with pytest.raises(EngineUnreachable, match="no program ssh") as raised:
        DockerClient.from_env({"DOCKER_HOST": "ssh://builder", "PATH": str(tmp_path)})
    assert "tcp://" in str(raised.value.hint)
