"""What of a lookup needs no engine."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, cast

import pytest

from incubator.core.lookup import ImageLookup, find_credential, report_transfer
from incubator.dockerfile import Source, Span
from incubator.errors import InputError
from incubator.events import Event, Transfer
from incubator.oci.reference import parse_reference
from incubator.request import Credential
from tests.unit.core.planning import AMD64

if TYPE_CHECKING:
    from incubator.core.engine import Engine

SPAN = Span(Source("Dockerfile", "FROM x"), 1, 1)


@pytest.mark.parametrize("pull", [True, False])
@pytest.mark.parametrize(
    "reference", ["SCRATCH", "../containers/json?all=1#", "a b", "", "busybox:", "x@sha256:1"]
)
def test_what_is_no_reference_becomes_part_of_no_request(reference: str, *, pull: bool) -> None:
    nobody = cast("Engine", object())  # any call would fail otherwise
    lookup = ImageLookup(engine=nobody, emit=lambda _: None, credentials=(), pull=pull)
    with pytest.raises(InputError) as caught:
        lookup(reference, AMD64, span=SPAN)
    assert str(caught.value).startswith(f"Dockerfile:1:1: invalid reference {reference!r}")


def login(registry: str) -> Credential:
    return Credential(registry=registry, username="u", password="p")


@pytest.mark.parametrize(
    ("reference", "registry"),
    [("busybox", "docker.io"), ("docker.io/a/b", "docker.io"), ("r:5000/a", "r:5000"), ("r/a", "docker.io"),
     ("r.io/a", None)],
)  # fmt: skip
def test_the_login_is_that_of_the_references_registry(reference: str, registry: str | None) -> None:
    logins = [login("r:5000"), login("docker.io"), login("r")]
    found = find_credential(parse_reference(reference), logins)
    assert (found.registry if found else None) == registry


def test_progress_becomes_events() -> None:
    heard: list[Any] = []

    def emit(event: Event) -> None:
        heard.append(event)

    report = report_transfer(emit, "a:1", "push")
    report(1, None)
    report(2, 9)
    assert heard == [
        Transfer(reference="a:1", direction="push", current_bytes=1, total_bytes=None),
        Transfer(reference="a:1", direction="push", current_bytes=2, total_bytes=9),
    ]
