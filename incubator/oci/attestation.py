"""Statements about an image, and how an index keeps them beside it. Pure.

Spec: in-toto's attestation framework, statement v0.1; BuildKit, docs/attestations/attestation-storage.md.
"""

from __future__ import annotations

import json
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Final

from incubator.oci.descriptor import Descriptor
from incubator.oci.image_config import digest_of
from incubator.oci.joined import UNKNOWN
from incubator.oci.manifest import Index, Manifest
from incubator.oci.media_types import IN_TOTO, OCI_CONFIG

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from incubator.oci.descriptor import Annotations
    from incubator.oci.platform import Platform

STATEMENT: Final = "https://in-toto.io/Statement/v0.1"
"""The version that BuildKit writes; tools that know version 1 read it too."""

SLSA_PROVENANCE: Final = "https://slsa.dev/provenance/v1"
SPDX: Final = "https://spdx.dev/Document"
CYCLONEDX: Final = "https://cyclonedx.org/bom"

PREDICATE_TYPE: Final = "in-toto.io/predicate-type"
REFERENCE_TYPE: Final = "vnd.docker.reference.type"
REFERENCE_DIGEST: Final = "vnd.docker.reference.digest"
ATTESTATION_MANIFEST: Final = "attestation-manifest"


@dataclass(frozen=True, slots=True, kw_only=True)
class Predicate:
    """What is said of an image: `document` is JSON, as it is to be written."""

    type: str
    document: bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class Attestation:
    """A manifest of statements, and the blobs that it names: its config first."""

    manifest: Manifest
    blobs: tuple[tuple[Descriptor, bytes], ...]


def to_json(value: object) -> bytes:
    """Compact JSON, keys sorted: equal values, equal bytes."""
    return json.dumps(value, separators=(",", ":"), sort_keys=True, ensure_ascii=False).encode()


def make_statement(predicate: Predicate, names: Sequence[str], digest: str) -> bytes:
    """A statement that the image `digest`, known as all `names`, is what the predicate says."""
    algorithm, _, value = digest.partition(":")
    head: Mapping[str, Any] = {
        "_type": STATEMENT,
        "predicateType": predicate.type,
        "subject": [{"name": name, "digest": {algorithm: value}} for name in names],
    }
    # The document as it came: what wrote its numbers, and in which order, is not ours to change.
    return to_json(head)[:-1] + b',"predicate":' + predicate.document + b"}"


def make_attestation(predicates: Sequence[Predicate], names: Sequence[str], digest: str) -> Attestation:
    """What BuildKit calls an attestation manifest, for the image `digest`."""
    blobs = []
    for predicate in predicates:
        statement = make_statement(predicate, names, digest)
        described = _describe(IN_TOTO, statement)
        blobs.append(
            (replace(described, annotations=((PREDICATE_TYPE, predicate.type),)), statement),
        )
    layers = tuple(descriptor for descriptor, _ in blobs)
    config = to_json(
        {
            "architecture": UNKNOWN.architecture,
            "os": UNKNOWN.os,
            "config": {},
            "rootfs": {"type": "layers", "diff_ids": [layer.digest for layer in layers]},
        }
    )
    described = _describe(OCI_CONFIG, config)
    return Attestation(
        manifest=Manifest(config=described, layers=layers), blobs=((described, config), *blobs)
    )


def attested_index(
    image: Descriptor, platform: Platform, attestation: Manifest, annotations: Annotations = ()
) -> Index:
    """An index of an image and what is stated about it, which no engine takes for an image."""
    beside = replace(
        attestation.descriptor,
        platform=UNKNOWN,
        annotations=((REFERENCE_DIGEST, image.digest), (REFERENCE_TYPE, ATTESTATION_MANIFEST)),
    )
    return Index(manifests=(replace(image, platform=platform), beside), annotations=annotations)


def _describe(media_type: str, data: bytes) -> Descriptor:
    return Descriptor(media_type=media_type, digest=digest_of(data), size=len(data))
