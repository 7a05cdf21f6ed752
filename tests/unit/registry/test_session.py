"""Logins, tokens, redirects and repetitions, over real connections to servers of the tests' own."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from incubator.errors import RegistryError
from tests.unit.registry.serving import Answer, Asked, repository_at, serving

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

DIGEST = f"sha256:{'a' * 64}"
TOKEN = Answer(body=b'{"token": "good"}')
LOGIN = ("me", "secret")
BASIC = "Basic bWU6c2VjcmV0"
MANIFEST = Answer(
    headers={"Docker-Content-Digest": DIGEST, "Content-Type": "application/vnd.oci.image.manifest.v1+json"},
    length=7,
)


def demand(asked: Asked, realm: str = "") -> Answer:
    """A 401 that names a token server, this one where no other is named."""
    where = realm or f"http://{asked.headers['host']}/token"
    return Answer(status=401, headers={"WWW-Authenticate": f'Bearer realm="{where}",service=here'})


def demanding(realm: str = "", token: Answer = TOKEN) -> Callable[[Asked], Answer]:
    """A registry that answers to the token `good` only, and gives it out."""

    def answer(asked: Asked) -> Answer:
        if asked.path == "/token":
            return token
        return MANIFEST if asked.authorization == "Bearer good" else demand(asked, realm)

    return answer


def test_a_token_is_fetched_with_the_login_once_and_sent() -> None:
    with serving(demanding()) as server, repository_at(server.address, login=LOGIN) as repository:
        for _ in range(2):
            found = repository.resolve("1")
            assert found
            assert (found.digest, found.size) == (DIGEST, 7)
    assert server.told() == [
        ("HEAD", "/v2/a/b/manifests/1", ""),
        ("GET", "/token", BASIC),
        ("HEAD", "/v2/a/b/manifests/1", "Bearer good"),
        ("HEAD", "/v2/a/b/manifests/1", "Bearer good"),
    ]
    assert server.asked[1].query == {"scope": ["repository:a/b:pull"], "service": ["here"]}


def test_no_login_leaves_for_an_address_that_is_no_token_server() -> None:
    with (
        serving(demanding("ftp://127.0.0.1/token")) as server,
        repository_at(server.address, login=LOGIN) as repository,
        pytest.raises(RegistryError, match="names no token server"),
    ):
        repository.resolve("1")
    assert [asked.authorization for asked in server.asked] == [""]


def test_a_refused_login_comes_with_a_hint() -> None:
    with (
        serving(demanding(token=Answer(body=b'{"token": "bad"}'))) as server,
        repository_at(server.address, login=LOGIN) as repository,
    ):
        with pytest.raises(RegistryError, match="401") as caught:
            repository.resolve("1")
        assert "password" in (caught.value.hint or "")
        assert caught.value.status == 401


def test_where_no_login_is_known_the_hint_says_so() -> None:
    with (
        serving(lambda _: Answer(status=401, headers={"WWW-Authenticate": "Basic realm=x"})) as server,
        repository_at(server.address) as repository,
    ):
        with pytest.raises(RegistryError, match="401") as caught:
            repository.resolve("1")
        assert "log in" in (caught.value.hint or "")


def test_a_flood_of_an_answer_is_not_read_to_its_end() -> None:
    sent: list[int] = []

    def flood() -> Iterator[bytes]:
        for number in range(1 << 20):
            sent.append(number)
            yield b" " * (1 << 20)

    with (
        serving(demanding(token=Answer(body=flood()))) as server,
        repository_at(server.address) as repository,
        pytest.raises(RegistryError, match="more than"),
    ):
        repository.resolve("1")
    assert [asked.method for asked in server.asked] == ["HEAD", "GET"]
    assert len(sent) < 100
