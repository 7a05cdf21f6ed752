"""An OCI image layout in a folder, as a source of images.

The folder may be the checkout's, so it is hostile: no path leaves it, nothing is larger than its descriptor says, and
each blob's digest is checked, those of layers while they are sent.
"""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from functools import partial
from typing import TYPE_CHECKING, Final

from incubator.context.source import ContextError
from incubator.core.blob import Blob
from incubator.core.stored import StoredImage
from incubator.errors import InputError, RegistryError
from incubator.oci.digest import fits, verified
from incubator.oci.image_config import image_config_from_json
from incubator.oci.layout import INDEX, MARKER, blob_path, check_marker, choose_image, choose_platform
from incubator.oci.manifest import LARGEST_DOCUMENT, Index, Manifest, parse_document
from incubator.oci.media_types import COMPRESSIONS, OCI_INDEX

if TYPE_CHECKING:
    from collections.abc import Iterator

    from incubator.context.directory import DirectoryContext
    from incubator.context.entry import Entry
    from incubator.oci.descriptor import Descriptor
    from incubator.oci.image_config import ImageConfig
    from incubator.oci.platform import Platform

_LARGEST_MARKER: Final = 1024
_LARGEST_IMAGE: Final = 1 << 40
"""Bytes of all layers; a file of holes is quickly made, and takes days to read."""
_MOST_INDEXES: Final = 3
"""How deep indexes may lie in each other."""
_CHUNK: Final = 1 << 20


@dataclass(frozen=True, slots=True, kw_only=True)
class LayoutBlob:
    """A layer in a layout. Its last bytes are given only once the digest of all is known to be right."""

    digest: str
    size_bytes: int
    entry: Entry

    def chunks(self) -> Iterator[bytes]:
        """All of it. Raises InputError where it is not what its digest says."""
        with self.entry.open() as file:
            read = verified(iter(partial(file.read, _CHUNK), b""), self.digest, self.size_bytes)
            try:
                yield from read
            except ValueError:
                raise _wrong(self.digest) from None


@dataclass(slots=True)
class OciLayout:
    """One image of a layout: the one of `digest`, else of `tag`, else `latest` or the only one.

    Opening checks that there is such a layout and image. Raises InputError, as all of its methods do.
    """

    files: DirectoryContext
    tag: str | None = None
    digest: str | None = None
    _top: Descriptor | None = field(init=False, default=None)

    def __post_init__(self) -> None:
        check_marker(self._read(MARKER, _LARGEST_MARKER))
        index = self._parse(self._read(INDEX, LARGEST_DOCUMENT), OCI_INDEX)
        if not isinstance(index, Index):
            raise InputError(f"{INDEX} of the layout is no index")
        if self.digest is None:
            self._top = choose_image(index, self.tag)
            self.digest = self._top.digest
        else:
            self._top = next((found for found in index.manifests if found.digest == self.digest), None)

    def image(self, platform: Platform) -> StoredImage:
        """The image for a platform; another one's where the layout does not say for which it is."""
        manifest = self._manifest(platform)
        config_data = self._blob(manifest.config)
        config = _config(config_data)
        if len(config.diff_ids) != len(manifest.layers):
            raise InputError(
                f"the manifest has {len(manifest.layers)} layers, its config tells of {len(config.diff_ids)}"
            )
        if sum(layer.size for layer in manifest.layers) > _LARGEST_IMAGE:
            raise InputError(f"the layers are larger than {_LARGEST_IMAGE} bytes together")
        return StoredImage(
            manifest=Blob.of_bytes(manifest.to_bytes()),
            media_type=manifest.media_type,
            config=Blob.of_bytes(config_data),
            layers=tuple(self._layer(layer) for layer in manifest.layers),
            uses_zstd=any(COMPRESSIONS[layer.media_type] == "zstd" for layer in manifest.layers),
        )

    def _manifest(self, platform: Platform) -> Manifest:
        assert self.digest is not None
        digest, size, media_type = self.digest, LARGEST_DOCUMENT, None
        if self._top is not None:
            size, media_type = self._top.size, self._top.media_type
        for _ in range(_MOST_INDEXES):
            document = self._parse(self._document(digest, size), media_type)
            if isinstance(document, Manifest):
                return document
            found = choose_platform(document.manifests, platform)
            digest, size, media_type = found.digest, found.size, found.media_type
        raise InputError("the layout's indexes lie too deep in each other")

    def _document(self, digest: str, size: int) -> bytes:
        if not digest.startswith("sha256:"):
            raise InputError(f"{digest}: engines take manifests and configs by SHA-256 only")
        data = self._read(blob_path(digest), min(size, LARGEST_DOCUMENT))
        if not fits(digest, data):
            raise _wrong(digest)
        return data

    def _blob(self, descriptor: Descriptor) -> bytes:
        data = self._document(descriptor.digest, descriptor.size)
        if len(data) != descriptor.size:
            raise _wrong(descriptor.digest)
        return data

    def _layer(self, descriptor: Descriptor) -> LayoutBlob:
        if descriptor.media_type not in COMPRESSIONS:
            raise InputError(f"the layer {descriptor.digest} is of a kind that is not known")
        entry = self._entry(blob_path(descriptor.digest))
        if entry.size != descriptor.size:
            raise _wrong(descriptor.digest)
        return LayoutBlob(
            digest=descriptor.digest,
            size_bytes=descriptor.size,
            entry=entry,
        )

    def _read(self, path: str, most: int) -> bytes:
        with self._entry(path).open() as file:
            data = b""
            while len(data) <= most and (more := file.read(most + 1 - len(data))):
                data += more
        if len(data) > most:
            raise InputError(f"{path} of the layout is larger than {most} bytes")
        return data

    def _entry(self, path: str) -> Entry:
        try:
            [match] = self.files.resolve(path)
        except ContextError:
            raise InputError(f"the layout has no {path}") from None
        if match.kind != "file":
            raise InputError(f"{path} of the layout is no file")
        [entry] = self.files.walk(match)
        return entry

    @staticmethod
    def _parse(data: bytes, media_type: str | None) -> Manifest | Index:
        try:
            return parse_document(data, media_type)
        except RegistryError as error:
            raise InputError(error.message, hint=error.hint) from error


def _config(data: bytes) -> ImageConfig:
    """The config, as far as it has to be sound here; the engine judges the rest."""
    try:
        return image_config_from_json(json.loads(data))
    except (ValueError, TypeError, AttributeError, OverflowError, RecursionError):
        raise InputError("the config of the layout's image is none") from None


def _wrong(digest: str) -> InputError:
    return InputError(f"the blob {digest} of the layout is not what its digest and size say")
