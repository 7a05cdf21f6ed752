from __future__ import annotations

import re

from hypothesis import given
from hypothesis import strategies as st

from incubator.ci.text import LONGEST_LINE, LineCutter, plain_line, safe_line

CONTROLS = re.compile(r"[\x00-\x08\x0a-\x1f\x7f-\x9f\u2028\u2029]")
COLOURS = re.compile(r"\x1b\[[0-9;]*m")


def lines_of(*chunks: bytes) -> list[str]:
    cutter = LineCutter()
    return [line for chunk in chunks for line in cutter.feed(chunk)] + list(cutter.end())


def test_cuts_at_newlines_and_carriage_returns() -> None:
    assert lines_of(b"a\nb\r\nc\rd") == ["a", "b", "c", "d"]
    assert lines_of(b"a\r", b"\nb") == ["a", "b"]
    assert lines_of(b"a\n\nb\n") == ["a", "", "b"]
    assert lines_of() == []


def test_joins_characters_that_come_in_pieces() -> None:
    assert lines_of(b"caf\xc3", b"\xa9\n") == ["café"]
    assert lines_of(b"\xff\xfe\n") == ["\ufffd\ufffd"]


def test_colours_stay_and_end_with_the_line() -> None:
    assert lines_of(b"\x1b[1;31mred\n") == ["\x1b[1;31mred\x1b[0m"]
    assert plain_line("\x1b[1;31mred\x1b[0m\t!") == "red\t!"


def test_nothing_of_a_section_mark_is_left() -> None:
    mark = b"\x1b[0Ksection_start:1560896352:evil[collapsed=true]\r\x1b[0KHeader\n"
    assert lines_of(mark) == ["section_start:1560896352:evil[collapsed=true]", "Header"]


def test_marks_do_not_arise_from_what_is_taken_away() -> None:
    assert plain_line("\x1b\x1b[0K[0Ksection_end:1:a") == "[0Ksection_end:1:a"
    assert plain_line("\x1b]0;title\x07text") == "text"


def test_long_lines_are_cut_and_nothing_is_kept_back() -> None:
    cutter = LineCutter()
    found = list(cutter.feed(b"x" * (3 * LONGEST_LINE + 5)))
    assert [len(line) for line in found] == [LONGEST_LINE] * 3
    assert list(cutter.end()) == ["xxxxx"]
    assert [len(line) for line in lines_of(b"y" * (LONGEST_LINE + 1) + b"\n")] == [LONGEST_LINE, 1]


@given(st.text(st.sampled_from("\x1b[]0;1Km\\\r\n\x07\x9b\u2028a:#é\t")))
def test_safe_lines_hold_no_control_characters_but_colours(text: str) -> None:
    for line in [*lines_of(text.encode()), safe_line(text)]:
        assert not CONTROLS.search(COLOURS.sub("", line))
        assert not CONTROLS.search(plain_line(line))


@given(st.binary(max_size=200), st.integers(0, 200))
def test_chunks_make_no_difference(data: bytes, cut: int) -> None:
    # A carriage return at a chunk's end waits for what follows, so the lines are the same.
    assert lines_of(data[:cut], data[cut:]) == lines_of(data)
