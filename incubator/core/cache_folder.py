"""A shared cache in a folder: an OCI image layout, whose index names the entries.

Such a folder is what pipelines keep between jobs, all of it, so it may not grow for ever. The index says of each entry
on which day a build last used it; who writes removes what nobody has used for some days. Entries of others stay.
"""

from __future__ import annotations

from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from datetime import UTC, date, datetime, timedelta
from os import fspath
from typing import TYPE_CHECKING, Final

from incubator.core.layout_folder import LayoutFolder, NotThere
from incubator.core.trust import check_real
from incubator.errors import BuilderError, InputError, RegistryError
from incubator.oci.descriptor import Descriptor
from incubator.oci.image_config import digest_of
from incubator.oci.layout import INDEX, MARKER, REF_NAME
from incubator.oci.manifest import LARGEST_DOCUMENT, LARGEST_INDEX, Index, Manifest, parse_document
from incubator.oci.media_types import INDEXES, MANIFESTS

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence
    from pathlib import Path

    from incubator.core.engine import ImageInfo
    from incubator.core.known_layers import BlobHome, KnownLayer
    from incubator.core.lazy import LazyEngine

USED: Final = "incubator.cache.used"
"""The annotation of an entry of ours: the day on which it was last used, in UTC."""
DAYS: Final = 14
"""How long an entry stays that no build uses."""
MOST_ENTRIES: Final = 5000
"""Of ours; their index has half of the bytes that an index may have."""
_NOBODYS: Final = frozenset((".gitignore", ".gitkeep", "blobs", INDEX, "lost+found"))
"""What a folder may have that is no cache yet: `blobs` is all that a writer leaves that is killed at first.

Of an index without its marker a warning tells when it comes to writing: it may be what is left of a cache.
"""


def check_folder(path: Path) -> None:
    """Raise InputError for a folder of something else, between whose files those of a cache would come to lie."""
    try:
        names = sorted(entry.name for entry in path.iterdir())
    except FileNotFoundError:
        return
    except OSError as error:
        raise InputError(f"{fspath(path)!r} cannot be used as a folder: {error.strerror}") from error
    others = [name for name in names if name not in _NOBODYS]
    if others and MARKER not in names:
        raise InputError(
            f"the folder {fspath(path)!r} is no OCI layout, and has {others[0]!r} in it",
            hint="give the cache a folder of its own, as in .incubator-cache",
        )


@dataclass(slots=True, kw_only=True)
class FolderStore:
    """A `CacheStore` in the layout at `path`, which need not be there. What is read is as it was at the first look.

    `path` is without links: one that a step of the build has put in its place, through a volume, is not followed.
    """

    path: Path
    engine: LazyEngine
    _index: dict[str, Descriptor] | None = None
    _used: set[str] = field(default_factory=set)

    @property
    def home(self) -> BlobHome:
        """See `CacheStore`."""
        return self

    def entry(self, name: str) -> Manifest | None:
        """See `CacheStore`."""
        if self._index is None:
            self._index = self._read_index()
        found = self._index.get(name)
        if found is None:
            return None
        try:
            document = parse_document(self.small_blob(found, LARGEST_DOCUMENT), found.media_type)
        except NotThere:
            return None
        if not isinstance(document, Manifest):
            return None
        if not all(map(self.has, (document.config, *document.layers))):
            return None
        self._used.add(name)
        return document

    def _open(self, *, make: bool) -> LayoutFolder:
        return LayoutFolder.open(fspath(self.path), make=make, follow=False)

    def _read_index(self) -> dict[str, Descriptor]:
        """Entries of ours by their names; none where there is no layout yet, as before the first build."""
        try:
            with self._open(make=False) as folder:
                return {_name(entry): entry for entry in folder.entries() if _is_ours(entry)}
        except NotThere:
            return {}

    def has(self, blob: Descriptor) -> bool:
        """See `CacheStore`."""
        return self._size_of(blob.digest) == blob.size

    def has_blob(self, digest: str) -> bool:
        """See `BlobHome`."""
        return self._size_of(digest) is not None

    def _size_of(self, digest: str) -> int | None:
        with self._open(make=False) as folder:
            return folder.size_of(digest)

    def read_blob(self, blob: Descriptor) -> Iterator[bytes]:
        """See `BlobHome`."""
        with self._open(make=False) as folder:
            yield from folder.read(blob)

    def small_blob(self, blob: Descriptor, limit: int) -> bytes:
        """See `CacheStore`."""
        with self._open(make=False) as folder:
            return _small(folder, blob, limit)

    def bring(self, image: ImageInfo, layers: Sequence[str]) -> None:
        """Read layers out of the engine's export of an image."""
        self.engine.layers_of(image.id, layers)

    @contextmanager
    def writing(self) -> Iterator[FolderWriter]:
        """See `CacheStore`. Nobody else writes to the folder meanwhile."""
        check_real(self.path, "a link is not followed")
        with self._open(make=True) as folder, folder.locked():
            found = _entries(folder)
            writer = FolderWriter(folder)
            yield writer
            self._finish(folder, found, writer.entries)

    def _finish(
        self, folder: LayoutFolder, found: Sequence[Descriptor], new: Mapping[str, Descriptor]
    ) -> None:
        today = datetime.now(UTC).date()
        ours = {_name(entry): _used_on(entry, today) for entry in found if _is_ours(entry)}
        ours |= {name: _used_on(ours[name], today, now=True) for name in ours.keys() & self._used}
        ours |= {name: _used_on(entry, today, now=True) for name, entry in new.items()}
        oldest = (today - timedelta(days=DAYS)).isoformat()
        others = [entry for entry in found if not _is_ours(entry)]
        # What this build has made or used comes first, whatever days others claim to be of.
        touched = new.keys() | self._used
        recent = sorted(ours, key=lambda name: (name in touched, _day(ours[name])), reverse=True)
        whole: dict[str, bool] = {}
        kept = []
        for name in recent[: max(0, min(MOST_ENTRIES, LARGEST_INDEX - len(others)))]:
            entry = ours[name]
            if entry.digest not in whole:  # of many entries that name one manifest it is read once
                whole[entry.digest] = _is_complete(folder, entry)
            if _day(entry) >= oldest and whole[entry.digest]:
                kept.append(entry)
        folder.put((), (*others, *sorted(kept, key=_name)))
        blobs = _blobs_of(folder, (*others, *kept))
        if blobs is not None:  # else nobody knows what belongs to others
            folder.keep_only(blobs)


@dataclass(frozen=True, slots=True)
class FolderWriter:
    """A `CacheWriter` into a layout that is locked meanwhile. `entries`: what it was given, by names."""

    folder: LayoutFolder
    entries: dict[str, Descriptor] = field(default_factory=dict)

    def put_layers(self, layers: Sequence[KnownLayer]) -> None:
        """See `CacheWriter`."""
        for layer in layers:
            self._put(layer.described(), layer.chunks())

    def put_blob(self, data: bytes, media_type: str) -> Descriptor:
        """See `CacheWriter`."""
        blob = Descriptor(media_type=media_type, digest=digest_of(data), size=len(data))
        self._put(blob, (data,))
        return blob

    def put_entry(self, name: str, entry: Manifest) -> None:
        """See `CacheWriter`."""
        blob = self.put_blob(entry.to_bytes(), entry.media_type)
        self.entries[name] = replace(blob, annotations=((REF_NAME, name),))

    def _put(self, blob: Descriptor, chunks: Iterable[bytes]) -> None:
        """Write a blob unless it is there and whole: what is broken would be so for ever."""
        if not _is_whole(self.folder, blob):
            self.folder.write(blob.digest, chunks)


def _is_whole(folder: LayoutFolder, blob: Descriptor) -> bool:
    try:
        for _ in folder.read(blob):
            pass
    except BuilderError:
        return False
    return True


def _small(folder: LayoutFolder, blob: Descriptor, limit: int) -> bytes:
    if blob.size > limit:
        raise BuilderError(f"{blob.digest} has {blob.size} bytes, more than the {limit} it may have")
    return b"".join(folder.read(blob))


def _entries(folder: LayoutFolder) -> tuple[Descriptor, ...]:
    """What an index names; nothing where it is broken, as it is made anew then.

    Raises BuilderError where it may be somebody else's, whose blobs would be lost.
    """
    try:
        entries = folder.entries()
    except RegistryError as error:
        if folder.has_index():
            raise BuilderError(f"what its index names cannot be told: {error.message}") from error
        return ()
    if not entries and not folder.has_index():
        if not folder.is_empty():
            raise BuilderError("it has blobs without an index, of which nobody knows whose they are")
        folder.put((), ())  # what is left of a writer that is killed is known for ours
    return entries


def _is_ours(entry: Descriptor) -> bool:
    """An entry of a cache is one manifest: an index would make the look at all that it names endless."""
    return entry.media_type in MANIFESTS and {REF_NAME, USED} <= dict(entry.annotations).keys()


def _name(entry: Descriptor) -> str:
    return dict(entry.annotations)[REF_NAME]


def _day(entry: Descriptor) -> str:
    return dict(entry.annotations)[USED]


def _used_on(entry: Descriptor, today: date, *, now: bool = False) -> Descriptor:
    """An entry with the day of its last use; what says none, or one to come, counts from today."""
    told = dict(entry.annotations)
    try:
        day = today if now else min(date.fromisoformat(told[USED]), today)
    except ValueError:
        day = today
    return replace(entry, annotations=tuple(sorted((told | {USED: day.isoformat()}).items())))


def _blobs_of(folder: LayoutFolder, entries: Iterable[Descriptor]) -> dict[str, int] | None:
    """Digests and sizes of all that entries stand for; None where that cannot be told."""
    blobs: dict[str, int] = {}
    seen: set[tuple[str, str]] = set()
    left = list(entries)
    while left:
        blob = left.pop()
        if (blob.digest, blob.media_type) in seen:
            continue
        seen.add((blob.digest, blob.media_type))
        blobs[blob.digest] = blob.size
        if blob.media_type in MANIFESTS | INDEXES:
            try:
                document = parse_document(_small(folder, blob, LARGEST_DOCUMENT), blob.media_type)
            except BuilderError:
                return None
            left += document.manifests if isinstance(document, Index) else (document.config, *document.layers)
    return blobs


def _is_complete(folder: LayoutFolder, entry: Descriptor) -> bool:
    """Whether all that an entry stands for is there, by sizes: what is read later is checked by its digest."""
    blobs = _blobs_of(folder, (entry,))
    try:
        return blobs is not None and all(folder.size_of(digest) == size for digest, size in blobs.items())
    except BuilderError:  # such as a link in its place
        return False
