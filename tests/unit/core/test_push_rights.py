"""Whether a push would be refused: a registry of the test's own refuses in all ways that real ones do."""

from __future__ import annotations

import pytest

from incubator.core.push_rights import PushRights
from incubator.errors import PushFailed
from incubator.oci.reference import parse_reference
from incubator.registry.credentials import Credentials
from incubator.request import Credential
from tests.unit.registry.serving import Answer, Asked, serving

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


def test_a_registry_that_does_not_answer_stops_no_build() -> None:
    tag = parse_reference("127.0.0.1:9/acme/web:1")
    with PushRights([tag], Credentials(), own_logins=False) as rights:
        rights.check()


def test_without_a_push_nobody_is_asked() -> None:
    with PushRights([], Credentials(), own_logins=False) as rights:
        rights.check()
