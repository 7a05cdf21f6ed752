"""Layers made here come to the engine in one call, and are as good as if each had come by itself."""

from __future__ import annotations

import os
import time
from typing import TYPE_CHECKING

import pytest

from incubator.core.client import DockerClient
from incubator.core.kept import kept_results
from incubator.errors import BuilderError
from incubator.events import LayerCommitted, StepFinished

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from pathlib import Path

    from incubator.core.together import Stacked
    from lab import EngineHandle
    from tests.engine.conftest import Bench

FILES = {f"f{number}": f"{number}\n" for number in range(6)}
COPIES = "".join(f"COPY {name} /{name}\n" for name in FILES)


class Counting(DockerClient):
    """Notes how many images each call brings."""

    def compose_all(self, images: Sequence[Stacked]) -> list[str]:
        self.rows = [*getattr(self, "rows", []), len(images)]
        return super().compose_all(images)


@pytest.fixture(params=["docker20", "docker28", "containerd28"])
def counted(
    request: pytest.FixtureRequest, start_engine: Callable[[str], EngineHandle], tmp_path: Path
) -> Iterator[tuple[Bench, Counting]]:
    from tests.engine.conftest import make_bench

    handle = start_engine(request.param)
    client = Counting.from_env(handle.env)
    assert isinstance(client, Counting)
    for bench in make_bench(handle, tmp_path):
        yield bench, client
    client.close()


def marked(name: str) -> dict[str, str]:
    """Files of which no build has a result yet."""
    return FILES | {name: os.urandom(8).hex()}


def cached(bench: Bench) -> list[bool]:
    return [event.cached for event in bench.events if isinstance(event, StepFinished)]


def test_one_call_before_a_run_and_one_at_the_end(counted: tuple[Bench, Counting]) -> None:
    bench, client = counted
    text = f"FROM busybox\n{COPIES}RUN cat /f? > /all\nCOPY f1 /g1\nCOPY f2 /g2\n"
    made = bench.build(text, marked("f0"), container_client=client)
    assert client.rows == [6, 2]
    assert len([layer for layer in made.layers if layer.commands]) == 9
    expected = bench.reference_build("incubator-test-together")
    assert [d for d in bench.snapshot(made.id).differences(expected) if "created" not in d] == []
    assert bench.run(made.id, "cat", "/f5", "/g1") == "5\n1\n"


def test_the_layers_below_a_change_are_kept(counted: tuple[Bench, Counting]) -> None:
    bench, client = counted
    text = f"FROM busybox\n{COPIES}"
    bench.build(text, marked("f0"), container_client=client, no_cache=False)
    bench.events.clear()
    bench.build(text, {"f5": "changed"}, container_client=client, no_cache=False)
    assert cached(bench) == [True] * 5 + [False]
    told = [event.not_cached for event in bench.events if isinstance(event, LayerCommitted)]
    assert told[:5] == [None] * 5
    assert told[5] is not None
    assert client.rows == [6, 1]


def test_pruning_leaves_the_layers(counted: tuple[Bench, Counting]) -> None:
    bench, client = counted
    bench.build(f"FROM busybox\n{COPIES}", marked("f0"), container_client=client, no_cache=False)
    for image in bench.api.images(filters={"dangling": True}):
        assert not any("incubator-" in tag for tag in image["RepoTags"] or ())
    bench.events.clear()
    bench.build(f"FROM busybox\n{COPIES}", container_client=client, no_cache=False)
    assert all(cached(bench))


def test_what_was_made_before_a_failure_is_kept(counted: tuple[Bench, Counting]) -> None:
    bench, client = counted
    files = marked("f0")
    bench.write({"last": ""})
    with pytest.raises(BuilderError):
        bench.build(f"FROM busybox\n{COPIES}RUN exit 3\n", files, container_client=client, no_cache=False)
    with pytest.raises(BuilderError):
        bench.build(
            f"FROM busybox\n{COPIES}COPY last /x\nADD --checksum=sha256:{'0' * 64} http://127.0.0.1:9/ /y\n",
            container_client=client,
            no_cache=False,
        )
    bench.events.clear()
    bench.build(f"FROM busybox\n{COPIES}COPY last /x\n", container_client=client, no_cache=False)
    assert cached(bench) == [True] * 7


def test_stages_side_by_side(counted: tuple[Bench, Counting]) -> None:
    bench, client = counted
    text = (
        "FROM busybox AS one\nCOPY f0 /a\nCOPY f1 /b\nFROM busybox AS two\nCOPY f1 /b\nCOPY f2 /c\n"
        "FROM one\nCOPY --from=two /c /c\nCOPY f3 /d\n"
    )
    made = bench.build(text, marked("f0"), container_client=client)
    assert bench.run(made.id, "cat", "/b", "/c", "/d") == "1\n2\n3\n"


def test_the_age_of_results_counts_from_now(counted: tuple[Bench, Counting]) -> None:
    bench, client = counted
    began = time.time()
    text = f"FROM busybox\n{COPIES}"
    files = {name: os.urandom(8).hex() for name in FILES}
    made = bench.build(text, files, container_client=client, no_cache=False, source_date_epoch=1_000_000_000)
    layers = {layer.diff_id for layer in made.layers if not layer.base}
    kept = [result for result in kept_results(client) if result.layers[-1] in layers]
    assert len(kept) == len(FILES)
    assert all(result.used_s > began - 60 for result in kept)
