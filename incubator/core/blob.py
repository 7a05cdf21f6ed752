"""A blob: bytes with their digest and size, in memory where they are few and in a temporary file where not."""

from __future__ import annotations

import hashlib
import os
import tempfile
from dataclasses import dataclass, replace
from io import BytesIO, FileIO
from typing import TYPE_CHECKING, BinaryIO, Self, cast

from incubator.errors import BuilderError
from incubator.oci.image_config import digest_of

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

IN_MEMORY_BYTES = 8 << 20
"""A blob up to this size is not written to disk."""

_CHUNK = 1 << 20


@dataclass(frozen=True, slots=True, kw_only=True)
class Blob:
    """`file` holds `size_bytes` whose digest is `digest`. A context manager: the file is gone afterwards."""

    digest: str
    size_bytes: int
    file: BinaryIO

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.file.close()

    def chunks(self) -> Iterator[bytes]:
        """All of it, from the start; one reader at a time, but for what is `shared`."""
        if isinstance(self.file, FileIO):
            yield from _pieces(self.file)
            return
        self.file.seek(0)
        while data := self.file.read(_CHUNK):
            yield data

    def shared(self) -> Self:
        """The same bytes, to be read when this one is closed, too. Call it while nobody reads from this one."""
        if isinstance(self.file, BytesIO):
            return replace(self, file=BytesIO(self.file.getvalue()))
        self.file.flush()
        return replace(self, file=cast("BinaryIO", FileIO(os.dup(self.file.fileno()), "rb")))

    @classmethod
    def of_bytes(cls, data: bytes) -> Self:
        """What is in memory already."""
        return cls(digest=digest_of(data), size_bytes=len(data), file=BytesIO(data))

    @classmethod
    def write(cls, chunks: Iterable[bytes]) -> Self:
        """What `chunks` make together. Raises what making them raises, and BuilderError where the disk is full."""
        file = cast("BinaryIO", tempfile.SpooledTemporaryFile(max_size=IN_MEMORY_BYTES))  # noqa: SIM115
        try:
            digest, size = hashlib.sha256(), 0
            for chunk in chunks:
                digest.update(chunk)
                size += len(chunk)
                _append(file, chunk)
        except BaseException:
            file.close()
            raise
        return cls(digest=f"sha256:{digest.hexdigest()}", size_bytes=size, file=file)


def _pieces(file: FileIO) -> Iterator[bytes]:
    """A file from its start, whatever its position is: others with the same one may move it."""
    at = 0
    while data := os.pread(file.fileno(), _CHUNK, at):
        yield data
        at += len(data)


def _append(file: BinaryIO, data: bytes) -> None:
    try:
        file.write(data)
    except OSError as error:
        raise BuilderError(
            f"cannot write a layer to a temporary file: {error.strerror}",
            hint=f"layers are put together in {tempfile.gettempdir()}; TMPDIR names another folder",
        ) from error
