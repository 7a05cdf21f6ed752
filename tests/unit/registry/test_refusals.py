"""Hints on what a registry refuses."""

from __future__ import annotations

import pytest

from incubator.registry.refusals import hint_for, words_of


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


@pytest.mark.parametrize(
    ("status", "registry", "words"),
    [
        (403, "ghcr.io", "packages: write"),
        (403, "ghcr.io", "Manage Actions access"),
        (401, "docker.io", "right to write"),
        (404, "123456789012.dkr.ecr.eu-west-1.amazonaws.com", "create-repository"),
    ],
)
def test_registries_that_are_known_have_hints_of_their_own(status: int, registry: str, words: str) -> None:
    assert words in (hint_for(status, registry) or "")


def test_other_statuses_speak_for_themselves() -> None:
    assert hint_for(418) is None


def test_who_gave_no_login_is_told_so() -> None:
    assert "log in" in (hint_for(401, logged_in=False) or "")


@pytest.mark.parametrize(
    ("body", "words"),
    [
        (b'{"errors": [{"code": "DENIED", "message": "no\\n  way"}]}', "DENIED: no way"),
        (b'{"errors": [{"code": "A"}, {"message": "b"}, {}, {"code": "D"}]}', "A; b"),
        (b'{"errors": [{"code": "A", "message": "\\u001b[31m::error::"}]}', "A: [31m::error::"),
        (b'{"errors": []}', ""),
        (b'{"errors": {}}', ""),
        (b'{"errors": ["x"]}', ""),
        (b'{"errors": null}', ""),
        (b"[]", ""),
        (b"<html>", ""),
        (b"[" * 100_000, ""),
    ],
)
def test_a_registry_s_words_fit_into_a_line(body: bytes, words: str) -> None:
    assert words_of(body) == words


def test_a_flood_of_words_is_shortened() -> None:
    assert len(words_of(b'{"errors": [{"message": "' + b"x" * 10_000 + b'"}]}')) <= 300
