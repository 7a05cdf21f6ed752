"""Fixtures for tests against real engines."""

from __future__ import annotations

import os
import subprocess
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import docker
import pytest

from incubator.api import build
from incubator.core.client import DockerClient
from incubator.core.constants import LABEL_BUILD
from incubator.core.leftovers import LABEL_OWNER, WORK_REPOSITORY
from incubator.events import BuildStarted, Event
from tests.conftest import ENGINES
from tests.engine.snapshot import Snapshot, take_snapshot

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from incubator.core.result import ResultImage
    from lab import EngineHandle


@dataclass
class Bench:
    """An engine, a folder for a context, and the ways to build it."""

    handle: EngineHandle
    folder: Path
    client: DockerClient
    api: docker.APIClient
    events: list[Event] = field(default_factory=list)

    def write(self, files: dict[str, str]) -> Path:
        """Put files, by their relative path, into the context."""
        for name, text in files.items():
            path = self.folder / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text)
        return self.folder

    def build(self, dockerfile: str, files: dict[str, str] | None = None, **options: Any) -> ResultImage:
        """Build a Dockerfile's text with incubator; RUN has no network."""
        self.write({"Dockerfile": dockerfile} | (files or {}))
        options.setdefault("network", "none")
        options.setdefault("no_cache", True)
        options.setdefault("container_client", self.client)
        return build(path=self.folder, emit=self.events.append, **options)

    def reference_build(self, tag: str, *arguments: str) -> Snapshot:
        """Build the same context with the engine's own `docker build`."""
        docker_build(self.handle, self.folder, tag, *arguments)
        return self.snapshot(tag)

    def snapshot(self, image: str) -> Snapshot:
        """Config and files of an image."""
        return take_snapshot(self.api, image)

    def run(self, image: str, *command: str) -> str:
        """Output of a command in a container of an image."""
        # An engine under load may lose all that a container says which ends at once, from its log too.
        outputs = (self._run_once(image, command) for _ in range(3))
        return next(filter(None, outputs), "")

    def _run_once(self, image: str, command: Sequence[str]) -> str:
        container = self.api.create_container(
            image,
            list(command),
            entrypoint=[],
            host_config=self.api.create_host_config(network_mode="none"),
        )["Id"]
        attached = self.client.attach(container)
        try:
            self.api.start(container)
            return b"".join(data for _, data in attached.frames()).decode()
        finally:
            attached.close()
            self.api.remove_container(container, force=True)

    def leftovers(self) -> list[str]:
        """What this bench's builds have left on the engine: containers, volumes, intermediate references."""
        builds = [event.build_id for event in self.events if isinstance(event, BuildStarted)]
        references = self.client.references(WORK_REPOSITORY)
        volumes = self.client.volumes(LABEL_BUILD)
        return [
            left
            for build_id in builds
            for left in [
                *self.client.containers(f"{LABEL_BUILD}={build_id}"),
                *(volume for volume, labels in volumes.items() if labels[LABEL_BUILD] == build_id),
                *(reference for reference in references if build_id in reference),
            ]
        ]


def owned_by(bench: Bench, pid: int) -> list[str]:
    """Containers whose label names a process."""
    found = bench.client.labels(LABEL_BUILD).items()
    return [
        container for container, labels in found if labels.get(LABEL_OWNER, "").split()[2:3] == [str(pid)]
    ]


def docker_build(handle: EngineHandle, folder: Path | str, tag: str, *arguments: str) -> None:
    """Run `docker build`, BuildKit's where the engine has it."""
    import lab

    environment = {**os.environ, **handle.env, "DOCKER_BUILDKIT": "1"}
    command = [
        str(lab.tool("docker")),
        "build",
        "--no-cache",
        "--network",
        "none",
        "-t",
        tag,
        *arguments,
        str(folder),
    ]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    if done.returncode:
        raise AssertionError(f"the reference builder failed:\n{done.stderr}")


@pytest.fixture(params=ENGINES)
def bench(
    request: pytest.FixtureRequest, start_engine: Callable[[str], EngineHandle], tmp_path: Path
) -> Iterator[Bench]:
    """One engine after the other; afterwards nothing of a build may be left on it."""
    yield from make_bench(start_engine(request.param), tmp_path)


@pytest.fixture
def docker28(start_engine: Callable[[str], EngineHandle], tmp_path: Path) -> Iterator[Bench]:
    """The engine that has BuildKit and the classic store."""
    yield from make_bench(start_engine("docker28"), tmp_path)


def api_of(handle: EngineHandle) -> docker.APIClient:
    """docker-py's client, to look at what was built."""
    return docker.APIClient(base_url=handle.host, version="auto", timeout=120)


def make_bench(handle: EngineHandle, folder: Path) -> Iterator[Bench]:
    """A bench, and the check that nothing is left."""
    client = DockerClient.from_env(handle.env)
    api = api_of(handle)
    context = folder / "context"
    context.mkdir()
    bench = Bench(handle=handle, folder=context, client=client, api=api)
    yield bench
    assert bench.leftovers() == []
    api.close()
    client.close()
