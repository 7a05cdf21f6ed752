"""Pushes without a tag."""

from __future__ import annotations

import uuid
from typing import TYPE_CHECKING, Any

import pytest

from incubator.core.caching import EngineCache
from incubator.errors import PushFailed
from incubator.events import ImageTagged, WarningRaised
from incubator.metadata import make_metadata
from incubator.registry.credentials import Credentials
from incubator.registry.repository import Registries
from incubator.request import Credential
from tests.engine.validate import validate_pushed

if TYPE_CHECKING:
    from lab import RegistryHandle
    from tests.engine.conftest import Bench

COPIED = "FROM {base}\nCOPY file /file\n"
RUN = "FROM busybox\nRUN echo pushed > /pushed\n"


def tags_of(name: str) -> list[str]:
    with Registries(Credentials()) as registries:
        return registries.repository(name).tags()


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
    validate_pushed(name, result.digest)
    assert tags_of(name) == []
    kinds = (ImageTagged, WarningRaised)
    assert not [event for event in docker28.events if isinstance(event, kinds)]


@pytest.mark.parametrize("own_cache", [False, True])
def test_layers_of_the_engine_are_pushed_without_a_tag(
    bench: Bench, registry: RegistryHandle, own_cache: bool
) -> None:
    name = f"{registry.address}/digest/{uuid.uuid4().hex[:12]}"
    # The name makes all layers this test's own: the engine is others', too, who make the same ones meanwhile.
    text = (
        f"FROM busybox\nRUN echo {name} > /pushed\nCOPY file /file\n"
        "RUN echo more >> /pushed && rm -r /file\nENV A=b\n"
    )
    options: dict[str, Any] = {"cache": EngineCache(bench.client)} if own_cache else {}
    result = bench.build(text, {"file": name}, tag=name, push_by_digest=True, **options)
    assert result.digest
    assert (result.tags, result.digests) == ((), {name: result.digest})
    image = validate_pushed(name, result.digest)
    assert image.diff_ids == [layer.diff_id for layer in result.layers]
    assert image.manifest.config.digest == result.config_digest
    assert image.config["config"]["Env"][-1] == "A=b"
    assert tags_of(name) == []
    assert not [event for event in bench.events if isinstance(event, WarningRaised)]
    assert not [tag for image in bench.api.images(name) for tag in image["RepoTags"] or ()]
    # What the engine keeps comes to the very same blobs.
    again = bench.build(text, {"file": name}, tag=name, push_by_digest=True, no_cache=False, **options)
    assert again.digest == result.digest


def test_blobs_of_a_base_that_the_engine_has_stay_as_they_are(bench: Bench, registry: RegistryHandle) -> None:
    name = f"{registry.address}/digest/{uuid.uuid4().hex[:12]}"
    base = f"{name}-base:1"
    pushed = bench.build("FROM scratch\nCOPY file /\n", {"file": name}, tag=base, push=True, load=False)
    assert pushed.digest
    bench.client.pull(base, platform=None, credential=None, progress=lambda *_: None)
    try:
        text = f"FROM {base}\nCOPY --from=busybox / /\nRUN echo on top > /top\n"
        result = bench.build(text, tag=name, push_by_digest=True)
    finally:
        bench.client.remove_image(base)
    assert result.digest
    below = validate_pushed(base.removesuffix(":1"), pushed.digest).manifest.layers
    image = validate_pushed(name, result.digest)
    kept = image.manifest.layers[: len(below)]
    assert [layer.digest for layer in kept] == [layer.digest for layer in below]


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
