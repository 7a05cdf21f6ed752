"""Word expansion: tables in tests/data/dockerfile, and what is told beside the text."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from incubator.dockerfile.expand import (
    MAX_BROUGHT,
    Budget,
    Expansion,
    expand,
    expand_raw,
    expand_word,
    expand_words,
)
from incubator.dockerfile.source import Source, Span
from incubator.errors import DockerfileError, ExpandError
from tests.speed import is_within

DATA = Path(__file__).parents[2] / "data" / "dockerfile"


def table(name: str) -> list[tuple[str, Any, dict[str, str]]]:
    content = json.loads((DATA / name).read_text(encoding="utf-8"))
    return [(word, expected, content["env"]) for word, expected in content["cases"]]


@pytest.mark.parametrize(("word", "expected", "env"), table("words.json"))
def test_word(word: str, expected: str | None, env: dict[str, str]) -> None:
    if expected is None:
        with pytest.raises(ExpandError):
            expand_word(word, env)
    else:
        assert expand_word(word, env) == expected


@pytest.mark.parametrize(("text", "expected", "env"), table("word_lists.json"))
def test_word_list(text: str, expected: list[str] | None, env: dict[str, str]) -> None:
    if expected is None:
        with pytest.raises(ExpandError):
            expand_words(text, env)
    else:
        assert expand_words(text, env) == expected


def test_backtick_escapes() -> None:
    assert expand_word('C:\\x`$V `` `"', {"V": "v"}, escape="`") == 'C:\\x$V ` "'
    assert expand_word('"`$V \\ `x"', {"V": "v"}, escape="`") == "$V \\ `x"


def test_what_was_used() -> None:
    found = expand("$B ${A:-$C} $B ${D:+$E} '$F' \\$G ${H#x}", {"A": "a", "B": "b", "E": ""})
    assert found == Expansion(
        text="b a b  $F $G ", words=("b", "a", "b", "$F", "$G"), used=("B", "A", "E"), unset=("C", "D", "H")
    )


def test_raw_keeps_quotes() -> None:
    text = "'$V' \"${V}\" it's \\$V \\\\ \\n << x\n"
    assert expand_raw(text, {"V": "v"}).text == "'v' \"v\" it's $V \\ n << x\n"


def test_error_has_no_span_until_it_gets_one() -> None:
    with pytest.raises(ExpandError) as caught:
        expand_word("${V:?it is needed}", {})
    error = caught.value
    assert isinstance(error, DockerfileError)
    assert error.span is None
    assert "V: it is needed" in error.reason
    span = Span(Source("Dockerfile", "FROM $V\n"), 1, 1, 6)
    assert str(error.at(span)).startswith("Dockerfile:1:6: error[expansion]: cannot expand")


def test_deep_nesting_is_an_error() -> None:
    assert expand_word("${A:-" * 50 + "x" + "}" * 50, {}) == "x"
    with pytest.raises(ExpandError, match="nested"):
        expand_word("${A:-" * 100_000 + "x" + "}" * 100_000, {})


@pytest.mark.parametrize(
    ("word", "env"),
    [
        ("${V##" + "*a" * 30 + "b}", {"V": "a" * 20_000}),
        ("${V//*a*a*a*b/x}", {"V": "a" * 20_000}),
        ("${V%" + "?*" * 30 + "b}", {"V": "a" * 20_000}),
        ("${V//" + "a" * 4000 + "b/x}", {"V": "a" * 100_000}),
    ],
)
def test_patterns_do_not_blow_up(word: str, env: dict[str, str]) -> None:
    assert is_within(2, lambda: expand_word(word, env))


def test_what_variables_bring_into_a_word_is_limited() -> None:
    half = "a" * (MAX_BROUGHT // 2)
    assert expand_word("$V$V", {"V": half}) == half * 2
    for word in ("$V${V}x$V", "${V:-x}${V:?x}${W:-$V}", "${V//a/bcd}", "${V//?/'$0$0$0'}", "${V#x}${V%x}$V"):
        with pytest.raises(ExpandError, match="to more than 1048576 characters") as caught:
            expand_word(word, {"V": half})
        assert caught.value.by_value
        assert caught.value.hint
    # What is written there itself may be as long as it likes.
    assert expand_raw(half * 4, {}).text == half * 4


def test_what_variables_bring_into_a_file_is_limited() -> None:
    budget = Budget(left=100)
    for _ in range(10):
        assert expand_word("$V", {"V": "a" * 10}) == "a" * 10
        expand("$V", {"V": "a" * 10}, budget=budget)
    for how in (expand, expand_raw):
        with pytest.raises(ExpandError, match="of this file come to too much altogether") as caught:
            how("$V", {"V": "a"}, budget=budget)
        assert caught.value.by_value
    assert budget.is_spent
    with pytest.raises(ExpandError, match="altogether"):
        expand("${V#x}", {"V": ""}, budget=Budget(left=100))


def test_a_value_that_doubles_ends_soon() -> None:
    budget, value = Budget(), "aaaaaaaa"
    while len(value) < MAX_BROUGHT:
        value = expand("$V$V", {"V": value}, budget=budget).text
    with pytest.raises(ExpandError, match="more than"):
        expand("$V$V", {"V": value}, budget=budget)
    assert not budget.is_spent


@given(st.text(), st.dictionaries(st.sampled_from("ABC"), st.text(max_size=5)))
def test_any_text_expands_or_says_why(text: str, env: dict[str, str]) -> None:
    for how in (expand, expand_raw):
        try:
            found = how(text, env)
        except ExpandError as error:
            assert error.reason  # noqa: PT017
        else:
            assert set(found.used) <= set(env)
            assert not set(found.unset) & set(env)


@given(st.text(alphabet=st.characters(exclude_characters="$'\"\\<\ufeff")))
def test_plain_text_is_left_alone(text: str) -> None:
    assert expand_word(text, {}) == text
    assert expand_word(f"'{text}'", {}) == text


@given(st.text(alphabet=st.characters(exclude_characters="\ufeff"), max_size=30))
def test_quoting_is_undone(text: str) -> None:
    quoted = "".join("\\" + c if c in '$"\\' else c for c in text)
    assert expand_word(f'"{quoted}"', {}) == text
    assert expand_words(f'"{quoted}"', {}) == ([text] if text else [])
