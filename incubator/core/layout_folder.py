"""An OCI image layout in a folder that is written to, by several at the same time.

The folder may be the checkout's, so it is hostile: nothing below it is reached through a link, and what is read is
what its digest says. A blob comes to its name only when it is complete; the index is changed under a lock. What is
written belongs to whom the folder belongs to: in a pipeline's container this process is root, and the folder a user's.
"""

from __future__ import annotations

import errno
import fcntl
import json
import os
import secrets
import shutil
import stat
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final, Self

from incubator.core.ownership import give, make_folder
from incubator.errors import BuilderError, RegistryError
from incubator.oci.digest import verified
from incubator.oci.image_config import digest_of
from incubator.oci.layout import INDEX, MARKER, MARKER_BYTES, check_marker
from incubator.oci.manifest import LARGEST_DOCUMENT, Index, parse_document
from incubator.oci.media_types import OCI_INDEX

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Iterator, Sequence

    from incubator.oci.descriptor import Descriptor

_FOLDER: Final = os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC
_FILE: Final = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
_NEW: Final = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
_CHUNK: Final = 1 << 20
_LARGE: Final = 1 << 30
_BLOCK: Final = 512
"""Bytes that `st_blocks` counts by."""
_HOLLOW: Final = 64
"""Times that a file may be as large as what it takes on the disk, which may pack files itself."""
_ALGORITHM: Final = "sha256"
_TEMPORARY: Final = ".incubator-"


class NotThere(BuilderError):
    """A folder, or a file in it, does not exist."""


@dataclass(frozen=True, slots=True)
class LayoutFolder:
    """A layout by the descriptors of its own folder and of that of its blobs. A context manager that closes them.

    All methods raise BuilderError.
    """

    path: str
    _root: int
    _blobs: int

    @classmethod
    def open(cls, path: str, *, make: bool, follow: bool = True) -> Self:
        """The layout at `path`, with `make` also where there is none yet. Not `follow`: the folder is no link."""
        with _errors(path), ExitStack() as opened:
            if make:
                make_folder(Path(path))
            root = os.open(path, _FOLDER if follow else _FOLDER | os.O_NOFOLLOW)
            opened.callback(os.close, root)
            blobs = _below(root, "blobs", make=make)
            opened.callback(os.close, blobs)
            own = _below(blobs, _ALGORITHM, make=make)
            return cls(path, os.dup(root), own)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        os.close(self._root)
        os.close(self._blobs)

    def write(self, digest: str, chunks: Iterable[bytes]) -> None:
        """Write a blob; what is there under its digest is replaced, be it a folder."""
        with _errors(self.path):
            name = _name(digest)
            with suppress(FileNotFoundError):
                if stat.S_ISDIR(os.lstat(name, dir_fd=self._blobs).st_mode):
                    shutil.rmtree(name, dir_fd=self._blobs)
            _write(self._blobs, name, chunks)

    def size_of(self, digest: str) -> int | None:
        """How many bytes are there under a digest; None where there is no such blob."""
        try:
            with _errors(self.path), _reading(self._blobs, _name(digest)) as file:
                return os.fstat(file).st_size
        except NotThere:
            return None

    def read(self, blob: Descriptor) -> Iterator[bytes]:
        """A blob, the last bytes only once its digest is known to be right. Raises NotThere where there is none."""
        with _errors(self.path), _reading(self._blobs, _name(blob.digest)) as file:
            broken = BuilderError(f"the blob {blob.digest} in {self.path!r} is broken")
            if _is_hollow(os.fstat(file)):
                raise broken
            try:
                yield from verified(_limited(file, blob.size + 1), blob.digest, blob.size)
            except ValueError:
                raise broken from None

    @contextmanager
    def locked(self) -> Iterator[None]:
        """Nobody else writes to the layout meanwhile."""
        with _errors(self.path):
            fcntl.flock(self._root, fcntl.LOCK_EX)
        try:
            yield
        finally:
            fcntl.flock(self._root, fcntl.LOCK_UN)

    def entries(self) -> tuple[Descriptor, ...]:
        """What the index names; nothing where there is no index yet."""
        with _errors(self.path):
            try:
                with _reading(self._root, INDEX) as file:
                    data = b"".join(_limited(file, LARGEST_DOCUMENT))
            except FileNotFoundError:
                return ()
            try:
                with _reading(self._root, MARKER) as marker:
                    check_marker(os.read(marker, _CHUNK))
            except FileNotFoundError:
                raise BuilderError(f"the folder {self.path!r} has an {INDEX}, but is no OCI layout") from None
        index = parse_document(data, OCI_INDEX)
        if not isinstance(index, Index):
            raise RegistryError(f"the {INDEX} of {self.path!r} is no index")
        return index.manifests

    def is_empty(self) -> bool:
        """Whether there are no blobs."""
        with _errors(self.path):
            return not _names(self._blobs)

    def has_index(self) -> bool:
        """Whether there is an index, be it one that is not read here; not where it is no JSON at all."""
        with _errors(self.path):
            try:
                with _reading(self._root, INDEX) as file:
                    data = b"".join(_limited(file, LARGEST_DOCUMENT + 1))
            except FileNotFoundError:
                return False
        try:
            return len(data) > LARGEST_DOCUMENT or isinstance(json.loads(data), dict)
        except (ValueError, RecursionError):
            return False

    def put(self, documents: Iterable[bytes], entries: Sequence[Descriptor]) -> None:
        """Write small blobs, and then the index, which has these `entries` alone. Call it while it is `locked`."""
        for data in documents:
            self.write(digest_of(data), (data,))
        index = Index(manifests=tuple(entries)).to_bytes()
        if len(index) > LARGEST_DOCUMENT:
            raise BuilderError(f"the folder {self.path!r} has more entries than an index can hold")
        with _errors(self.path):
            _write(self._root, MARKER, (MARKER_BYTES,))
            _write(self._root, INDEX, (index,))

    def keep_only(self, digests: Collection[str]) -> None:
        """Remove all other blobs, and what killed writers have left. Call it while it is `locked`."""
        kept = {_name(digest) for digest in digests if digest.startswith(f"{_ALGORITHM}:")}
        with _errors(self.path):
            _remove(self._blobs, [name for name in _names(self._blobs) if name not in kept])
            _remove(self._root, [name for name in _names(self._root) if name.startswith(_TEMPORARY)])


def _names(folder: int) -> list[str]:
    return os.listdir(folder)


def _remove(folder: int, names: Iterable[str]) -> None:
    for name in names:
        with suppress(FileNotFoundError, IsADirectoryError):
            os.unlink(name, dir_fd=folder)


def _name(digest: str) -> str:
    algorithm, _, name = digest.partition(":")
    if algorithm != _ALGORITHM:
        raise BuilderError(f"{digest}: blobs of a layout are kept by {_ALGORITHM} only")
    return name


def _below(parent: int, name: str, *, make: bool) -> int:
    """A folder's descriptor; never what a link leads to."""
    made = False
    if make:
        with suppress(FileExistsError):
            os.mkdir(name, dir_fd=parent)
            made = True
    folder = os.open(name, _FOLDER | os.O_NOFOLLOW, dir_fd=parent)
    if made:
        give(folder, os.fstat(parent))
    return folder


@contextmanager
def _errors(path: str) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        kind = NotThere if isinstance(error, FileNotFoundError) else BuilderError
        raise kind(f"the folder {path!r} cannot be used: {error.strerror}") from error


@contextmanager
def _reading(folder: int, name: str) -> Iterator[int]:
    """A regular file; a pipe would have no end."""
    file = os.open(name, _FILE, dir_fd=folder)
    try:
        if not stat.S_ISREG(os.fstat(file).st_mode):
            raise OSError(errno.EINVAL, f"{name} is no file")
        yield file
    finally:
        os.close(file)


def _is_hollow(status: os.stat_result) -> bool:
    """Whether a file is nearly all holes, as what is packed never is: terabytes of it would be read from no disk."""
    return status.st_size > _LARGE and status.st_blocks * _BLOCK < status.st_size // _HOLLOW


def _limited(file: int, most: int) -> Iterator[bytes]:
    left = most
    while left and (data := os.read(file, min(left, _CHUNK))):
        left -= len(data)
        yield data


def _write(folder: int, name: str, chunks: Iterable[bytes]) -> None:
    """A file that is there completely or not at all."""
    temporary = f"{_TEMPORARY}{secrets.token_hex(8)}"
    file = os.open(temporary, _NEW, 0o666, dir_fd=folder)
    try:
        with os.fdopen(file, "wb") as stream:
            for chunk in chunks:
                stream.write(chunk)
            give(file, os.fstat(folder))
        os.rename(temporary, name, src_dir_fd=folder, dst_dir_fd=folder)
    except BaseException:
        with suppress(OSError):
            os.unlink(temporary, dir_fd=folder)
        raise
