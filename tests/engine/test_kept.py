"""`incubator cache` on real engines."""

from __future__ import annotations

import json
import re
import secrets
import time
from typing import TYPE_CHECKING, Any

from incubator.cli import main
from incubator.core.caching import CACHE_REPOSITORY
from incubator.core.constants import LABEL_BUILD
from incubator.core.kept import choose, kept_results, leftovers, remove
from incubator.core.records import RECORD_REPOSITORY
from incubator.events import BuildStarted, StepFinished

if TYPE_CHECKING:
    from collections.abc import Sequence

    import pytest

    from incubator.core.engine import HeldImage
    from incubator.core.kept import KeptResult, Pruned
    from incubator.core.result import ResultImage
    from tests.engine.conftest import Bench

SIZE = 300_000
"""Bytes of the larger layers, which engines count in blocks of their own."""


def own(bench: Bench, result: ResultImage) -> list[KeptResult]:
    """What is kept of one build, oldest first; other tests may use the engine at the same time."""
    made = {layer.diff_id for layer in result.layers if not layer.base}
    held = [image for image in images_of(bench) if made & set(image.layers)]
    return [
        kept for kept in kept_results(bench.client, held) if kept.reference.startswith(f"{CACHE_REPOSITORY}:")
    ]


def chain(mark: str) -> str:
    """Two larger layers and a small one, each on the one before."""
    fill = f"head -c {SIZE} /dev/urandom"
    return f"FROM busybox\nRUN {fill} > /{mark}\nRUN {fill} > /{mark}.2\nCOPY app /app\n"


_KNOWN: dict[str, list[HeldImage]] = {}
"""What engines have told of their images, which tests leave there by the hundred."""


def images_of(bench: Bench) -> list[HeldImage]:
    known = _KNOWN[bench.handle.host] = bench.client.held_images(_KNOWN.get(bench.handle.host, ()))
    return known


def take(bench: Bench, chosen: Sequence[KeptResult], nameless: Sequence[HeldImage] = ()) -> Pruned:
    return remove(bench.client, chosen, nameless, held=images_of(bench))


def labelled(bench: Bench) -> list[HeldImage]:
    """All images with the labels of this bench's builds, named or not."""
    builds = {event.build_id for event in bench.events if isinstance(event, BuildStarted)}
    return [image for image in images_of(bench) if image.labels.get(LABEL_BUILD) in builds]


def test_results_are_listed_and_go_with_what_tells_of_them(bench: Bench) -> None:
    mark = secrets.token_hex(8)
    text = f"FROM busybox\nRUN head -c {SIZE} /dev/zero > /{mark}\nCOPY app /app\n"
    result = bench.build(text, {"app": mark}, no_cache=False)
    made = own(bench, result)
    assert len(made) == 2
    assert all(kept.records for kept in made)
    assert [kept.size_bytes >= SIZE for kept in made] == [True, False]
    assert [kept.instruction for kept in made] == [f"RUN head -c {SIZE} /dev/zero > /{mark}", "COPY app /app"]
    now_s = time.time()
    assert choose(made, now_s=now_s, older_than_s=3600, keep_bytes=None) == []
    assert choose(made, now_s=now_s, older_than_s=None, keep_bytes=10_000) == made[::-1]
    pruned = take(bench, made[::-1])
    assert [kept for kept, _ in pruned.results] == made
    assert sum(freed for _, freed in pruned.results) == 0, "the image still has the layers"
    assert not {kept.reference for kept in made} & set(bench.client.references(CACHE_REPOSITORY))
    gone = {record for kept in made for record in kept.records}
    assert not gone & set(bench.client.references(RECORD_REPOSITORY))
    assert bench.client.image(result.id) is not None, "an image that was built stays"


def test_what_is_kept_within_a_limit_can_be_used(bench: Bench) -> None:
    mark = secrets.token_hex(8)
    files = {"app": mark}
    result = bench.build(chain(mark), files, no_cache=False)
    made = own(bench, result)
    bench.client.remove_image(result.id)
    chosen = choose(made, now_s=time.time(), older_than_s=None, keep_bytes=SIZE * 3 // 2)
    assert chosen == made[:0:-1], "the COPY, and the RUN below it"
    freed = [freed for _, freed in take(bench, chosen).results]
    assert freed[0] >= SIZE > freed[1], "the RUN, and the COPY"
    bench.events.clear()
    again = bench.build(chain(mark), files, no_cache=False)
    cached = [event.cached for event in bench.events if isinstance(event, StepFinished)]
    assert cached == [True, False, False]
    bench.client.remove_image(again.id)
    assert sum(freed for _, freed in take(bench, own(bench, again)[::-1]).results) >= 2 * SIZE


def test_nothing_is_left_of_what_was_taken_away_in_part(bench: Bench) -> None:
    mark = secrets.token_hex(8)
    result = bench.build(chain(mark), {"app": mark}, no_cache=False)
    bench.client.remove_image(result.id)
    made = own(bench, result)
    assert {kept.image for kept in made} <= {image.id for image in labelled(bench)}
    # Somebody else takes the name of what others stand on away.
    for reference in (*made[0].records, made[0].reference):
        bench.client.remove_image(reference)
    take(bench, made[:0:-1])
    take(bench, (), leftovers(labelled(bench), building=(), before_s=time.time() + 1))
    assert labelled(bench) == []


def test_results_that_were_made_anew_go_too(bench: Bench) -> None:
    mark = secrets.token_hex(8)
    files = {"app": mark}
    first = bench.build(chain(mark), files, no_cache=True)
    earlier = {kept.image for kept in own(bench, first)}
    second = bench.build(chain(mark), files, no_cache=True)
    made = own(bench, second)
    assert earlier.isdisjoint({kept.image for kept in made})
    for result in (first, second):
        bench.client.remove_image(result.id)
    assert len(made) == 3
    assert all(kept.records for kept in made), "what is told of a place is told of its latest result"
    later_s = time.time() + 1
    old = [image for image in labelled(bench) if image.id in earlier]
    builds = {image.labels[LABEL_BUILD] for image in old}
    nameless = leftovers(old, building=(), before_s=later_s)
    assert nameless == sorted(old, key=lambda image: (len(image.layers), image.made_s), reverse=True)
    assert leftovers(old, building=(), before_s=later_s - 3600) == [], "a build may be about to name it"
    assert leftovers(old, building=builds, before_s=later_s) == []
    pruned = take(bench, (), nameless)
    assert pruned.leftovers == len(nameless)
    assert {image.id for image in labelled(bench)} == {kept.image for kept in made}, "what has a name stays"
    take(bench, made[::-1])
    assert labelled(bench) == []


def test_the_image_that_is_built_uses_what_it_stands_on(docker28: Bench) -> None:
    mark = secrets.token_hex(8)
    tag = f"incubator-kept-{mark}:1"
    docker28.build(chain(mark), {"app": mark}, no_cache=False, tag=tag)
    time.sleep(1.1)
    again = docker28.build(chain(mark), no_cache=False, tag=tag)
    made = own(docker28, again)
    assert {round(kept.used_s - kept.made_s) >= 1 for kept in made} == {True}
    docker28.client.remove_image(tag)


def test_a_pretended_time_is_not_that_of_the_last_use(docker28: Bench) -> None:
    begin_s = int(time.time())
    result = docker28.build(
        "FROM busybox\nCOPY app /app\n",
        {"app": secrets.token_hex(8)},
        no_cache=False,
        source_date_epoch=1_000_000_000,
    )
    [kept] = own(docker28, result)
    assert kept.used_s >= begin_s


def test_the_command(
    docker28: Bench, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    for name, value in docker28.handle.env.items():
        monkeypatch.setenv(name, value)
    mark = secrets.token_hex(8)
    result = docker28.build(f"FROM busybox\nRUN echo {mark} > /x", no_cache=False)
    assert main(["cache", "ls", "--format", "json"]) == 0
    listed: list[dict[str, Any]] = json.loads(capsys.readouterr().out)
    [kept] = own(docker28, result)
    [row] = [entry for entry in listed if entry["reference"] == kept.reference]
    assert row["instruction"] == f"RUN echo {mark} > /x"
    assert row["made"] <= row["used"] <= time.time()
    assert main(["cache", "prune", "--older-than", "52w"]) == 0
    assert re.search(r"^\d+ results? removed, \d\S* [kMG]?B freed", capsys.readouterr().out, re.MULTILINE)
    assert main(["cache", "ls"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert any(line.endswith(f"RUN echo {mark} > /x") for line in lines)
    assert "result" in lines[-1]
