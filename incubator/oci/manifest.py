"""Manifests and indexes, of both families. Spec: OCI image-spec manifest.md and image-index.md.

What a registry gives is hostile until it is parsed: sizes are limited, types are checked, and a document that could
be read as both kinds is refused (CVE-2021-41190).
"""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final

from incubator.errors import RegistryError, shortened
from incubator.oci.descriptor import (
    Annotations,
    Descriptor,
    descriptor_from_json,
    read_annotations,
    read_list,
    read_object,
    read_text,
)
from incubator.oci.image_config import digest_of
from incubator.oci.media_types import INDEXES, MANIFESTS, OCI_INDEX, OCI_MANIFEST

if TYPE_CHECKING:
    from collections.abc import Mapping

LARGEST_DOCUMENT: Final = 4 << 20
"""Bytes of a manifest or an index, as registries and engines limit them."""
LARGEST_INDEX: Final = 10_000
_GENERIC: Final = frozenset(("", "application/json", "application/octet-stream", "text/plain"))
"""What servers say that do not know better."""


@dataclass(frozen=True, slots=True, kw_only=True)
class _Document:
    media_type: str
    annotations: Annotations = ()
    artifact_type: str = ""
    subject: Descriptor | None = None
    _original: bytes | None = field(default=None, init=False, repr=False, compare=False)
    """What it was parsed from; `dataclasses.replace` does not hand it on."""

    def to_bytes(self) -> bytes:
        """The very bytes that it was parsed from; else compact JSON, keys sorted: equal values, equal digests."""
        if self._original is not None:
            return self._original
        data = self._content() | {
            "schemaVersion": 2,
            "mediaType": self.media_type,
            "annotations": dict(self.annotations),
            "artifactType": self.artifact_type,
            "subject": self.subject and self.subject.to_json(),
        }
        kept = {key: value for key, value in data.items() if value or key in {"layers", "manifests"}}
        return json.dumps(kept, separators=(",", ":"), sort_keys=True, ensure_ascii=False).encode()

    @property
    def digest(self) -> str:
        """The SHA-256 digest of `to_bytes()`."""
        return digest_of(self.to_bytes())

    @property
    def descriptor(self) -> Descriptor:
        """What an index says of it, but for the platform."""
        data = self.to_bytes()
        return Descriptor(media_type=self.media_type, digest=digest_of(data), size=len(data))

    def _content(self) -> dict[str, Any]:
        raise NotImplementedError


@dataclass(frozen=True, slots=True, kw_only=True)
class Manifest(_Document):
    """One image, or whatever else has a config and layers; layers base first."""

    media_type: str = OCI_MANIFEST
    config: Descriptor
    layers: tuple[Descriptor, ...] = ()

    def _content(self) -> dict[str, Any]:
        return {"config": self.config.to_json(), "layers": [layer.to_json() for layer in self.layers]}


@dataclass(frozen=True, slots=True, kw_only=True)
class Index(_Document):
    """Manifests, most often one for each platform."""

    media_type: str = OCI_INDEX
    manifests: tuple[Descriptor, ...] = ()

    def _content(self) -> dict[str, Any]:
        return {"manifests": [manifest.to_json() for manifest in self.manifests]}


def parse_document(data: bytes, media_type: str | None) -> Manifest | Index:
    """Read a manifest or an index; `media_type` is what its source says of it (a `Content-Type`, or a descriptor).

    Raises RegistryError where it is neither, is both, or is not what its source says.
    """
    if len(data) > LARGEST_DOCUMENT:
        raise RegistryError(f"the manifest is longer than {LARGEST_DOCUMENT} bytes")
    try:
        parsed = json.loads(data)
    except (ValueError, RecursionError):
        raise RegistryError("the manifest is not JSON") from None
    fields = read_object(parsed, "the manifest")
    kind = _media_type(fields, (media_type or "").partition(";")[0].strip().lower())
    subject = fields.get("subject")
    common: dict[str, Any] = {
        "media_type": kind,
        "annotations": read_annotations(fields),
        "artifact_type": read_text(fields, "artifactType"),
        "subject": descriptor_from_json(subject) if subject is not None else None,
    }
    document: Manifest | Index
    if kind in INDEXES:
        document = Index(manifests=_descriptors(fields, "manifests"), **common)
    else:
        config = descriptor_from_json(fields.get("config"))
        document = Manifest(config=config, layers=_descriptors(fields, "layers"), **common)
    object.__setattr__(document, "_original", data)
    return document


def _media_type(fields: Mapping[str, Any], told: str) -> str:
    """The one type that the document, its source and its content agree on."""
    if fields.get("schemaVersion") != 2:
        raise RegistryError(
            "the manifest is not of schema 2",
            hint="push the image again with a current engine: registries no longer keep the old kind",
        )
    named = read_text(fields, "mediaType")
    told = "" if told in _GENERIC else told
    if named and told and named != told:
        raise RegistryError(f"the manifest says that it is {_shown(named)}, its source says {_shown(told)}")
    is_index, is_manifest = "manifests" in fields, "layers" in fields or "config" in fields
    kind = named or told or (OCI_INDEX if is_index else OCI_MANIFEST)
    if kind not in MANIFESTS | INDEXES:
        raise RegistryError(f"the manifest is of a type that is not known: {_shown(kind)}")
    if (is_index, is_manifest) != (kind in INDEXES, kind in MANIFESTS):
        raise RegistryError(f"the manifest does not hold what {kind} has to hold")
    return kind


def _descriptors(fields: Mapping[str, Any], key: str) -> tuple[Descriptor, ...]:
    found = read_list(fields, key)
    if len(found) > LARGEST_INDEX:
        raise RegistryError(f"the manifest has more than {LARGEST_INDEX} {key}")
    return tuple(descriptor_from_json(entry) for entry in found)


def _shown(text: str) -> str:
    return shortened(ascii(text), 100)
