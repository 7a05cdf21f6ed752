"""What a step prints: kept in bounds, passed on within a limit."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from incubator.core import step_log
from incubator.core.engine import StreamName
from incubator.core.step_log import Log, Logs, OutputLimit


class Shown:
    """What comes out, and a clock that is turned by hand."""

    def __init__(self) -> None:
        self.parts: list[tuple[str, bytes, int]] = []
        self.now = 0.0
        self.limit = OutputLimit(
            lambda stream, data, skipped: self.parts.append((stream, data, skipped)), clock=lambda: self.now
        )

    @property
    def counted(self) -> int:
        return sum(len(data) + skipped for _, data, skipped in self.parts)


@pytest.fixture(autouse=True)
def small(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(step_log, "SHOWN_BYTES", 100)
    monkeypatch.setattr(step_log, "SAMPLE_BYTES", 20)


def test_little_output_passes_as_it_is() -> None:
    shown = Shown()
    shown.limit.add("stdout", b"a" * 60)
    shown.limit.add("stderr", b"b" * 40)
    shown.limit.flush()
    assert shown.parts == [("stdout", b"a" * 60, 0), ("stderr", b"b" * 40, 0)]


def test_a_flood_ends_with_its_last_lines() -> None:
    shown = Shown()
    for number in range(100):
        shown.limit.add("stdout", f"line {number:04}\n".encode())
    shown.limit.flush()
    *first, (stream, data, skipped) = shown.parts[:-1]
    assert b"".join(data for _, data, _ in first) == b"".join(b"line %04d\n" % n for n in range(10))
    assert (stream, data, skipped) == ("stdout", b"line 0098\n", 880)
    assert shown.parts[-1] == ("stdout", b"line 0099\n", 0)
    assert shown.counted == 1000


def test_a_flood_that_goes_on_shows_a_sample_now_and_then() -> None:
    shown = Shown()
    shown.limit.add("stdout", b"x" * 150)
    assert len(shown.parts) == 1
    shown.now = 6
    shown.limit.add("stdout", b"\nlatest\n")
    assert shown.parts[1:] == [("stdout", b"latest\n", 51)]
    shown.now = 7
    shown.limit.add("stdout", b"more\n")
    assert len(shown.parts) == 2
    shown.limit.flush()
    assert shown.parts[2:] == [("stdout", b"more\n", 0)]


@settings(max_examples=100)
@given(st.lists(st.tuples(st.sampled_from(["stdout", "stderr"]), st.binary(max_size=70), st.integers(0, 3))))
def test_no_byte_is_unaccounted_for(parts: list[tuple[StreamName, bytes, int]]) -> None:
    shown = Shown()
    for stream, data, seconds in parts:
        shown.now += seconds
        if data:
            shown.limit.add(stream, data)
    shown.limit.flush()
    assert shown.counted == sum(len(data) for _, data, _ in parts)


def test_the_log_keeps_the_end(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(step_log, "KEPT_BYTES", 10)
    log = Log()
    for number in range(50):
        log.add(b"%04d\n" % number)
        assert len(log.data) <= 20
    assert log.text == "0048\n0049\n"
    assert log.tail[-2:] == ["0048", "0049"]


def test_all_logs_together_stay_in_bounds_and_keep_their_ends(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(step_log, "KEPT_BYTES", 100)
    monkeypatch.setattr(step_log, "ALL_KEPT_BYTES", 1000)
    logs = Logs()
    small = logs.begin("RUN small")
    logs.add(small, b"few words")
    made = [logs.begin(f"RUN {number}") for number in range(50)]
    for number, log in enumerate(made):
        for line in range(40):
            logs.add(log, b"%02d %02d\n" % (number, line))
            assert sum(len(log.data) for log in (small, *made)) <= 1000
    assert small.text == "few words", "the longest lose first"
    assert sum(len(log.data) for log in made) > 500
    for number, log in enumerate(made):
        assert (b"%02d 39\n" % number).endswith(bytes(log.data[-6:]))
    assert made[-1].text.endswith("49 39\n")
    assert made[-1].command == "RUN 49"
