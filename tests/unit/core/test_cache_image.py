"""An image as a cache: a result is found only where it continues what is below, whatever the image says."""

from __future__ import annotations

import json
from typing import Any

import pytest

from incubator.core.cache_image import CacheImage, read_cache_image
from incubator.core.facts import files_id
from incubator.errors import RegistryError
from incubator.oci.cached_layers import FIELD
from incubator.oci.descriptor import Descriptor
from incubator.oci.image_config import digest_of
from incubator.oci.manifest import Index, Manifest
from incubator.oci.media_types import (
    DOCKER_FOREIGN_LAYER,
    OCI_CONFIG,
    OCI_LAYER_GZIP,
    OCI_LAYER_ZSTD,
)
from incubator.oci.platform import Platform
from incubator.oci.reference import parse_reference

AMD64 = Platform(os="linux", architecture="amd64")
ARM64 = Platform(os="linux", architecture="arm64")
REFERENCE = parse_reference("registry.example/web:main")
DIFF_IDS = [digest_of(bytes([number])) for number in range(4)]
KEYS = ["a" * 64, "b" * 64]
CONFIG: dict[str, Any] = {
    "architecture": "amd64",
    "os": "linux",
    "rootfs": {"type": "layers", "diff_ids": DIFF_IDS},
    "history": [
        {"created": "2026-01-01T00:00:00Z", "created_by": "base"},
        {"created": "2026-01-01T00:00:00Z", "created_by": "ENV", "empty_layer": True},
        {"created": "2026-01-02T00:00:00Z", "created_by": "RUN"},
        {"created": "2026-01-03T00:00:00Z", "created_by": "COPY"},
        {"created": "2026-01-03T00:00:00Z", "created_by": "remove empty mount points"},
    ],
    FIELD: [[KEYS[0], 1, 2], [KEYS[1], 2, 4]],
}
LAYERS = tuple(
    Descriptor(media_type=OCI_LAYER_GZIP, digest=digest_of(bytes([9, number])), size=number + 1)
    for number in range(4)
)


class FakeRepository:
    """A repository of one image, of whose config a registry may have said anything."""

    def __init__(self, config: Any, layers: tuple[Descriptor, ...] = LAYERS) -> None:
        self.config = json.dumps(config).encode()
        described = Descriptor(media_type=OCI_CONFIG, digest=digest_of(self.config), size=len(self.config))
        self.document: Manifest | Index = Manifest(config=described, layers=layers)

    def manifest(self, _: str) -> tuple[Manifest | Index, Descriptor]:
        return self.document, self.document.descriptor

    def small_blob(self, _: Descriptor, __: int) -> bytes:
        return self.config


def read(config: Any, layers: tuple[Descriptor, ...] = LAYERS) -> CacheImage | None:
    repository: Any = FakeRepository(config, layers)
    return read_cache_image(repository, REFERENCE, AMD64)


def below(count: int) -> str:
    return files_id(DIFF_IDS[:count])


def test_results_continue_what_is_below() -> None:
    image = read(CONFIG)
    assert image
    first, second = image.find(KEYS[0], below(1)), image.find(KEYS[1], below(2))
    assert first
    assert second
    assert [layer.diff_id for layer in first.layers] == DIFF_IDS[1:2]
    assert [layer.descriptor for layer in second.layers] == list(LAYERS[2:])
    assert all(layer.cached and layer.home is image.home for layer in second.layers)
    assert (first.created, second.created) == ("2026-01-02T00:00:00Z", "2026-01-03T00:00:00Z")
    assert image.find(KEYS[0], below(2)) is None
    assert image.find(KEYS[1], files_id(DIFF_IDS[1:2])) is None
    assert image.find("c" * 64, below(1)) is None


def test_an_image_that_says_nothing() -> None:
    assert read({name: value for name, value in CONFIG.items() if name != FIELD}) is None
    assert read({}) is None
    empty = read(CONFIG | {FIELD: []})
    assert empty
    assert not empty.results


def test_an_index_without_the_platform_says_nothing() -> None:
    repository: Any = FakeRepository(CONFIG)
    entry = Descriptor(media_type=OCI_CONFIG, digest=DIFF_IDS[0], size=1, platform=ARM64)
    repository.document = Index(manifests=(entry,))
    assert read_cache_image(repository, REFERENCE, AMD64) is None


@pytest.mark.parametrize(
    "config",
    [
        [],
        CONFIG | {"rootfs": {"diff_ids": DIFF_IDS[:3]}},
        CONFIG | {"rootfs": {"diff_ids": [*DIFF_IDS[:3], "sha256:x"]}},
        CONFIG | {"rootfs": {"diff_ids": [*DIFF_IDS[:3], 1]}},
        CONFIG | {"rootfs": {"diff_ids": [*DIFF_IDS[:3], None]}},
        CONFIG | {"history": [{"created": 1}] * 4},
        CONFIG | {"author": "\ud800"},
        CONFIG | {"os": "\ud800"},
        CONFIG | {"variant": "\ud800"},
        CONFIG | {"config": {"Labels": {"\ud800": ""}}},
        CONFIG | {"config": {"Healthcheck": {"Interval": float("inf")}}},
        CONFIG | {"history": CONFIG["history"] * 2},
        CONFIG | {FIELD: [[KEYS[0], 1, 5]]},
    ],
    ids=range(13),
)
def test_a_config_that_does_not_fit(config: Any) -> None:
    with pytest.raises(RegistryError):
        read(config)


@pytest.mark.parametrize(
    "created",
    [
        "",
        "x",
        "2026-01-03",
        "2026-01-03T00:00:00Z\n",
        "\u0662026-01-03T00:00:00Z",
        "2026-13-03T00:00:00Z",
        "2026-02-30T00:00:00Z",
        "2026-01-03T24:00:00Z",
        "2026-01-03T00:00:60Z",
        "2026-01-03T00:00:00+24:00",
        "2026-01-03T00:00:00+00:60",
    ],
)
def test_a_layer_without_a_time_is_not_taken(created: str) -> None:
    history = [entry | {"created": created} for entry in CONFIG["history"]]
    image = read(CONFIG | {"history": history})
    assert image
    assert image.find(KEYS[0], below(1)) is None


def test_layers_of_a_base_may_have_no_history() -> None:
    image = read(CONFIG | {"history": CONFIG["history"][1:]})
    found = image.find(KEYS[0], below(1)) if image else None
    assert found
    assert found.created == "2026-01-02T00:00:00Z"


@pytest.mark.parametrize(
    ("changes", "taken"),
    [
        ({"media_type": OCI_LAYER_ZSTD}, True),
        ({"media_type": "application/x-other"}, False),
        ({"media_type": DOCKER_FOREIGN_LAYER, "urls": ("https://example.com/layer",)}, False),
        ({"urls": ("https://example.com/layer",)}, False),
    ],
)
def test_layers_that_can_be_read_are_taken(changes: dict[str, Any], *, taken: bool) -> None:
    fields: dict[str, Any] = {"media_type": OCI_LAYER_GZIP, "digest": LAYERS[1].digest, "size": 2} | changes
    image = read(CONFIG, (LAYERS[0], Descriptor(**fields), *LAYERS[2:]))
    assert image
    assert (image.find(KEYS[0], below(1)) is not None) == taken
    assert image.find(KEYS[1], below(2))
