"""Units in an order that works, the first failure, the halt of all others."""

from __future__ import annotations

import threading
import time

import pytest

from incubator.core.halt import Halt, Halted
from incubator.core.schedule import Schedule
from incubator.errors import Cancelled, StepFailed, TimedOut


class Work:
    """Executes units by name: notes their order, and lets some wait until they are halted."""

    def __init__(self, *hang: str, fails: str = "") -> None:
        self.removed: list[str] = []
        self.halt = Halt(self._remove)
        self.order: list[str] = []
        self.most = 0
        self._hang = hang
        self._fails = fails
        self._now = 0
        self._lock = threading.Lock()
        self._gone = threading.Event()

    def _remove(self, container: str) -> None:
        self.removed.append(container)
        self._gone.set()

    def __call__(self, unit: str) -> None:
        with self._lock:
            self._now += 1
            self.most = max(self.most, self._now)
        try:
            if unit in self._hang:
                self.halt.watch(f"container of {unit}")
                assert self._gone.wait(20)
                raise StepFailed("it was killed", exit_status=137)
            time.sleep(0.01)
            if unit == self._fails:
                raise StepFailed("the first", exit_status=1)
            self.order.append(unit)
        finally:
            with self._lock:
                self._now -= 1

    def run(self, needs: dict[str, set[str]], parallelism: int = 4, timeout_s: float | None = None) -> None:
        schedule = Schedule(needs, self, parallelism=parallelism, halt=self.halt)
        schedule.run(begin=time.monotonic(), timeout_s=timeout_s)


DIAMOND: dict[str, set[str]] = {"a": set(), "b": {"a"}, "c": {"a"}, "d": {"b", "c"}, "e": set()}


@pytest.mark.parametrize("parallelism", [1, 2, 9])
def test_each_comes_after_what_it_needs(parallelism: int) -> None:
    work = Work()
    work.run(DIAMOND, parallelism)
    assert sorted(work.order) == sorted(DIAMOND)
    assert all(work.order.index(need) < work.order.index(unit) for unit in DIAMOND for need in DIAMOND[unit])
    assert work.most <= parallelism


def test_what_needs_nothing_of_each_other_runs_at_once() -> None:
    meet = threading.Barrier(4, timeout=20)

    def execute(_: int) -> None:
        meet.wait()

    needs: dict[int, set[int]] = {number: set() for number in range(4)}
    Schedule(needs, execute, parallelism=4, halt=Halt(print)).run()


def test_one_at_a_time_keeps_the_order_of_the_plan() -> None:
    work = Work()
    work.run({"c": set(), "a": set(), "b": {"a"}}, 1)
    assert work.order == ["c", "a", "b"]


def test_the_first_failure_ends_the_others_and_is_the_one_reported() -> None:
    work = Work("slow", fails="bad")
    with pytest.raises(StepFailed, match="the first"):
        work.run({"slow": set(), "bad": set(), "later": {"slow"}, "last": {"bad"}})
    assert work.removed == ["container of slow"]
    assert work.order == []
    with pytest.raises(Halted):
        work.halt.watch("container that came too late")


def test_a_deadline_ends_all() -> None:
    work = Work("slow")
    with pytest.raises(TimedOut, match=r"timeout of 0\.1 s"):
        work.run({"slow": set(), "last": {"slow"}}, timeout_s=0.1)
    assert work.removed == ["container of slow"]


def test_what_is_raised_in_the_waiting_thread_ends_all(monkeypatch: pytest.MonkeyPatch) -> None:
    work = Work("slow")
    schedule = Schedule({"slow": set()}, work, parallelism=1, halt=work.halt)
    started = schedule._start_ready

    def cancelled() -> None:
        started()
        while not work.halt._containers:
            time.sleep(0.001)
        raise Cancelled(2)

    monkeypatch.setattr(schedule, "_start_ready", cancelled)
    with pytest.raises(Cancelled):
        schedule.run()
    assert work.removed == ["container of slow"]


def test_a_halt_is_noticed_between_items_and_forgets_what_is_done() -> None:
    removed: list[str] = []
    halt = Halt(removed.append)
    halt.watch("one")
    halt.watch("two")
    halt.forget("one")
    items = halt.guard(range(9))
    assert [next(items), next(items)] == [0, 1]
    halt.request()
    with pytest.raises(Halted):
        next(items)
    assert removed == ["two"]
