"""Whether a push would be refused: a registry of the test's own refuses in all ways that real ones do."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

from incubator.core.push_rights import PushRights
from incubator.errors import InputError, PushFailed
from incubator.oci.reference import parse_reference
from incubator.registry.credentials import Credentials
from incubator.request import Credential
from tests.unit.registry.serving import Answer, Asked, serving
from tests.unit.registry.test_tls import named, server_context

if TYPE_CHECKING:
    from pathlib import Path

DENIED = b'{"errors": [{"code": "DENIED", "message": "permission_denied: write_package"}]}'


def ask(answer: Answer, *, login: bool = True, own_logins: bool = False) -> list[str]:
    """The requests that a push of two tags takes before the build. Raises PushFailed."""

    def reply(asked: Asked) -> Answer:
        return answer if asked.method == "POST" else Answer(status=204)

    with serving(reply) as server:
        given = [Credential(registry=server.address, username="bot", password="x")] if login else []
        tags = [parse_reference(f"{server.address}/acme/web:{tag}") for tag in ("1", "2")]
        with PushRights(tags, Credentials(given), own_logins=own_logins) as rights:
            rights.check()
        return [f"{asked.method} {asked.path}" for asked in server.asked]


def refusal(answer: Answer, *, login: bool = True, own_logins: bool = False) -> PushFailed:
    with pytest.raises(PushFailed) as caught:
        ask(answer, login=login, own_logins=own_logins)
    return caught.value


def test_an_upload_is_begun_once_a_repository_and_called_off() -> None:
    asked = ask(Answer(status=202, headers={"Location": "/v2/acme/web/blobs/uploads/1"}))
    assert asked == ["POST /v2/acme/web/blobs/uploads/", "DELETE /v2/acme/web/blobs/uploads/1"]


def test_a_refusal_is_told_with_the_registrys_words_and_what_to_do() -> None:
    error = refusal(Answer(status=403, body=DENIED))
    assert "answers 403 Forbidden: DENIED: permission_denied: write_package; nothing was built" in str(error)
    assert "packages: write" in str(error)
    assert (len(error.failed), error.pushed) == (2, ())


def test_a_missing_login_is_told() -> None:
    assert "hint: log in: there is no user name and password" in str(refusal(Answer(status=401), login=False))


def test_an_engine_with_logins_of_its_own_is_let_try() -> None:
    ask(Answer(status=401), login=False, own_logins=True)
    refusal(Answer(status=401), login=True, own_logins=True)


@pytest.mark.parametrize("status", [400, 404, 405, 429, 500, 503])
def test_what_is_no_refusal_stops_no_build(status: int) -> None:
    """404 on a port of this machine: something else than a registry may be listening there."""
    assert ask(Answer(status=status)) == ["POST /v2/acme/web/blobs/uploads/"]


def silent(*names: str, elsewhere: bool = False) -> list[str]:
    """Warnings of a push under these names, which nobody refuses."""
    tags = [parse_reference(name) for name in names]
    with PushRights(tags, Credentials(), own_logins=False, elsewhere=elsewhere) as rights:
        rights.check()
        return rights.silent()


def test_a_registry_that_does_not_answer_is_warned_of_once_and_stops_no_build() -> None:
    (told,) = silent("127.0.0.1:9/acme/web:1", "127.0.0.1:9/acme/web:2", "127.0.0.1:9/acme/other:1")
    assert told == (
        "the push to 127.0.0.1:9/acme/web may fail: 127.0.0.1:9 does not answer: Connection refused; it is tried all "
        "the same in the end; hint: is its address right, and can this machine reach it?"
    )


def test_what_localhost_is_to_an_engine_on_another_machine_is_not_known() -> None:
    assert silent("127.0.0.1:9/acme/web:1", elsewhere=True) == []


@pytest.mark.parametrize(("status", "warnings"), [(202, 0), (404, 0), (429, 0), (500, 1), (503, 1)])
def test_a_registry_that_fails_itself_is_warned_of(status: int, warnings: int) -> None:
    headers = {"Location": "/v2/acme/web/blobs/uploads/1"} if status == 202 else {}
    with serving(lambda _: Answer(status=status, headers=headers)) as server:
        told = silent(f"{server.address}/acme/web:1")
    assert len(told) == warnings
    assert all(f"answers {status}" in message for message in told)


def test_a_certificate_that_is_not_trusted_is_warned_of(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NO_PROXY", "*")
    with serving(lambda _: Answer(status=202), tls=server_context()) as server:
        (told,) = silent(f"{named(server)}/acme/web:1")
    assert f"may fail: the certificate of {named(server)} is not trusted" in told


def test_a_registry_that_the_engine_calls_insecure_is_asked_over_plain_http(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("NO_PROXY", "*")
    with serving(lambda _: Answer(status=403, body=DENIED)) as server:
        tags = [parse_reference(f"{named(server)}/acme/web:1")]
        with (
            PushRights(tags, Credentials(), own_logins=False, insecure={named(server)}) as rights,
            pytest.raises(PushFailed, match="permission_denied"),
        ):
            rights.check()


def test_without_a_push_nobody_is_asked() -> None:
    with PushRights([], Credentials(), own_logins=False) as rights:
        rights.check()
        assert (rights.silent(), rights.refused_caches()) == ([], {})


# -- logins -----------------------------------------------------------------------------------------------


def kept(folder: Path, config: dict[str, object], script: str | None = None) -> Credentials:
    """Logins of docker's configuration, with one helper that runs a script, or none."""
    (folder / "config.json").write_text(json.dumps(config))
    if script is not None:
        program = folder / "docker-credential-some"
        program.write_text(f"#!/bin/sh\n{script}\n")
        program.chmod(0o755)
    return Credentials(environ={"DOCKER_CONFIG": str(folder), "PATH": f"{folder}:/bin:/usr/bin"})


@pytest.mark.parametrize("own_logins", [False, True])
@pytest.mark.parametrize(
    ("script", "words"), [(None, "there is no such program"), ("exit 3", "it ended with exit status 3")]
)
def test_a_helper_that_fails_is_told_before_the_build(
    tmp_path: Path, script: str | None, words: str, *, own_logins: bool
) -> None:
    with serving(lambda _: Answer(status=202)) as server:
        tag = parse_reference(f"{server.address}/acme/web:1")
        credentials = kept(tmp_path, {"credHelpers": {server.address: "some"}}, script)
        with (
            PushRights([tag], credentials, own_logins=own_logins) as rights,
            pytest.raises(PushFailed) as caught,
        ):
            rights.check()
    assert server.asked == []
    assert caught.value.message == (
        f"cannot get the login for {server.address} from docker-credential-some, which {tmp_path}/config.json names: "
        f"{words}; nothing was built"
    )
    assert "install or mend it" in str(caught.value.hint)


def test_a_helper_that_knows_no_login_is_no_fault(tmp_path: Path) -> None:
    credentials = kept(
        tmp_path, {"credsStore": "some"}, "echo credentials not found in native keychain; exit 1"
    )
    with serving(lambda _: Answer(status=202, headers={"Location": "/v2/x"})) as server:
        tag = parse_reference(f"{server.address}/acme/web:1")
        with PushRights([tag], credentials, own_logins=False) as rights:
            rights.check()
            assert rights.silent() == []


def test_a_helper_for_another_registry_is_of_no_interest(tmp_path: Path) -> None:
    credentials = kept(tmp_path, {"credHelpers": {"other.example": "some"}})
    with serving(lambda _: Answer(status=202, headers={"Location": "/v2/x"})) as server:
        tag = parse_reference(f"{server.address}/acme/web:1")
        with PushRights([tag], credentials, own_logins=False) as rights:
            rights.check()


def test_a_file_of_logins_that_cannot_be_read_is_told_before_the_build(tmp_path: Path) -> None:
    (tmp_path / "config.json").write_text("not JSON")
    credentials = Credentials(environ={"DOCKER_CONFIG": str(tmp_path)})
    with (
        PushRights([parse_reference("127.0.0.1:9/a:1")], credentials, own_logins=False) as rights,
        pytest.raises(InputError, match="cannot read the logins in"),
    ):
        rights.check()


# -- caches -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("status", "refused"), [(202, False), (401, True), (403, True), (404, False), (500, False)]
)
def test_a_cache_that_may_not_be_written_stops_no_build(status: int, *, refused: bool) -> None:
    headers = {"Location": "/v2/x"} if status == 202 else {}
    with serving(lambda _: Answer(status=status, headers=headers, body=DENIED)) as server:
        cache = parse_reference(f"{server.address}/acme/web:cache")
        with PushRights([], Credentials(), own_logins=True, caches=[cache]) as rights:
            rights.check()
            assert rights.silent() == []
            found = rights.refused_caches()
    assert list(found) == [cache] * refused
    assert all(f"answers {status}" in error.message for error in found.values())


def test_a_cache_beside_the_image_costs_no_request_of_its_own() -> None:
    with serving(lambda _: Answer(status=202, headers={"Location": "/v2/x"})) as server:
        tag, cache = (parse_reference(f"{server.address}/acme/web:{name}") for name in ("1", "cache"))
        with PushRights([tag], Credentials(), own_logins=False, caches=[cache]) as rights:
            rights.check()
            assert rights.refused_caches() == {}
    assert [asked.method for asked in server.asked] == ["POST", "DELETE"]
