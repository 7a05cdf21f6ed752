"""Pushes without a tag."""

from __future__ import annotations

import uuid
from typing import TYPE_CHECKING

import pytest

from incubator.errors import PushFailed
from incubator.events import ImageTagged, WarningRaised
from incubator.metadata import make_metadata
from incubator.registry.credentials import Credentials
from incubator.registry.repository import Registries
from incubator.request import Credential

if TYPE_CHECKING:
    from lab import RegistryHandle
    from tests.engine.conftest import Bench

COPIED = "FROM {base}\nCOPY file /file\n"
RUN = "FROM busybox\nRUN echo pushed > /pushed\n"


def test_layers_that_are_known_get_no_tag(docker28: Bench, registry: RegistryHandle) -> None:
    name = f"{registry.address}/digest/{uuid.uuid4().hex[:12]}"
    base = f"{name}-base:1"
    docker28.build("FROM busybox\nRUN echo base > /base\n", tag=base, push=True, load=False)
    docker28.events.clear()
    result = docker28.build(COPIED.format(base=base), {"file": "x"}, tag=name, push_by_digest=True, pull=True)
    assert result.digest
    assert (result.tags, result.digests) == ((), {name: result.digest})
    metadata = make_metadata(result)
    assert (metadata["containerimage.digest"], metadata["image.name"]) == (result.digest, name)
    with Registries(Credentials()) as registries:
        repository = registries.repository(name)
        assert repository.tags() == []
        manifest, _ = repository.manifest(result.digest)
    assert manifest.digest == result.digest
    kinds = (ImageTagged, WarningRaised)
    assert not [event for event in docker28.events if isinstance(event, kinds)]


def test_where_the_engine_pushes_the_digest_is_what_counts(bench: Bench, registry: RegistryHandle) -> None:
    name = f"{registry.address}/digest/{uuid.uuid4().hex[:12]}"
    result = bench.build(RUN, tag=name, push_by_digest=True)
    assert result.digest
    assert (result.tags, result.digests) == ((), {name: result.digest})
    with Registries(Credentials()) as registries:
        repository = registries.repository(name)
        manifest, _ = repository.manifest(result.digest)
        tags = repository.tags()
    assert manifest.digest == result.digest
    warnings = [event.message for event in bench.events if isinstance(event, WarningRaised)]
    assert all(tag.startswith("incubator-") for tag in tags)
    assert all(any(f"the tag {name}:{tag} stays" in text for text in warnings) for tag in tags)
    assert not [tag for image in bench.api.images(name) for tag in image["RepoTags"] or ()]


def test_a_login_is_used_and_a_refusal_told(docker28: Bench, registry_auth: RegistryHandle) -> None:
    assert registry_auth.username
    assert registry_auth.password
    login = Credential(
        registry=registry_auth.address, username=registry_auth.username, password=registry_auth.password
    )
    name = f"{registry_auth.address}/digest/{uuid.uuid4().hex[:12]}"
    with pytest.raises(PushFailed) as refused:
        docker28.build(RUN, tag=name, push_by_digest=True)
    assert (refused.value.pushed, refused.value.failed) == ((), (name,))
    result = docker28.build(RUN, tag=name, push_by_digest=True, credentials=[login])
    with Registries(Credentials([login])) as registries:
        assert registries.repository(name).resolve(result.digest or "")
