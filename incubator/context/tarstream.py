"""Entries to tar and back, as streams: nothing is held but one entry and one buffer.

The writer builds its headers itself: `tarfile` takes longer for a header than the engine for the file behind
it. ustar where the fields suffice, PAX records where they do not, extended attributes as `SCHILY.xattr`.
Equal entries give equal bytes.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from incubator.context.source import ContextError
from incubator.context.tarread import TarError, members, read_tar

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from incubator.context.entry import Entry

__all__ = ["TarError", "members", "read_tar", "write_tar"]

BLOCK = 512
_CHUNK = 1 << 18
_LARGE = 1 << 20
_FLAGS = {
    "file": b"0",
    "hardlink": b"1",
    "symlink": b"2",
    "char": b"3",
    "block": b"4",
    "dir": b"5",
    "fifo": b"6",
}
_MOST_ID = 0o7777777
_MOST_SIZE = 0o77777777777
_NAME = 100
_PREFIX = 155
_ZEROS = bytes(BLOCK)


def write_tar(entries: Iterable[Entry], *, mtime_clamp: int | None = None) -> Iterator[bytes]:
    """The tar of `entries` in their order, in chunks of up to 1 MiB; times are whole seconds.

    `mtime_clamp`: seconds since the epoch that no time may exceed (SOURCE_DATE_EPOCH). Each entry's content is
    read before the next is asked for. Raises `ContextError` where content is not as long as announced.
    """
    buffer = bytearray()
    for entry in entries:
        buffer += header(entry, mtime_clamp)
        if entry.kind == "file" and entry.size:
            yield from _content(entry, buffer)
        if len(buffer) >= _CHUNK:
            yield bytes(buffer)
            buffer.clear()
    buffer += bytes(2 * BLOCK)
    yield bytes(buffer)


def _content(entry: Entry, buffer: bytearray) -> Iterator[bytes]:
    """Add a small file's content to `buffer`; yield a large one's in pieces as they are read."""
    left = entry.size
    if left >= _CHUNK:
        yield bytes(buffer)
        buffer.clear()
    with entry.open() as file:
        while left:
            data = file.read(min(left, _LARGE))
            if not data:
                break
            left -= len(data)
            if entry.size >= _CHUNK:
                yield data
            else:
                buffer += data
        if left or file.read(1):
            raise ContextError(
                f"{entry.path!r} became {'shorter' if left else 'longer'} while it was read",
                hint="build from a folder that nothing else writes to meanwhile",
            )
    if entry.size % BLOCK:
        buffer += _ZEROS[entry.size % BLOCK :]


def header(entry: Entry, mtime_clamp: int | None = None) -> bytes:
    """The blocks before an entry's content: a PAX header where it needs one, and its own."""
    records: list[tuple[bytes, bytes]] = []
    name = os.fsencode(entry.path) or b"."
    if entry.kind == "dir":
        name += b"/"
    prefix = b""
    if len(name) > _NAME:
        split = _split(name)
        if split is None:
            records.append((b"path", name))
            name = name[:_NAME]
        else:
            prefix, name = split
    link = os.fsencode(entry.linkname)
    if len(link) > _NAME:
        records.append((b"linkpath", link))
        link = link[:_NAME]
    size = entry.size if entry.kind == "file" else 0
    mtime = entry.mtime_ns // 1_000_000_000
    if mtime_clamp is not None and mtime > mtime_clamp:
        mtime = mtime_clamp
    uid, gid = entry.uid, entry.gid
    if uid > _MOST_ID or gid > _MOST_ID or size > _MOST_SIZE or not 0 <= mtime <= _MOST_SIZE:
        for key, value, most in (
            (b"uid", uid, _MOST_ID),
            (b"gid", gid, _MOST_ID),
            (b"size", size, _MOST_SIZE),
            (b"mtime", mtime, _MOST_SIZE),
        ):
            if not 0 <= value <= most:
                records.append((key, b"%d" % value))
        uid, gid = min(uid, _MOST_ID), min(gid, _MOST_ID)
        size, mtime = min(size, _MOST_SIZE), min(max(mtime, 0), _MOST_SIZE)
    for attribute, data in entry.xattrs:
        records.append((b"SCHILY.xattr." + os.fsencode(attribute), data))
    flag = _FLAGS[entry.kind]
    block = _block(name, entry.mode & 0o7777, (uid, gid), size, mtime, flag, link, entry.device, prefix)
    if not records:
        return block
    text = b"".join(_record(key, value) for key, value in records)
    pax = _block(b"pax_headers", 0o644, (0, 0), len(text), 0, b"x", b"", (0, 0), b"")
    return pax + text + _ZEROS[len(text) % BLOCK or BLOCK :] + block


def _block(  # noqa: PLR0913, PLR0917
    name: bytes,
    mode: int,
    owner: tuple[int, int],
    size: int,
    mtime: int,
    flag: bytes,
    link: bytes,
    device: tuple[int, int],
    prefix: bytes,
) -> bytes:
    block = b"%-100b%07o\0%07o\0%07o\0%011o\0%011o\0        %b%b" % (
        name.ljust(_NAME, b"\0"),
        mode,
        *owner,
        size,
        mtime,
        flag,
        link.ljust(_NAME, b"\0"),
    )
    block += b"ustar\x0000".ljust(72, b"\0") + b"%07o\0%07o\0" % device + prefix.ljust(167, b"\0")
    return block[:148] + b"%06o\0 " % sum(block) + block[156:]


def _split(name: bytes) -> tuple[bytes, bytes] | None:
    """A long name in its two ustar fields, or None where no slash is in the right place."""
    at = name.rfind(b"/", 0, min(_PREFIX, len(name) - 2) + 1)
    if at <= 0 or len(name) - at - 1 > _NAME:
        return None
    return name[:at], name[at + 1 :]


def _record(key: bytes, value: bytes) -> bytes:
    """One PAX record; the length in front counts itself."""
    rest = len(key) + len(value) + 3
    length = rest + len(str(rest))
    length = rest + len(str(length))
    return b"%d %b=%b\n" % (length, key, value)
