"""The image equals what the engine's own `docker build` makes: config and files."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

import lab
from incubator.api import build
from incubator.core.client import DockerClient
from tests.engine.conftest import Bench, api_of

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from lab import EngineHandle
    from tests.engine.snapshot import Snapshot

PODMANS_GROUPS = ("home/app/id", "home/app/id2", "tmp/id3")
"""Output of `id`: with Podman a process's primary group is not among its supplementary ones."""

EXAMPLE = Path(__file__).parents[2] / "examples/hello"
CASES = Path(__file__).parents[1] / "data/builds"


@pytest.fixture(scope="session")
def reference(
    start_engine: Callable[[str], EngineHandle], tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Bench]:
    """The engine whose `docker build` stands for all that have none of their own."""
    handle = start_engine("docker28")
    client, api = DockerClient.from_env(handle.env), api_of(handle)
    yield Bench(handle=handle, folder=tmp_path_factory.mktemp("reference"), client=client, api=api)
    api.close()
    client.close()


def expected(bench: Bench, reference: Bench, tag: str, *arguments: str) -> Snapshot:
    """What a reference builder makes of the bench's context: the engine's own, for Podman Docker's."""
    if bench.handle.name == "podman":
        reference.folder = bench.folder
        return reference.reference_build(tag, *arguments)
    return bench.reference_build(tag, *arguments)


def test_the_example_is_equal(bench: Bench, reference: Bench) -> None:
    bench.folder.rmdir()
    shutil.copytree(EXAMPLE, bench.folder)
    for handle in (bench.handle, reference.handle):
        lab.ensure_images(handle, ["python:3.12-slim"])
    result = build(
        path=bench.folder,
        tag="example:ours",
        buildargs={"VERSION": "1.0"},
        container_client=bench.client,
        network="none",
        no_cache=True,
    )
    ours = bench.snapshot(result.id)
    # Byte code holds the time of its source, which is when it was written into each builder's container.
    theirs = expected(bench, reference, "example:theirs", "--build-arg", "VERSION=1.0")
    assert ours.without("app/hello.pyz").differences(theirs.without("app/hello.pyz")) == []
    assert bench.run(result.id, "python3", "/app/hello.pyz", "--greet") == "hello 1.0\n"


@pytest.mark.parametrize("case", sorted(path.name for path in CASES.iterdir()))
@pytest.mark.parametrize("layers", [[], [0], "auto"], ids=["each", "one", "auto"])
def test_equal_whatever_the_layers(docker28: Bench, case: str, layers: list[int] | str) -> None:
    docker28.folder.rmdir()
    shutil.copytree(CASES / case, docker28.folder, symlinks=True)
    result = build(
        path=docker28.folder,
        container_client=docker28.client,
        network="none",
        no_cache=True,
        layers=layers,
        emit=docker28.events.append,
    )
    theirs = docker28.reference_build(f"case:{case}")
    assert docker28.snapshot(result.id).differences(theirs) == []


@pytest.mark.parametrize("case", sorted(path.name for path in CASES.iterdir()))
def test_equal_on_every_engine(bench: Bench, reference: Bench, case: str) -> None:
    bench.folder.rmdir()
    shutil.copytree(CASES / case, bench.folder, symlinks=True)
    result = build(
        path=bench.folder,
        container_client=bench.client,
        network="none",
        no_cache=True,
        emit=bench.events.append,
    )
    if bench.handle.name == "docker20":
        # Its BuildKit is of 2020 and reads today's syntax only in part.
        reference.folder = bench.folder
        theirs = reference.reference_build(f"case:{case}")
    else:
        theirs = expected(bench, reference, f"case:{case}")
    ours = bench.snapshot(result.id)
    if bench.handle.name == "podman":
        ours, theirs = ours.without(*PODMANS_GROUPS), theirs.without(*PODMANS_GROUPS)
    assert ours.differences(theirs) == []
