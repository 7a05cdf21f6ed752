"""Telling archives from other files by their content, and undoing their compression."""

from __future__ import annotations

import bz2
import gzip
import importlib
import io
import lzma
from contextlib import closing
from typing import TYPE_CHECKING, BinaryIO, Protocol, cast

from incubator.context.source import ContextError
from incubator.context.tarread import TarError, read_tar

if TYPE_CHECKING:
    from collections.abc import Callable

    from incubator.context.entry import Entry

_XZ_MEMORY = 80 << 20
"""Bytes; what `xz -9` needs is 65 MiB. A file may ask for gigabytes."""
_CHUNK = 1 << 16


class _Decompressor(Protocol):
    @property
    def eof(self) -> bool: ...
    @property
    def needs_input(self) -> bool: ...
    @property
    def unused_data(self) -> bytes: ...
    def decompress(self, data: bytes, max_length: int = -1) -> bytes: ...


def open_archive(entry: Entry) -> BinaryIO | None:
    """The plain tar in a file, to be closed by the caller; None if the file is no tar with anything in it.

    Knows tar as it is and compressed with gzip, bzip2, xz or zstd, by content, as the engine's ADD does. The
    entry's content is opened twice. Raises `ContextError` for zstd where no decompressor is installed.
    """
    if not entry.size:
        return None
    with entry.open() as file, closing(decompress(file)) as plain:
        try:
            if next(read_tar(plain), None) is None:
                return None
        except TarError:
            return None
    return decompress(entry.open())


def decompress(file: BinaryIO) -> BinaryIO:
    """The content of `file` without its compression, if its first bytes tell of one. Takes `file` over.

    Reading from it raises `OSError`, `EOFError`, `zlib.error` or `lzma.LZMAError` for damaged data.
    """
    buffered = io.BufferedReader(cast("io.RawIOBase", file), _CHUNK)
    plain = cast("BinaryIO", buffered)
    start = buffered.peek(6)[:6]
    if start.startswith(b"\x1f\x8b\x08"):
        return cast("BinaryIO", _Owning(gzip.GzipFile(fileobj=plain, mode="rb"), plain))
    if start.startswith(b"BZh"):
        return _inflate(plain, bz2.BZ2Decompressor)
    if start.startswith(b"\xfd7zXZ\x00"):
        return _inflate(plain, lambda: lzma.LZMADecompressor(lzma.FORMAT_XZ, memlimit=_XZ_MEMORY))
    if start.startswith(b"\x28\xb5\x2f\xfd"):
        return _zstd(plain)
    return plain


def _inflate(file: BinaryIO, make: Callable[[], _Decompressor]) -> BinaryIO:
    return cast("BinaryIO", io.BufferedReader(_Inflating(file, make), _CHUNK))


def _zstd(file: BinaryIO) -> BinaryIO:
    for name, attribute in (("compression.zstd", "ZstdDecompressor"), ("backports.zstd", "ZstdDecompressor")):
        try:
            module = importlib.import_module(name)
        except ImportError:
            continue
        return _inflate(file, getattr(module, attribute))
    raise ContextError(
        "an archive is compressed with zstd, which this Python cannot read",
        hint="use Python 3.14 or later, install backports.zstd, or compress it with gzip or xz",
    )


class _Owning(io.BufferedReader):
    """Closes the file below as well."""

    def __init__(self, raw: gzip.GzipFile, below: BinaryIO) -> None:
        super().__init__(cast("io.RawIOBase", raw), _CHUNK)
        self._below = below

    def close(self) -> None:
        super().close()
        self._below.close()


class _Inflating(io.RawIOBase):
    """Decompresses streams that follow one another, in bounded pieces."""

    def __init__(self, file: BinaryIO, make: Callable[[], _Decompressor]) -> None:
        self._file = file
        self._make = make
        self._now = make()

    def readable(self) -> bool:
        return True

    def close(self) -> None:
        super().close()
        self._file.close()

    def readinto(self, target: bytearray | memoryview) -> int:  # type: ignore[override]
        while True:
            data = b""
            if self._now.eof:
                data = self._now.unused_data.lstrip(b"\0") or self._file.read(_CHUNK).lstrip(b"\0")
                if not data:
                    return 0
                self._now = self._make()
            elif self._now.needs_input:
                data = self._file.read(_CHUNK)
                if not data:
                    raise EOFError("the compressed data ends in the middle")
            try:
                plain = self._now.decompress(data, len(target))
            except lzma.LZMAError as error:
                if "emory" in str(error):
                    raise ContextError(
                        f"an archive needs more than {_XZ_MEMORY >> 20} MiB of memory to decompress",
                        hint="compress it with a smaller dictionary: any of `xz -0` to `xz -9` will do",
                    ) from error
                raise
            if plain:
                target[: len(plain)] = plain
                return len(plain)
