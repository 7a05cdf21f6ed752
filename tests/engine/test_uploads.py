"""Layers that are sent to the registry while others are made."""

from __future__ import annotations

import re
import secrets
import threading
import time
from typing import TYPE_CHECKING, Any

import pytest

from incubator.api import build
from incubator.core.uploads import Uploads
from incubator.errors import PushFailed, RegistryError, StepFailed
from incubator.events import ImagePushed, StepStarted
from incubator.registry.repository import Repository
from tests.engine.conftest import Bench, make_bench
from tests.engine.validate import validate_pushed

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from lab import EngineHandle, RegistryHandle


class Log:
    """Uploads of blobs that a registry has finished, of one repository."""

    def __init__(self, registry: RegistryHandle, repository: str) -> None:
        self._path = registry.access_log_path
        self._begin = self._path.stat().st_size
        self._pattern = re.compile(rf'"PUT /v2/{re.escape(repository)}/blobs/[^"]*" 201')

    def count(self) -> int:
        with self._path.open() as file:
            file.seek(self._begin)
            return len(self._pattern.findall(file.read()))


@pytest.fixture
def repository() -> str:
    return f"uploads/{secrets.token_hex(6)}"


@pytest.fixture
def log(registry: RegistryHandle, repository: str) -> Log:
    return Log(registry, repository)


@pytest.fixture
def containerd(start_engine: Callable[[str], EngineHandle], tmp_path: Path) -> Iterator[Bench]:
    (tmp_path / "containerd").mkdir()
    yield from make_bench(start_engine("containerd28"), tmp_path / "containerd")


@pytest.fixture
def base(docker28: Bench, registry: RegistryHandle, repository: str) -> str:
    """A base image that no engine has."""
    name = f"{registry.address}/{repository}/base:1"
    text = f"FROM busybox AS files\nRUN echo {name} > /name\nFROM scratch\nCOPY --from=files / /\n"
    docker28.build(text, tag=name, push=True, load=False)
    return name


def before_step(bench: Bench, text: str, act: Callable[[], None]) -> Callable[[Any], None]:
    """A listener that acts when a step is about to start, which waits for it."""

    def emit(event: Any) -> None:
        bench.events.append(event)
        if isinstance(event, StepStarted) and event.step.text.startswith(text):
            act()

    return emit


def wait_for(what: Callable[[], bool]) -> None:
    until = time.monotonic() + 20
    while not what():
        assert time.monotonic() < until
        time.sleep(0.02)


@pytest.mark.parametrize("attributes", ["", "compression=zstd"])
def test_a_layer_is_there_before_the_next_is_made(
    docker28: Bench, registry: RegistryHandle, repository: str, log: Log, attributes: str
) -> None:
    name = f"{registry.address}/{repository}:1"
    seen = []

    def first_is_there() -> None:
        wait_for(lambda: log.count() == 1)
        seen.append(1)

    emit = before_step(docker28, "COPY two", first_is_there)
    options: dict[str, Any] = (
        {"outputs": [f"type=image,name={name},push=true,{attributes}"]} if attributes else {}
    )
    docker28.write(
        {"Dockerfile": "FROM scratch\nCOPY one /\nCOPY two /\n", "one": repository, "two": repository * 2}
    )
    result = build(
        path=docker28.folder,
        container_client=docker28.client,
        no_cache=True,
        emit=emit,
        **(options or {"tag": name, "push": True, "load": False}),
    )
    assert seen == [1]
    assert log.count() == 3  # two layers and the config: nothing is sent twice
    assert result.digest
    validate_pushed(name.rpartition(":")[0], result.digest)


def test_containerd_has_what_is_sent(
    containerd: Bench, registry: RegistryHandle, base: str, repository: str, log: Log
) -> None:
    name = f"{registry.address}/{repository}:1"
    text = f"FROM {base}\nCOPY one /\nRUN cat /one > /two\n"
    containerd.write({"Dockerfile": text, "one": repository})
    result = build(
        path=containerd.folder,
        container_client=containerd.client,
        no_cache=True,
        network="none",
        tag=name,
        push=True,
        load=False,
        emit=before_step(containerd, "RUN", lambda: wait_for(lambda: log.count() == 1)),
    )
    assert result.digest
    assert len(validate_pushed(name.rpartition(":")[0], result.digest).diff_ids) == 3
    assert log.count() == 3  # both layers and the config, each once; the base is mounted


def test_what_the_engine_packs_anew_is_not_sent(
    docker28: Bench, registry: RegistryHandle, base: str, repository: str, log: Log
) -> None:
    seen: list[int] = []
    docker28.write({"Dockerfile": f"FROM {base}\nCOPY one /\nRUN sleep 1\nRUN true\n", "one": repository})
    result = build(
        path=docker28.folder,
        container_client=docker28.client,
        no_cache=True,
        network="none",
        tag=f"{registry.address}/{repository}:1",
        push=True,
        load=False,
        emit=before_step(docker28, "RUN true", lambda: seen.append(log.count())),
    )
    assert seen == [0]
    assert result.digest


def test_a_step_that_fails_is_told_as_itself(
    docker28: Bench, registry: RegistryHandle, base: str, repository: str
) -> None:
    name = f"{registry.address}/{repository}:1"
    with pytest.raises(StepFailed):
        docker28.build(
            f"FROM {base}\nCOPY one /\nRUN false\n",
            {"one": repository},
            outputs=[f"type=image,name={name},push=true,compression=zstd"],
            load=False,
        )
    assert [thread for thread in threading.enumerate() if thread.name.startswith("incubator-upload")] == []


def test_what_does_not_arrive_is_sent_in_the_end(
    docker28: Bench, registry: RegistryHandle, repository: str, log: Log, monkeypatch: pytest.MonkeyPatch
) -> None:
    upload, failed = Repository.upload_blob, []

    def broken_once(self: Repository, *arguments: Any) -> None:
        if threading.current_thread().name.startswith("incubator-upload"):
            failed.append(arguments)
            raise RegistryError("the connection is lost")
        upload(self, *arguments)

    monkeypatch.setattr(Repository, "upload_blob", broken_once)
    result = docker28.build(
        "FROM scratch\nCOPY one /\nCOPY two /\n",
        {"one": repository, "two": repository * 2},
        tag=f"{registry.address}/{repository}:1",
        push=True,
        load=False,
    )
    assert 1 <= len(failed) <= 2  # nothing more once something did not arrive, unless it was on its way
    assert log.count() == 3
    assert result.digest
    assert [event for event in docker28.events if isinstance(event, ImagePushed)]


def test_a_fault_of_ours_is_no_silence(
    docker28: Bench, registry: RegistryHandle, repository: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(*_: object) -> None:
        raise ZeroDivisionError

    monkeypatch.setattr(Uploads, "_upload", broken)
    with pytest.raises(ZeroDivisionError):
        docker28.build(
            "FROM scratch\nCOPY one /\n",
            {"one": repository},
            tag=f"{registry.address}/{repository}:1",
            push=True,
            load=False,
        )


def test_a_registry_that_is_not_there_fails_the_push_alone(docker28: Bench) -> None:
    with pytest.raises(PushFailed):
        docker28.build(
            "FROM scratch\nCOPY one /\n",
            {"one": "1"},
            outputs=["type=image,name=127.0.0.1:1/nothing:1,push=true,compression=zstd"],
            load=False,
        )
