"""Manifests, indexes and descriptors: there and back, and what others may write."""

from __future__ import annotations

import contextlib
import dataclasses
import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from incubator.errors import RegistryError
from incubator.oci.descriptor import Descriptor, descriptor_from_json
from incubator.oci.digest import fits, is_digest
from incubator.oci.image_config import digest_of
from incubator.oci.manifest import LARGEST_DOCUMENT, Index, Manifest, parse_document
from incubator.oci.media_types import (
    DOCKER_INDEX,
    DOCKER_MANIFEST,
    OCI_CONFIG,
    OCI_INDEX,
    OCI_LAYER_GZIP,
    OCI_LAYER_ZSTD,
    OCI_MANIFEST,
)
from incubator.oci.platform import Platform

DIGEST = digest_of(b"")
CONFIG = {"mediaType": OCI_CONFIG, "digest": DIGEST, "size": 7}
LAYER = {"mediaType": OCI_LAYER_GZIP, "digest": DIGEST, "size": 8}
MANIFEST: dict[str, Any] = {
    "schemaVersion": 2,
    "mediaType": OCI_MANIFEST,
    "config": CONFIG,
    "layers": [LAYER],
}
INDEX: dict[str, Any] = {"schemaVersion": 2, "mediaType": OCI_INDEX, "manifests": []}

texts = st.text(st.characters(exclude_categories=["Cs"]), max_size=20)
descriptors = st.builds(
    Descriptor,
    media_type=st.sampled_from([OCI_CONFIG, OCI_LAYER_GZIP, OCI_LAYER_ZSTD]),
    digest=st.binary().map(digest_of),
    size=st.integers(0, 2**63 - 1),
    annotations=st.dictionaries(texts, texts).map(lambda found: tuple(sorted(found.items()))),
    platform=st.none() | st.just(Platform(os="linux", architecture="arm", variant="v7")),
    urls=st.lists(texts).map(tuple),
    artifact_type=texts,
)


def encoded(data: Any) -> bytes:
    return json.dumps(data).encode()


@given(descriptors)
def test_a_descriptor_goes_there_and_back(descriptor: Descriptor) -> None:
    assert descriptor_from_json(json.loads(json.dumps(descriptor.to_json()))) == descriptor


@given(
    st.builds(
        Manifest,
        media_type=st.sampled_from([OCI_MANIFEST, DOCKER_MANIFEST]),
        config=descriptors,
        layers=st.lists(descriptors, max_size=3).map(tuple),
        subject=st.none() | descriptors,
        artifact_type=texts,
    )
    | st.builds(
        Index,
        media_type=st.sampled_from([OCI_INDEX, DOCKER_INDEX]),
        manifests=st.lists(descriptors, max_size=3).map(tuple),
    )
)
def test_a_document_goes_there_and_back(document: Manifest | Index) -> None:
    data = document.to_bytes()
    parsed = parse_document(data, document.media_type)
    assert parsed == document
    assert parsed.to_bytes() == data
    assert parsed.descriptor == Descriptor(
        media_type=document.media_type, digest=digest_of(data), size=len(data)
    )


def test_what_was_parsed_keeps_its_bytes_until_it_is_changed() -> None:
    data = json.dumps(MANIFEST, indent=3).encode()
    parsed = parse_document(data, None)
    assert parsed.to_bytes() == data
    assert parsed.digest == digest_of(data)
    changed = dataclasses.replace(parsed, annotations=(("key", "value"),))
    assert json.loads(changed.to_bytes()) == {**MANIFEST, "annotations": {"key": "value"}}
    assert changed.digest != parsed.digest


def test_equal_documents_have_equal_bytes() -> None:
    config, layer = descriptor_from_json(CONFIG), descriptor_from_json(LAYER)
    assert Manifest(config=config, layers=(layer,)).to_bytes() == (
        b'{"config":{"digest":"'
        + DIGEST.encode()
        + b'","mediaType":"'
        + OCI_CONFIG.encode()
        + b'","size":7},'
        b'"layers":[{"digest":"' + DIGEST.encode() + b'","mediaType":"' + OCI_LAYER_GZIP.encode() + b'",'
        b'"size":8}],"mediaType":"' + OCI_MANIFEST.encode() + b'","schemaVersion":2}'
    )
    assert b'"manifests":[]' in Index().to_bytes()


def test_platforms_of_an_index_are_spelt_one_way() -> None:
    entry = {**CONFIG, "mediaType": OCI_MANIFEST}
    platforms = [
        {"os": "linux", "architecture": "arm64", "variant": "v8"},
        {"os": "windows", "architecture": "amd64", "os.version": "10.0.1"},
    ]
    index = parse_document(
        encoded({**INDEX, "manifests": [{**entry, "platform": platform} for platform in platforms]}), None
    )
    assert isinstance(index, Index)
    assert [str(found.platform) for found in index.manifests] == ["linux/arm64", "windows/amd64"]
    assert index.manifests[1].to_json()["platform"] == platforms[1]


@pytest.mark.parametrize(
    ("data", "told", "kind"),
    [
        (MANIFEST, None, OCI_MANIFEST),
        (MANIFEST, "application/json", OCI_MANIFEST),
        (MANIFEST, f"{OCI_MANIFEST}; charset=utf-8", OCI_MANIFEST),
        ({**MANIFEST, "mediaType": DOCKER_MANIFEST}, DOCKER_MANIFEST, DOCKER_MANIFEST),
        ({**MANIFEST, "mediaType": None}, None, OCI_MANIFEST),
        ({**MANIFEST, "mediaType": ""}, DOCKER_MANIFEST, DOCKER_MANIFEST),
        ({"schemaVersion": 2, "manifests": []}, None, OCI_INDEX),
        ({"schemaVersion": 2, "manifests": []}, DOCKER_INDEX, DOCKER_INDEX),
    ],
)
def test_the_kind_is_what_all_say(data: dict[str, Any], told: str | None, kind: str) -> None:
    assert parse_document(encoded(data), told).media_type == kind


@pytest.mark.parametrize(
    ("data", "told", "words"),
    [
        (MANIFEST, OCI_INDEX, "says that it is"),
        (MANIFEST, DOCKER_MANIFEST, "says that it is"),
        ({**MANIFEST, "manifests": []}, None, "does not hold"),
        ({**INDEX, "layers": []}, None, "does not hold"),
        ({**INDEX, "config": CONFIG}, OCI_INDEX, "does not hold"),
        ({"schemaVersion": 2, "mediaType": OCI_INDEX}, None, "does not hold"),
        ({"schemaVersion": 2, "config": CONFIG, "layers": []}, OCI_INDEX, "does not hold"),
        ({"schemaVersion": 2}, None, "does not hold"),
        ({**MANIFEST, "schemaVersion": 1}, None, "schema 2"),
        ({"layers": [], "config": CONFIG}, None, "schema 2"),
        ({**MANIFEST, "mediaType": "text/html"}, None, "not known"),
        ({**MANIFEST, "mediaType": 5}, None, "no text"),
        ({**MANIFEST, "layers": {}}, None, "no list"),
        ({**MANIFEST, "layers": ["x"]}, None, "no object"),
        ({**MANIFEST, "config": None}, None, "no object"),
        ({**MANIFEST, "subject": "x"}, None, "no object"),
        ({**MANIFEST, "annotations": ["x"]}, None, "no object"),
        ({**MANIFEST, "annotations": {"x": 5}}, None, "no text"),
        ({**MANIFEST, "annotations": {"x": "\ud800"}}, None, "no text"),
        ({**MANIFEST, "layers": [LAYER] * 10_001}, None, "more than 10000"),
        ([], None, "no object"),
        ("text", None, "no object"),
    ],
)
def test_what_is_no_manifest_is_refused(data: Any, told: str | None, words: str) -> None:
    with pytest.raises(RegistryError, match=words):
        parse_document(encoded(data), told)


@pytest.mark.parametrize(
    "data",
    [b"", b"{", b"\xff", b"[" * 100_000, b'{"schemaVersion":' + b"1" * 5000 + b"}", b"<html>"],
    ids=["empty", "open", "binary", "deep", "huge", "html"],
)
def test_what_is_no_json_is_refused(data: bytes) -> None:
    with pytest.raises(RegistryError, match="not JSON"):
        parse_document(data, None)


def test_a_flood_is_no_manifest() -> None:
    with pytest.raises(RegistryError, match="longer than"):
        parse_document(b" " * (LARGEST_DOCUMENT + 1), None)


@pytest.mark.parametrize(
    "change",
    [
        {"digest": ""},
        {"digest": None},
        {"digest": "sha256:abc"},
        {"digest": DIGEST.upper()},
        {"digest": DIGEST + "\n"},
        {"digest": "md5:d41d8cd98f00b204e9800998ecf8427e"},
        {"digest": [DIGEST]},
        {"size": -1},
        {"size": 2**63},
        {"size": True},
        {"size": 1.5},
        {"size": "7"},
        {"size": None},
        {"mediaType": None},
        {"mediaType": 5},
        {"urls": "x"},
        {"urls": [5]},
        {"platform": "linux"},
        {"platform": {"os": 5}},
        {"annotations": {"a": None}},
    ],
)
def test_a_descriptor_with_a_fault_is_refused(change: dict[str, Any]) -> None:
    with pytest.raises(RegistryError):
        descriptor_from_json({**LAYER, **change})


def test_what_a_fault_shows_is_short_and_in_one_line() -> None:
    with pytest.raises(RegistryError) as caught:
        descriptor_from_json({**LAYER, "digest": "\x1b[31m\n::error::" + "x" * 10_000})
    assert len(str(caught.value)) < 200
    assert "\n" not in str(caught.value)
    assert "\x1b" not in str(caught.value)


@given(st.recursive(st.none() | st.booleans() | st.integers() | texts, lambda inner: st.lists(inner) | st.dictionaries(
    st.sampled_from(["schemaVersion", "mediaType", "config", "layers", "manifests", "digest", "size"]), inner
)))  # fmt: skip
def test_whatever_comes_is_read_or_refused(data: Any) -> None:
    with contextlib.suppress(RegistryError):
        parse_document(encoded(data), None)


def test_digests_are_checked_by_their_algorithm() -> None:
    assert fits(DIGEST, b"")
    assert not fits(DIGEST, b"x")
    assert is_digest(f"sha512:{'0' * 128}")
    assert not is_digest(f"sha512:{'0' * 64}")
