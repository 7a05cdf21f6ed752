"""Hints on what a registry refuses."""

from __future__ import annotations

import pytest

from incubator.registry.refusals import hint_for


@pytest.mark.parametrize(
    ("status", "words"),
    [
        (401, "password"),
        (403, "packages: write"),
        (404, "namespace"),
        (429, "wait"),
        (500, "later"),
        (503, "later"),
    ],
)
def test_a_refusal_comes_with_what_to_do(status: int, words: str) -> None:
    assert words in (hint_for(status) or "")


def test_other_statuses_speak_for_themselves() -> None:
    assert hint_for(418) is None
