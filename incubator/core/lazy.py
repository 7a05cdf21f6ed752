"""An engine on which images need not be: they are known by their layers, which registries or temporary files hold.

A build that pushes its image asks an engine for little: containers of RUNs, and files that COPY needs to know of.
What needs neither is put together out of descriptors here, and never moved. The first container of an image brings it
to the engine.
"""

from __future__ import annotations

import threading
from collections import defaultdict
from contextlib import ExitStack, nullcontext
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Self

from incubator.core.assembly import push_image
from incubator.core.compression import Packer
from incubator.core.constants import APP_NAME
from incubator.core.engine import ImageInfo
from incubator.core.engine_layers import read_layers
from incubator.core.engine_proxy import EngineProxy
from incubator.core.known_layers import CacheBroken, KnownLayer
from incubator.core.leftovers import WORK_REPOSITORY
from incubator.core.registry_image import config_of, manifest_for
from incubator.core.together import OneByOne, TogetherEngine, stacks_of
from incubator.errors import BuilderError, RegistryError, RegistrySilent
from incubator.oci.image_config import HistoryEntry, ImageConfig, digest_of
from incubator.oci.media_types import COMPRESSIONS
from incubator.oci.reference import parse_reference

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from incubator.core.blob import Blob
    from incubator.core.engine import ContainerSpec, Engine
    from incubator.oci.descriptor import Descriptor
    from incubator.oci.platform import Platform
    from incubator.oci.reference import Reference
    from incubator.registry.repository import Registries, Repository
    from incubator.request import Credential, Packing


@dataclass(frozen=True, slots=True, kw_only=True)
class _Pull:
    """How an engine gets a base image. `digest`: of its manifest."""

    reference: Reference
    digest: str
    platform: Platform | None
    credential: Credential | None
    progress: Callable[[int, int | None], None]


@dataclass(frozen=True, slots=True, kw_only=True)
class _Image:
    """An image of which the engine need not know: that of `below` with more layers and another config, or a base."""

    info: ImageInfo
    below: str = ""
    pull: _Pull | None = None


class LazyEngine(EngineProxy):
    """`Engine` that brings images to `engine` only for containers. A context manager: temporary files are gone then.

    `keep`: whether references that are not the project's own have to be on the engine in the end. `shelf` gives
    references under which the engine keeps what is brought to it until the build ends. For several threads.
    """

    def __init__(
        self, engine: Engine, registries: Registries, *, keep: bool, shelf: Callable[[], str]
    ) -> None:
        super().__init__(engine)
        self.registries = registries
        self._silent: set[str] = set()
        self._keep = keep
        self._shelf = shelf
        self._files = ExitStack()
        self._images: dict[str, _Image] = {}
        self._references: dict[str, str] = {}
        self._brought: dict[str, str] = {}
        self._bringing: defaultdict[str, threading.Lock] = defaultdict(threading.Lock)
        self._origins: dict[str, ImageInfo] = {}
        self._reading = threading.Lock()
        self._packing = threading.Lock()
        self._packed: dict[tuple[str, Packer], KnownLayer] = {}
        self.layers: dict[str, KnownLayer] = {}
        """Layers of which it is known where their blobs are, by their diff IDs."""

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._files.close()

    # -- images that are only known -----------------------------------------------------------------------

    def image(self, reference: str, platform: Platform | None = None) -> ImageInfo | None:
        """See `Engine`; an image that is only known counts as one of the engine's."""
        known = self._images.get(self._references.get(reference, reference))
        if known:
            return known.info
        found = self._engine.image(reference, platform)
        if found and found.repo_digests:
            self._origins[found.id] = found
        return found

    def pull(
        self,
        reference: str,
        *,
        platform: Platform | None,
        credential: Credential | None,
        progress: Callable[[int, int | None], None],
    ) -> ImageInfo:
        """See `Engine`. Only the manifest and the config are fetched where the registry can be asked from here."""
        parsed = parse_reference(reference)
        pull = _Pull(reference=parsed, digest="", platform=platform, credential=credential, progress=progress)
        try:
            base = self._resolve(pull, platform or self._engine.info().platform)
        except RegistryError as error:  # the engine may know a mirror, or trust a registry that we do not
            self.note_silence(error)
            base = None
        if base is None:
            return self._engine.pull(reference, platform=platform, credential=credential, progress=progress)
        present = self._engine.image(base.info.id, platform)
        if present and present.config.diff_ids == base.info.config.diff_ids:
            return present
        self._images[base.info.id] = base
        return base.info

    def note_silence(self, error: BuilderError) -> None:
        """Remember a registry that gave no answer, if that was it: nobody waits for it a second time."""
        if isinstance(error, RegistrySilent):
            self._silent.add(error.registry)
            self.registries.hurry(error.registry)

    def is_silent(self, reference: Reference) -> bool:
        """Whether the registry of a reference has given no answer."""
        return reference.registry in self._silent

    def _resolve(self, pull: _Pull, platform: Platform) -> _Image | None:
        if self.is_silent(pull.reference):
            return None
        repository = self.registries.repository(pull.reference)
        found = manifest_for(repository, pull.reference.digest or str(pull.reference.tag), platform)
        if found is None:
            return None
        manifest, digest = found
        config = config_of(repository, manifest)
        self._note_layers(config.diff_ids, manifest.layers, repository)
        info = ImageInfo(
            id=manifest.config.digest,
            config=config,
            size_bytes=sum(layer.size for layer in manifest.layers),
            on_engine=False,
            repo_digests=(f"{pull.reference.name}@{digest}",),
        )
        return _Image(info=info, pull=replace(pull, digest=digest))

    def _note_layers(
        self, diff_ids: Sequence[str], layers: Sequence[Descriptor], repository: Repository
    ) -> None:
        for diff_id, descriptor in zip(diff_ids, layers, strict=True):
            layer = KnownLayer(diff_id=diff_id, descriptor=descriptor, home=repository)
            self.layers.setdefault(diff_id, layer).is_in(repository, descriptor)

    def stack(self, below: str, config: ImageConfig, layers: Sequence[KnownLayer] = ()) -> ImageInfo:
        """The image of what is `below` (empty: nothing) and more layers; `config` already counts them."""
        for layer in layers:
            self.layers.setdefault(layer.diff_id, layer)
        under = self.image(below) if below else None
        size = (under.size_bytes if under else 0) + sum(layer.size for layer in layers)
        info = ImageInfo(
            id=digest_of(config.to_json_bytes()), config=config, size_bytes=size, on_engine=False
        )
        self._images.setdefault(info.id, _Image(info=info, below=below))
        return info

    def compose(self, layers_of: str, config: ImageConfig, *, top: Blob | None = None) -> str:
        """See `Engine`. Where all layers are known, so is the new image, and the engine gets nothing."""
        below = config.diff_ids[:-1] if top else config.diff_ids
        if not all(diff_id in self.layers for diff_id in below):
            made = self._engine.compose(self.on_engine(layers_of) if layers_of else "", config, top=top)
            self._images.pop(made, None)  # a cached result may have had the very same config
            return made
        if top is None:
            return self.stack(layers_of, config).id
        layer = KnownLayer(diff_id=top.digest, tar=top.shared(), size_bytes=top.size_bytes)
        self._files.callback(layer.close)
        return self.stack(layers_of, config, [layer]).id

    def history(self, image: str) -> tuple[HistoryEntry, ...]:
        """See `Engine`."""
        known = self._images.get(image)
        return known.info.config.history if known else self._engine.history(image)

    def layer_sizes(self, image: str) -> list[int]:
        """See `Engine`. Layers of a base image that was not pulled count as the registry stores them."""
        known = self._images.get(image)
        if known is None or not self._knows_layers(known):
            return self._engine.layer_sizes(self.on_engine(image))
        sizes = iter([self.layers[diff_id].size for diff_id in known.info.config.diff_ids])
        return [0 if entry.empty_layer else next(sizes) for entry in known.info.config.history]

    def _knows_layers(self, image: _Image) -> bool:
        """Whether it is known where the blobs of all layers are; not of those below that the engine alone has."""
        return all(diff_id in self.layers for diff_id in image.info.config.diff_ids)

    def tag(self, image: str, reference: str) -> None:
        """See `Engine`. The engine learns of a reference of ours when it gets the image."""
        if image not in self._images:
            self._references.pop(reference, None)
            self._engine.tag(image, reference)
            return
        self._references[reference] = image
        if image in self._brought or (self._keep and not _is_ours(reference)):
            self._engine.tag(self.on_engine(image), reference)

    def remove_image(self, reference: str) -> None:
        """See `Engine`."""
        self._references.pop(reference, None)
        self._engine.remove_image(reference)

    # -- what needs the engine ----------------------------------------------------------------------------

    def create(self, spec: ContainerSpec) -> str:
        """See `Engine`."""
        return self._engine.create(replace(spec, image=self.on_engine(spec.image)))

    def on_engine(self, image: str) -> str:
        """The engine's id of an image, which is brought to it if need be, and what is below along with it.

        Raises EngineError, RegistryError.
        """
        if image not in self._images:
            return image
        with ExitStack() as held:
            row = TogetherEngine(self._engine, stacks_of(self._engine) or OneByOne(self._engine))
            held.callback(row.drop)
            placed: dict[str, str] = {}
            given: set[str] = set()
            for name in reversed(self._missing(image, held)):
                known = self._images[name]
                below = placed.get(known.below) or self._brought.get(known.below, known.below)
                placed[name] = self._bring(known, below, row)
                for reference in self._own_references(name):
                    row.tag(placed[name], reference)
                    given.add(reference)
            row.settle()
            for name, place in placed.items():
                self._brought[name] = row.on_engine(place)
                for reference in self._own_references(name):
                    if reference not in given:  # it has come meanwhile
                        self._engine.tag(self._brought[name], reference)
            return self._brought.get(image, image)

    def _missing(self, image: str, held: ExitStack) -> list[str]:
        """An image and those below it, as far as they have to be brought, which nobody else does while `held`."""
        missing = []
        while image in self._images:
            held.enter_context(self._bringing[image])
            if image in self._brought:
                break
            missing.append(image)
            image = self._images[image].below
        return missing

    def _own_references(self, image: str) -> list[str]:
        return [name for name, named in list(self._references.items()) if named == image and _is_ours(name)]

    def has(self, image: str) -> bool:
        """Whether nothing needs to be done for `on_engine`."""
        return image not in self._images or image in self._brought

    def unsettled(self) -> list[str]:
        """Results to be kept for later builds that were made here, where the engine has what they stand on.

        Those on others come first: these are brought along with them.
        """
        named = {
            image
            for reference, image in list(self._references.items())
            if _is_ours(reference) and not reference.startswith(f"{WORK_REPOSITORY}:")
        }
        waiting = [image for image in named if not self.has(image) and self._is_near(image)]
        return sorted(waiting, key=lambda image: -len(self._images[image].info.config.diff_ids))

    def _is_near(self, image: str) -> bool:
        """Whether the engine can have an image without asking a registry for anything."""
        known = self._images.get(image)
        if known is None or image in self._brought:
            return True
        under = self.image(known.below) if known.below else None
        count = len(under.config.diff_ids) if under else 0
        own = known.info.config.diff_ids[count:]
        return not known.pull and all(self.layers[name].tar for name in own) and self._is_near(known.below)

    def _bring(self, image: _Image, below: str, row: TogetherEngine) -> str:
        """Its name in the `row` that is to come to the engine, or the engine's own for it."""
        if image.pull is None:
            return self._load(image, below, row)
        try:
            return self._fetch(image.pull, image.info.config)
        except RegistryError as refused:
            # The containerd store pulls no layer that it has from another compression, and then lacks the image. Or
            # the registry is one that we can reach, and the engine cannot.
            try:
                return row.on_engine(self._load(image, below, row))
            except BuilderError:
                raise refused from None

    def _load(self, image: _Image, below: str, row: TogetherEngine) -> str:
        """Give the engine the layers that an image has more than what is below it."""
        config = image.info.config
        under = row.image(below) if below else None
        count = len(under.config.diff_ids) if under else 0
        if count == len(config.diff_ids):
            below = row.compose(below, config)
            row.tag(below, self._shelf())
        for index in range(count, len(config.diff_ids)):
            layer = self.layers[config.diff_ids[index]]
            with layer.unpacked() as tar, self._gzipped(layer) or nullcontext() as packed:
                below = row.compose(below, _cut(config, index + 1), top=tar, packed=packed)
            row.tag(below, self._shelf())
        return below

    def _gzipped(self, layer: KnownLayer) -> Blob | None:
        """The blob of a layer, of any level, for a store that keeps blobs as they come; others want the tar."""
        if self._engine.info().store != "oci":
            return None
        others = (other for other in list(self._packed.values()) if other.diff_id == layer.diff_id)
        for known in (layer, *others):
            if packed := known.gzipped():
                return packed
        layer.described()  # packs it, for registries too
        return layer.gzipped()

    def _fetch(self, pull: _Pull, config: ImageConfig) -> str:
        """A base image, exactly as it was when it was resolved."""
        pinned = replace(pull.reference, tag=None, digest=pull.digest)
        for reference in dict.fromkeys((str(pull.reference), str(pinned))):
            image = self._engine.pull(
                reference, platform=pull.platform, credential=pull.credential, progress=pull.progress
            )
            if image.config.diff_ids == config.diff_ids:
                return image.id
        raise RegistryError(f"pulled {pull.reference}, but its layers are not those of {pull.digest}")

    # -- registries ---------------------------------------------------------------------------------------

    def push(
        self, reference: str, *, credential: Credential | None, progress: Callable[[int, int | None], None]
    ) -> str:
        """See `Engine`. An image of known layers is put together in the registry, others the engine uploads.

        It reads the layers that it alone has from its own disk, and knows which of them registries have. Through its
        export the whole image would come here, most of it in vain.
        """
        image = self._references.get(reference)
        parsed = parse_reference(reference)
        if image is not None:
            digest = self.assemble_known(image, parsed, progress)
            if digest:
                return digest
            self._engine.tag(self.on_engine(image), reference)
        digest = self._engine.push(reference, credential=credential, progress=progress)
        pushed = self._engine.image(reference)
        if pushed:
            self.learn(parsed, digest, pushed.config)
        return digest

    def assemble_known(
        self, image: str, reference: Reference, progress: Callable[[int, int | None], None]
    ) -> str | None:
        """Put an image of known layers together in its registry; its digest. Raises CacheBroken.

        None where that fails: the engine may trust a registry that we do not, or reach one that we cannot.
        """
        if self.is_silent(reference):
            return None
        known = self._images.get(image)
        if known is None or not self._knows_layers(known):
            return None
        config = known.info.config
        layers = [self.layers[diff_id] for diff_id in config.diff_ids]
        try:
            repository = self.registries.repository(reference)
            return push_image(repository, config, layers, tag=reference.tag, progress=progress)
        except CacheBroken:
            raise
        except RegistryError as error:
            self.note_silence(error)
            return None

    def layers_of(self, image: str, diff_ids: Sequence[str]) -> list[KnownLayer]:
        """The layers of an image; those that the engine alone has are read from its export. Raises EngineError."""
        with self._reading:
            if not self.layers.keys() >= set(diff_ids):
                self._ask_origins(diff_ids)
            unknown = set(diff_ids) - self.layers.keys()
            if unknown:
                descriptors = [layer.descriptor for layer in self.layers.values() if layer.descriptor]
                known = self.layers.keys() | {descriptor.digest for descriptor in descriptors}
                for layer in read_layers(self._engine.archive(self.on_engine(image)), unknown, known):
                    self._files.callback(layer.close)
                    self.layers[layer.diff_id] = layer
        return [self.layers[diff_id] for diff_id in diff_ids]

    def packed_as(self, layer: KnownLayer, packing: Packing) -> KnownLayer:
        """A layer in the compression that is asked for. With a level all are made anew: nobody tells of its level."""
        if packing.compression is None:
            return layer
        packer = Packer(kind=packing.compression, level=packing.level)
        kind = COMPRESSIONS.get(layer.descriptor.media_type) if layer.descriptor else layer.packer.kind
        if packer.level is None and kind == packer.kind:
            return layer
        with self._packing:
            known = self._packed.get((layer.diff_id, packer))
            if known is None:
                known = KnownLayer(
                    diff_id=layer.diff_id, as_=layer, packer=packer, size_bytes=layer.size_bytes
                )
                self._packed[layer.diff_id, packer] = known
                self._files.callback(known.close)
            return known

    def _ask_origins(self, diff_ids: Sequence[str]) -> None:
        """Note where registries have the layers of base images that are on the engine: they need not be sent again."""
        if self._engine.info().store == "oci":
            return  # its export has them as they were pulled
        for base in list(self._origins.values()):
            own = base.config.diff_ids
            if own == tuple(diff_ids[: len(own)]) and not self.layers.keys() >= set(own):
                for name in base.repo_digests:
                    reference = parse_reference(name)
                    self.learn(reference, str(reference.digest), base.config)

    def upload(self, image: ImageInfo, reference: Reference, credential: Credential | None) -> None:
        """Let the engine push an image for the sake of its layers. Raises EngineError, RegistryError."""
        name = str(reference)
        self._engine.tag(self.on_engine(image.id), name)
        try:
            digest = self._engine.push(name, credential=credential, progress=lambda *_: None)
        finally:
            self._engine.remove_image(name)
        self.learn(reference, digest, image.config)

    def learn(self, reference: Reference, digest: str, config: ImageConfig) -> None:
        """Note where the layers of an image are that was pushed or pulled. What cannot be told stays unknown."""
        if self.is_silent(reference):
            return
        repository = self.registries.repository(reference)
        try:
            found = manifest_for(repository, digest or str(reference.tag), config.platform)
        except BuilderError as error:
            self.note_silence(error)
            return
        if found and len(found[0].layers) == len(config.diff_ids):
            self._note_layers(config.diff_ids, found[0].layers, repository)


def _cut(config: ImageConfig, count: int) -> ImageConfig:
    """A config of only the first layers, for an image in between."""
    if count == len(config.diff_ids):
        return config
    history: list[HistoryEntry] = []
    left = count
    for entry in config.history:
        left -= not entry.empty_layer
        if left < 0:
            break
        history.append(entry)
    return replace(config, diff_ids=config.diff_ids[:count], history=tuple(history), cached=())


def _is_ours(reference: str) -> bool:
    return reference.startswith(f"{APP_NAME}-")
