"""Recomputes whatever an image says of itself: every digest, size and diff ID, wherever its blobs are."""

from __future__ import annotations

import gzip
import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol

from incubator.core.compression import unpack
from incubator.oci.image_config import digest_of
from incubator.oci.manifest import Manifest, parse_document
from incubator.oci.media_types import COMPRESSIONS
from incubator.registry.credentials import Credentials
from incubator.registry.repository import Registries

if TYPE_CHECKING:
    from pathlib import Path

    from incubator.oci.descriptor import Descriptor


class Blobs(Protocol):
    """Where blobs are read by their digests."""

    def __call__(self, descriptor: Descriptor) -> bytes: ...


@dataclass(frozen=True, slots=True)
class Validated:
    """A sound image: its manifest, its config as JSON, and the compressions of its layers, base first."""

    manifest: Manifest
    config: dict[str, Any]

    @property
    def compressions(self) -> list[str]:
        return [COMPRESSIONS[layer.media_type] for layer in self.manifest.layers]

    @property
    def diff_ids(self) -> list[str]:
        found: list[str] = self.config["rootfs"]["diff_ids"]
        return found


def validate(data: bytes, digest: str, read: Blobs) -> Validated:
    """Check an image by the bytes of its manifest."""
    assert digest_of(data) == digest
    manifest = parse_document(data, None)
    assert isinstance(manifest, Manifest)
    config = json.loads(checked(manifest.config, read))
    family = manifest.media_type.partition("/vnd.")[2].partition(".")[0]
    assert {named.media_type.partition("/vnd.")[2].partition(".")[0] for named in manifest.layers} <= {family}
    assert family in manifest.config.media_type
    diff_ids = [digest_of(unpacked(checked(layer, read), layer.media_type)) for layer in manifest.layers]
    assert config["rootfs"]["diff_ids"] == diff_ids
    assert sum(not entry.get("empty_layer") for entry in config["history"]) == len(diff_ids)
    return Validated(manifest, config)


def validate_pushed(name: str, digest: str) -> Validated:
    """Check an image in a registry without a login."""
    with Registries(Credentials()) as registries:
        repository = registries.repository(name)
        manifest, _ = repository.manifest(digest)
        return validate(
            manifest.to_bytes(), digest, lambda descriptor: b"".join(repository.read_blob(descriptor))
        )


def validate_layout(folder: Path, tag: str) -> Validated:
    """Check an image of an OCI layout, and that the layout holds no file that is not what its name says."""

    def read(descriptor: Descriptor) -> bytes:
        return (folder / "blobs" / descriptor.digest.replace(":", "/")).read_bytes()

    assert json.loads((folder / "oci-layout").read_text()) == {"imageLayoutVersion": "1.0.0"}
    for blob in (folder / "blobs" / "sha256").iterdir():
        assert digest_of(blob.read_bytes()) == f"sha256:{blob.name}"
    index = json.loads((folder / "index.json").read_text())
    key = "org.opencontainers.image.ref.name"
    [named] = [entry for entry in index["manifests"] if entry["annotations"][key] == tag]
    data = (folder / "blobs" / named["digest"].replace(":", "/")).read_bytes()
    assert named["size"] == len(data)
    return validate(data, named["digest"], read)


def checked(descriptor: Descriptor, read: Blobs) -> bytes:
    data = read(descriptor)
    assert (digest_of(data), len(data)) == (descriptor.digest, descriptor.size)
    return data


def unpacked(blob: bytes, media_type: str) -> bytes:
    match COMPRESSIONS[media_type]:
        case "gzip":
            return gzip.decompress(blob)
        case "zstd":
            return b"".join(unpack(iter((blob,)), "zstd"))
        case "none":
            return blob
