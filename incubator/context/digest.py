"""The digest of a sequence of entries, for cache keys: what a layer will hold, whenever it was written."""

from __future__ import annotations

import hashlib
import os
from collections import deque
from concurrent.futures import Future, ThreadPoolExecutor
from typing import TYPE_CHECKING, BinaryIO

from incubator.context.source import ContextError

if TYPE_CHECKING:
    from collections.abc import Iterable

    from incubator.context.entry import Entry

_VERSION = b"entries 1\n"
_CHUNK = 1 << 20
_SMALL = 1 << 17
"""Up to this size a file is read and hashed at once: handing it to a thread costs more than it gains."""


def content_digest(entries: Iterable[Entry], *, threads: int | None = None) -> str:
    """`sha256:` and 64 hexadecimal digits over all entries in their order.

    Covers path, kind, mode, owner, link target, device number, extended attributes and content; not times.
    Large files are hashed in `threads` at once (as many as processors); with more than one, `entries` must come
    from a source whose content can be opened in any order. Raises `ContextError` where content is not as long
    as announced.
    """
    count = threads if threads is not None else min(os.cpu_count() or 1, 8)
    total = hashlib.sha256(_VERSION)
    if count <= 1:
        for entry in entries:
            total.update(_line(entry, _hash_content(entry)))
        return f"sha256:{total.hexdigest()}"
    waiting: deque[tuple[Entry, bytes | Future[bytes]]] = deque()
    with ThreadPoolExecutor(count, thread_name_prefix="digest") as pool:
        try:
            for entry in entries:
                if entry.kind == "file" and entry.size > _SMALL:
                    # Opened here: only the reading of it is another thread's.
                    waiting.append((entry, pool.submit(_hash_file, entry, entry.open())))
                else:
                    waiting.append((entry, _hash_content(entry)))
                while waiting and (len(waiting) > 4 * count or not isinstance(waiting[0][1], Future)):
                    total.update(_line(*_done(waiting.popleft())))
            while waiting:
                total.update(_line(*_done(waiting.popleft())))
        except BaseException:
            pool.shutdown(cancel_futures=True)
            raise
    return f"sha256:{total.hexdigest()}"


def _done(item: tuple[Entry, bytes | Future[bytes]]) -> tuple[Entry, bytes]:
    entry, digest = item
    return entry, digest.result() if isinstance(digest, Future) else digest


def _hash_content(entry: Entry) -> bytes:
    """SHA-256 of a file's content; nothing for all else."""
    if entry.kind != "file":
        return b""
    return _hash_file(entry, entry.open())


def _hash_file(entry: Entry, file: BinaryIO) -> bytes:
    digest = hashlib.sha256()
    size = 0
    with file:
        while data := file.read(_CHUNK):
            digest.update(data)
            size += len(data)
    if size != entry.size:
        raise ContextError(
            f"{entry.path!r} became {'shorter' if size < entry.size else 'longer'} while it was read",
            hint="build from a folder that nothing else writes to meanwhile",
        )
    return digest.digest()


def _line(entry: Entry, content: bytes) -> bytes:
    """All of an entry that counts, each part with its length in front, so that no two entries read alike."""
    parts = [
        os.fsencode(entry.path),
        entry.kind.encode(),
        b"%o %d %d %d %d" % (entry.mode, entry.uid, entry.gid, *entry.device),
        os.fsencode(entry.linkname),
        content,
    ]
    for name, value in entry.xattrs:
        parts += (os.fsencode(name), value)
    return b"%d;" % len(parts) + b"".join(b"%d:%b" % (len(part), part) for part in parts)
