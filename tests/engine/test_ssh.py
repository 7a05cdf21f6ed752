"""Engines that are reached by ssh://, with OpenSSH's own server."""

from __future__ import annotations

import gc
import os
import re
import signal
import subprocess
import sys
import tempfile
import threading
import time
import warnings
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

import lab
from incubator.api import build
from incubator.core.client import DockerClient
from incubator.core.result import ResultImage
from incubator.core.ssh_tunnel import SshTunnel
from incubator.errors import EngineUnreachable, StepFailed
from incubator.events import BuildStarted, StepOutput
from incubator.ssh_address import parse_ssh_address
from lab.ssh import HOST
from tests.conftest import need
from tests.engine.conftest import owned_by

if TYPE_CHECKING:
    from collections.abc import Iterator

    from lab import RegistryHandle, SshServer
    from tests.engine.conftest import Bench

DOCKERFILE = "FROM busybox\nCOPY . /there/\nRUN ls /there; id -u >/user\nWORKDIR /there\n"


@pytest.fixture
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SshServer]:
    need("ssh")
    with lab.ssh_server(tmp_path_factory.mktemp("ssh")) as running:
        yield running


@pytest.fixture(autouse=True)
def temporary(monkeypatch: pytest.MonkeyPatch, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """Where sockets are put; nothing may be left there."""
    tmp_path_factory.getbasetemp()  # which is not to be below it
    with tempfile.TemporaryDirectory() as folder:
        monkeypatch.setattr(tempfile, "tempdir", folder)
        yield Path(folder)
        assert list(Path(folder).glob("incubator-ssh-*")) == []
    # What is left open is told when it is collected: of this test, and not of somebody else's.
    with warnings.catch_warnings(record=True) as left_open:
        warnings.simplefilter("always", ResourceWarning)
        gc.collect()
    assert left_open == []


def environment(server: SshServer, address: str = f"ssh://{HOST}") -> dict[str, str]:
    own = {"PATH": f"{server.bin}:{os.environ['PATH']}", "DOCKER_HOST": address}
    # Not for this process: an engine that it starts would keep the folder for its own.
    return {**os.environ, **own, "TMPDIR": tempfile.gettempdir()}


def address_of(bench: Bench, user: str = "") -> str:
    return f"ssh://{user}{HOST}{bench.handle.socket}"


def connect(bench: Bench, server: SshServer) -> DockerClient:
    return DockerClient.from_env(environment(server, address_of(bench)))


def clients_of(server: SshServer) -> list[str]:
    """Processes of the client that belong to this server's configuration."""
    pattern = f"-F {server.folder}/client.conf"
    found = subprocess.run(["pgrep", "-f", "--", pattern], capture_output=True, text=True, check=False)
    return found.stdout.split()


def test_a_build_gives_what_it_gives_by_the_socket(bench: Bench, server: SshServer) -> None:
    files = {"a.txt": "a", "b/c.txt": "c" * 3_000_000}
    here = bench.build(DOCKERFILE, files)
    with closing(connect(bench, server)) as client:
        assert client.info().over_network
        there = bench.build(DOCKERFILE, files, container_client=client)
    assert clients_of(server) == []
    try:
        assert bench.snapshot(there.id).files == bench.snapshot(here.id).files
        assert bench.snapshot(there.id).config == bench.snapshot(here.id).config
        said = b"".join(event.data for event in bench.events if isinstance(event, StepOutput))
        assert said.count(b"a.txt\nb\n") == 2
    finally:
        bench.client.remove_image(here.id)
        bench.client.remove_image(there.id)


def test_a_node_by_ssh_pushes_what_is_made_there(
    docker28: Bench, server: SshServer, registry: RegistryHandle, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", environment(server)["PATH"])
    name = f"{registry.address}/ssh/node:1"
    result = docker28.build(
        DOCKERFILE,
        {"a.txt": "a"},
        container_client=None,
        platforms=["linux/amd64"],
        nodes=[f"linux/amd64={address_of(docker28, 'root@')}"],
        tag=name,
        push=True,
    )
    assert isinstance(result, ResultImage)
    assert docker28.run(name, "cat", "/there/a.txt") == "a"
    assert [event.engine for event in docker28.events if isinstance(event, BuildStarted)]
    assert clients_of(server) == []
    docker28.client.remove_image(name)


def test_a_failing_step_ends_the_tunnel_too(docker28: Bench, server: SshServer) -> None:
    with closing(connect(docker28, server)) as client, pytest.raises(StepFailed):
        docker28.build("FROM busybox\nRUN echo why >&2; false\n", container_client=client)
    assert clients_of(server) == []


def test_a_lost_connection_is_told_at_once(docker28: Bench, server: SshServer) -> None:
    client = connect(docker28, server)
    begun = threading.Event()

    def emit(event: object) -> None:
        docker28.events.append(event)  # type: ignore[arg-type]
        if isinstance(event, StepOutput) and b"begun" in event.data:
            begun.set()

    cut_at: list[float] = []

    def cut() -> None:
        if begun.wait(60):
            cut_at.append(time.monotonic())
            server.cut()

    docker28.write({"Dockerfile": "FROM busybox\nRUN echo begun; sleep 60\nRUN true\n"})
    cutter = threading.Thread(target=cut)
    cutter.start()
    try:
        with pytest.raises(
            EngineUnreachable, match=rf"connection to ssh://{re.escape(HOST)}.* is lost"
        ) as raised:
            build(path=docker28.folder, network="none", no_cache=True, container_client=client, emit=emit)
        ended = time.monotonic()
    finally:
        cutter.join()
        client.close()
    assert ended - cut_at[0] < 10, raised.value
    [container] = docker28.leftovers()  # nobody can be told to remove it
    docker28.client.remove_container(container)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_leaves_neither_containers_nor_a_tunnel(
    docker28: Bench, server: SshServer, number: signal.Signals
) -> None:
    docker28.write({"Dockerfile": "FROM busybox\nRUN echo be''gun; sleep 60\n"})
    command = [
        "env",
        "--default-signal=INT",
        sys.executable,
        "-m",
        "incubator",
        "build",
        "--progress",
        "plain",
    ]
    process = subprocess.Popen(
        [*command, "--network", "none", "--no-cache", str(docker28.folder)],
        env=environment(server, address_of(docker28)),
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    assert process.stdout
    seen = []
    for line in process.stdout:
        seen.append(line)
        if "begun" in line:
            break
    assert len(clients_of(server)) == 1, seen
    assert owned_by(docker28, process.pid)
    process.send_signal(number)
    rest, _ = process.communicate(timeout=30)
    assert process.returncode == 128 + number, rest
    assert clients_of(server) == []
    assert owned_by(docker28, process.pid) == []


def test_the_tunnel_ends_with_the_process_that_opened_it(server: SshServer, temporary: Path) -> None:
    code = "import os, sys; from incubator.core.ssh_tunnel import SshTunnel; "
    code += "from incubator.ssh_address import parse_ssh_address; "
    code += f"SshTunnel(parse_ssh_address('ssh://{HOST}'), os.environ); os.kill(os.getpid(), 9)"
    done = subprocess.run([sys.executable, "-c", code], env=environment(server), check=False)
    assert done.returncode == -signal.SIGKILL
    until = time.monotonic() + 10
    while clients_of(server) and time.monotonic() < until:
        time.sleep(0.05)
    assert clients_of(server) == []
    for folder in temporary.glob("incubator-ssh-*"):  # the one thing that nobody is left to clear
        for path in folder.iterdir():
            path.unlink()
        folder.rmdir()


def unreachable(server: SshServer, address: str, **more: str) -> EngineUnreachable:
    with pytest.raises(EngineUnreachable) as raised:
        DockerClient.from_env({**environment(server, address), **more})
    assert clients_of(server) == []
    return raised.value


def test_what_ssh_says_is_told_with_what_to_do(server: SshServer, tmp_path: Path) -> None:
    refused = unreachable(server, f"ssh://nobody@{HOST}")
    assert re.search(r"ssh://nobody@.*: ssh gets no connection: .*Permission denied", refused.message)
    assert "SSH_AUTH_SOCK" in str(refused.hint)
    nowhere = unreachable(server, f"ssh://{HOST}/nowhere/docker.sock")
    assert "no container engine answers" in nowhere.message
    assert "open failed" in nowhere.message
    assert "/nowhere/docker.sock" in str(nowhere.hint)
    closed = unreachable(server, "ssh://127.0.0.1:1")
    assert "Connection refused" in closed.message
    assert "ssh -o BatchMode=yes -p 1 127.0.0.1 true" in str(closed.hint)
    missing = unreachable(server, f"ssh://{HOST}", PATH=str(tmp_path))
    assert "no program ssh" in missing.message
    (server.folder / "known-hosts").write_text("")
    unknown = unreachable(server, f"ssh://{HOST}")
    assert "Host key verification failed" in unknown.message
    assert "known_hosts" in str(unknown.hint)


def test_what_a_shell_says_when_it_starts_does_not_matter(server: SshServer) -> None:
    keys = server.folder / "authorized-keys"
    keys.write_text(f'command="echo hello; echo; exec cat" {keys.read_text()}')
    tunnel = SshTunnel(parse_ssh_address(f"ssh://{HOST}"), environment(server))
    assert Path(tunnel.socket).exists()
    tunnel.close()
    tunnel.close()
    assert tunnel.is_lost(0)
