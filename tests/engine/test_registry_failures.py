"""A registry that breaks off, dies or forgets its tokens: the right image, or a clear failure."""

from __future__ import annotations

import secrets
from typing import TYPE_CHECKING

import pytest

from incubator.errors import PushFailed
from incubator.events import ImageBuilt, WarningRaised
from incubator.registry.credentials import Credentials
from incubator.registry.repository import Registries
from tests.engine.gate import Gate, Verdict, gated

if TYPE_CHECKING:
    from collections.abc import Iterator

    from lab import RegistryHandle
    from tests.engine.conftest import Bench

FILES = {"a.txt": "one\n", "b.txt": "two\n"}
OF_FILES = "FROM scratch\nCOPY a.txt /\nCOPY b.txt /\n"
OF_A_RUN = "FROM busybox\nRUN date +%s%N >/made\nCOPY a.txt /\n"
KINDS = pytest.mark.parametrize("text", [OF_FILES, OF_A_RUN], ids=["files", "run"])
"""An image that is put together in the registry, and one that the engine pushes."""


@pytest.fixture
def gate(registry: RegistryHandle) -> Iterator[Gate]:
    with gated(registry.address) as gate:
        yield gate


@pytest.fixture
def repository() -> str:
    return f"gate/{secrets.token_hex(6)}"


class Cut:
    """Break off the first `count` requests that carry what has `part` in its path, or all."""

    def __init__(self, count: float, part: str = "/blobs/uploads/") -> None:
        self.left = count
        self.part = part
        self.cut = 0

    def __call__(self, asked: str) -> Verdict:
        if self.part not in asked or not asked.startswith(("PATCH", "PUT")) or self.left <= 0:
            return "pass"
        self.left -= 1
        self.cut += 1
        return "cut"


def tags_of(registry: RegistryHandle, repository: str) -> list[str]:
    with Registries(Credentials()) as registries:
        return list(registries.repository(f"{registry.address}/{repository}").tags())


def pulled(bench: Bench, reference: str) -> set[str]:
    """The files of an image that is fetched from its registry."""
    bench.client.pull(reference, platform=None, credential=None, progress=lambda *_: None)
    try:
        return set(bench.snapshot(reference).files)
    finally:
        bench.client.remove_image(reference)


@KINDS
def test_an_upload_that_breaks_off_is_begun_anew(
    docker28: Bench, registry: RegistryHandle, gate: Gate, repository: str, text: str
) -> None:
    gate.judge = cuts = Cut(1)
    docker28.build(text, FILES, tag=f"{gate.address}/{repository}:1", push=True, load=False)
    assert cuts.cut == 1
    assert "a.txt" in pulled(docker28, f"{registry.address}/{repository}:1")


@KINDS
def test_a_registry_that_dies_while_it_is_pushed_to_fails_the_push(
    docker28: Bench, registry: RegistryHandle, gate: Gate, repository: str, text: str
) -> None:
    gate.judge = Cut(float("inf"), "/manifests/")  # an engine goes on trying to upload layers for a minute
    with pytest.raises(PushFailed) as caught:
        docker28.build(text, FILES, tag=f"{gate.address}/{repository}:1", push=True, load=False)
    assert f"not pushed: {gate.address}/{repository}:1" in caught.value.message
    assert any(isinstance(event, ImageBuilt) for event in docker28.events)
    assert tags_of(registry, repository) == []


def test_a_registry_that_dies_behind_the_first_tag_is_told_with_what_made_it(
    docker28: Bench, registry: RegistryHandle, gate: Gate, repository: str
) -> None:
    gate.judge = Cut(float("inf"), "/manifests/2")
    names = [f"{gate.address}/{repository}:{number}" for number in (1, 2)]
    with pytest.raises(PushFailed) as caught:
        docker28.build(OF_FILES, FILES, tag=names, push=True, load=False)
    assert caught.value.pushed == (names[0],)
    assert caught.value.failed == (names[1],)
    assert tags_of(registry, repository) == ["1"]


@KINDS
def test_a_cache_that_dies_while_it_is_written_costs_a_warning(
    docker28: Bench, registry: RegistryHandle, gate: Gate, repository: str, text: str
) -> None:
    gate.judge = Cut(float("inf"))
    docker28.build(
        text,
        FILES,
        tag=f"{registry.address}/{repository}:1",
        push=True,
        load=False,
        cache_to=[f"type=registry,ref={gate.address}/{repository}-cache:main,mode=max"],
    )
    warnings = [event.message for event in docker28.events if isinstance(event, WarningRaised)]
    assert len([message for message in warnings if gate.address in message]) == 1, warnings
    assert "a.txt" in pulled(docker28, f"{registry.address}/{repository}:1")


class ForgetTokens:
    """Forget all tokens at the first request that carries a blob's bytes."""

    def __init__(self) -> None:
        self.forgotten = False

    def __call__(self, asked: str) -> Verdict:
        if self.forgotten or "/blobs/uploads/" not in asked or asked.startswith("POST"):
            return "pass"
        self.forgotten = True
        return "forget"


@KINDS
def test_tokens_that_end_in_the_middle_are_renewed(
    docker28: Bench, registry: RegistryHandle, gate: Gate, repository: str, text: str
) -> None:
    gate.with_tokens = True
    gate.judge = ForgetTokens()
    docker28.build(text, FILES, tag=f"{gate.address}/{repository}:1", push=True, load=False)
    assert gate.refused > 1  # the first request has none
    assert "a.txt" in pulled(docker28, f"{registry.address}/{repository}:1")
