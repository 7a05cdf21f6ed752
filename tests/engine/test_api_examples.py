"""The examples for the Python API's protocols, used as their pages say."""

from __future__ import annotations

import importlib
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from incubator.events import StepFinished

if TYPE_CHECKING:
    from tests.engine.conftest import Bench

EXAMPLES = Path(__file__).parents[2] / "examples" / "api"
DOCKERFILE = """\
FROM busybox AS one
RUN echo 1 > /1
FROM busybox
COPY file /file
COPY --from=one /1 /1
RUN cat /1 /file > /all
"""


@pytest.fixture(autouse=True)
def on_the_path(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(EXAMPLES)


def test_a_client_that_records_calls(docker28: Bench) -> None:
    client = importlib.import_module("recording_client").RecordingClient(docker28.client)
    result = docker28.build(DOCKERFILE, {"file": "x"}, container_client=client)
    assert docker28.run(result.id, "cat", "/all") == "1\nx"
    names = [call.name for call in client.calls]
    assert names.count("start") == 2
    assert {"info", "create", "commit", "compose", "remove_container"} <= set(names)
    assert "commit" in client.report()


def test_a_cache_in_a_file(docker28: Bench, tmp_path: Path) -> None:
    cache_type = importlib.import_module("json_cache").JsonCache
    index = tmp_path / "layers.json"
    repository = f"json-cache-{tmp_path.name.replace('_', '-')}"
    options: dict[str, Any] = {"no_cache": False}
    try:
        first = docker28.build(
            DOCKERFILE,
            {"file": "x"},
            cache=cache_type(index, docker28.client, repository=repository),
            **options,
        )
        docker28.events.clear()
        second = docker28.build(
            DOCKERFILE, cache=cache_type(index, docker28.client, repository=repository), **options
        )
        finished = [event for event in docker28.events if isinstance(event, StepFinished)]
        assert len(finished) == 4
        assert all(event.cached for event in finished)
        assert [layer.diff_id for layer in first.layers] == [layer.diff_id for layer in second.layers]
        assert all(layer.cached for layer in second.layers if not layer.base)
    finally:
        for reference in docker28.client.references(repository):
            docker28.client.remove_image(reference)
