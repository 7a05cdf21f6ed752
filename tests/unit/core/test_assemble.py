"""History entries of groups, and the final image config."""

from __future__ import annotations

import re
from datetime import UTC, datetime

import pytest

from incubator.core.assemble import Clock, as_told, assemble, group_history
from incubator.core.constants import EMPTY_LAYER
from incubator.oci.image_config import digest_of
from tests.unit.core.planning import AMD64, plan

TEXT = "FROM busybox\nMAINTAINER me\nENV A=1\nRUN a\nLABEL b=c\nRUN d\nCMD e\n"
CLOCK = Clock(0)


def test_a_clock_may_stand_still() -> None:
    assert Clock(0).now() == "1970-01-01T00:00:00.000000Z"
    assert Clock(1700000000).now() == "2023-11-14T22:13:20.000000Z"


def test_a_clock_without_an_epoch_goes() -> None:
    before = datetime.now(UTC)
    text = Clock().now()
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}Z", text)
    assert before <= datetime.fromisoformat(text) <= datetime.now(UTC)


@pytest.mark.parametrize(
    ("made", "told"),
    [("12:00:00.120000Z", "12:00:00.12Z"), ("12:00:00.000000Z", "12:00:00Z"), ("12:00:00.123456Z",) * 2],
)
def test_times_are_those_that_the_engine_will_tell(made: str, told: str) -> None:
    assert as_told(f"2025-01-01T{made}") == f"2025-01-01T{told}"


def test_the_last_step_that_changes_files_made_the_layer() -> None:
    [group] = plan(TEXT, layers=(0,)).target.groups
    entries = group_history(group, made_layer=True, created=CLOCK.now())
    assert [(entry.created_by, entry.empty_layer) for entry in entries] == [
        ("MAINTAINER me", True), ("ENV A=1", True), ("RUN /bin/sh -c a", True), ("LABEL b=c", True),
        ("RUN /bin/sh -c d", False), ('CMD ["/bin/sh" "-c" "e"]', True),
    ]  # fmt: skip
    assert {(entry.created, entry.comment) for entry in entries} == {
        ("1970-01-01T00:00:00.000000Z", "incubator")
    }


def test_a_group_whose_steps_changed_nothing_has_only_empty_entries() -> None:
    [group] = plan(TEXT, layers=(0,)).target.groups
    assert all(entry.empty_layer for entry in group_history(group, made_layer=False, created=CLOCK.now()))


def test_one_entry_an_instruction_whatever_the_splits() -> None:
    texts = []
    for splits in ((), (0,), (3, 4), "auto"):
        groups = plan(TEXT, layers=splits).target.groups
        texts.append(
            [e.created_by for g in groups for e in group_history(g, made_layer=True, created=CLOCK.now())]
        )
    assert texts.count(texts[0]) == len(texts)
    assert len(texts[0]) == 6


@pytest.mark.parametrize("epoch", [0, 1700000000])
def test_the_config_is_the_plans(epoch: int) -> None:
    target = plan(TEXT).target
    history = [
        e
        for g in target.groups
        for e in group_history(g, made_layer=g.changes_files, created=Clock(epoch).now())
    ]
    ids = [f"sha256:{n * 64}" for n in "12"]
    made = assemble(target, diff_ids=ids, history=history, platform=AMD64, created=Clock(epoch).now())
    assert made.config == target.config
    assert made.author == "me"
    assert (made.platform, made.diff_ids, made.history) == (AMD64, tuple(ids), tuple(history))
    assert made.created == Clock(epoch).now()
    assert sum(not entry.empty_layer for entry in made.history) == len(made.diff_ids)
    again = assemble(target, diff_ids=ids, history=history, platform=AMD64, created=Clock(epoch).now())
    assert digest_of(again.to_json_bytes()) == digest_of(made.to_json_bytes())


def test_the_empty_layer_is_a_tar_without_entries() -> None:
    assert digest_of(b"\0" * 1024) == EMPTY_LAYER
