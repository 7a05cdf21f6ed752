from __future__ import annotations

import gzip
from typing import TYPE_CHECKING, Any, cast

import pytest

from incubator.core.blob import Blob
from incubator.core.known_layers import CacheBroken, KnownLayer
from incubator.errors import RegistryError
from incubator.oci.descriptor import Descriptor
from incubator.oci.image_config import digest_of
from incubator.oci.media_types import DOCKER_LAYER_GZIP, OCI_LAYER, OCI_LAYER_GZIP, OCI_LAYER_ZSTD

if TYPE_CHECKING:
    from collections.abc import Iterator

TAR = bytes(range(256)) * 20_000
PACKED = gzip.compress(TAR, mtime=0)


class Home:
    """A repository that has one blob, handed out in pieces."""

    def __init__(self, data: bytes, error: RegistryError | None = None) -> None:
        self.data = data
        self.error = error

    def read_blob(self, _: Descriptor) -> Iterator[bytes]:
        yield from (self.data[start : start + 1000] for start in range(0, len(self.data), 1000))
        if self.error:
            raise self.error


def layer(
    data: bytes, media_type: str = OCI_LAYER_GZIP, *, error: RegistryError | None = None, **options: Any
) -> KnownLayer:
    descriptor = Descriptor(media_type=media_type, digest=digest_of(data), size=len(data))
    home = cast("Any", Home(data, error))
    return KnownLayer(**{"diff_id": digest_of(TAR), "descriptor": descriptor, "home": home} | options)


@pytest.mark.parametrize(
    ("data", "media_type"),
    [
        (TAR, OCI_LAYER),
        (PACKED, OCI_LAYER_GZIP),
        (PACKED, DOCKER_LAYER_GZIP),
        (gzip.compress(TAR[:70_000]) + gzip.compress(b"") + gzip.compress(TAR[70_000:]), OCI_LAYER_GZIP),
    ],
)
def test_a_layer_is_unpacked(data: bytes, media_type: str) -> None:
    with layer(data, media_type).unpacked() as tar:
        assert b"".join(tar.chunks()) == TAR


@pytest.mark.parametrize(
    ("data", "media_type"),
    [
        (PACKED[:-9], OCI_LAYER_GZIP),
        (PACKED[:100] + b"\x00" * 50 + PACKED[150:], OCI_LAYER_GZIP),
        (b"", OCI_LAYER_GZIP),
        (gzip.compress(TAR + b"x"), OCI_LAYER_GZIP),
        (PACKED, OCI_LAYER_ZSTD),
        (PACKED, "application/x.other"),
    ],
)
@pytest.mark.parametrize("cached", [True, False])
def test_what_is_no_such_layer_is_an_error(data: bytes, media_type: str, cached: bool) -> None:
    with pytest.raises(RegistryError) as raised:
        layer(data, media_type, cached=cached).unpacked()
    assert isinstance(raised.value, CacheBroken) == cached


@pytest.mark.parametrize("cached", [True, False])
def test_a_registry_that_fails(cached: bool) -> None:
    error = RegistryError("no more")
    with pytest.raises(RegistryError, match="no more") as raised:
        layer(PACKED, error=error, cached=cached).unpacked()
    assert isinstance(raised.value, CacheBroken) == cached


def test_a_tar_of_ones_own_is_compressed_when_it_is_asked_for() -> None:
    with Blob.write(iter((TAR,))) as tar:
        own = KnownLayer(diff_id=tar.digest, tar=tar.shared(), size_bytes=tar.size_bytes)
    assert own.size == len(TAR)
    with own.unpacked() as unpacked:
        assert b"".join(unpacked.chunks()) == TAR
    assert own.descriptor is None
    described = own.described()
    packed = b"".join(own.chunks())
    assert (described.digest, described.size) == (digest_of(packed), len(packed))
    assert gzip.decompress(packed) == TAR
    own.is_in(
        cast("Any", Home(PACKED)), Descriptor(media_type=OCI_LAYER_GZIP, digest=digest_of(PACKED), size=1)
    )
    assert b"".join(own.chunks()) == PACKED
    own.is_in(cast("Any", Home(b"")), described)  # the first one counts
    assert own.described().digest == digest_of(PACKED)
    own.close()


@pytest.mark.parametrize("size", [10, 9 << 20])
def test_a_shared_blob_outlives_the_first(size: int) -> None:
    with Blob.write(iter((b"x" * size,))) as first:
        assert sum(map(len, first.chunks())) == size
        second = first.shared()
    with second, second.shared() as third:
        both = zip(second.chunks(), third.chunks(), strict=True)
        assert sum(len(one) for one, other in both if one == other) == size
