"""What a repository has beside an attested image."""

from __future__ import annotations

import json
import zlib
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from incubator.oci.manifest import Index, Manifest
from incubator.oci.media_types import OCI_INDEX

if TYPE_CHECKING:
    from collections.abc import Iterator

    from incubator.registry.repository import Repository


@dataclass
class Shelf:
    """What a repository has under a tag or a digest, every digest checked."""

    repository: Repository

    def manifest(self, name: str) -> Manifest:
        document, _ = self.repository.manifest(name)
        assert isinstance(document, Manifest)
        return document

    def index(self, name: str) -> Index:
        document, _ = self.repository.manifest(name)
        assert isinstance(document, Index)
        assert document.media_type == OCI_INDEX
        return document

    def image(self, name: str) -> Manifest:
        [image, _] = self.index(name).manifests
        return self.manifest(image.digest)

    def statements(self, name: str) -> dict[str, Any]:
        """The statements of an attested image by their types; what the index says of them is looked at too."""
        [image, beside] = self.index(name).manifests
        assert str(image.platform) == "linux/amd64"
        assert str(beside.platform) == "unknown/unknown"
        assert dict(beside.annotations) == {
            "vnd.docker.reference.digest": image.digest,
            "vnd.docker.reference.type": "attestation-manifest",
        }
        manifest = self.manifest(beside.digest)
        config = json.loads(self.repository.small_blob(manifest.config))
        assert config["rootfs"]["diff_ids"] == [layer.digest for layer in manifest.layers]
        found = {}
        for layer in manifest.layers:
            assert layer.media_type == "application/vnd.in-toto+json"
            statement = json.loads(self.repository.small_blob(layer))
            assert dict(layer.annotations) == {"in-toto.io/predicate-type": statement["predicateType"]}
            assert statement["_type"] == "https://in-toto.io/Statement/v0.1"
            for subject in statement["subject"]:
                assert subject["digest"] == {"sha256": image.digest.removeprefix("sha256:")}
            found[statement["predicateType"]] = statement
        return found

    def everything(self, name: str) -> Iterator[bytes]:
        """The bytes of all documents and blobs, those of layers unpacked."""
        document, _ = self.repository.manifest(name)
        yield document.to_bytes()
        if isinstance(document, Index):
            for entry in document.manifests:
                yield from self.everything(entry.digest)
            return
        for blob in (document.config, *document.layers):
            data = b"".join(self.repository.read_blob(blob))
            yield zlib.decompress(data, 47) if "gzip" in blob.media_type else data
