import re

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from incubator.console.text import LONGEST_LINE, LineBuffer, clean_text, fit, text_width


def lines(*chunks: bytes) -> list[str]:
    buffer = LineBuffer()
    return [line for chunk in chunks for line in buffer.feed(chunk)] + list(buffer.end())


@pytest.mark.parametrize(
    ("chunks", "expected"),
    [
        ([b"a\nb\n"], ["a", "b"]),
        ([b"a", b"b", b"\nc"], ["ab", "c"]),
        ([b"\n\na\n"], ["", "", "a"]),
        ([b"a\r\nb\r\n"], ["a", "b"]),
        ([b"a\r", b"\nb"], ["a", "b"]),
        ([b" 0%\r 50%\r100%\n"], ["100%"]),
        ([b" 0%\r", b" 50%\r", b"100%", b"\nnext"], ["100%", "next"]),
        ([b"50%\r"], ["50%"]),
        ([b"12\b\b34\n", b"\b\bx\n"], ["34", "x"]),
        ([b"\tx y\n"], ["\tx y"]),
        (["ü\n".encode()[:1], "ü\n".encode()[1:]], ["ü"]),
        ([b"\xff\xfe\n"], ["��"]),
        ([b"\x1b[31mred\x1b[0m\n"], ["red"]),
        ([b"\x1b", b"[3", b"1mred\n"], ["red"]),
        ([b"\x1b]0;title\x07text\n"], ["text"]),
        ([b"\x1b]0;ti", b"tle\x1b\\text\n"], ["text"]),
        ([b"\x1b]8;;http://x\x1b\\link\x1b]8;;\x1b\\\n"], ["link"]),
        ([b"\x1b[2K\x1b[1A\x1b[?25lx\n"], ["x"]),
        ([b"\xc2\x9b31mx\n"], ["x"]),
        ([b"\x1bcx\x1b(By\x1b7\n"], ["xy"]),
        ([b"bell\x07 nul\x00 del\x7f\n"], ["bell nul del"]),
        (["a\u202eb\u2066c\u2028d\ufeff\n".encode()], ["abcd"]),
        ([b"\x1b[31"], []),
        ([b"x\x1b"], ["x"]),
    ],
)
def test_lines(chunks: list[bytes], expected: list[str]) -> None:
    assert lines(*chunks) == expected


def test_pip_and_apt_bars_end_as_one_line() -> None:
    pip = b"\r\x1b[2K     \x1b[91m----\x1b[0m \x1b[32m1.0/2.0 MB\x1b[0m\r\x1b[2K     ---- 2.0/2.0 MB\n"
    assert lines(pip) == ["     ---- 2.0/2.0 MB"]
    apt = b"Reading package lists... 0%\rReading package lists... 100%\rReading package lists... Done\n"
    assert lines(apt) == ["Reading package lists... Done"]


def test_partial_lines_can_be_seen() -> None:
    buffer = LineBuffer()
    assert list(buffer.feed(b"Continue? ")) == []
    assert (buffer.partial, buffer.redrawn) == ("Continue? ", False)
    assert list(buffer.feed(b"\r50%")) == []
    assert (buffer.partial, buffer.redrawn) == ("50%", True)
    assert list(buffer.feed(b"\n")) == ["50%"]
    assert (buffer.partial, buffer.redrawn) == ("", False)


def test_memory_stays_flat() -> None:
    buffer = LineBuffer()
    got = []
    for _ in range(100):
        got += list(buffer.feed(b"x" * 10_000))
        assert len(buffer.partial) <= LONGEST_LINE
    for _ in range(100):
        got += list(buffer.feed(b"\x1b]0;" + b"x" * 10_000))
        assert len(buffer._held) <= 300
    assert max(map(len, got)) == LONGEST_LINE


_UNSAFE = re.compile("[\x00-\x08\x0a-\x1f\x7f-\x9f\u2028\u2029\u202a-\u202e\u2066-\u2069]")
_HOSTILE = st.lists(
    st.sampled_from(
        [b"\x1b", b"[", b"]", b"\r", b"\n", b"\b", b"\x9b", b"\xc2", b"0;", b"A", b"m", b"\x07", b"\\", b"::a::"]
    )
    | st.binary(max_size=4)
)  # fmt: skip


@settings(max_examples=80)
@given(_HOSTILE)
def test_nothing_unsafe_comes_through(chunks: list[bytes]) -> None:
    for line in lines(*chunks):
        assert not _UNSAFE.search(line)
    assert not _UNSAFE.search(clean_text(b"".join(chunks).decode("utf-8", "replace")))


@settings(max_examples=100)
@given(st.binary(max_size=60), st.integers(0, 60))
def test_where_chunks_are_cut_does_not_matter(data: bytes, cut: int) -> None:
    assert lines(data[:cut], data[cut:]) == lines(data)


def test_clean_text_is_one_line() -> None:
    assert clean_text("RUN a\nb\x1b[31m") == "RUN a b"


@pytest.mark.parametrize(
    ("text", "columns", "fitted"),
    [
        ("hello", 5, "hello"), ("hello world", 8, "hello..."), ("hello world", 4, "hell"), ("x", 0, ""), ("x", -3, ""),
        ("日本語テキスト", 9, "日本語..."), ("a\tb", 10, "a   b"), ("e\u0301" * 5, 5, "e\u0301" * 5),
    ],
)  # fmt: skip
def test_fit(text: str, columns: int, fitted: str) -> None:
    assert fit(text, columns) == fitted
    assert text_width(fitted) <= max(columns, 0)


@settings(max_examples=80)
@given(st.text(max_size=30), st.integers(-2, 40))
def test_what_fits_is_never_wider(text: str, columns: int) -> None:
    assert text_width(fit(clean_text(text), columns)) <= max(columns, 0)
