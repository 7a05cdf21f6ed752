"""Reading tar as a stream: ustar, PAX, GNU long names, hard links, sparse files.

Strict where Go's `archive/tar` is (the engine's own reader): checksums, and links that carry no content.
Names are made relative; one that would leave the root is refused.
"""

from __future__ import annotations

import io
import os
import zlib
from dataclasses import dataclass
from lzma import LZMAError
from typing import TYPE_CHECKING, BinaryIO, cast

from incubator.context.entry import Entry, Kind, Xattrs
from incubator.context.links import MOST_PATH
from incubator.context.pattern import clean_path
from incubator.errors import InputError

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping


BLOCK = 512
_KINDS: dict[bytes, Kind] = {
    b"0": "file",
    b"\0": "file",
    b"7": "file",
    b"S": "file",
    b"1": "hardlink",
    b"2": "symlink",
    b"3": "char",
    b"4": "block",
    b"5": "dir",
    b"6": "fifo",
}
_MOST_EXTENSION = 1 << 20
"""Bytes of PAX records or of a long name; Go has the same limit."""
_XATTR = b"SCHILY.xattr."
_BROKEN = (EOFError, OSError, zlib.error, LZMAError)


class TarError(InputError):
    """The bytes are no tar, or a damaged one; `reason` says why."""

    def __init__(self, reason: str) -> None:
        super().__init__(f"cannot read the tar: {reason}", hint="check that the archive is complete")
        self.reason = reason


@dataclass(frozen=True, slots=True, kw_only=True)
class Member:
    """One entry of a tar. `entry.content` is unset; `stored` bytes follow at `offset` of the plain tar.

    `sparse`: for a sparse file, where its stored parts belong: offset and length of each.
    """

    entry: Entry
    offset: int
    stored: int
    sparse: tuple[tuple[int, int], ...] | None = None


def read_tar(stream: BinaryIO) -> Iterator[Entry]:
    """The entries of a plain tar, in its order. `open` an entry before the next one is asked for, or never.

    Raises `TarError`. An empty archive has no entries.
    """
    reader = _Reader(stream)
    for member in reader.members():
        entry = member.entry
        if entry.kind == "file" and entry.size:
            content = open_member(cast("BinaryIO", _Part(reader, member.stored)), member)
            entry = Entry(
                path=entry.path,
                kind=entry.kind,
                mode=entry.mode,
                uid=entry.uid,
                gid=entry.gid,
                size=entry.size,
                mtime_ns=entry.mtime_ns,
                xattrs=entry.xattrs,
                content=lambda content=content: content,  # type: ignore[misc]
            )
        yield entry


def members(stream: BinaryIO) -> Iterator[Member]:
    """The members of a plain tar with the places of their content, which is skipped. Raises `TarError`."""
    return _Reader(stream).members()


def read_rest(stream: BinaryIO) -> None:
    """Read what follows a tar's end, where a compressed one has its checksum. Raises `TarError`."""
    reader = _Reader(stream)
    while reader.skip(1 << 16):
        pass


def open_member(stored: BinaryIO, member: Member) -> BinaryIO:
    """The content of a file whose stored bytes `stored` gives: the same, or spread out if it is sparse."""
    if member.sparse is None:
        return stored
    return cast("BinaryIO", io.BufferedReader(_Sparse(stored, member.sparse, member.entry.size), 1 << 16))


class _Reader:
    """Reads blocks and knows what is left of the current member."""

    def __init__(self, stream: BinaryIO) -> None:
        self._stream = stream
        self._offset = 0
        self._end = 0

    def read(self, size: int) -> bytes:
        """Exactly `size` bytes."""
        parts = []
        while size:
            data = self._some(size)
            if not data:
                raise TarError("it ends in the middle")
            parts.append(data)
            size -= len(data)
        return parts[0] if len(parts) == 1 else b"".join(parts)

    def read_content(self, end: int, size: int) -> bytes:
        """Up to `size` bytes of the member that ends at `end`; empty at its end."""
        if end + -end % BLOCK != self._end:
            raise TarError("an entry was read after the next one had been asked for")
        data = self._some(min(size, end - self._offset))
        if not data and self._offset < end:
            raise TarError("it ends in the middle")
        return data

    def skip(self, size: int) -> int:
        """Read up to `size` bytes; how many there were."""
        return len(self._some(size))

    @property
    def offset(self) -> int:
        """Bytes read so far."""
        return self._offset

    def _some(self, size: int) -> bytes:
        if size <= 0:
            return b""
        try:
            data = self._stream.read(size)
        except _BROKEN as error:
            raise TarError(str(error)) from error
        self._offset += len(data)
        return data

    def members(self) -> Iterator[Member]:
        common: dict[bytes, bytes] = {}
        own: dict[bytes, bytes] = {}
        sparse: list[tuple[int, int]] = []
        while True:
            while self._offset < self._end:
                self.read(min(self._end - self._offset, 1 << 18))
            start = self._some(BLOCK)
            if not start:
                return
            block = start + self.read(BLOCK - len(start))
            if not any(block):
                return
            flag, size = block[156:157], _number(block[124:136])
            _check(block)
            if flag in b"xgLK":
                if size > _MOST_EXTENSION:
                    raise TarError("an extended header is too long")
                data = self.read(size + -size % BLOCK)[:size]
                if flag == b"g":
                    common |= _records(data, sparse)
                elif flag == b"x":
                    own |= _records(data, sparse)
                else:
                    own[b"path" if flag == b"L" else b"linkpath"] = data.rstrip(b"\0")
                continue
            if flag not in _KINDS:
                raise TarError(f"entry of unknown type {flag!r}")
            yield self._member(block, common | own, sparse)
            own = {}
            sparse = []

    def _member(self, block: bytes, records: dict[bytes, bytes], sparse: list[tuple[int, int]]) -> Member:
        name = records.get(b"GNU.sparse.name") or records.get(b"path") or _name(block)
        kind = _KINDS[block[156:157]]
        if kind == "file" and name.endswith(b"/"):
            kind = "dir"
        stored = _decimal(records, b"size", _number(block[124:136])) if kind == "file" else 0
        if stored < 0:
            raise TarError("an entry has a negative size")
        size = stored
        end = self._offset + stored
        parts: list[tuple[int, int]] | None = None
        if kind == "file":
            size, parts = self._sparse(block, records, sparse, stored)
            if block[156:157] == b"S":
                end = self._offset + stored
        self._end = end + -end % BLOCK
        link = records.get(b"linkpath") or block[157:257].split(b"\0", 1)[0]
        path = _relative(os.fsdecode(name))
        mtime = records.get(b"mtime")
        entry = Entry(
            path=path,
            kind=kind,
            mode=_number(block[100:108]) & 0o7777,
            uid=_decimal(records, b"uid", _number(block[108:116])),
            gid=_decimal(records, b"gid", _number(block[116:124])),
            size=size,
            mtime_ns=_time(mtime) if mtime else _number(block[136:148]) * 1_000_000_000,
            linkname=_link(kind, os.fsdecode(link)),
            xattrs=_xattrs(records),
            device=(_number(block[329:337]), _number(block[337:345]))
            if kind in ("char", "block")
            else (0, 0),
        )
        return Member(
            entry=entry,
            offset=self._offset,
            stored=end - self._offset,
            sparse=None if parts is None else tuple(parts),
        )

    def _sparse(
        self, block: bytes, records: dict[bytes, bytes], pairs: list[tuple[int, int]], stored: int
    ) -> tuple[int, list[tuple[int, int]] | None]:
        """Size of a file, and its stored parts if it is sparse. Reads the map where it is before the content."""
        if block[156:157] == b"S":
            return _number(block[483:495]), self._old_map(block)
        if records.get(b"GNU.sparse.major") == b"1":
            size = _decimal(records, b"GNU.sparse.realsize", stored)
            return size, self._map_in_content(stored)
        if b"GNU.sparse.size" in records or b"GNU.sparse.map" in records or pairs:
            numbers = [_integer(text) for text in records.get(b"GNU.sparse.map", b"").split(b",") if text]
            parts = list(zip(numbers[::2], numbers[1::2], strict=False)) or pairs
            return _decimal(records, b"GNU.sparse.size", stored), parts
        return stored, None

    def _old_map(self, block: bytes) -> list[tuple[int, int]]:
        parts = _old_parts(block[386:482])
        more = block[482]
        while more:
            extension = self.read(BLOCK)
            parts += _old_parts(extension[:504])
            more = extension[504]
        return parts

    def _map_in_content(self, stored: int) -> list[tuple[int, int]]:
        """PAX sparse 1.0: decimal numbers, a line each, count first, padded to whole blocks."""
        start = self._offset
        text = b""
        numbers: list[int] = []
        wanted = 1
        while len(numbers) < wanted:
            if self._offset - start >= min(stored, _MOST_EXTENSION):
                raise TarError("a sparse map is damaged")
            text += self.read(BLOCK)
            *lines, text = text.split(b"\n")
            numbers += map(_integer, lines)
            if numbers:
                wanted = 1 + 2 * numbers[0]
        return list(zip(numbers[1:wanted:2], numbers[2:wanted:2], strict=True))


class _Part(io.RawIOBase):
    """The stored bytes of the current member."""

    def __init__(self, reader: _Reader, size: int) -> None:
        self._reader = reader
        self._end = reader.offset + size

    def readable(self) -> bool:
        return True

    def read(self, size: int = -1) -> bytes:
        if size < 0:
            return self.readall()
        return self._reader.read_content(self._end, size)

    def readall(self) -> bytes:
        parts = []
        while data := self.read(1 << 16):
            parts.append(data)
        return b"".join(parts)


class _Sparse(io.RawIOBase):
    """A sparse file in full: zeros between the parts that are stored."""

    def __init__(self, stored: BinaryIO, parts: tuple[tuple[int, int], ...], size: int) -> None:
        self._stored = stored
        self._size = size
        self._at = 0
        at = 0
        for offset, length in parts:
            if offset < at or length < 0 or offset + length > size:
                raise TarError("a sparse map is damaged")
            at = offset + length
        self._parts = [(offset, offset + length) for offset, length in reversed(parts) if length]

    def readable(self) -> bool:
        return True

    def readinto(self, target: bytearray | memoryview) -> int:  # type: ignore[override]
        buffer = memoryview(target).cast("B")
        start, end = self._parts[-1] if self._parts else (self._size, self._size)
        if self._at < start:
            count = min(len(buffer), start - self._at)
            buffer[:count] = bytes(count)
        else:
            data = self._stored.read(min(len(buffer), end - self._at))
            count = len(data)
            if not count and self._at < end:
                raise TarError("it ends in the middle")
            buffer[:count] = data
            if self._at + count == end and self._parts:
                self._parts.pop()
        self._at += count
        return count


def _check(block: bytes) -> None:
    rest = block[:148] + b"        " + block[156:]
    signed = sum(rest) - 256 * sum(byte > 127 for byte in rest)
    if _number(block[148:156]) not in (sum(rest), signed):
        raise TarError("a header's checksum is wrong")


def _number(field: bytes) -> int:
    """An octal field, or GNU's base 256 where the first bit is set."""
    if field[0] & 0x80:
        value = int.from_bytes(field, "big") & ~(1 << (8 * len(field) - 1))
        return value - (1 << (8 * len(field) - 1)) if field[0] & 0x40 else value
    text = field.strip(b" \0").split(b"\0", 1)[0]
    try:
        return int(text or b"0", 8)
    except ValueError:
        raise TarError("a header holds something else than numbers") from None


def _integer(text: bytes) -> int:
    if not text.lstrip(b"-").isdigit() or len(text) > 20:
        raise TarError(f"{text[:20]!r} is no number")
    return int(text)


def _decimal(records: Mapping[bytes, bytes], key: bytes, default: int) -> int:
    return _integer(records[key]) if records.get(key) else default


def _time(text: bytes) -> int:
    """Nanoseconds of a PAX time: decimal seconds, perhaps with a fraction."""
    whole, _, fraction = text.partition(b".")
    nanoseconds = _integer(fraction[:9].ljust(9, b"0"))
    seconds = _integer(whole or b"0") * 1_000_000_000
    return seconds - nanoseconds if whole.startswith(b"-") else seconds + nanoseconds


def _name(block: bytes) -> bytes:
    name = block[:100].split(b"\0", 1)[0]
    prefix = block[345:500].split(b"\0", 1)[0]
    if prefix and block[257:263] == b"ustar\0":
        return prefix + b"/" + name
    return name


def _relative(name: str) -> str:
    """A name without leading slashes, cleaned; "" is the root."""
    path = clean_path(name.lstrip("/"))
    if len(path) > MOST_PATH:
        raise TarError(f"a name of {len(path)} characters is too long")
    if path == ".." or path.startswith("../"):
        raise TarError(f"the entry {name!r} lies outside of the archive")
    return "" if path == "." else path


def _link(kind: Kind, text: str) -> str:
    if kind == "hardlink":
        return _relative(text)
    return text if kind == "symlink" else ""


def _records(data: bytes, sparse: list[tuple[int, int]]) -> dict[bytes, bytes]:
    """PAX records; pairs of the oldest sparse form, the only keys that repeat, go to `sparse`."""
    records: dict[bytes, bytes] = {}
    at = 0
    while at < len(data):
        blank = data.find(b" ", at, at + 10)
        length = _integer(data[at:blank]) if blank > at else 0
        record = data[blank + 1 : at + length]
        key, equals, value = record[:-1].partition(b"=")
        if length <= 0 or not equals or not record.endswith(b"\n") or at + length > len(data):
            raise TarError("a PAX record is damaged")
        if key == b"GNU.sparse.offset":
            sparse.append((_integer(value), 0))
        elif key == b"GNU.sparse.numbytes" and sparse:
            sparse[-1] = (sparse[-1][0], _integer(value))
        records[key] = value
        at += length
    return records


def _xattrs(records: Mapping[bytes, bytes]) -> Xattrs:
    return tuple(
        (os.fsdecode(key[len(_XATTR) :]), value)
        for key, value in sorted(records.items())
        if key.startswith(_XATTR)
    )


def _old_parts(table: bytes) -> list[tuple[int, int]]:
    """Pairs of a GNU sparse table: 12 bytes each for offset and length; an empty pair ends it."""
    pairs = [(table[at : at + 12], table[at + 12 : at + 24]) for at in range(0, len(table) - 23, 24)]
    return [(_number(offset), _number(length)) for offset, length in pairs if offset[0]]
