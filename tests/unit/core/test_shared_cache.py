"""What a shared cache does with a registry that refuses, and with entries whose layers are packed in other ways."""

from __future__ import annotations

from contextlib import contextmanager
from dataclasses import replace
from typing import TYPE_CHECKING, Any, cast

import pytest

from incubator.core.shared_cache import SharedCache
from incubator.events import WarningRaised
from incubator.oci.descriptor import Descriptor
from incubator.oci.image_config import digest_of
from incubator.oci.manifest import Manifest
from incubator.oci.media_types import OCI_LAYER, OCI_LAYER_GZIP, OCI_LAYER_ZSTD, OCI_MANIFEST
from incubator.oci.reference import parse_reference
from incubator.registry.credentials import Credentials
from incubator.registry.repository import Registries
from incubator.request import CacheSource
from tests.unit.core.test_cache_image import AMD64, CONFIG, DIFF_IDS, KEYS, LAYERS, FakeRepository, below
from tests.unit.registry.serving import SHORT, Answer, Asked, Serving, serving

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from incubator.core.lazy import LazyEngine


@contextmanager
def cache_at(answer: Callable[[Asked], Answer]) -> Iterator[tuple[SharedCache, Serving, list[str]]]:
    """A cache that reads from one server, what that was asked, and warnings."""
    told: list[str] = []
    with serving(answer) as server, Registries(Credentials(), patience=SHORT) as registries:
        cache = SharedCache(
            cast("LazyEngine", None),
            registries,
            sources=[CacheSource(place=parse_reference(f"{server.address}/web:main"))],
            targets=[],
            platform=AMD64,
            credentials=(),
            emit=lambda event: told.append(event.message) if isinstance(event, WarningRaised) else None,
        )
        yield cache, server, told


@pytest.mark.parametrize("status", [401, 403, 429, 500])
def test_a_registry_that_begins_to_refuse_is_asked_no_more(status: int) -> None:
    image = FakeRepository(CONFIG)

    def answer(asked: Asked) -> Answer:
        if asked.path.endswith("/manifests/main"):
            return Answer(headers={"Content-Type": OCI_MANIFEST}, body=image.document.to_bytes())
        if asked.method == "GET" and "/blobs/" in asked.path:
            return Answer(body=image.config)
        return Answer(status=status)

    with cache_at(answer) as (cache, server, told):
        assert cache.find(KEYS[0], DIFF_IDS[:1]) is None
        asked = len(server.asked)
        assert cache.find(KEYS[1], DIFF_IDS[:2]) is None
        assert len(server.asked) == asked
    assert len(told) == 1
    assert "is not used: " in told[0]


def entry(**changes: Any) -> Manifest:
    """An entry of a cache for the first key, of one layer with those changes."""
    layer = replace(LAYERS[1], **changes)
    annotations = {
        "incubator.cache.kind": "layer",
        "incubator.cache.key": KEYS[0],
        "incubator.cache.below": below(1),
        "incubator.cache.diff-ids": DIFF_IDS[1],
        "incubator.cache.sizes": "1",
        "org.opencontainers.image.created": "2026-01-02T00:00:00Z",
    }
    config = Descriptor(media_type="application/json", digest=digest_of(b"{}"), size=2)
    return Manifest(config=config, layers=(layer,), annotations=tuple(sorted(annotations.items())))


@pytest.mark.parametrize(
    ("changes", "taken"),
    [
        ({"media_type": OCI_LAYER}, True),
        ({"media_type": OCI_LAYER_GZIP}, True),
        ({"media_type": OCI_LAYER_ZSTD}, True),
        ({"media_type": "application/x-other"}, False),
        ({"urls": ("https://example.com/layer",)}, False),
    ],
)
def test_an_entry_is_read_as_it_may_have_been_written(changes: dict[str, Any], *, taken: bool) -> None:
    data = entry(**changes).to_bytes()

    def answer(asked: Asked) -> Answer:
        if asked.path.endswith(f"/manifests/main-{KEYS[0]}"):
            return Answer(headers={"Content-Type": OCI_MANIFEST}, body=data)
        return Answer(status=200 if asked.method == "HEAD" else 404)

    with cache_at(answer) as (cache, _, told):
        found = cache.find(KEYS[0], DIFF_IDS[:1])
    assert (found is not None) == taken
    assert told == []
