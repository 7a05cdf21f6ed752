"""Patterns of `${name#pattern}`, checked against regular expressions on texts where those are safe."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from incubator.dockerfile import glob

PATTERNS = st.text(alphabet="ab*?", max_size=6)
VALUES = st.text(alphabet="ab\n", max_size=10)


def expression(pattern: str, star: str) -> str:
    return "".join({"*": star, "?": "."}.get(c, re.escape(c)) for c in pattern)


@given(PATTERNS, VALUES, st.booleans())
def test_prefix(pattern: str, value: str, longest: bool) -> None:
    match = re.match(expression(pattern, ".*" if longest else ".*?"), value)
    assert glob.strip_prefix(value, pattern, longest=longest) == (value[match.end() :] if match else value)


@given(PATTERNS, VALUES, st.booleans())
def test_suffix(pattern: str, value: str, longest: bool) -> None:
    match = re.match(expression(pattern[::-1], ".*" if longest else ".*?"), value[::-1])
    expected = value[: len(value) - match.end()] if match else value
    assert glob.strip_suffix(value, pattern, longest=longest) == expected


@given(PATTERNS, VALUES)
def test_replace_first(pattern: str, value: str) -> None:
    expected = re.sub(expression(pattern, ".*"), "x", value, count=1)
    assert glob.replace(value, pattern, "x", everywhere=False) == expected


@given(PATTERNS.filter(lambda pattern: bool(pattern.strip("*"))), VALUES)
def test_replace_everywhere(pattern: str, value: str) -> None:
    expected = re.sub(expression(pattern, ".*"), "x", value)
    assert glob.replace(value, pattern, "x", everywhere=True) == expected


@pytest.mark.parametrize(
    ("pattern", "replacement", "expected"),
    [
        ("", "-", "-a-b-"),
        ("*", "-", "-"),
        ("a", "$0$0", "aab"),
        ("a", "[$1${name}]", "[]b"),
        ("a", "$$ $ ${}", "$ $ ${}b"),
    ],
)
def test_replacements_as_go_reads_them(pattern: str, replacement: str, expected: str) -> None:
    assert glob.replace("ab", pattern, replacement, everywhere=True) == expected


@pytest.mark.parametrize("pattern", ["\\a", "x\\", "a" * 5000])
def test_malformed(pattern: str) -> None:
    with pytest.raises(glob.PatternError):
        glob.strip_prefix("value", pattern, longest=False)
