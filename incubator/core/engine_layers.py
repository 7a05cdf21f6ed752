"""Layers that an engine alone has, read out of its export of an image.

Engines write three kinds of archives, of which none says early what a file is: Docker's classic store names files by
ids of its own (20.10) or by diff IDs, containerd's by the digests of blobs, Podman by diff IDs. So a layer is known by
what it holds. Blobs that are compressed already stay as they are.
"""

from __future__ import annotations

import hashlib
import re
from contextlib import contextmanager
from functools import partial
from typing import TYPE_CHECKING, BinaryIO, Final, cast

from incubator.context.tarread import TarError, read_tar
from incubator.core.blob import Blob
from incubator.core.compression import UNPACK_ERRORS, compression_of, unpack
from incubator.core.known_layers import KnownLayer
from incubator.core.streams import ChunkReader
from incubator.errors import EngineError
from incubator.oci.descriptor import Descriptor
from incubator.oci.media_types import OCI_LAYERS

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Iterator

    from incubator.context.entry import Entry

_HEX: Final = re.compile(r"[0-9a-f]{64}", re.ASCII)
_CHUNK: Final = 1 << 20
_SMALLEST: Final = 20
"""Bytes of the smallest blob that a tar of no files can come to."""


def read_layers(
    export: Iterable[bytes], wanted: Collection[str], known: Collection[str]
) -> Iterator[KnownLayer]:
    """The layers `wanted` (by diff IDs) of the image that `export` holds, as they come; the caller closes each.

    `known`: digests of tars and blobs that need not be looked at. Reads no more than it has to, and keeps nothing but
    what is wanted. Raises EngineError where one is not there.
    """
    left = set(wanted)
    skipped = {digest.rpartition(":")[2] for digest in known}
    with _export_errors(), ChunkReader(export) as reader:
        for entry in read_tar(cast("BinaryIO", reader)):
            if not left:
                break
            if (
                entry.kind != "file"
                or entry.size < _SMALLEST
                or not skipped.isdisjoint(_HEX.findall(entry.path))
            ):
                continue
            layer = _read(entry)
            if layer.diff_id in left:
                left.discard(layer.diff_id)
                yield layer
            else:
                layer.close()
    if left:
        raise EngineError(f"the engine's export of an image lacks the layers {', '.join(sorted(left))}")


@contextmanager
def _export_errors() -> Iterator[None]:
    try:
        yield
    except TarError as error:
        raise EngineError(f"the engine's export of an image cannot be read: {error.reason}") from error
    except UNPACK_ERRORS as error:
        raise EngineError(f"the engine's export of an image has a broken layer: {error}") from error


def _read(entry: Entry) -> KnownLayer:
    """A file as the layer that it may be."""
    with entry.open() as file:
        blob = Blob.write(iter(partial(file.read, _CHUNK), b""))
    try:
        kind = compression_of(next(blob.chunks()))
        if kind == "none":
            return KnownLayer(diff_id=blob.digest, tar=blob, size_bytes=blob.size_bytes)
        digest, size = hashlib.sha256(), 0
        for chunk in unpack(blob.chunks(), kind):
            digest.update(chunk)
            size += len(chunk)
    except BaseException:
        blob.file.close()
        raise
    descriptor = Descriptor(media_type=OCI_LAYERS[kind], digest=blob.digest, size=blob.size_bytes)
    return KnownLayer(
        diff_id=f"sha256:{digest.hexdigest()}", descriptor=descriptor, packed=blob, size_bytes=size
    )
