"""Tars for `POST /images/load` that make an image out of layers the engine already has.

Pure. A tar holds only the image config, a manifest, and at most one new layer; the other layers' blobs are
absent on purpose, which engines accept for layers they know.
Formats: the docker image spec v1.2 `manifest.json`, and the OCI image layout.
"""

from __future__ import annotations

import io
import json
import tarfile
from typing import TYPE_CHECKING, Any

from incubator.oci.image_config import ImageConfig, digest_of

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

OCI_MANIFEST = "application/vnd.oci.image.manifest.v1+json"
OCI_INDEX = "application/vnd.oci.image.index.v1+json"
OCI_CONFIG = "application/vnd.oci.image.config.v1+json"
OCI_LAYER = "application/vnd.oci.image.layer.v1.tar"
_OCI_TYPES = {
    "application/vnd.docker.image.rootfs.diff.tar": OCI_LAYER,
    "application/vnd.docker.image.rootfs.diff.tar.gzip": f"{OCI_LAYER}+gzip",
    "application/vnd.docker.image.rootfs.diff.tar.zstd": f"{OCI_LAYER}+zstd",
}


def docker_archive(config: ImageConfig, *, top: bytes | None, placeholders: bool) -> tuple[bytes, str]:
    """A docker archive and the id (config digest) of the image it makes.

    `top` is the tar of the last layer. `placeholders` puts empty files where the known layers would be, for
    engines that look whether all named files are there before they look whether they need them.
    """
    blob = config.to_json_bytes()
    image_id = digest_of(blob)
    names = [f"{diff_id.removeprefix('sha256:')}.tar" for diff_id in config.diff_ids]
    files = {f"{image_id.removeprefix('sha256:')}.json": blob}
    if placeholders:
        files |= dict.fromkeys(names, b"")
    if top is not None:
        files[names[-1]] = top
    manifest = [{"Config": next(iter(files)), "RepoTags": None, "Layers": names}]
    files["manifest.json"] = json.dumps(manifest).encode()
    return _tar(files), image_id


def oci_archive(
    config: ImageConfig, *, layers: Sequence[Mapping[str, Any]], top: bytes | None
) -> tuple[bytes, str, list[dict[str, Any]]]:
    """An OCI layout, the manifest digest of the image it makes, and the image's layer descriptors.

    `layers` are the descriptors of the known layers, base first, as read from a manifest.
    """
    blob = config.to_json_bytes()
    descriptors = [_oci_descriptor(layer) for layer in layers]
    files = {}
    if top is not None:
        descriptors.append({"mediaType": OCI_LAYER, "digest": digest_of(top), "size": len(top)})
        files[_blob_name(digest_of(top))] = top
    manifest = json.dumps({
        "schemaVersion": 2,
        "mediaType": OCI_MANIFEST,
        "config": {"mediaType": OCI_CONFIG, "digest": digest_of(blob), "size": len(blob)},
        "layers": descriptors,
    }).encode()  # fmt: skip
    digest = digest_of(manifest)
    index = {
        "schemaVersion": 2,
        "mediaType": OCI_INDEX,
        "manifests": [{"mediaType": OCI_MANIFEST, "digest": digest, "size": len(manifest)}],
    }
    files |= {
        _blob_name(digest_of(blob)): blob,
        _blob_name(digest): manifest,
        "index.json": json.dumps(index).encode(),
        "oci-layout": b'{"imageLayoutVersion":"1.0.0"}',
    }
    return _tar(files), digest, descriptors


def _oci_descriptor(layer: Mapping[str, Any]) -> dict[str, Any]:
    media_type = layer["mediaType"]
    return {
        "mediaType": _OCI_TYPES.get(media_type, media_type),
        "digest": layer["digest"],
        "size": layer["size"],
    }


def _blob_name(digest: str) -> str:
    return f"blobs/{digest.replace(':', '/')}"


def _tar(files: Mapping[str, bytes]) -> bytes:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w", format=tarfile.GNU_FORMAT) as tar:
        for name, data in files.items():
            info = tarfile.TarInfo(name)
            info.size = len(data)
            info.mode = 0o644
            tar.addfile(info, io.BytesIO(data))
    return buffer.getvalue()
