"""Results of earlier builds in registries and folders, shared by all who can read them.

One small manifest a key: its layers are those that the key's group made, its annotations say what they stand on.
Next to them what was asked about images, so that a COPY on cached layers needs none of them: see `facts`. Every entry
is an image by its media types, and a valid one: some registries (GitLab's) take nothing else.

What is read is only ever used if it continues exactly what is below, and blobs are checked by their digests. Whatever
is missing or wrong costs time: it is told once, and made again.
"""

from __future__ import annotations

import gzip
import io
import json
import tarfile
import threading
from concurrent.futures import ThreadPoolExecutor, wait
from dataclasses import dataclass
from http import HTTPStatus
from pathlib import Path
from typing import TYPE_CHECKING

from incubator.core.assembly import typed
from incubator.core.cache_folder import FolderStore
from incubator.core.cache_image import read_cache_image
from incubator.core.cache_store import RegistryStore
from incubator.core.constants import EMPTY_LAYER, EMPTY_TAR
from incubator.core.facts import Facts, facts_from_json, files_id
from incubator.core.found import Found, can_be_read, is_time
from incubator.core.gzip import BROKEN_GZIP, gunzip_small
from incubator.core.known_layers import KnownLayer
from incubator.core.trust import real_path
from incubator.core.writing import told
from incubator.errors import BuilderError, RegistryError
from incubator.events import CacheUnused, WarningRaised
from incubator.oci.cached_layers import MOST, CachedLayers
from incubator.oci.digest import is_digest
from incubator.oci.image_config import HistoryEntry, ImageConfig, RuntimeConfig, digest_of
from incubator.oci.manifest import Manifest
from incubator.oci.media_types import OCI_CONFIG, OCI_LAYER_GZIP, OCI_LAYERS
from incubator.oci.platform import make_platform

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from incubator.core.cache_image import CacheImage
    from incubator.core.cache_store import CacheStore, CacheWriter
    from incubator.core.engine import ImageInfo
    from incubator.core.known_layers import BlobHome
    from incubator.core.lazy import LazyEngine
    from incubator.events import Listener
    from incubator.oci.platform import Platform
    from incubator.oci.reference import Reference
    from incubator.registry.repository import Registries
    from incubator.request import CacheSource, CacheTarget, Credential

_KIND = "incubator.cache.kind"
_LAYER, _FACTS = "layer", "facts"
_KEY, _BELOW, _DIFF_IDS, _SIZES = (
    f"incubator.cache.{name}" for name in ("key", "below", "diff-ids", "sizes")
)
_CREATED = "org.opencontainers.image.created"
_LARGEST_FACTS = 16 << 20
_WRITERS = 4


@dataclass(frozen=True, slots=True, kw_only=True)
class _Result:
    """What a key stands for: the layers of `image` that are not of `below`, both by diff IDs.

    `stages` are those that have come to it.
    """

    key: str
    below: tuple[str, ...]
    image: ImageInfo
    stages: frozenset[int]

    @property
    def made(self) -> tuple[str, ...]:
        return self.image.config.diff_ids[len(self.below) :]


class SharedCache:
    """Finds results in `sources`, and writes what a build came to into `targets`. For several threads.

    `platform`: of the images among the sources that are caches themselves.
    """

    def __init__(
        self,
        engine: LazyEngine,
        registries: Registries,
        *,
        sources: Sequence[CacheSource],
        targets: Sequence[CacheTarget],
        platform: Platform,
        credentials: Sequence[Credential],
        emit: Listener,
    ) -> None:
        self.engine = engine
        self._registries = registries
        self._sources = [source.place for source in sources]
        self._targets = {target.place: target.mode for target in targets if target.place}
        self._inline = any(target.place is None for target in targets)
        self._platform = platform
        self._credentials = credentials
        self._emit = emit
        self._lock = threading.Lock()
        self._reading = threading.Lock()
        self._stores = {place: self._store(place) for place in (*self._sources, *self._targets)}
        self._images: dict[Reference, CacheImage | None] = {}
        self._idle: set[Reference | Path] = set()
        self._broken: set[Reference | Path] = set()
        self._entries: set[tuple[Reference | Path, str]] = set()
        """What lies where, of results and facts: it need not be written again."""
        self._useful: dict[Reference | Path, bool] = {}
        """Whether any result is in a source, of those that were asked."""
        self._results: dict[str, _Result] = {}
        self._looked_up: dict[tuple[str, str], Found | None] = {}

    def _store(self, place: Reference | Path) -> CacheStore:
        if isinstance(place, Path):
            return FolderStore(path=real_path(place), engine=self.engine)
        return RegistryStore(
            reference=place,
            repository=self._registries.repository(place),
            engine=self.engine,
            credentials=self._credentials,
        )

    @property
    def writes(self) -> bool:
        """Whether what this build comes to is kept elsewhere than in its image."""
        return bool(self._targets)

    def leave_out(self, refused: Mapping[Reference, RegistryError]) -> None:
        """Write nothing into these targets, and say so: it would be in vain."""
        for place, error in refused.items():
            if self._targets.pop(place, None):
                self._warn_unwritten(place, error)

    # -- reading ------------------------------------------------------------------------------------------

    def find(self, key: str, below: Sequence[str]) -> Found | None:
        """The layers that `key` stands for on top of layers `below`; None where no source has them."""
        place = key, files_id(below)
        if place not in self._looked_up:
            self._looked_up[place] = self._look_up(*place)
        return self._looked_up[place]

    def _look_up(self, key: str, below: str) -> Found | None:
        for source in self._sources:
            found = self._in_image(source, key, below) or self._in_entry(source, key, below)
            if found:
                self._useful[source] = True
                return found
            self._useful.setdefault(source, False)
        return None

    def _in_image(self, source: Reference | Path, key: str, below: str) -> Found | None:
        image = self._image(source)
        found = image.find(key, below) if image else None
        return found if found and self._has_all(source, found) else None

    def _in_entry(self, source: Reference | Path, key: str, below: str) -> Found | None:
        entry = self._entry(source, key, _LAYER)
        found = _read(entry, key, below, self._stores[source].home) if entry else None
        if found is None or not self._has_all(source, found):
            return None
        self._entries.add((source, key))
        return found

    def _image(self, source: Reference | Path) -> CacheImage | None:
        """The image that a source is, as it was at the first look: this build may give its name to another."""
        if isinstance(source, Path) or source in self._broken:
            return None
        with self._reading:
            if source not in self._images:
                self._images[source] = self._read_image(source)
            return self._images[source]

    def _read_image(self, source: Reference) -> CacheImage | None:
        try:
            image = read_cache_image(self._registries.repository(source), source, self._platform)
        except RegistryError as error:
            if error.status != HTTPStatus.NOT_FOUND:
                self._warn_of(source, error)
            return None
        if image is None:
            self._idle.add(source)
        return image

    def facts(self, name: str) -> Facts | None:
        """What an earlier build has learnt about an image, by `files_id`."""
        for source in self._sources:
            entry = self._entry(source, name, _FACTS)
            if entry is None or len(entry.layers) != 1:
                continue
            try:
                data = self._stores[source].small_blob(entry.layers[0], _LARGEST_FACTS)
                found = facts_from_json(json.loads(_unpack(data)))
            except BuilderError as error:
                self._warn_of(source, error)
            except (
                ValueError,
                TypeError,
                KeyError,
                AttributeError,
                RecursionError,
                BROKEN_GZIP,
                tarfile.TarError,
            ):
                self._warn_of(source, RegistryError("an entry cannot be read"))
            else:
                self._entries.add((source, name))
                return found
        return None

    def _entry(self, cache: Reference | Path, name: str, kind: str) -> Manifest | None:
        if cache in self._broken:
            return None
        try:
            entry = self._stores[cache].entry(name)
        except BuilderError as error:
            self._warn_of(cache, error)
            return None
        return entry if entry and dict(entry.annotations).get(_KIND) == kind else None

    def _has_all(self, cache: Reference | Path, found: Found) -> bool:
        """Whether all layers that a cache promises are there."""
        try:
            return all(self._stores[cache].has(layer.described()) for layer in found.layers)
        except BuilderError as error:
            self._warn_of(cache, error)
            return False

    def _warn_of(self, cache: Reference | Path, error: BuilderError) -> None:
        """Tell once what is wrong with a cache, and use it no more."""
        with self._lock:
            first = cache not in self._broken
            self._broken.add(cache)
        if first:
            self._emit(WarningRaised(message=f"the cache {cache} is not used: {_told(error)}"))

    # -- writing ------------------------------------------------------------------------------------------

    def note(self, key: str, below: Sequence[str], image: ImageInfo, stage: int) -> None:
        """Remember what a key stands for, to be written at the end."""
        if self._targets or self._inline:
            with self._lock:
                others = self._results[key].stages if key in self._results else frozenset()
                self._results[key] = _Result(
                    key=key, below=tuple(below), image=image, stages=others | {stage}
                )

    def cached_layers(self, diff_ids: Sequence[str], stages: Iterable[int]) -> tuple[CachedLayers, ...]:
        """What an image of these layers is to say of results of `stages`; nothing unless that is asked for."""
        if not self._inline:
            return ()
        wanted = frozenset(stages)
        found = (
            CachedLayers(begin=len(result.below), end=len(result.image.config.diff_ids), key=result.key)
            for result in self._results.values()
            if result.stages & wanted
            # A layer that a stage has left out again, such as an empty one, is not in the image.
            and result.image.config.diff_ids == tuple(diff_ids[: len(result.image.config.diff_ids)])
        )
        return tuple(sorted(found)[:MOST])

    def export(self, *, stages: Iterable[int], facts: dict[str, Facts]) -> None:
        """Write all results into each target, those of `stages` alone where its mode is `min`.

        A target that cannot be written costs the next build time, and this one nothing: it is warned of.
        """
        self._tell_idle()
        in_image = frozenset(stages)
        for place, mode in self._targets.items():
            wanted = [
                result
                for result in self._results.values()
                if (mode == "max" or result.stages & in_image) and (place, result.key) not in self._entries
            ]
            known_facts = {
                name: known
                for name, known in (facts | self._facts_below(place, facts)).items()
                if known.learnt or (place, name) not in self._entries
            }
            try:
                with told(self._emit, "cache", str(place)):
                    self._export(self._stores[place], wanted, known_facts)
            except BuilderError as error:
                self._warn_unwritten(place, error)

    def _warn_unwritten(self, place: Reference | Path, error: BuilderError) -> None:
        self._emit(WarningRaised(message=f"the cache {place} is not written: {_told(error)}"))

    def _tell_idle(self) -> None:
        """Say in which caches nothing was, and warn of images that are none, where nothing lies beside them either."""
        caches = {place for place, _ in self._entries}
        for place in self._sources:
            if place in self._idle and place not in caches and place not in self._targets:
                self._emit(
                    WarningRaised(
                        message=f"nothing is found in the cache {place}: the image there was not built with "
                        "a cache of type inline"
                    )
                )
            elif self._useful.get(place) is False and place not in self._broken:
                self._emit(CacheUnused(cache=str(place)))

    def _facts_below(self, place: Reference | Path, known: Mapping[str, Facts]) -> dict[str, Facts]:
        """What earlier builds have learnt about images that results stand on, though this one had no use for it.

        For folders, which lose what nobody uses.
        """
        if not isinstance(place, Path):
            return {}
        names = {files_id(result.below) for result in self._results.values()} - known.keys()
        return {name: found for name in sorted(names) if (found := self.facts(name))}

    def _export(self, store: CacheStore, results: Sequence[_Result], facts: Mapping[str, Facts]) -> None:
        self._bring(store, results)
        with ThreadPoolExecutor(_WRITERS, thread_name_prefix="incubator-cache") as pool:
            layers = [self.engine.layers[name] for result in results for name in self._known(result)]
            for _ in pool.map(KnownLayer.described, layers):
                pass  # compressed before anybody has to wait for the writer
            with store.writing() as writer:
                writes = [pool.submit(self._write, writer, result) for result in results]
                writes += [
                    pool.submit(self._write_facts, writer, name, known) for name, known in facts.items()
                ]
                try:
                    for write in writes:
                        write.result()
                finally:  # nobody may write to what is closed
                    for write in writes:
                        write.cancel()
                    wait(writes)

    def _bring(self, store: CacheStore, results: Sequence[_Result]) -> None:
        """Have what the engine alone knows: of the images with the most layers first, which have others' too."""
        made = {diff_id for result in results for diff_id in result.made}
        for result in sorted(results, key=lambda result: -len(result.image.config.diff_ids)):
            if not self.engine.layers.keys() >= set(result.made):
                layers = result.image.config.diff_ids
                store.bring(result.image, [diff_id for diff_id in layers if diff_id in made])

    def _known(self, result: _Result) -> Sequence[str]:
        """The layers of a result, all of which have been brought. Raises RegistryError where one has not."""
        if not self.engine.layers.keys() >= set(result.made):
            raise RegistryError("the engine does not tell where it has uploaded a layer to")
        return result.made

    def _write(self, writer: CacheWriter, result: _Result) -> None:
        layers = [self.engine.layers[name] for name in self._known(result)]
        writer.put_layers(layers)
        blobs = [typed(layer.described(), OCI_LAYERS) for layer in layers]
        sizes = [layer.size for layer in layers]
        made = result.made
        if not made:  # registries may refuse an image without layers
            made, sizes = (EMPTY_LAYER,), [len(EMPTY_TAR)]
            blobs = [writer.put_blob(gzip.compress(EMPTY_TAR, mtime=0), OCI_LAYER_GZIP)]
        config = result.image.config
        annotations = {
            _KIND: _LAYER,
            _KEY: result.key,
            _BELOW: files_id(result.below),
            _DIFF_IDS: " ".join(made),
            _SIZES: " ".join(map(str, sizes)),
            _CREATED: config.created,
        }
        shown = _image(config.platform, made, config.created)
        entry = Manifest(
            config=writer.put_blob(shown.to_json_bytes(), OCI_CONFIG),
            layers=tuple(blobs),
            annotations=tuple(sorted(annotations.items())),
        )
        writer.put_entry(result.key, entry)

    def _write_facts(self, writer: CacheWriter, name: str, facts: Facts) -> None:
        tar = _pack(json.dumps(facts.to_json(), separators=(",", ":")).encode())
        shown = _image(make_platform("linux", "amd64"), (digest_of(tar),), "1970-01-01T00:00:00Z")
        entry = Manifest(
            config=writer.put_blob(shown.to_json_bytes(), OCI_CONFIG),
            layers=(writer.put_blob(gzip.compress(tar, mtime=0), OCI_LAYER_GZIP),),
            annotations=((_KIND, _FACTS),),
        )
        writer.put_entry(name, entry)


def _told(error: BuilderError) -> str:
    return f"{error.message}; hint: {error.hint}" if error.hint else error.message


def _image(platform: Platform, diff_ids: tuple[str, ...], created: str) -> ImageConfig:
    """What an entry looks like to those who take it for an image."""
    history = tuple(HistoryEntry(created_by="incubator cache", created=created) for _ in diff_ids)
    return ImageConfig(
        platform=platform, config=RuntimeConfig(), diff_ids=diff_ids, history=history, created=created
    )


def _read(entry: Manifest, key: str, below: str, home: BlobHome) -> Found | None:
    """What an entry holds; None where it is for something else, or is not as we write them."""
    said = dict(entry.annotations)
    if (said.get(_KEY), said.get(_BELOW)) != (key, below):
        return None
    diff_ids, sizes = said.get(_DIFF_IDS, "").split(), said.get(_SIZES, "").split()
    if not len(diff_ids) == len(sizes) == len(entry.layers) or not can_be_read(entry.layers):
        return None
    if not all(size.isascii() and size.isdecimal() for size in sizes) or not all(map(is_digest, diff_ids)):
        return None
    created = said.get(_CREATED, "")
    if not diff_ids or not is_time(created):
        return None
    if set(diff_ids) == {EMPTY_LAYER}:
        return Found(layers=(), created=created)
    layers = tuple(
        KnownLayer(diff_id=diff_id, descriptor=descriptor, home=home, size_bytes=int(size), cached=True)
        for diff_id, descriptor, size in zip(diff_ids, entry.layers, sizes, strict=True)
    )
    return Found(layers=layers, created=created)


def _pack(data: bytes) -> bytes:
    """A tar of one file."""
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as tar:
        member = tarfile.TarInfo("facts.json")
        member.size = len(data)
        tar.addfile(member, io.BytesIO(data))
    return buffer.getvalue()


def _unpack(data: bytes) -> bytes:
    """The file of a packed tar. Raises ValueError, tarfile.TarError and BROKEN_GZIP where there is none."""
    with tarfile.open(fileobj=io.BytesIO(gunzip_small(data, _LARGEST_FACTS)), mode="r:") as tar:
        member = tar.next()
        file = tar.extractfile(member) if member else None
        if file is None:
            raise ValueError("an entry without a file")
        return file.read()
