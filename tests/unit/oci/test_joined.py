"""One index out of several images."""

from __future__ import annotations

import json
from itertools import permutations

import pytest

from incubator.errors import InputError
from incubator.oci.descriptor import Descriptor
from incubator.oci.joined import UNKNOWN, Member, join
from incubator.oci.media_types import OCI_INDEX, OCI_MANIFEST
from incubator.oci.platform import Platform, parse_platform


def member(letter: str, platform: str | Platform, *, os_version: str = "") -> Member:
    descriptor = Descriptor(
        media_type=OCI_MANIFEST,
        digest=f"sha256:{letter * 64}",
        size=7,
        platform=parse_platform(platform) if isinstance(platform, str) else platform,
        os_version=os_version,
    )
    return Member(source=f"acme/web:{letter}", descriptor=descriptor)


def test_the_order_of_the_sources_makes_no_difference() -> None:
    members = [member("a", "linux/arm64"), member("b", "linux/amd64"), member("c", "linux/arm/v7")]
    members.append(member("0", UNKNOWN))
    digests = {join(each).digest for each in permutations(members)}
    assert len(digests) == 1
    index = join(members, {"b": "2", "a": "1"})
    assert [str(entry.platform) for entry in index.manifests] == [
        "linux/amd64", "linux/arm/v7", "linux/arm64", "unknown/unknown",
    ]  # fmt: skip
    data = json.loads(index.to_bytes())
    assert (data["mediaType"], data["annotations"]) == (OCI_INDEX, {"a": "1", "b": "2"})


def test_two_images_for_a_platform_are_named() -> None:
    with pytest.raises(InputError) as raised:
        join([member("a", "linux/arm64/v8"), member("b", "linux/aarch64")])
    for text in ("linux/arm64", "acme/web:a", "acme/web:b", "a" * 64, "b" * 64):
        assert text in raised.value.message


def test_an_image_that_is_given_twice_counts_once() -> None:
    assert len(join([member("a", "linux/amd64"), member("a", "linux/amd64")]).manifests) == 1


def test_versions_of_windows_and_attestations_live_side_by_side() -> None:
    members = [
        member("a", "windows/amd64", os_version="10.0.1"),
        member("b", "windows/amd64", os_version="10.0.2"),
    ]
    members += [member("c", UNKNOWN), member("d", UNKNOWN)]
    assert len(join(members).manifests) == 4


@pytest.mark.parametrize("members", [[], [member("a", UNKNOWN)]])
def test_an_index_of_no_image_is_none(members: list[Member]) -> None:
    with pytest.raises(InputError, match="no image to merge"):
        join(members)
