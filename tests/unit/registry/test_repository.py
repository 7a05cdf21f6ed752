"""Manifests, blobs and tags of registries that break off, lie, or do not come to an end."""

from __future__ import annotations

import itertools
import json
import secrets
import threading
from typing import TYPE_CHECKING

import pytest
import requests

from incubator.errors import InputError, RegistryError, RegistrySilent
from incubator.oci.descriptor import Descriptor
from incubator.oci.image_config import digest_of
from incubator.oci.manifest import LARGEST_DOCUMENT, Manifest
from incubator.oci.media_types import OCI_CONFIG, OCI_LAYER, OCI_MANIFEST
from incubator.registry.credentials import Credentials
from incubator.registry.repository import Registries
from tests.unit.registry.serving import SHORT, Answer, Asked, flood, repository_at, serving

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

BLOB = secrets.token_bytes(300_000)
DESCRIPTOR = Descriptor(media_type=OCI_LAYER, digest=digest_of(BLOB), size=len(BLOB))
MANIFEST = Manifest(config=Descriptor(media_type=OCI_CONFIG, digest=digest_of(b"{}"), size=2))


def in_parts() -> Iterator[bytes]:
    return (BLOB[at : at + 65_536] for at in range(0, len(BLOB), 65_536))


# -- manifests ------------------------------------------------------------------------------------------------


def test_an_endless_manifest_is_not_read_to_its_end() -> None:
    sent: list[int] = []
    with (
        serving(lambda _: Answer(body=flood(sent))) as server,
        repository_at(server.address) as repository,
        pytest.raises(RegistryError, match=f"more than {LARGEST_DOCUMENT} bytes"),
    ):
        repository.manifest("1")
    assert len(sent) < 100


def test_a_manifest_that_is_not_what_its_digest_says_is_refused() -> None:
    answer = Answer(body=MANIFEST.to_bytes(), headers={"Content-Type": OCI_MANIFEST})
    other = f"sha256:{'0' * 64}"
    with serving(lambda _: answer) as server, repository_at(server.address) as repository:
        assert repository.manifest(MANIFEST.digest) == (MANIFEST, MANIFEST.descriptor)
        with pytest.raises(RegistryError, match=f"has not the digest {other}"):
            repository.manifest(other)


def test_a_manifest_that_is_not_what_its_header_says_is_refused() -> None:
    headers = {"Content-Type": OCI_MANIFEST, "Docker-Content-Digest": f"sha256:{'0' * 64}"}
    answer = Answer(body=MANIFEST.to_bytes(), headers=headers)
    with serving(lambda _: answer) as server, repository_at(server.address) as repository:
        with pytest.raises(RegistryError, match="has not the digest"):
            repository.manifest("1")
        with pytest.raises(RegistryError, match="another digest"):
            repository.resolve(MANIFEST.digest)


@pytest.mark.parametrize(
    ("header", "value"),
    [("Docker-Content-Digest", "md5:0"), ("Content-Type", ""), ("Content-Length", "9" * 20)],
)
def test_a_registry_that_tells_too_little_in_headers_is_asked_for_the_manifest(
    header: str, value: str
) -> None:
    good = {"Docker-Content-Digest": MANIFEST.digest, "Content-Type": OCI_MANIFEST}

    def answer(asked: Asked) -> Answer:
        if asked.method == "GET":
            return Answer(headers=good, body=MANIFEST.to_bytes())
        if header == "Content-Length":
            return Answer(headers=good, length=int(value))
        return Answer(headers={**good, header: value}, length=len(MANIFEST.to_bytes()))

    with serving(answer) as server, repository_at(server.address) as repository:
        assert repository.resolve("1") == MANIFEST.descriptor


def test_a_manifest_that_broke_off_is_fetched_again() -> None:
    data = MANIFEST.to_bytes()
    answers = iter([Answer(body=data[:20], length=len(data)), Answer(body=data)])
    with serving(lambda _: next(answers)) as server, repository_at(server.address) as repository:
        assert repository.manifest("1")[0] == MANIFEST


def test_a_registry_that_stored_another_manifest_is_found_out() -> None:
    answer = Answer(status=201, headers={"Docker-Content-Digest": f"sha256:{'0' * 64}"})
    with (
        serving(lambda _: answer) as server,
        repository_at(server.address) as repository,
        pytest.raises(RegistryError, match="stored something else"),
    ):
        repository.put_manifest(MANIFEST, tag_or_digest="1")


def test_a_manifest_is_not_stored_by_another_digest() -> None:
    with (
        serving(lambda _: Answer(status=201)) as server,
        repository_at(server.address) as repository,
    ):
        with pytest.raises(RegistryError, match="has another digest"):
            repository.put_manifest(MANIFEST, tag_or_digest=f"sha256:{'0' * 64}")
        assert server.asked == []


@pytest.mark.parametrize("name", ["..", "../../other", "a/b", "", "a b", "sha256:abc", "a?b", "1\n"])
def test_what_is_no_tag_or_digest_becomes_no_address(name: str) -> None:
    with serving(lambda _: Answer()) as server, repository_at(server.address) as repository:
        for call in (
            repository.resolve,
            repository.manifest,
            repository.has_blob,
            repository.delete_manifest,
        ):
            with pytest.raises(InputError, match="is no"):
                call(name)
        assert server.asked == []


# -- blobs ----------------------------------------------------------------------------------------------------


def test_the_rest_of_a_blob_is_fetched_where_it_broke_off() -> None:
    def answer(asked: Asked) -> Answer:
        begin = int(asked.headers.get("range", "bytes=0-")[6:-1])
        end = begin + 120_000
        headers = {"Content-Range": f"bytes {begin}-{len(BLOB) - 1}/{len(BLOB)}"}
        status = 206 if begin else 200
        return Answer(status=status, headers=headers, body=BLOB[begin:end], length=len(BLOB) - begin)

    with serving(answer) as server, repository_at(server.address) as repository:
        assert b"".join(repository.read_blob(DESCRIPTOR)) == BLOB
        assert [asked.headers.get("range") for asked in server.asked] == [
            None,
            "bytes=120000-",
            "bytes=240000-",
        ]


def test_a_registry_without_ranges_sends_all_again() -> None:
    answers = iter([Answer(body=BLOB[:120_000], length=len(BLOB)), Answer(body=BLOB)])
    with serving(lambda _: next(answers)) as server, repository_at(server.address) as repository:
        assert b"".join(repository.read_blob(DESCRIPTOR)) == BLOB


def test_another_part_than_the_one_asked_for_is_refused() -> None:
    other = Answer(status=206, headers={"Content-Range": "bytes 0-9/300000"}, body=BLOB[:10])
    answers = iter([Answer(body=BLOB[:120_000], length=len(BLOB)), other])
    with (
        serving(lambda _: next(answers)) as server,
        repository_at(server.address) as repository,
        pytest.raises(RegistryError, match="another part"),
    ):
        b"".join(repository.read_blob(DESCRIPTOR))


def test_a_blob_that_always_breaks_off_is_given_up() -> None:
    broken = Answer(body=BLOB[:1000], length=len(BLOB))
    with serving(lambda _: broken) as server, repository_at(server.address) as repository:
        with pytest.raises(RegistryError, match="cannot fetch"):
            b"".join(repository.read_blob(DESCRIPTOR))
        assert len(server.asked) == SHORT.attempts


@pytest.mark.parametrize(
    ("body", "words"),
    [
        (BLOB[:-1] + bytes([BLOB[-1] ^ 1]), "another digest"),
        (BLOB + b"x", "more than 300000 bytes"),
        (BLOB[:-1], "299999 of 300000"),
    ],
    ids=["other", "longer", "shorter"],
)
def test_a_blob_that_is_not_what_its_descriptor_says_is_refused(body: bytes, words: str) -> None:
    def answer(asked: Asked) -> Answer:
        return Answer(status=416) if "range" in asked.headers and words[0] != "2" else Answer(body=body)

    with (
        serving(answer) as server,
        repository_at(server.address) as repository,
        pytest.raises(RegistryError, match=words),
    ):
        b"".join(repository.read_blob(DESCRIPTOR))


def test_an_endless_blob_is_not_read_to_its_end() -> None:
    sent: list[int] = []
    with (
        serving(lambda _: Answer(body=flood(sent))) as server,
        repository_at(server.address) as repository,
        pytest.raises(RegistryError, match="more than"),
    ):
        b"".join(repository.read_blob(DESCRIPTOR))
    assert len(sent) < 100


def test_what_is_stored_is_read_whatever_its_encoding_is_said_to_be() -> None:
    answer = Answer(body=BLOB, headers={"Content-Encoding": "gzip"})
    with serving(lambda _: answer) as server, repository_at(server.address) as repository:
        assert b"".join(repository.read_blob(DESCRIPTOR)) == BLOB


def test_a_blob_that_is_too_large_is_not_asked_for() -> None:
    with serving(lambda _: Answer(body=BLOB)) as server, repository_at(server.address) as repository:
        with pytest.raises(RegistryError, match="300000 bytes, more than the 1000"):
            repository.small_blob(DESCRIPTOR, 1000)
        assert server.asked == []
        assert repository.small_blob(DESCRIPTOR, 300_000) == BLOB


# -- uploads --------------------------------------------------------------------------------------------------


def taking(
    put: Callable[[Asked], Answer], *, has: bool = False, location: str = "/upload/1?state=x"
) -> Callable[[Asked], Answer]:
    """A registry that takes uploads: `put` answers to the blob itself, `has` says whether it is there already."""

    def answer(asked: Asked) -> Answer:
        if asked.method == "HEAD":
            return Answer(status=200 if has else 404)
        if asked.method == "POST":
            return Answer(status=202, headers={"Location": location})
        return put(asked)

    return answer


def test_a_blob_is_sent_in_one_piece_of_known_length() -> None:
    with (
        serving(taking(lambda _: Answer(status=201))) as server,
        repository_at(server.address) as repository,
    ):
        repository.upload_blob(DESCRIPTOR.digest, DESCRIPTOR.size, in_parts)
    begun, sent = server.asked
    assert (begun.method, begun.path, begun.body) == ("POST", "/v2/a/b/blobs/uploads/", b"")
    assert (sent.method, sent.path) == ("PUT", "/upload/1")
    assert sent.query == {"state": ["x"], "digest": [DESCRIPTOR.digest]}
    assert (sent.headers["content-length"], sent.body) == ("300000", BLOB)
    assert "transfer-encoding" not in sent.headers


def test_a_token_that_ends_in_the_middle_of_an_upload_is_renewed() -> None:
    given = itertools.count(1)

    def answer(asked: Asked) -> Answer:
        if asked.path == "/token":
            return Answer(body=f'{{"token": "number-{next(given)}", "expires_in": 3600}}'.encode())
        wanted = "Bearer number-2" if asked.method == "PUT" else "Bearer number-1"
        if asked.authorization != wanted:
            realm = f'Bearer realm="http://{asked.headers["host"]}/token"'
            return Answer(status=401, headers={"WWW-Authenticate": realm})
        return taking(lambda _: Answer(status=201))(asked)

    with serving(answer) as server, repository_at(server.address) as repository:
        repository.upload_blob(DESCRIPTOR.digest, DESCRIPTOR.size, in_parts)
    sent = [asked for asked in server.asked if asked.method == "PUT"]
    assert [asked.authorization for asked in sent] == ["Bearer number-1", "Bearer number-2"]
    assert sent[-1].body == BLOB
    assert server.asked[1].query["scope"] == ["repository:a/b:pull,push"]


def test_a_refusal_that_does_not_wait_for_the_blob_is_understood() -> None:
    size = 200 << 20  # more than any buffer between them takes

    def chunks() -> Iterator[bytes]:
        return itertools.repeat(bytes(1 << 20), 200)

    refusal = Answer(status=413, body=b"too large")
    with (
        serving(taking(lambda _: refusal), unread=["PUT"]) as server,
        repository_at(server.address) as repository,
        pytest.raises(RegistryError, match="cannot store"),
    ):
        repository.upload_blob(DESCRIPTOR.digest, size, chunks)


@pytest.mark.parametrize("status", [404, 500, 503])
def test_an_upload_that_failed_is_begun_anew(status: int) -> None:
    answers = iter([Answer(status=status), Answer(status=201)])
    made = []

    def chunks() -> Iterator[bytes]:
        made.append(1)
        return in_parts()

    with (
        serving(taking(lambda _: next(answers))) as server,
        repository_at(server.address) as repository,
    ):
        repository.upload_blob(DESCRIPTOR.digest, DESCRIPTOR.size, chunks)
    assert [asked.method for asked in server.asked] == ["POST", "PUT", "HEAD", "POST", "PUT"]
    assert len(made) == 2


def test_what_makes_the_bytes_is_ended_before_it_is_begun_anew() -> None:
    lock = threading.Lock()
    began = []

    def chunks() -> Iterator[bytes]:
        assert lock.acquire(blocking=False), "the one before still runs"
        began.append(1)
        try:
            yield from itertools.repeat(bytes(1 << 20), 200)
        finally:
            lock.release()

    with (
        serving(taking(lambda _: Answer(status=503)), unread=["PUT"]) as server,
        repository_at(server.address) as repository,
        pytest.raises(RegistryError, match="cannot store"),
    ):
        repository.upload_blob(DESCRIPTOR.digest, 200 << 20, chunks)
    assert len(began) == SHORT.attempts
    assert not lock.locked()


def test_an_upload_whose_answer_was_lost_is_not_repeated() -> None:
    with (
        serving(taking(lambda _: Answer(status=502), has=True)) as server,
        repository_at(server.address) as repository,
    ):
        repository.upload_blob(DESCRIPTOR.digest, DESCRIPTOR.size, in_parts)
    assert [asked.method for asked in server.asked] == ["POST", "PUT", "HEAD"]


def test_what_goes_wrong_with_the_bytes_is_no_fault_of_the_registry() -> None:
    def chunks() -> Iterator[bytes]:
        yield BLOB[:1000]
        raise OSError("the disk is gone")

    with (
        serving(taking(lambda _: Answer(status=201))) as server,
        repository_at(server.address) as repository,
    ):
        with pytest.raises(OSError, match="the disk is gone"):
            repository.upload_blob(DESCRIPTOR.digest, DESCRIPTOR.size, chunks)
        assert [asked.method for asked in server.asked].count("POST") == 1


@pytest.mark.parametrize("size", [299_999, 300_001])
def test_a_blob_that_has_another_size_is_not_sent_to_its_end(size: int) -> None:
    with (
        serving(taking(lambda _: Answer(status=201))) as server,
        repository_at(server.address) as repository,
        pytest.raises(RegistryError, match=f"was to have {size} bytes"),
    ):
        repository.upload_blob(DESCRIPTOR.digest, size, in_parts)


def test_no_login_goes_to_another_host_with_a_blob() -> None:
    with serving(lambda _: Answer(status=201)) as store:
        answer = taking(lambda _: Answer(status=400), location=f"http://{store.address}/there")

        def guarded(asked: Asked) -> Answer:
            basic = {"WWW-Authenticate": "Basic realm=x"}
            return answer(asked) if asked.authorization else Answer(status=401, headers=basic)

        with (
            serving(guarded) as server,
            repository_at(server.address, login=("me", "secret")) as repository,
        ):
            repository.upload_blob(DESCRIPTOR.digest, DESCRIPTOR.size, in_parts)
    assert store.told() == [("PUT", "/there", "")]
    assert store.asked[0].body == BLOB


def test_an_upload_that_leads_nowhere_is_refused() -> None:
    with (
        serving(lambda _: Answer(status=202)) as server,
        repository_at(server.address) as repository,
        pytest.raises(RegistryError, match="leads to an address that is none"),
    ):
        repository.upload_blob(DESCRIPTOR.digest, DESCRIPTOR.size, in_parts)


def test_a_mount_asks_for_both_repositories_and_ends_what_was_begun_instead() -> None:
    def answer(asked: Asked) -> Answer:
        if asked.path == "/token":
            return Answer(body=b'{"token": "good"}')
        if asked.authorization:
            return taking(lambda _: Answer(status=204))(asked)
        realm = f'Bearer realm="http://{asked.headers["host"]}/token"'
        return Answer(status=401, headers={"WWW-Authenticate": realm})

    with serving(answer) as server, repository_at(server.address) as repository:
        assert not repository.mount_blob(DESCRIPTOR, "c/d")
    _, token, mount, ended = server.asked
    assert token.query["scope"] == ["repository:a/b:pull,push", "repository:c/d:pull"]
    assert mount.query == {"mount": [DESCRIPTOR.digest], "from": ["c/d"]}
    assert (ended.method, ended.target) == ("DELETE", "/upload/1?state=x")


@pytest.mark.parametrize("status", [401, 403, 404])
def test_a_mount_that_is_refused_is_none(status: int) -> None:
    with (
        serving(lambda _: Answer(status=status)) as server,
        repository_at(server.address) as repository,
    ):
        assert not repository.mount_blob(DESCRIPTOR, "c/d")


# -- tags -----------------------------------------------------------------------------------------------------


def page(tags: list[str] | None, link: str = "") -> Answer:
    return Answer(body=json.dumps({"name": "a/b", "tags": tags}).encode(), headers={"Link": link})


def test_tags_come_in_pages() -> None:
    def answer(asked: Asked) -> Answer:
        if "last" in asked.query:
            return page(["2", "3"])
        return page(["1", "2"], '</v2/a/b/tags/list?last=2&n=2>; rel="next"')

    with serving(answer) as server, repository_at(server.address) as repository:
        assert repository.tags() == ["1", "2", "3"]


@pytest.mark.parametrize("answer", [Answer(status=404), page(None), page([])])
def test_a_repository_may_have_no_tags(answer: Answer) -> None:
    with serving(lambda _: answer) as server, repository_at(server.address) as repository:
        assert repository.tags() == []


def test_a_loop_of_pages_ends() -> None:
    def answer(asked: Asked) -> Answer:
        last = 1 - int(asked.query.get("last", ["0"])[0])
        return page(["1"], f'</v2/a/b/tags/list?last={last}>; rel="next"')

    with serving(answer) as server, repository_at(server.address) as repository:
        with pytest.raises(RegistryError, match="does not come to the end"):
            repository.tags()
        assert len(server.asked) == 3


def test_endless_pages_end(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("incubator.registry.repository._MOST_PAGES", 20)
    numbers = itertools.count()
    with (
        serving(lambda _: page(["1"], f"<?last={next(numbers)}>; rel=next")) as server,
        repository_at(server.address) as repository,
        pytest.raises(RegistryError, match="does not come to the end"),
    ):
        repository.tags()
    assert len(server.asked) == 20


def test_no_login_follows_a_page_to_another_host() -> None:
    with serving(lambda _: page(["2"])) as other:
        link = f"<http://{other.address}/v2/a/b/tags/list>; rel=next"
        with (
            serving(lambda _: page(["1"], link)) as server,
            repository_at(server.address) as repository,
            pytest.raises(RegistryError, match="another address"),
        ):
            repository.tags()
    assert other.asked == []


# -- silence --------------------------------------------------------------------------------------------------


def test_a_registry_that_was_waited_for_is_asked_once(monkeypatch: pytest.MonkeyPatch) -> None:
    asked = []

    def refuse(*_: object, **__: object) -> None:
        asked.append(1)
        raise requests.exceptions.ConnectionError("no")

    monkeypatch.setattr(requests.Session, "request", refuse)
    with Registries(Credentials(), patience=SHORT) as registries:
        for attempts in (SHORT.attempts, 1):
            with pytest.raises(RegistrySilent, match="does not answer") as caught:
                registries.repository("quiet.example/a").has_blob(DESCRIPTOR.digest)
            assert caught.value.registry == "quiet.example"
            assert len(asked) == attempts
            registries.hurry("quiet.example")
            asked.clear()


def test_one_that_answers_is_waited_for_again() -> None:
    answers = iter([Answer(status=500), Answer(status=500), Answer()])
    with (
        serving(lambda _: next(answers)) as server,
        Registries(Credentials(), patience=SHORT) as registries,
    ):
        registries.hurry(server.address)
        assert registries.repository(f"{server.address}/a").has_blob(DESCRIPTOR.digest)


@pytest.mark.parametrize("answer", [Answer(status=500), Answer(body=BLOB[:-1])], ids=["failed", "shorter"])
def test_an_answer_is_no_silence(answer: Answer) -> None:
    with serving(lambda _: answer) as server, repository_at(server.address) as repository:
        with pytest.raises(RegistryError) as caught:
            b"".join(repository.read_blob(DESCRIPTOR))
        assert not isinstance(caught.value, RegistrySilent)
