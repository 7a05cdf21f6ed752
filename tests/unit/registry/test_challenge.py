"""Demands of registries for a login, good and hostile."""

from __future__ import annotations

import pytest

from incubator.errors import RegistryError
from incubator.registry.challenge import MAX_TOKEN_ANSWER, check_realm, parse_challenge, parse_token


@pytest.mark.parametrize(
    ("header", "scheme", "parameters"),
    [
        (
            'Bearer realm="https://auth.example/token",service="registry",scope="repository:a/b:pull,push"',
            "bearer",
            {
                "realm": "https://auth.example/token",
                "service": "registry",
                "scope": "repository:a/b:pull,push",
            },
        ),
        (
            "BEARER Realm=https://auth.example , service=x",
            "bearer",
            {"realm": "https://auth.example", "service": "x"},
        ),
        (
            r'Basic realm="a \"quoted\" name, with a comma"',
            "basic",
            {"realm": 'a "quoted" name, with a comma'},
        ),
        ('Bearer realm="https://a", Basic realm="b"', "bearer", {"realm": "https://a"}),
        ('Bearer realm="https://a",realm="https://other"', "bearer", {"realm": "https://a"}),
        ('Bearer realm="https://never-closed', "bearer", {}),
        ("Negotiate", "negotiate", {}),
        ("", "", {}),
    ],
)
def test_the_first_challenge_counts(header: str, scheme: str, parameters: dict[str, str]) -> None:
    challenge = parse_challenge(header)
    assert (challenge.scheme, challenge.parameters) == (scheme, parameters)


def test_a_flood_is_no_challenge() -> None:
    with pytest.raises(RegistryError, match="longer than 4096"):
        parse_challenge("Bearer " + 'a="b",' * 1000)


@pytest.mark.parametrize("plain_registry", [True, False])
def test_a_token_server_with_tls_gets_a_login(*, plain_registry: bool) -> None:
    check_realm("https://auth.example/token", plain_registry=plain_registry)


def test_a_token_server_in_plain_text_is_for_plain_registries_only() -> None:
    check_realm("http://127.0.0.1:5001/token", plain_registry=True)
    with pytest.raises(RegistryError, match="plain HTTP"):
        check_realm("http://auth.example/token", plain_registry=False)


@pytest.mark.parametrize(
    "realm", ["", "registry", "ftp://auth.example", "file:///etc/passwd", "https://", "http://["]
)
def test_other_addresses_are_no_token_servers(realm: str) -> None:
    with pytest.raises(RegistryError, match="names no token server"):
        check_realm(realm, plain_registry=True)


@pytest.mark.parametrize("key", ["token", "access_token"])
def test_a_token_has_two_names(key: str) -> None:
    assert parse_token(f'{{"{key}": "abc.DEF-1_2=="}}'.encode()).value == "abc.DEF-1_2=="


@pytest.mark.parametrize(
    "body", [b"", b"[]", b"{}", b"null", b'{"token": 5}', b'{"token": "hid\\nden"}', b"\xff", b"[" * 100_000]
)
def test_an_answer_without_a_token_is_refused_untold(body: bytes) -> None:
    with pytest.raises(RegistryError, match="holds no token") as caught:
        parse_token(body)
    assert "hid" not in str(caught.value)


def test_a_flood_is_no_token() -> None:
    with pytest.raises(RegistryError, match="longer than"):
        parse_token(b" " * (MAX_TOKEN_ANSWER + 1))
