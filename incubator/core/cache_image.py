"""An image in a registry that is a cache itself: its config says which of its layers are the results of which keys."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from incubator.core.facts import files_id
from incubator.core.found import Found, can_be_read, is_time
from incubator.core.known_layers import KnownLayer
from incubator.core.registry_image import checked_config, config_fields, manifest_for
from incubator.oci.cached_layers import FIELD, read_cached_layers

if TYPE_CHECKING:
    from collections.abc import Mapping

    from incubator.core.known_layers import BlobHome
    from incubator.oci.cached_layers import CachedLayers
    from incubator.oci.descriptor import Descriptor
    from incubator.oci.image_config import ImageConfig
    from incubator.oci.platform import Platform
    from incubator.oci.reference import Reference
    from incubator.registry.repository import Repository


@dataclass(frozen=True, slots=True, kw_only=True)
class CacheImage:
    """An image with `layers`, as many as its config has diff IDs, and what it says of them, by keys."""

    config: ImageConfig
    layers: tuple[Descriptor, ...]
    home: BlobHome
    results: Mapping[str, CachedLayers]

    def find(self, key: str, below: str) -> Found | None:
        """What `key` stands for on top of the layers `below` (a `files_id`); None where that cannot be told."""
        result = self.results.get(key)
        if result is None or files_id(self.config.diff_ids[: result.begin]) != below:
            return None
        if result.begin == result.end:
            return Found(layers=(), created="")
        made = [entry.created for entry in self.config.history if not entry.empty_layer]
        created = made[result.end - 1]
        own = slice(result.begin, result.end)
        descriptors = self.layers[own]
        if not can_be_read(descriptors) or not is_time(created):
            return None
        layers = tuple(
            KnownLayer(diff_id=diff_id, descriptor=descriptor, home=self.home, cached=True)
            for diff_id, descriptor in zip(self.config.diff_ids[own], descriptors, strict=True)
        )
        return Found(layers=layers, created=created)


def read_cache_image(repository: Repository, reference: Reference, platform: Platform) -> CacheImage | None:
    """The image that `reference` names, for a platform; None where it says nothing of a cache. Raises RegistryError."""
    found = manifest_for(repository, reference.digest or reference.tag or "latest", platform)
    if found is None:
        return None
    manifest, _ = found
    fields = config_fields(repository, manifest)
    if FIELD not in fields:
        return None
    config = checked_config(fields, manifest)
    results = read_cached_layers(fields, len(manifest.layers))
    return CacheImage(
        config=config,
        layers=manifest.layers,
        home=repository,
        results={result.key: result for result in results},
    )
