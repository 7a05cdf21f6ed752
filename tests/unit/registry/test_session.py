"""Logins, tokens, redirects and repetitions, over real connections to servers of the tests' own."""

from __future__ import annotations

import itertools
import json
import threading
import traceback
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING
from urllib.parse import parse_qs

import pytest

from incubator.errors import RegistryError
from incubator.oci.descriptor import Descriptor
from incubator.oci.image_config import digest_of
from incubator.oci.media_types import OCI_LAYER
from incubator.registry.credentials import Credentials
from incubator.registry.patience import Patience
from incubator.registry.repository import Registries
from tests.unit.registry.serving import SHORT, Answer, Asked, flood, repository_at, serving

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

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

    with (
        serving(demanding(token=Answer(body=flood(sent)))) as server,
        repository_at(server.address) as repository,
        pytest.raises(RegistryError, match="more than"),
    ):
        repository.resolve("1")
    assert [asked.method for asked in server.asked] == ["HEAD", "GET"]
    assert len(sent) < 100


def test_a_token_that_ends_in_mid_flow_is_renewed() -> None:
    given = itertools.count(1)
    refused: set[str] = set()

    def answer(asked: Asked) -> Answer:
        if asked.path == "/token":
            return Answer(body=f'{{"token": "number-{next(given)}", "expires_in": 3600}}'.encode())
        # Each token is good for one request, whatever its server says.
        if asked.authorization in {"", *refused}:
            return demand(asked)
        refused.add(asked.authorization)
        return MANIFEST

    with serving(answer) as server, repository_at(server.address) as repository:
        for _ in range(3):
            assert repository.resolve("1")
    sent = [authorization for method, _, authorization in server.told() if method == "HEAD"]
    one, two, three = (f"Bearer number-{number}" for number in (1, 2, 3))
    assert sent == ["", one, one, two, two, three]


def test_a_token_is_renewed_before_it_ends() -> None:
    given = itertools.count(1)

    def answer(asked: Asked) -> Answer:
        if asked.path == "/token":
            return Answer(body=f'{{"token": "number-{next(given)}", "expires_in": 0.000001}}'.encode())
        return MANIFEST if asked.authorization else demand(asked)

    with serving(answer) as server, repository_at(server.address) as repository:
        assert repository.resolve("1")
        assert repository.resolve("1")
    assert [authorization for method, _, authorization in server.told() if method == "HEAD"] == [
        "",
        "Bearer number-1",
        "Bearer number-2",
    ]


def test_a_fresh_token_that_is_refused_is_the_end() -> None:
    given = itertools.count(1)

    def answer(asked: Asked) -> Answer:
        if asked.path == "/token":
            return Answer(body=f'{{"token": "number-{next(given)}"}}'.encode())
        return demand(asked)

    with serving(answer) as server, repository_at(server.address) as repository:
        with pytest.raises(RegistryError, match="401"):
            repository.resolve("1")
        assert len(server.asked) == 3


def test_the_scope_that_a_registry_names_is_asked_for_too() -> None:
    def answer(asked: Asked) -> Answer:
        if asked.path == "/token":
            return TOKEN
        if asked.authorization:
            return MANIFEST
        where = f'Bearer realm="http://{asked.headers["host"]}/token",scope="repository:virtual/a:pull"'
        return Answer(status=401, headers={"WWW-Authenticate": where})

    with serving(answer) as server, repository_at(server.address) as repository:
        assert repository.resolve("1")
    assert server.asked[1].query["scope"] == ["repository:a/b:pull", "repository:virtual/a:pull"]


def test_an_identity_token_is_exchanged_and_never_told(tmp_path: Path) -> None:
    def answer(asked: Asked) -> Answer:
        if asked.path == "/token":
            return (
                Answer(body=b'{"access_token": "good"}') if good[0] else Answer(status=401, body=echo(asked))
            )
        return MANIFEST if asked.authorization == "Bearer good" else demand(asked)

    def echo(asked: Asked) -> bytes:
        token = parse_qs(asked.body.decode())["refresh_token"][0]
        return json.dumps({"errors": [{"code": "UNAUTHORIZED", "message": f"no {token}"}]}).encode()

    good = [True]
    with serving(answer) as server:
        auths = {"auths": {server.address: {"identitytoken": "long-lived"}}}
        (tmp_path / "config.json").write_text(json.dumps(auths))
        credentials = Credentials(environ={"DOCKER_CONFIG": str(tmp_path)})
        with Registries(credentials, patience=SHORT) as registries:
            assert registries.repository(f"{server.address}/a/b").resolve("1")
            good[0] = False
            with pytest.raises(RegistryError, match="401") as caught:
                registries.repository(f"{server.address}/a/c").resolve("1")
    assert "long-lived" not in str(caught.value)
    assert "no ***" in str(caught.value)
    _, fetched, *_ = server.asked
    assert (fetched.method, fetched.authorization) == ("POST", "")
    assert parse_qs(fetched.body.decode()) == {
        "grant_type": ["refresh_token"],
        "service": ["here"],
        "client_id": ["incubator"],
        "scope": ["repository:a/b:pull"],
        "refresh_token": ["long-lived"],
    }


def test_no_login_follows_a_redirect_to_another_host() -> None:
    blob = b"the blob"
    descriptor = Descriptor(media_type=OCI_LAYER, digest=digest_of(blob), size=len(blob))
    with serving(lambda _: Answer(body=blob)) as store:

        def answer(asked: Asked) -> Answer:
            if asked.authorization != BASIC:
                return Answer(status=401, headers={"WWW-Authenticate": "Basic realm=x"})
            if "second" not in asked.query:
                return Answer(status=307, headers={"Location": "?second=1"})
            return Answer(status=307, headers={"Location": f"http://{store.address}/there?signature=abc"})

        with serving(answer) as server, repository_at(server.address, login=LOGIN) as repository:
            assert b"".join(repository.read_blob(descriptor)) == blob
    assert [authorization for _, _, authorization in server.told()] == ["", BASIC, BASIC]
    assert store.told() == [("GET", "/there", "")]


def test_what_signs_an_address_is_not_told() -> None:
    signed = {"Location": "http://127.0.0.1:1/there?signature=abc"}
    with (
        serving(lambda _: Answer(status=307, headers=signed)) as server,
        repository_at(server.address) as repository,
    ):
        with pytest.raises(RegistryError, match="refused") as caught:
            repository.manifest("1")
        assert "signature" not in "".join(traceback.format_exception(caught.value))


@pytest.mark.parametrize("location", ["", "ftp://127.0.0.1/x", "http://127.0.0.1:99999999/", "http://["])
def test_a_redirect_to_nowhere_is_refused(location: str) -> None:
    with (
        serving(lambda _: Answer(status=307, headers={"Location": location})) as server,
        repository_at(server.address) as repository,
    ):
        with pytest.raises(RegistryError, match="an address that is none"):
            repository.manifest("1")
        assert len(server.asked) == 1


def test_redirects_come_to_an_end() -> None:
    numbers = itertools.count()
    with (
        serving(lambda _: Answer(status=302, headers={"Location": f"/{next(numbers)}"})) as server,
        repository_at(server.address) as repository,
    ):
        with pytest.raises(RegistryError, match="redirects more than"):
            repository.manifest("1")
        assert len(server.asked) < 10


def test_the_flood_behind_a_redirect_is_not_read() -> None:
    sent: list[int] = []

    def answer(asked: Asked) -> Answer:
        if asked.path == "/there":
            return MANIFEST
        return Answer(status=307, headers={"Location": "/there"}, body=flood(sent))

    with serving(answer) as server, repository_at(server.address) as repository, pytest.raises(RegistryError):
        repository.manifest("1")
    assert len(sent) < 100


def test_cookies_are_not_kept() -> None:
    answered = Answer(headers={**MANIFEST.headers, "Set-Cookie": "session=1"}, length=7)
    with serving(lambda _: answered) as server, repository_at(server.address) as repository:
        repository.resolve("1")
        repository.resolve("1")
    assert "cookie" not in server.asked[1].headers


@pytest.mark.parametrize("status", [408, 429, 500, 502, 503, 504])
def test_a_passing_failure_is_waited_out(status: int) -> None:
    answers = iter([Answer(status=status, headers={"Retry-After": "0"}), Answer(status=status), MANIFEST])
    with serving(lambda _: next(answers)) as server, repository_at(server.address) as repository:
        assert repository.resolve("1")
        assert len(server.asked) == 3


def test_a_failure_that_stays_is_told_with_the_registry_s_words() -> None:
    body = json.dumps(
        {"errors": [{"code": "TOOMANYREQUESTS", "message": "slow\n::error::down\x1b[31m"}]}
    ).encode()
    with (
        serving(lambda _: Answer(status=429, body=body)) as server,
        repository_at(server.address) as repository,
    ):
        with pytest.raises(RegistryError) as caught:
            repository.manifest("1")
        assert len(server.asked) == SHORT.attempts
    assert caught.value.status == 429
    assert caught.value.message.endswith("429 Too Many Requests: TOOMANYREQUESTS: slow ::error::down[31m")
    assert "wait" in (caught.value.hint or "")


def test_a_registry_that_asks_for_more_patience_than_there_is_is_not_waited_for() -> None:
    answer = Answer(status=429, headers={"Retry-After": "3600"})
    with serving(lambda _: answer) as server, repository_at(server.address) as repository:
        with pytest.raises(RegistryError, match="3600 s"):
            repository.resolve("1")
        assert len(server.asked) == 1


def test_what_is_closed_meanwhile_waits_no_longer() -> None:
    asked = threading.Event()

    def answer(_: Asked) -> Answer:
        asked.set()
        return Answer(status=503, headers={"Retry-After": "500"})

    with serving(answer) as server:
        registries = Registries(Credentials(), patience=Patience(longest_wait_s=600))
        repository = registries.repository(f"{server.address}/a")

        def close() -> None:
            asked.wait()
            registries.close()

        closer = threading.Thread(target=close)
        closer.start()
        with pytest.raises(RegistryError, match="called off"):
            repository.resolve("1")
        closer.join()
        with pytest.raises(RegistryError, match="called off"):
            repository.resolve("1")
        with pytest.raises(RegistryError, match="called off"):
            registries.repository(f"{server.address}/b")


def test_many_threads_share_one_token() -> None:
    with (
        serving(demanding()) as server,
        repository_at(server.address) as repository,
        ThreadPoolExecutor(8) as pool,
    ):
        assert all(pool.map(lambda _: repository.resolve("1"), range(40)))
    assert [path for _, path, _ in server.told()].count("/token") == 1
