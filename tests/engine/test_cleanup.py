"""Nothing of a build outlives it: after success, failure, signals, and by the next build after a kill."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import time
from typing import TYPE_CHECKING

import pytest

from incubator.core.constants import LABEL_BUILD
from incubator.core.leftovers import WORK_REPOSITORY, sweep
from incubator.errors import StepFailed
from tests.engine.conftest import owned_by

if TYPE_CHECKING:
    from tests.engine.conftest import Bench

SLOW = "FROM busybox\nRUN echo first > /first\nCOPY file /file\nRUN echo started; sleep 60\n"


def spawn(bench: Bench, dockerfile: str = SLOW) -> subprocess.Popen[str]:
    """A build of the command line that has come to its slow step."""
    bench.write({"Dockerfile": dockerfile, "file": "x"})
    process = subprocess.Popen(
        [
            sys.executable,
            "-m",
            "incubator",
            "build",
            "--no-cache",
            "--progress",
            "plain",
            "--network",
            "none",
            str(bench.folder),
        ],
        env={**os.environ, **bench.handle.env},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    assert process.stderr
    for line in process.stderr:
        if line.rstrip().endswith("started"):
            return process
    raise AssertionError("the build ended before its slow step")


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_leaves_nothing(bench: Bench, number: signal.Signals) -> None:
    process = spawn(bench)
    assert owned_by(bench, process.pid)
    begin = time.monotonic()
    process.send_signal(number)
    process.communicate(timeout=30)
    # Podman gives a container up to ten seconds of its own; Docker is done in less than one.
    assert time.monotonic() - begin < (15 if bench.handle.name == "podman" else 5)
    assert process.returncode == 128 + number
    assert owned_by(bench, process.pid) == []


def test_a_killed_build_is_swept_by_the_next(bench: Bench) -> None:
    process = spawn(bench)
    left = owned_by(bench, process.pid)
    assert left
    build_id = bench.client.labels(LABEL_BUILD)[left[0]][LABEL_BUILD]
    process.kill()
    process.communicate()
    assert [name for name in bench.client.references(WORK_REPOSITORY) if build_id in name]
    bench.build("FROM busybox\nRUN true\n")
    assert owned_by(bench, process.pid) == []
    assert [name for name in bench.client.references(WORK_REPOSITORY) if build_id in name] == []


def test_sweeping_leaves_living_builds_alone(docker28: Bench) -> None:
    process = spawn(docker28)
    try:
        sweep(docker28.client)
        assert owned_by(docker28, process.pid)
        assert process.poll() is None
    finally:
        process.send_signal(signal.SIGINT)
        process.communicate(timeout=30)


def test_failure_leaves_nothing(bench: Bench) -> None:
    with pytest.raises(StepFailed):
        bench.build("FROM busybox AS one\nRUN echo 1 > /1\nFROM busybox\nCOPY --from=one /1 /2\nRUN false\n")
    assert bench.leftovers() == []


def test_containers_are_kept_when_asked(docker28: Bench) -> None:
    docker28.build("FROM busybox\nRUN echo x > /x\n", config={"rm": False})
    left = docker28.leftovers()
    assert len(left) == 1
    for container in left:
        docker28.client.remove_container(container)


@pytest.mark.parametrize("connection_number", [1, 2], ids=["asked", "written"])
def test_a_signal_while_a_cache_is_silent_is_no_success(docker28: Bench, connection_number: int) -> None:
    """It is asked in the beginning whether it may be written, and written in the end."""
    docker28.write({"Dockerfile": "FROM busybox\nCOPY Dockerfile /\n"})
    with socket.create_server(("127.0.0.1", 0)) as silent:
        cache = f"type=registry,ref=127.0.0.1:{silent.getsockname()[1]}/cache:main"
        process = subprocess.Popen(
            [sys.executable, "-m", "incubator", "build", "--cache-to", cache, str(docker28.folder)],
            env={**os.environ, **docker28.handle.env},
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        assert process.stdout
        silent.settimeout(60)
        for _ in range(connection_number - 1):
            with silent.accept()[0] as connection:
                assert connection.recv(10)
        with silent.accept()[0] as connection:
            assert connection.recv(10)
            begin = time.monotonic()
            process.send_signal(signal.SIGTERM)
            said, _ = process.communicate(timeout=30)
    assert process.returncode == 128 + signal.SIGTERM, said
    assert time.monotonic() - begin < 10
    assert docker28.leftovers() == []
