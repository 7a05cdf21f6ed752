"""Plans of files that are made to exhaust the planner: in time, in memory, in depth."""

from __future__ import annotations

import pytest

from incubator.core.plan.graph import chain_of
from incubator.core.plan.model import CopyStep, StageSource
from incubator.errors import DockerfileError, DockerfileErrors
from tests.hostile import PLANS, Family, plan_it
from tests.speed import is_within, nominal_seconds
from tests.unit.core.planning import config, plan, step

SIZE = 6_000


@pytest.mark.parametrize("family", PLANS.values(), ids=PLANS.keys())
def test_time_grows_with_the_text_up_to_a_bound(family: Family) -> None:
    short, long = family(SIZE), family(4 * SIZE)
    took = nominal_seconds(lambda: plan_it(short))
    assert is_within(max(6 * took, 1), lambda: plan_it(long))


@pytest.mark.parametrize(
    ("head", "line"),
    [
        ("ENV a=aaaaaaaa", "ENV a=$a$a"),
        ("ENV a=" + "a" * 60_000, "ENV b@=$a"),
        ("ARG a=" + "a" * 60_000, "ARG b@=$a"),
        ("ARG a=" + "a" * 60_000, "RUN x"),
        ("ENV a=" + "a/" * 30_000, "WORKDIR $a"),
        ("LABEL a=b", "EXPOSE 1-65535"),
    ],
)
def test_what_is_carried_along_is_limited(head: str, line: str) -> None:
    lines = "\n".join(line.replace("@", str(number)) for number in range(3000))
    with pytest.raises(DockerfileError) as caught:
        plan(f"FROM busybox\n{head}\n{lines}")
    error = caught.value
    assert error.rule in ("expansion", "out-of-proportion")
    assert error.span
    assert error.span.first_line > 5
    assert error.hint


def test_a_file_of_many_variables_labels_and_commands_is_no_fault() -> None:
    lines = [f"ENV A{number}=b\nLABEL l{number}=$A{number}\nRUN x" for number in range(500)]
    assert len(config("FROM busybox\n" + "\n".join(lines)).labels) == 500


@pytest.mark.parametrize("line", ["COPY --from=s{} a b", "RUN --mount=from=s{},target=/a x"])
def test_stages_may_stand_on_each_other_as_deep_as_they_like(line: str) -> None:
    copies = "".join(f"FROM scratch AS s{number + 1}\n{line.format(number)}\n" for number in range(2000))
    made = plan("FROM busybox AS s0\n" + copies)
    assert [stage.index for stage in made.stages] == list(range(2001))
    bases = "".join(f"FROM s{number} AS s{number + 1}\n" for number in range(2000))
    made = plan("FROM busybox AS s0\n" + bases)
    assert chain_of(made, made.target) == frozenset(range(2001))


def test_only_what_is_needed_of_deep_stages_is_planned() -> None:
    lines = "".join(
        f"FROM scratch AS s{number + 1}\nCOPY --from=s{number} a b\nFROM nothing AS unused{number}\n"
        for number in range(100)
    )
    made = plan(f"FROM busybox AS s0\n{lines}FROM scratch\nCOPY --from=s100 a b")
    assert len(made.stages) == 102
    last = made.target.groups[0].steps[0]
    assert isinstance(last, CopyStep)
    assert last.origin == StageSource(index=199)


def test_a_fault_of_a_stage_is_told_once_however_many_need_it() -> None:
    copies = "COPY --from=s a b\n" * 200
    with pytest.raises(DockerfileError) as caught:
        plan(f"FROM $unset AS s\nFROM busybox\n{copies}EXPOSE x")
    assert isinstance(caught.value, DockerfileErrors)
    assert [error.rule for error in caught.value.errors] == ["empty-base", "expose-port"]


def test_of_very_many_faults_the_first_are_told() -> None:
    with pytest.raises(DockerfileErrors) as caught:
        plan("FROM busybox\n" + "EXPOSE x\n" * 1000)
    rules = [error.rule for error in caught.value.errors]
    assert rules == ["expose-port"] * 100 + ["many-faults"]


@pytest.mark.parametrize(
    "line",
    [
        "STOPSIGNAL {}",
        "EXPOSE {}",
        "EXPOSE 1-{}",
        "COPY --from={} a b",
        "RUN --mount=type=cache,target=/a,uid={} x",
        "RUN --mount=type=cache,target=/a,mode={} x",
        "RUN --mount=type=tmpfs,target=/a,size={} x",
    ],
)
def test_numbers_of_very_many_digits_are_faults(line: str) -> None:
    with pytest.raises(DockerfileError):
        plan("FROM busybox\n" + line.format("1" * 5000))


def test_zeros_before_a_number_do_not_count() -> None:
    zeros = "0" * 5000
    assert config(f"FROM busybox\nSTOPSIGNAL {zeros}15").stop_signal == f"{zeros}15"
    run = step(f"FROM busybox\nRUN --mount=type=cache,target=/a,uid={zeros}7,mode={zeros}755 x")
    assert (run.mounts[0].owner, run.mounts[0].mode) == ((7, 0), 0o755)
