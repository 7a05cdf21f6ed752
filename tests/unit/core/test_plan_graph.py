"""What of a plan has to wait for what."""

from __future__ import annotations

from typing import Any

from incubator.core.plan.graph import dependencies
from tests.unit.core.planning import plan


def graph(text: str, **options: Any) -> dict[str, set[str]]:
    """Units as `stage.position`, and the names of those they need."""
    return {
        f"{unit.stage}.{unit.position}": {f"{need.stage}.{need.position}" for need in needs}
        for unit, needs in dependencies(plan(text, **options)).items()
    }


def test_groups_of_a_stage_follow_each_other() -> None:
    assert graph("FROM busybox\nRUN one\nRUN two\n") == {"0.0": set(), "0.1": {"0.0"}, "0.2": {"0.1"}}


def test_a_stage_without_steps_is_its_end() -> None:
    assert graph("FROM busybox\n") == {"0.0": set()}


def test_a_copy_waits_for_the_whole_stage_and_what_is_above_it_does_not() -> None:
    text = "FROM busybox AS a\nRUN one\nFROM busybox\nRUN two\nCOPY --from=a /x /x\n"
    assert graph(text) == {
        "0.0": set(), "0.1": {"0.0"},
        "1.0": set(), "1.1": {"1.0", "0.1"}, "1.2": {"1.1"},
    }  # fmt: skip
    assert graph(text, layers=(0,)) == {"0.0": set(), "0.1": {"0.0"}, "1.0": {"0.1"}, "1.1": {"1.0"}}


def test_a_stage_on_top_of_another_waits_for_its_end() -> None:
    assert graph("FROM busybox AS a\nRUN one\nFROM a\nRUN two\n") == {
        "0.0": set(), "0.1": {"0.0"}, "1.0": {"0.1"}, "1.1": {"1.0"}
    }  # fmt: skip


def test_stages_that_nobody_needs_are_in_no_plan() -> None:
    text = "FROM busybox AS a\nRUN one\nFROM busybox AS b\nRUN two\nFROM busybox\nCOPY --from=b /x /x\n"
    assert {unit.partition(".")[0] for unit in graph(text)} == {"1", "2"}
