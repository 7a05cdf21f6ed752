"""An image that is put together without the engine: into registries and OCI layouts, packed as each wants it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from incubator.core.archive import layout_archive
from incubator.core.assembly import manifest_of, push_image
from incubator.core.blob import Blob
from incubator.core.export import write_file
from incubator.core.layout_folder import LayoutFolder
from incubator.oci.layout import named

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from incubator.core.known_layers import KnownLayer
    from incubator.core.lazy import LazyEngine
    from incubator.core.stored import Part
    from incubator.oci.descriptor import Descriptor
    from incubator.oci.image_config import ImageConfig
    from incubator.oci.reference import Reference
    from incubator.request import FileOutput, Packing


@dataclass(frozen=True, slots=True, kw_only=True)
class Delivery:
    """The image with `config`, which `engine` knows as `image`; its first `base_layers` are those of the base.

    The engine reads layers, and packs them in each way, once.
    """

    engine: LazyEngine
    image: str
    config: ImageConfig
    base_layers: int

    def push(
        self, reference: Reference, packing: Packing, progress: Callable[[int, int | None], None]
    ) -> str:
        """Put the image into a registry, without a tag where `reference` has none; the digest of its manifest.

        Raises RegistryError, CacheBroken, and EngineError where a layer cannot be read from the engine.
        """
        return push_image(
            self.engine.registries.repository(reference),
            self.config,
            self._layers(packing),
            tag=reference.tag,
            oci_types=packing.oci_types,
            progress=progress,
        )

    def write(self, output: FileOutput, references: Sequence[Reference]) -> None:
        """Write the image as an OCI layout under its names. Raises as `push` does, and BuilderError."""
        layers = self._layers(output.packing)
        manifest = manifest_of(self.config, layers)
        documents = self.config.to_json_bytes(), manifest.to_bytes()
        entries = named(manifest.descriptor, self.config.platform, references)
        if not output.unpacked:
            blobs: list[Part] = [*map(_LayerPart, layers), *map(Blob.of_bytes, documents)]
            write_file(layout_archive([entry.to_json() for entry in entries], blobs), output.dest)
            return
        with LayoutFolder.open(output.dest, make=True) as folder, folder.locked():
            others = [entry for entry in folder.entries() if not _replaced(entry, entries)]
            for layer in layers:
                folder.write(layer.described().digest, layer.chunks())
            folder.put(documents, (*others, *entries))

    def _layers(self, packing: Packing) -> list[KnownLayer]:
        layers = self.engine.layers_of(self.image, self.config.diff_ids)
        return [
            self.engine.packed_as(layer, packing) if packing.force or index >= self.base_layers else layer
            for index, layer in enumerate(layers)
        ]


def _replaced(entry: Descriptor, by: Sequence[Descriptor]) -> bool:
    """Whether a layout's entry goes for new ones: it is one of them, or has a name of theirs."""
    return any(
        entry.digest == other.digest or (other.annotations and entry.annotations == other.annotations)
        for other in by
    )


@dataclass(frozen=True, slots=True)
class _LayerPart:
    """A layer as a part of an archive."""

    layer: KnownLayer

    @property
    def digest(self) -> str:
        return self.layer.described().digest

    @property
    def size_bytes(self) -> int:
        return self.layer.described().size

    def chunks(self) -> Iterator[bytes]:
        return self.layer.chunks()
