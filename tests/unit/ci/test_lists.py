from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from incubator.ci.lists import ListStyle, parse_list, write_list
from incubator.errors import InputError

# What docker/actions-toolkit's `getInputList` makes of these texts, `ignoreComma` being the style `lines`.
CASES: list[tuple[ListStyle, str, tuple[str, ...]]] = [
    ("csv", "foo\nbar", ("foo", "bar")),
    ("csv", "foo,bar", ("foo", "bar")),
    ("csv", "foo,bar\nbaz", ("foo", "bar", "baz")),
    ("csv", "foo\n\n\nbar,,", ("foo", "bar")),
    ("csv", '"foo,bar"', ("foo", "bar")),
    ("csv", '"foo,bar",baz', ("foo,bar", "baz")),
    ("csv", "  foo , bar  \r\n baz\r\n", ("foo", "bar", "baz")),
    ("lines", "KEY=a,b\nOTHER=c", ("KEY=a,b", "OTHER=c")),
    ("lines", 'A=1\n"B=first\nsecond"\nC=3', ("A=1", "B=first\nsecond", "C=3")),
    ("lines", '"key=with ""quotes"" inside"', ('key=with "quotes" inside',)),
    ("lines", 'key=say "hi"', ('key=say "hi"',)),
    ("lines", '"odd"tail\nnext', ('"odd"tail', "next")),
    ("lines", 'a,"b"', ("a,b",)),
    (
        "lines",
        "# kept: lists of build inputs have no comments",
        ("# kept: lists of build inputs have no comments",),
    ),
    ("lines", "  \n \t \n", ()),
    ("lines", '""', ()),
    # Without quotes: each line is CSV for somebody else.
    (
        "quoted",
        '\n "type=local","dest=a,b"\r\n\n type=tar,dest=x ',
        ('"type=local","dest=a,b"', "type=tar,dest=x"),
    ),
]


@pytest.mark.parametrize(("style", "text", "expected"), CASES)
def test_reads_lists_as_the_model_does(style: ListStyle, text: str, expected: tuple[str, ...]) -> None:
    assert parse_list(text, style) == expected


def test_an_open_quote_is_an_error_with_its_line() -> None:
    with pytest.raises(InputError, match="line 2"):
        parse_list('A=1\n"B=2\nC=3', "lines")


entries = st.lists(
    st.text(st.characters(exclude_characters="\r", exclude_categories=["Cs"]), min_size=1).filter(
        lambda text: text == text.strip() and text.strip()
    ),
    max_size=5,
)


@given(entries)
@settings(max_examples=80)
def test_what_is_written_is_read_back(values: list[str]) -> None:
    assert list(parse_list(write_list(values), "lines")) == values


@given(st.text(max_size=60), st.sampled_from(["lines", "csv"]))
def test_no_text_crashes_the_reader(text: str, style: ListStyle) -> None:
    try:
        found = parse_list(text, style)
    except InputError:
        return
    assert all(entry and entry == entry.strip() for entry in found)
