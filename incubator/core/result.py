"""What a build gives back."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping

    from incubator.oci.descriptor import Descriptor
    from incubator.oci.image_config import RuntimeConfig
    from incubator.oci.platform import Platform


@dataclass(frozen=True, slots=True, kw_only=True)
class CommandLog:
    """Output of one instruction: `command` is its text, `logs` what it printed (both streams, as text).

    Of very long output the end is kept: the last MiB, and less of the longest where all logs come to more than 8 MiB.
    `peak_memory_bytes`: the most memory that the container of the instruction's layer had used when it ended; None
    where the engine's kernel does not tell.
    """

    command: str
    logs: str
    peak_memory_bytes: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class LayerResult:
    """A layer of the image. `commands`: the instructions in it, empty for a base's layer.

    `size_bytes` is uncompressed, as the engine tells it; None for layers of the base.
    """

    diff_id: str
    size_bytes: int | None
    commands: tuple[str, ...]
    duration_s: float
    cached: bool
    base: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class ReplacedImage:
    """The image that one of the tags named on the engine before the build; `size_bytes` of all its layers."""

    reference: str
    id: str
    size_bytes: int
    diff_ids: tuple[str, ...]
    config: RuntimeConfig


@dataclass(frozen=True, slots=True, kw_only=True)
class ResultImage:
    """The built image.

    `id` is the engine's (opaque: a config or a manifest digest), `config_digest` the digest of the config.
    `digests` maps each pushed reference to the manifest digest that its registry confirmed; `digest` is the
    one of the first, None where nothing was pushed. A push by digest has names of repositories there, and no `tags`.
    `layers` base first.
    `replaced`: what the tags named before, for those that named anything. `attested`: the types of what is stated
    of the image in its registry, whose tags then name an index. `provenance`: what is stated of how it came about,
    without what only `mode=max` tells; None where nothing is.
    """

    id: str
    config_digest: str
    tags: tuple[str, ...]
    digests: Mapping[str, str]
    layers: tuple[LayerResult, ...]
    logs: tuple[CommandLog, ...]
    config: RuntimeConfig
    platform: Platform
    duration_s: float
    replaced: tuple[ReplacedImage, ...] = ()
    attested: tuple[str, ...] = ()
    provenance: Mapping[str, Any] | None = None

    @property
    def size_bytes(self) -> int | None:
        """Size of all layers, None where that of one is not known."""
        sizes = [layer.size_bytes for layer in self.layers if layer.size_bytes is not None]
        return sum(sizes) if len(sizes) == len(self.layers) else None

    @property
    def digest(self) -> str | None:
        """Manifest digest in the registry."""
        return next(iter(self.digests.values()), None)

    @property
    def platforms(self) -> tuple[str, ...]:
        """Platforms of the image, most often one."""
        return (str(self.platform),)


@dataclass(frozen=True, slots=True, kw_only=True)
class ResultIndex(ResultImage):
    """An image for several platforms: `images` are those that it has, in the order that was asked for.

    `digests` and `digest` are about the index, and so is `descriptor`; nothing of it is there without a push. `id`
    is the index's digest, and empty without a push: no engine has the whole image. `layers` and `logs` are those of
    all platforms, one after the other; `config`, `config_digest` and `platform` those of the first.
    """

    images: tuple[ResultImage, ...]
    descriptor: Descriptor | None = None

    @property
    def platforms(self) -> tuple[str, ...]:
        """Platforms of the image."""
        return tuple(str(image.platform) for image in self.images)
