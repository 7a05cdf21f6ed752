"""What a push counts: bytes that travel to the registry, and no others."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import pytest

from incubator.core import assembly
from incubator.core.assembly import ensure_layers
from incubator.core.blob import Blob
from incubator.core.known_layers import KnownLayer
from incubator.core.publish import Pushes, push_each
from incubator.events import ImagePushed, Transfer
from incubator.oci.descriptor import Descriptor
from incubator.oci.media_types import OCI_LAYER_GZIP
from incubator.oci.reference import parse_reference
from tests.unit.registry.serving import Answer, Asked, repository_at, serving

if TYPE_CHECKING:
    from collections.abc import Iterator

    from incubator.events import Event
    from incubator.oci.reference import Reference
    from incubator.registry.repository import Repository

MISSING, THERE, ELSEWHERE = (bytes([number]) * (number << 20) for number in (3, 4, 5))


def layer(data: bytes, **options: Any) -> KnownLayer:
    """A layer whose blob is with us."""
    blob = Blob.of_bytes(data)
    descriptor = Descriptor(media_type=OCI_LAYER_GZIP, digest=blob.digest, size=len(data))
    return KnownLayer(diff_id=blob.digest, descriptor=descriptor, packed=blob, **options)


@contextmanager
def registry(*, failing: int = 0) -> Iterator[Repository]:
    """One that lacks a blob, and mounts another; it breaks off so many uploads."""
    left = [failing]

    def answer(asked: Asked) -> Answer:
        if asked.method == "HEAD":
            return Answer(status=200 if layer(THERE).diff_id in asked.path else 404)
        if asked.method == "POST":
            mounted = layer(ELSEWHERE).diff_id in asked.query.get("mount", ())
            return Answer(status=201 if mounted else 202, headers={"Location": "/v2/a/b/blobs/uploads/1"})
        if asked.method == "PUT" and left[0]:
            left[0] -= 1
            return Answer(status=503)
        return Answer(status=201)

    with serving(answer) as server, repository_at(server.address) as repository:
        yield repository


@pytest.fixture(autouse=True)
def _every_chunk_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(assembly, "_TELL_EVERY_S", 0.0)


@pytest.mark.parametrize("failing", [0, 2])
def test_bytes_that_travel_are_counted_and_no_others(failing: int) -> None:
    told: list[tuple[int, int | None]] = []
    with registry(failing=failing) as repository, repository_at(repository.registry, name="a/other") as other:
        layers = [layer(THERE), layer(MISSING), layer(ELSEWHERE, home=other)]
        ensure_layers(repository, layers, lambda done, total: told.append((done, total)))
    assert told[-1] == (len(MISSING), len(MISSING))
    assert len(told) > 2
    assert max(done for done, _ in told) == len(MISSING)
    assert all(total and done <= total for done, total in told)


def test_where_nothing_is_missing_nothing_is_counted() -> None:
    told: list[tuple[int, int | None]] = []
    with registry() as repository:
        ensure_layers(repository, [layer(THERE)], lambda done, total: told.append((done, total)))
    assert told == [(0, 0)]


@pytest.mark.parametrize(("data", "sent"), [(MISSING, len(MISSING)), (THERE, 0)])
def test_the_last_event_says_what_has_travelled(data: bytes, sent: int) -> None:
    heard: list[Event] = []
    pushes = Pushes(heard.append)

    def push(tag: Reference) -> str:
        ensure_layers(repository, [layer(data)], pushes.progress(tag))
        return "sha256:x"

    with registry() as repository:
        push_each([parse_reference("a.example/b:1")], push, pushes)
    *transfers, pushed = heard
    assert isinstance(pushed, ImagePushed)
    assert pushed.sent_bytes == sent
    assert all(isinstance(event, Transfer) for event in transfers)
    assert bool(transfers) == bool(sent)


def test_what_was_sent_while_layers_were_made_counts_once() -> None:
    heard: list[Event] = []
    pushes = Pushes(heard.append, {"a.example/b": 5})
    tags = [parse_reference(f"a.example/{name}") for name in ("b:1", "b:2", "c:1")]

    def push(tag: Reference) -> str:
        pushes.progress(tag)(2, 2)
        return "sha256:x"

    push_each(tags, push, pushes)
    assert [event.sent_bytes for event in heard if isinstance(event, ImagePushed)] == [7, 2, 2]


def test_what_an_engine_does_not_tell_is_not_known() -> None:
    heard: list[Event] = []
    push_each([parse_reference("a.example/b:1")], lambda _: "sha256:x", Pushes(heard.append))
    (pushed,) = heard
    assert isinstance(pushed, ImagePushed)
    assert pushed.sent_bytes is None
