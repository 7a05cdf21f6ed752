"""OCI image layouts made by hand, sound ones and others."""

from __future__ import annotations

import gzip
import hashlib
import io
import json
import tarfile
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from pathlib import Path

MANIFEST = "application/vnd.oci.image.manifest.v1+json"
INDEX = "application/vnd.oci.image.index.v1+json"
CONFIG = "application/vnd.oci.image.config.v1+json"
LAYER = "application/vnd.oci.image.layer.v1.tar+gzip"
LAYER_ZSTD = "application/vnd.oci.image.layer.v1.tar+zstd"


def layer_tar(files: dict[str, str]) -> bytes:
    """The tar of a layer."""
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as tar:
        for name, text in files.items():
            member = tarfile.TarInfo(name)
            member.size = len(text)
            tar.addfile(member, io.BytesIO(text.encode()))
    return buffer.getvalue()


def zstd_frame(data: bytes) -> bytes:
    """A frame of zstd (RFC 8878) of one block that is stored as it is; at most 128 KiB."""
    block = 1 | len(data) << 3
    return b"\x28\xb5\x2f\xfd\xa0" + len(data).to_bytes(4, "little") + block.to_bytes(3, "little") + data


def sha256(data: bytes) -> str:
    return f"sha256:{hashlib.sha256(data).hexdigest()}"


class Layout:
    """A layout in `folder`, to be filled."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        (folder / "blobs" / "sha256").mkdir(parents=True)
        (folder / "oci-layout").write_text('{"imageLayoutVersion": "1.0.0"}')
        self.index({"schemaVersion": 2, "manifests": []})

    def blob(self, data: bytes, media_type: str, **more: Any) -> dict[str, Any]:
        """Store a blob; its descriptor."""
        self.path(sha256(data)).write_bytes(data)
        return {"mediaType": media_type, "digest": sha256(data), "size": len(data), **more}

    def document(self, data: Any, media_type: str, **more: Any) -> dict[str, Any]:
        """Store JSON; its descriptor."""
        return self.blob(json.dumps(data).encode(), media_type, **more)

    def path(self, digest: str) -> Path:
        """Where a blob is."""
        return self.folder / "blobs" / "sha256" / digest.removeprefix("sha256:")

    def index(self, data: Any) -> None:
        """Write the index."""
        (self.folder / "index.json").write_text(json.dumps(data))

    def image(
        self, files: dict[str, str], *, architecture: str = "amd64", zstd: bool = False, **config: Any
    ) -> dict[str, Any]:
        """Store an image of one layer; the descriptor of its manifest. `config` replaces keys of its config."""
        tar = layer_tar(files)
        found = {
            "architecture": architecture,
            "os": "linux",
            "config": {"Env": ["FROM_LAYOUT=yes"]},
            "rootfs": {"type": "layers", "diff_ids": [sha256(tar)]},
        } | config
        manifest = {
            "schemaVersion": 2,
            "mediaType": MANIFEST,
            "config": self.document(found, CONFIG),
            "layers": [
                self.blob(zstd_frame(tar), LAYER_ZSTD)
                if zstd
                else self.blob(gzip.compress(tar, mtime=0), LAYER)
            ],
        }
        platform = {"architecture": architecture, "os": "linux"}
        return self.document(manifest, MANIFEST, platform=platform)

    def name(self, **tags: dict[str, Any]) -> None:
        """Write an index that has descriptors by their tags."""
        key = "org.opencontainers.image.ref.name"
        named = [descriptor | {"annotations": {key: tag}} for tag, descriptor in tags.items()]
        self.index({"schemaVersion": 2, "manifests": named})
