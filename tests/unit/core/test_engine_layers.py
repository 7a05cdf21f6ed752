"""Layers out of an engine's export: all three forms, what is skipped, and what is wrong."""

from __future__ import annotations

import io
import tarfile
from typing import TYPE_CHECKING

import pytest

from incubator.core.blob import Blob
from incubator.core.compression import Packer
from incubator.core.engine_layers import read_layers
from incubator.errors import EngineError
from incubator.oci.image_config import digest_of

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator

    from incubator.oci.media_types import Compression


def tar_of(text: str) -> bytes:
    return archive({"file": text.encode()})


def archive(files: dict[str, bytes]) -> bytes:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as tar:
        for name, data in files.items():
            member = tarfile.TarInfo(name)
            member.size = len(data)
            tar.addfile(member, io.BytesIO(data))
    return buffer.getvalue()


BASE, MADE = tar_of("base"), tar_of("made")


def hex_of(data: bytes) -> str:
    return digest_of(data).partition(":")[2]


def packed(data: bytes, kind: Compression) -> bytes:
    with Blob.of_bytes(data) as tar, Packer(kind=kind).pack(tar) as blob:
        return b"".join(blob.chunks())


class Export:
    """A stream of an archive that notes how much was read of it, and whether it was let go of."""

    def __init__(self, files: dict[str, bytes]) -> None:
        self.data = archive(files)
        self.read = 0
        self.closed = False

    def __iter__(self) -> Iterator[bytes]:
        try:
            for start in range(0, len(self.data), 512):
                self.read = start + 512
                yield self.data[start : start + 512]
        finally:
            self.closed = True


def layers_of(export: Export, wanted: Collection[bytes], known: Collection[str] = ()) -> dict[str, bytes]:
    found = {}
    for layer in read_layers(export, [digest_of(tar) for tar in wanted], known):
        with layer.unpacked() as tar:
            found[layer.diff_id] = b"".join(tar.chunks())
        layer.close()
    assert export.closed
    return found


OLD_DOCKER = {
    "a" * 64 + "/json": b"{}" * 20,
    "a" * 64 + "/layer.tar": BASE,
    "c" * 64 + ".json": b'{"rootfs": {}, "os": "linux"}',
    "d" * 64 + "/layer.tar": MADE,
    "manifest.json": b"[]",
}
CLASSIC = {f"blobs/sha256/{hex_of(data)}": data for data in (BASE, MADE, b'{"config": "and some more"}')}
CONTAINERD = {f"blobs/sha256/{hex_of(data)}": data for data in (packed(BASE, "gzip"), packed(MADE, "zstd"))}
PODMAN = {f"{hex_of(data)}.tar": data for data in (BASE, MADE)} | {"x.json": b"{}"}


@pytest.mark.parametrize("files", [OLD_DOCKER, CLASSIC, CONTAINERD, PODMAN])
def test_layers_are_found_by_what_they_hold(files: dict[str, bytes]) -> None:
    assert layers_of(Export(files), [MADE]) == {digest_of(MADE): MADE}
    assert layers_of(Export(files), [MADE, BASE]) == {digest_of(MADE): MADE, digest_of(BASE): BASE}


@pytest.mark.parametrize("kind", ["gzip", "zstd"])
def test_a_compressed_blob_stays_as_it_is(kind: Compression) -> None:
    blob = packed(MADE, kind)
    [layer] = read_layers(Export({"blobs/sha256/x": blob}), [digest_of(MADE)], ())
    assert (layer.described().digest, layer.size) == (digest_of(blob), len(MADE))
    assert b"".join(layer.chunks()) == blob
    layer.close()


def test_no_more_is_read_than_is_needed() -> None:
    export = Export({"first/layer.tar": MADE, "second/layer.tar": bytes(10 << 20)})
    layers_of(export, [MADE])
    assert export.read < len(export.data) / 10


def test_what_is_known_by_its_name_is_not_looked_at() -> None:
    broken = packed(BASE, "gzip")[:-5]
    files = {f"blobs/sha256/{'a' * 64}": broken, "made": MADE}
    with pytest.raises(EngineError, match="broken layer"):
        layers_of(Export(files), [MADE])
    assert layers_of(Export(files), [MADE], [f"sha256:{'a' * 64}"]) == {digest_of(MADE): MADE}


@pytest.mark.parametrize("data", [archive({"x": BASE}), archive({"x": BASE})[:3000], b"no tar" * 200])
def test_what_is_not_there_is_an_error(data: bytes) -> None:
    with pytest.raises(EngineError, match="the engine's export of an image"):
        list(read_layers(iter((data,)), [digest_of(MADE)], ()))
