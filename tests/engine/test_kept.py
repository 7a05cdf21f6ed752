"""`incubator cache` on real engines."""

from __future__ import annotations

import json
import secrets
from typing import TYPE_CHECKING, Any

from incubator.cli import main
from incubator.core.caching import CACHE_REPOSITORY
from incubator.core.kept import choose, kept_results, remove
from incubator.core.records import RECORD_REPOSITORY

if TYPE_CHECKING:
    import pytest

    from incubator.core.kept import KeptResult
    from incubator.core.result import ResultImage
    from tests.engine.conftest import Bench


def own(bench: Bench, result: ResultImage) -> list[KeptResult]:
    """What is kept of one build, oldest first; other tests may use the engine at the same time."""
    made = {layer.diff_id for layer in result.layers if not layer.base}
    return [
        kept
        for kept in kept_results(bench.client)
        if (image := bench.client.image(kept.reference)) and image.config.diff_ids[-1] in made
    ]


def test_results_are_listed_and_go_with_what_tells_of_them(bench: Bench) -> None:
    mark = secrets.token_hex(8)
    text = f"FROM busybox\nRUN head -c 300000 /dev/zero > /{mark}\nCOPY app /app\n"
    result = bench.build(text, {"app": mark}, no_cache=False)
    made = own(bench, result)
    assert len(made) == 2
    assert all(kept.records for kept in made)
    assert [kept.size_bytes >= 300000 for kept in made] == [True, False]
    now_s = made[-1].made_s
    assert choose(made, now_s=now_s, older_than_s=3600, keep_bytes=None) == []
    chosen = choose(made, now_s=now_s, older_than_s=None, keep_bytes=10_000)
    assert chosen == made[:1]
    remove(bench.client, made)
    assert not {kept.reference for kept in made} & set(bench.client.references(CACHE_REPOSITORY))
    gone = {record for kept in made for record in kept.records}
    assert not gone & set(bench.client.references(RECORD_REPOSITORY))
    assert bench.client.image(result.id) is not None, "an image that was built stays"


def test_the_command(
    docker28: Bench, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    for name, value in docker28.handle.env.items():
        monkeypatch.setenv(name, value)
    result = docker28.build(f"FROM busybox\nRUN echo {secrets.token_hex(8)} > /x", no_cache=False)
    assert main(["cache", "ls", "--format", "json"]) == 0
    listed: list[dict[str, Any]] = json.loads(capsys.readouterr().out)
    [kept] = own(docker28, result)
    assert kept.reference in {entry["reference"] for entry in listed}
    assert main(["cache", "prune", "--older-than", "52w"]) == 0
    assert capsys.readouterr().out == "0 results removed, 0 B\n"
    assert main(["cache", "ls"]) == 0
    assert "result" in capsys.readouterr().out.splitlines()[-1]
