"""Statements, and the manifests that keep them."""

from __future__ import annotations

import json

import pytest

from incubator.oci.annotations import Annotation, select
from incubator.oci.attestation import (
    SLSA_PROVENANCE,
    SPDX,
    Predicate,
    attested_index,
    make_attestation,
    make_statement,
    to_json,
)
from incubator.oci.descriptor import Descriptor
from incubator.oci.image_config import digest_of
from incubator.oci.joined import UNKNOWN
from incubator.oci.manifest import Index, parse_document
from incubator.oci.media_types import OCI_INDEX, OCI_MANIFEST
from incubator.oci.platform import Platform

ARM64 = Platform(os="linux", architecture="arm64")
HEX = "a" * 64
IMAGE = Descriptor(media_type=OCI_MANIFEST, digest=f"sha256:{HEX}", size=7)


def test_a_document_stays_as_it_was_written() -> None:
    document = b'{ "z": 1.50,\n "a": "\\u00e9" }'
    data = make_statement(Predicate(type=SPDX, document=document), ["pkg:docker/web@1"], IMAGE.digest)
    assert data.endswith(b',"predicate":' + document + b"}")
    assert json.loads(data) == {
        "_type": "https://in-toto.io/Statement/v0.1",
        "predicateType": "https://spdx.dev/Document",
        "subject": [{"name": "pkg:docker/web@1", "digest": {"sha256": HEX}}],
        "predicate": {"z": 1.5, "a": "é"},
    }


def test_the_manifest_names_every_statement() -> None:
    predicates = [Predicate(type=SPDX, document=b"{}"), Predicate(type=SLSA_PROVENANCE, document=b"{}")]
    attestation = make_attestation(predicates, ["web"], IMAGE.digest)
    manifest = attestation.manifest
    assert [descriptor for descriptor, _ in attestation.blobs] == [manifest.config, *manifest.layers]
    for descriptor, data in attestation.blobs:
        assert (descriptor.digest, descriptor.size) == (digest_of(data), len(data))
    config = json.loads(attestation.blobs[0][1])
    assert config == {
        "architecture": "unknown",
        "os": "unknown",
        "config": {},
        "rootfs": {"type": "layers", "diff_ids": [layer.digest for layer in manifest.layers]},
    }
    assert [dict(layer.annotations) for layer in manifest.layers] == [
        {"in-toto.io/predicate-type": SPDX},
        {"in-toto.io/predicate-type": SLSA_PROVENANCE},
    ]
    assert parse_document(manifest.to_bytes(), OCI_MANIFEST) == manifest


def test_the_index_has_the_image_and_beside_it_what_is_said() -> None:
    beside = make_attestation([Predicate(type=SPDX, document=b"{}")], ["web"], IMAGE.digest).manifest
    index = attested_index(IMAGE, ARM64, beside, (("a", "b"),))
    assert parse_document(index.to_bytes(), OCI_INDEX) == index
    assert isinstance(index, Index)
    image, attestation = index.manifests
    assert (image.digest, image.platform, image.annotations) == (IMAGE.digest, ARM64, ())
    assert (attestation.digest, attestation.platform) == (beside.digest, UNKNOWN)
    assert dict(attestation.annotations) == {
        "vnd.docker.reference.digest": IMAGE.digest,
        "vnd.docker.reference.type": "attestation-manifest",
    }


def test_equal_values_are_equal_bytes() -> None:
    assert to_json({"b": 1, "a": "ü"}) == to_json({"a": "ü", "b": 1}) == '{"a":"ü","b":1}'.encode()


@pytest.mark.parametrize(
    ("level", "platform", "expected"),
    [
        ("manifest", ARM64, {"a": "of arm64", "b": "2"}),
        ("manifest", Platform(os="linux", architecture="amd64"), {"a": "later", "b": "2"}),
        ("index", None, {"a": "of the index"}),
        ("manifest-descriptor", ARM64, {}),
    ],
)
def test_what_is_for_one_platform_counts_more(
    level: str, platform: Platform | None, expected: object
) -> None:
    annotations = [
        Annotation(key="a", value="of arm64", platform=ARM64),
        Annotation(key="a", value="earlier"),
        Annotation(key="a", value="later"),
        Annotation(key="b", value="2"),
        Annotation(key="a", value="of the index", level="index"),
    ]
    assert dict(select(annotations, level, platform)) == expected  # type: ignore[arg-type]
