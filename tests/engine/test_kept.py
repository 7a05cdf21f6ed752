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

    from tests.engine.conftest import Bench


def test_results_are_listed_and_go_with_what_tells_of_them(bench: Bench) -> None:
    before = {result.reference for result in kept_results(bench.client)}
    records = set(bench.client.references(RECORD_REPOSITORY))
    mark = secrets.token_hex(8)
    text = f"FROM busybox\nRUN head -c 300000 /dev/zero > /{mark}\nCOPY app /app\n"
    result = bench.build(text, {"app": mark}, no_cache=False)
    made = [kept for kept in kept_results(bench.client) if kept.reference not in before]
    assert len(made) == 2
    assert all(kept.records for kept in made)
    assert [kept.size_bytes >= 300000 for kept in made] == [True, False]
    now_s = made[-1].made_s
    assert choose(made, now_s=now_s, older_than_s=3600, keep_bytes=None) == []
    chosen = choose(made, now_s=now_s, older_than_s=None, keep_bytes=10_000)
    assert chosen == made[:1]
    remove(bench.client, made)
    assert not {kept.reference for kept in made} & set(bench.client.references(CACHE_REPOSITORY))
    assert set(bench.client.references(RECORD_REPOSITORY)) <= records
    assert bench.client.image(result.id) is not None, "an image that was built stays"


def test_the_command(
    docker28: Bench, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    for name, value in docker28.handle.env.items():
        monkeypatch.setenv(name, value)
    before = {kept.reference for kept in kept_results(docker28.client)}
    docker28.build(f"FROM busybox\nRUN echo {secrets.token_hex(8)} > /x", no_cache=False)
    assert main(["cache", "ls", "--format", "json"]) == 0
    listed: list[dict[str, Any]] = json.loads(capsys.readouterr().out)
    assert len({entry["reference"] for entry in listed} - before) == 1
    assert main(["cache", "prune", "--older-than", "52w"]) == 0
    assert capsys.readouterr().out == "0 results removed, 0 B\n"
    assert main(["cache", "ls"]) == 0
    assert "result" in capsys.readouterr().out.splitlines()[-1]
