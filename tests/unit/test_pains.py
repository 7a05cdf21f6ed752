"""The page of troubles names tests, and there they are."""

from __future__ import annotations

import re

import pytest

from tests.pages import ROOT

PAGE = (ROOT / "docs/pains.md").read_text(encoding="utf-8")
TROUBLES = re.split(r"^## (?=\d)", PAGE.partition("\n## Also")[0], flags=re.MULTILINE)[1:]
STATES = {"answered", "partly", "otherwise", "not answered"}
NAMED = re.compile(r"`(tests/[\w/]+\.py)::(test_\w+)`")


@pytest.mark.parametrize("trouble", TROUBLES, ids=[text.partition("\n")[0] for text in TROUBLES])
def test_a_trouble_has_threads_an_answer_and_tests(trouble: str) -> None:
    assert re.search(r"https://github\.com/[\w.-]+/[\w.-]+/issues/\d+", trouble)
    (state,) = re.findall(r"^\*\*Here\*\* \(([\w ]+)\): ", trouble, re.MULTILINE)
    assert state in STATES
    title = trouble.partition("\n")[0].partition(" ")[2]
    assert re.search(rf"^\| \d+ \| \[{re.escape(title)}\]\(\S+\) \| {state} \|$", PAGE, re.MULTILINE)
    assert NAMED.search(trouble.replace("\n", " "))


def test_there_are_as_many_as_are_promised() -> None:
    assert [int(text.partition(" ")[0]) for text in TROUBLES] == list(range(1, 21))


def test_every_test_that_is_named_exists() -> None:
    named = NAMED.findall(PAGE.replace("\n", " "))
    assert len(named) == PAGE.count("::test_")
    for file, test in named:
        assert f"\ndef {test}(" in (ROOT / file).read_text(encoding="utf-8"), f"{file}::{test}"
