"""Addresses of engines by ssh, and what the user's ssh is called with."""

from __future__ import annotations

import tempfile
import threading
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from incubator.core import ssh_tunnel
from incubator.core.client import DockerClient
from incubator.core.ssh_tunnel import SshTunnel, ssh_arguments
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


def program(folder: Path, text: str) -> dict[str, str]:
    """An environment in which `ssh` is such a file."""
    path = folder / "ssh"
    path.write_text(text)
    path.chmod(0o755)
    return {"PATH": f"{folder}:/usr/bin:/bin"}


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("echo hi", "cannot be started: Exec format error"),
        ("#!/no/such/program\n", "cannot be started: No such file or directory"),
        ("#!/bin/sh\nexit 255\n", "no connection: it has ended with status 255, and told nothing"),
        ("#!/bin/sh\nexec cat\n", "no connection: it stands, but ssh has not forwarded the socket"),
        ("#!/bin/sh\necho why >&2\nexit 1\n", "no connection: why"),
        ("#!/bin/sh\nsleep 20 <&- >&- &\necho why >&2\nexit 1\n", "no connection: why"),
    ],
)
def test_what_is_wrong_with_ssh_is_told_and_nothing_is_left(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, text: str, told: str
) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    threads = threading.active_count()
    with pytest.raises(EngineUnreachable) as raised:
        SshTunnel(parse_ssh_address("ssh://builder"), program(tmp_path, text))
    assert told in raised.value.message
    assert list(tmp_path.glob("incubator-ssh-*")) == []
    assert threading.active_count() == threads


def test_who_does_not_answer_is_not_waited_for_longer(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(ssh_tunnel, "_READY_S", 0.3)
    with pytest.raises(EngineUnreachable, match="nobody has answered for"):
        SshTunnel(parse_ssh_address("ssh://builder"), program(tmp_path, "#!/bin/sh\nexec sleep 30\n"))
