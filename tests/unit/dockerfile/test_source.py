"""Snippets: what is shown of a file below a message."""

from __future__ import annotations

import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from incubator.dockerfile.source import SNIPPET_COLUMNS, Source, Span
from incubator.dockerfile.text import visible


def snippet(text: str, line: int, column: int = 1, last: int | None = None) -> list[str]:
    return Span(Source("Dockerfile", text), line, last or line, column).snippet()


def test_marked_lines_and_their_neighbours() -> None:
    assert snippet("one\ntwo\nthree\nfour\nfive\n", 3, last=4) == [
        "   2 | two",
        ">> 3 | three",
        ">> 4 | four",
        "   5 | five",
    ]
    assert snippet("a\n" * 9 + "b\n", 9) == ["    8 | a", ">>  9 | a", "   10 | b"]
    assert snippet("", 1) == []


def test_an_instruction_of_many_lines_is_cut() -> None:
    shown = snippet("x\n" * 20, 3, last=18)
    assert [line[:2] for line in shown] == ["  ", *[">>"] * 6, "  "]


@pytest.mark.parametrize("column", [1, 40, 41, 42, 150, 260, 299, 300])
def test_of_a_long_line_the_piece_around_the_column_is_shown(column: int) -> None:
    line = "".join(chr(ord("a") + n % 26) for n in range(300))
    before, marked, pointer, after = snippet(f"first\n{line}\n{'z' * 300}\n", 2, column)
    assert before == "   1 | first"
    piece = marked.removeprefix(">> 2 | ")
    assert piece.strip(".") in line
    assert len(piece.strip(".")) == SNIPPET_COLUMNS
    assert (piece.startswith("..."), piece.endswith("...")) == (column > 41, column < 220)
    assert pointer.startswith("     | ")
    assert marked[pointer.index("^")] == line[column - 1]
    assert after == f"   3 | {'z' * SNIPPET_COLUMNS}..."


def test_control_characters_are_shown_as_pictures() -> None:
    assert visible("a\x1b[31mb\x00\x7f\r\n\tc") == "a\u241b[31mb\u2400\u2421\u240d\u240a\tc"
    assert (
        visible("a\u202eb\u200bc\x9bd\ufeffe\udcfff\u2028g") == "a\ufffdb\ufffdc\ufffdd\ufffde\ufffdf\ufffdg"
    )
    assert visible("caf\u00e9 \u6f22\u5b57 \U0001f600") == "caf\u00e9 \u6f22\u5b57 \U0001f600"
    assert snippet("RUN \x1b]0;title\x07\n", 1) == [">> 1 | RUN \u241b]0;title\u2407"]


@given(st.text(max_size=300), st.integers(1, 300))
def test_any_snippet_is_safe_to_show(text: str, column: int) -> None:
    assert len(visible(text)) == len(text)
    for line in snippet(text or "x", 1, column):
        assert len(line) < SNIPPET_COLUMNS + 20
        assert not [char for char in line if char != "\t" and unicodedata.category(char) in {"Cc", "Cs"}]


@given(st.text(alphabet="ab\n", min_size=1, max_size=40), st.integers(1, 20), st.integers(1, 45))
def test_the_beginning_of_a_span_is_that_of_its_text(text: str, first: int, most: int) -> None:
    source = Source("Dockerfile", text)
    for last in range(first, len(source.lines) + 1):
        span = Span(source, first, last)
        assert span.beginning(most) == span.text[:most]
