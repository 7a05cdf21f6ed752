"""What an image's config says of its layers as results: written by whoever could push it."""

from __future__ import annotations

import json
from typing import Any

import pytest

from incubator.errors import RegistryError
from incubator.oci.cached_layers import FIELD, MOST, CachedLayers, read_cached_layers
from incubator.oci.image_config import ImageConfig, RuntimeConfig, image_config_from_json
from incubator.oci.platform import Platform

KEY, OTHER, THIRD = "a" * 64, "b" * 64, "c" * 64
AMD64 = Platform(os="linux", architecture="amd64")


def test_a_config_keeps_the_list() -> None:
    # The last is of a step that has changed nothing.
    cached = tuple(
        CachedLayers(begin=begin, end=end, key=key)
        for begin, end, key in ((1, 2, KEY), (2, 4, OTHER), (4, 4, THIRD))
    )
    config = ImageConfig(platform=AMD64, config=RuntimeConfig(), cached=cached)
    fields = json.loads(config.to_json_bytes())
    assert fields[FIELD] == [[KEY, 1, 2], [OTHER, 2, 4], [THIRD, 4, 4]]
    assert read_cached_layers(fields, 4) == cached
    # What stands on the image is no result of these keys.
    assert image_config_from_json(fields).cached == ()


def test_a_config_without_a_list_is_as_ever() -> None:
    config = ImageConfig(platform=AMD64, config=RuntimeConfig())
    assert FIELD not in json.loads(config.to_json_bytes())
    assert read_cached_layers({}, 4) == ()


@pytest.mark.parametrize(
    "value",
    [
        {}, "text", 1, True, [1], ["text"], [[]], [None], [{}],
        [[KEY, 0]], [[KEY, 0, 1, 2]], [[KEY, "0", "1"]], [[KEY, 0.0, 1.0]], [[KEY, None, 1]], [[0, 0, 1]],
        [[KEY, 0, 5]], [[KEY, 5, 5]], [[KEY, 2, 1]], [[KEY, -1, 1]], [[KEY, 0, 10**40]],
        [[KEY[:-1], 0, 1]], [[KEY.upper(), 0, 1]], [[KEY + "\n", 0, 1]], [["../" + KEY[3:], 0, 1]],
        [[KEY, 0, 1]] * (MOST + 1),
    ],
    ids=lambda value: str(value)[:40],
)  # fmt: skip
def test_a_list_that_is_none(value: Any) -> None:
    with pytest.raises(RegistryError):
        read_cached_layers({FIELD: value}, 4)
