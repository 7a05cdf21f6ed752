"""Stages at the same time: they really are, failures and signals end all, and the image is the same."""

from __future__ import annotations

import signal
import time
from typing import TYPE_CHECKING

import pytest

from incubator.errors import StepFailed, TimedOut
from incubator.events import BuildFailed, LayerCommitted, StepFinished, StepOutput, StepStarted
from tests.engine.conftest import owned_by
from tests.engine.test_cleanup import spawn

if TYPE_CHECKING:
    from pathlib import Path

    from incubator.events import Event
    from tests.engine.conftest import Bench

MEET = "touch /meet/{me}; n=0; until [ $(ls /meet | wc -l) -ge {all} ]; do n=$((n+1)); [ $n -lt 600 ]; sleep 0.1; done"
"""A step that ends well only if all the others of its kind run at the same time."""


def stages(count: int) -> str:
    made = "".join(
        f"FROM busybox AS s{number}\nRUN set -e; {MEET.format(me=number, all=count)}; echo {number} > /{number}\n"
        for number in range(count)
    )
    copies = "".join(f"COPY --from=s{number} /{number} /\n" for number in range(count))
    return f"{made}FROM busybox\n{copies}RUN cat /[0-9] > /all\n"


def names(events: list[Event], kind: type) -> list[str]:
    return [event.step.stage for event in events if isinstance(event, kind)]  # type: ignore[attr-defined]


def test_stages_run_at_the_same_time(bench: Bench, tmp_path: Path) -> None:
    meet = tmp_path / "meet"
    meet.mkdir()
    result = bench.build(stages(4), volumes=[f"{meet}:/meet"])
    assert bench.run(result.id, "cat", "/all") == "0\n1\n2\n3\n"
    told = [event for event in bench.events if isinstance(event, StepStarted | StepFinished)]
    assert {event.step.stage for event in told[:4]} == {"s0", "s1", "s2", "s3"}
    assert all(isinstance(event, StepStarted) for event in told[:4])
    assert [log.command.partition(";")[0] for log in result.logs] == ["RUN set -e"] * 4 + [
        "RUN cat /[0-9] > /all"
    ]


def test_what_a_stage_does_before_it_copies_waits_for_nobody(docker28: Bench, tmp_path: Path) -> None:
    meet = tmp_path / "meet"
    meet.mkdir()
    first, second = (f"RUN set -e; {MEET.format(me=number, all=2)}" for number in range(2))
    dockerfile = f"FROM busybox AS one\n{first}; echo x > /x\nFROM busybox\n{second}\nCOPY --from=one /x /x\n"
    docker28.build(dockerfile, volumes=[f"{meet}:/meet"])


def test_one_after_the_other_if_wished(docker28: Bench) -> None:
    dockerfile = (
        "FROM busybox AS one\nRUN echo 1 > /1\nFROM busybox AS two\nRUN echo 2 > /2\n"
        "FROM busybox\nCOPY --from=one /1 /\nCOPY --from=two /2 /\n"
    )
    docker28.build(dockerfile, max_parallelism=1)
    told = [event for event in docker28.events if isinstance(event, StepStarted | StepFinished)]
    assert [type(event) for event in told] == [StepStarted, StepFinished] * 4


def test_the_same_group_in_two_stages_is_made_once(docker28: Bench) -> None:
    same = "RUN head -c 16 /dev/urandom > /random; sleep 0.5\n"
    dockerfile = (
        f"FROM busybox AS one\n{same}FROM busybox AS two\n{same}RUN true\n"
        "FROM busybox\nCOPY --from=one /random /1\nCOPY --from=two /random /2\nRUN cmp /1 /2\n"
    )
    docker28.write({"salt": docker28.handle.name})
    docker28.build(dockerfile.replace("sleep", f"sleep 0.{time.time_ns()}; sleep"), no_cache=False)
    cached = [event.cached for event in docker28.events if isinstance(event, LayerCommitted)]
    assert cached.count(True) == 1


def test_the_first_failure_ends_all(bench: Bench, tmp_path: Path) -> None:
    meet = tmp_path / "meet"
    meet.mkdir()
    bad, slow = (MEET.format(me=number, all=3) for number in range(2))
    dockerfile = (
        f"FROM busybox AS bad\nRUN {bad}; echo broken; exit 7\n"
        f"FROM busybox AS slow\nRUN {slow}; sleep 300\n"
        f"FROM busybox AS too\nRUN {MEET.format(me=2, all=3)}; sleep 300\n"
        "FROM busybox\nCOPY --from=bad /x /\nCOPY --from=slow /x /\nCOPY --from=too /x /\n"
    )
    with pytest.raises(StepFailed) as raised:
        bench.build(dockerfile, volumes=[f"{meet}:/meet"])
    assert raised.value.exit_status == 7
    assert raised.value.span
    assert raised.value.span.first_line == 2
    assert bench.leftovers() == []
    assert names(bench.events, StepFinished) == []
    assert isinstance(bench.events[-1], BuildFailed)
    assert bench.events[-1].step
    assert bench.events[-1].step.stage == "bad"


def test_a_build_that_takes_too_long_ends(bench: Bench) -> None:
    with pytest.raises(TimedOut, match="timeout of 3 s"):
        bench.build("FROM busybox\nRUN echo started; sleep 300\n", timeout="3s")
    assert any(isinstance(event, StepOutput) for event in bench.events)
    assert bench.leftovers() == []


def test_a_signal_ends_all_stages(bench: Bench) -> None:
    slow = "".join(f"FROM busybox AS s{number}\nRUN sleep 300\n" for number in range(2))
    last = "FROM busybox\nRUN sleep 2; echo started; sleep 300\nCOPY --from=s0 /x /\nCOPY --from=s1 /x /\n"
    process = spawn(bench, slow + last)
    assert len(owned_by(bench, process.pid)) >= 3  # one a stage, and those that are only asked
    process.send_signal(signal.SIGTERM)
    begin = time.monotonic()
    process.communicate(timeout=60)
    assert time.monotonic() - begin < (25 if bench.handle.name == "podman" else 5)
    assert process.returncode == 128 + signal.SIGTERM
    assert owned_by(bench, process.pid) == []
