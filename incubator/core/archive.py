"""Tars for `POST /images/load` that make an image out of layers the engine already has.

Pure. A tar holds only the image config, a manifest, and at most one new layer; the other layers' blobs are
absent on purpose, which engines accept for layers they know.
Formats: the docker image spec v1.2 `manifest.json`, and the OCI image layout.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from incubator.context.entry import Entry
from incubator.context.tarstream import BLOCK, header
from incubator.core.blob import Blob
from incubator.oci.layout import INDEX, MARKER, MARKER_BYTES, blob_path
from incubator.oci.media_types import (
    DOCKER_LAYERS,
    OCI_CONFIG,
    OCI_INDEX,
    OCI_LAYER_GZIP,
    OCI_LAYERS,
    OCI_MANIFEST,
)
from incubator.oci.reference import parse_reference

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence

    from incubator.core.stored import Part, StoredImage
    from incubator.core.together import Stacked
    from incubator.oci.image_config import ImageConfig

_IMAGE_NAME = "io.containerd.image.name"
"""Annotation of an entry of an index: the whole reference that an image gets."""
_OCI_TYPES = {DOCKER_LAYERS[kind]: OCI_LAYERS[kind] for kind in OCI_LAYERS}


def docker_archive(
    config: ImageConfig, *, top: Blob | None, placeholders: bool
) -> tuple[Iterator[bytes], str]:
    """A docker archive and the id (config digest) of the image it makes.

    `top` is the tar of the last layer. `placeholders` puts empty files where the known layers would be, for
    engines that look whether all named files are there before they look whether they need them.
    """
    blob = Blob.of_bytes(config.to_json_bytes())
    names = [f"{_hex(diff_id)}.tar" for diff_id in config.diff_ids]
    files: dict[str, Part] = {f"{_hex(blob.digest)}.json": blob}
    if placeholders:
        files |= dict.fromkeys(names, Blob.of_bytes(b""))
    if top is not None:
        files[names[-1]] = top
    manifest = [{"Config": next(iter(files)), "RepoTags": None, "Layers": names}]
    files["manifest.json"] = Blob.of_bytes(json.dumps(manifest).encode())
    return _tar(files), blob.digest


def oci_archive(
    config: ImageConfig, *, layers: Sequence[Mapping[str, Any]], top: Blob | None
) -> tuple[Iterator[bytes], str, list[dict[str, Any]]]:
    """An OCI layout, the manifest digest of the image it makes, and the image's layer descriptors.

    `layers` are the descriptors of the known layers, base first, as read from a manifest. `top` is the last layer,
    compressed with gzip: the engine keeps and pushes it as it comes.
    """
    blobs, described, descriptors = _oci_image(config, layers, top)
    return layout_archive([described], blobs), described["digest"], descriptors


def _oci_image(
    config: ImageConfig, layers: Sequence[Mapping[str, Any]], top: Blob | None
) -> tuple[list[Part], dict[str, Any], list[dict[str, Any]]]:
    """Blobs of an image that are new, the descriptor of its manifest, and those of its layers."""
    blob = Blob.of_bytes(config.to_json_bytes())
    descriptors = [_oci_descriptor(layer) for layer in layers]
    blobs: list[Part] = [blob]
    if top is not None:
        descriptors.append(_descriptor(OCI_LAYER_GZIP, top))
        blobs.append(top)
    manifest = Blob.of_bytes(
        json.dumps(
            {
                "schemaVersion": 2,
                "mediaType": OCI_MANIFEST,
                "config": _descriptor(OCI_CONFIG, blob),
                "layers": descriptors,
            }
        ).encode()
    )
    described = _descriptor(OCI_MANIFEST, manifest)
    return [*blobs, manifest], described, descriptors


def docker_archive_of_all(images: Sequence[Stacked]) -> tuple[Iterator[bytes], list[str]]:
    """A docker archive of several images with their references, each with one new layer; their ids."""
    files: dict[str, Part] = {}
    manifest, ids = [], []
    for image in images:
        blob = Blob.of_bytes(image.config.to_json_bytes())
        names = [f"{_hex(diff_id)}.tar" for diff_id in image.config.diff_ids]
        files |= {f"{_hex(blob.digest)}.json": blob, names[-1]: image.top}
        tags = [str(parse_reference(reference)) for reference in image.references]
        manifest.append({"Config": f"{_hex(blob.digest)}.json", "RepoTags": tags or None, "Layers": names})
        ids.append(blob.digest)
    files["manifest.json"] = Blob.of_bytes(json.dumps(manifest).encode())
    return _tar(files), ids


def _whole(reference: str) -> str:
    """A reference as containerd writes it: with registry, `library/` and tag."""
    parsed = parse_reference(reference)
    return f"{parsed.registry}/{parsed.repository}:{parsed.tag}"


def oci_archive_of_all(
    images: Sequence[Stacked], packed: Sequence[Blob], layers_of: Callable[[str], Sequence[Mapping[str, Any]]]
) -> tuple[Iterator[bytes], dict[str, list[dict[str, Any]]], list[str]]:
    """An OCI layout of several images with their references; descriptors of the layers of each by its id; the ids.

    `packed` are their new layers, compressed with gzip; `layers_of` gives descriptors of an image of the engine's.
    """
    blobs: list[Part] = []
    entries: list[dict[str, Any]] = []
    found: dict[str, list[dict[str, Any]]] = {}
    ids: list[str] = []
    for image, top in zip(images, packed, strict=True):
        below = found[ids[image.below]] if isinstance(image.below, int) else layers_of(image.below)
        parts, described, descriptors = _oci_image(image.config, below, top)
        blobs += parts
        ids.append(described["digest"])
        found[described["digest"]] = descriptors
        names = [_whole(reference) for reference in image.references]
        entries += [{**described, "annotations": {_IMAGE_NAME: name}} for name in names] or [described]
    return layout_archive(entries, blobs), found, ids


def stored_docker_archive(image: StoredImage) -> Iterator[bytes]:
    """A docker archive of a whole image; its layers as they are, which engines unpack."""
    config = f"{_hex(image.config.digest)}.json"
    names = [f"{_hex(layer.digest)}.tar" for layer in image.layers]
    files: dict[str, Part] = {config: image.config, **dict(zip(names, image.layers, strict=True))}
    manifest = [{"Config": config, "RepoTags": None, "Layers": names}]
    files["manifest.json"] = Blob.of_bytes(json.dumps(manifest).encode())
    return _tar(files)


def stored_oci_archive(image: StoredImage) -> Iterator[bytes]:
    """An OCI layout of a whole image, its manifest as it is."""
    described = _descriptor(image.media_type, image.manifest)
    return layout_archive([described], (*image.layers, image.config, image.manifest))


def layout_archive(entries: Sequence[Mapping[str, Any]], blobs: Iterable[Part]) -> Iterator[bytes]:
    """An OCI layout with `entries` in its index; each of `blobs` once."""
    index = {"schemaVersion": 2, "mediaType": OCI_INDEX, "manifests": entries}
    files = {blob_path(part.digest): part for part in blobs}
    files[INDEX] = Blob.of_bytes(json.dumps(index).encode())
    files[MARKER] = Blob.of_bytes(MARKER_BYTES)
    return _tar(files)


def _descriptor(media_type: str, blob: Blob) -> dict[str, Any]:
    return {"mediaType": media_type, "digest": blob.digest, "size": blob.size_bytes}


def _oci_descriptor(layer: Mapping[str, Any]) -> dict[str, Any]:
    media_type = layer["mediaType"]
    return {
        "mediaType": _OCI_TYPES.get(media_type, media_type),
        "digest": layer["digest"],
        "size": layer["size"],
    }


def _hex(digest: str) -> str:
    return digest.rpartition(":")[2]


def _tar(files: Mapping[str, Part]) -> Iterator[bytes]:
    for name, blob in files.items():
        yield header(Entry(path=name, kind="file", mode=0o644, size=blob.size_bytes))
        yield from blob.chunks()
        yield bytes(-blob.size_bytes % BLOCK)
    yield bytes(2 * BLOCK)
