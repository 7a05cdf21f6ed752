"""A whole image outside the engine: what an engine is given to have it. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from incubator.core.blob import Blob
    from incubator.core.engine import Store


class Part(Protocol):
    """A blob that can be read, more than once; the digest is that of the bytes as they are."""

    @property
    def digest(self) -> str:
        """As in `sha256:...`."""
        ...

    @property
    def size_bytes(self) -> int:
        """How many bytes `chunks` gives."""
        ...

    def chunks(self) -> Iterator[bytes]:
        """All of it, from the start."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class StoredImage:
    """Manifest and config as they are, and the layers, base first. `uses_zstd`: so some layer is compressed."""

    manifest: Blob
    media_type: str
    config: Blob
    layers: Sequence[Part]
    uses_zstd: bool = False

    def id_in(self, store: Store) -> str:
        """What an engine will call the image: by its manifest with containerd's store, else by its config."""
        return self.manifest.digest if store == "oci" else self.config.digest
