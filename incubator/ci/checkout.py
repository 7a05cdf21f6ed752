"""What a checkout tells of its commit: the files of `.git` are read, git itself is not started.

Commits are found as loose objects and in packs, where they are whole (git hardly ever keeps them as differences).
A checkout is anybody's: every read is bounded, and what is not as expected counts as not there.
"""

from __future__ import annotations

import re
import struct
import zlib
from contextlib import suppress
from datetime import UTC, datetime, timedelta, timezone
from typing import TYPE_CHECKING

from incubator.ci.documents import read_bounded

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path
    from typing import BinaryIO

MOST_COMMIT_BYTES = 64 * 1024
"""Of a commit that is looked at: the dates stand before the message."""

_MOST_PACKS = 200
_MOST_REFS_BYTES = 16 * 1024 * 1024
_SHA = re.compile(r"[0-9a-f]{40}")
_COMMITTER = re.compile(rb"^committer [^\n]* (\d{1,11}) ([+-])(\d{2})(\d{2})$", re.MULTILINE)
_COMMIT = 1
_LATEST_YEAR_S = 253_000_000_000


def read_head(workspace: Path) -> tuple[str, str]:
    """The ref that is checked out (`refs/heads/main`), empty where none is, and the commit; both may be empty."""
    git = workspace / ".git"
    head = _text(git / "HEAD")
    if not head.startswith("ref: "):
        return "", head if _SHA.fullmatch(head) else ""
    ref = head.removeprefix("ref: ").strip()
    if not ref.startswith("refs/") or ".." in ref:
        return "", ""
    sha = _text(git / ref) or _packed(git, ref)
    return ref, sha if _SHA.fullmatch(sha) else ""


def commit_date(workspace: Path, sha: str) -> datetime | None:
    """When a commit was committed, in its own time zone; None where the checkout does not have it."""
    if not _SHA.fullmatch(sha):
        return None
    objects = workspace / ".git" / "objects"
    data = _loose(objects, sha) or _from_packs(objects, bytes.fromhex(sha))
    match = _COMMITTER.search(data.partition(b"\n\n")[0]) if data else None
    if match is None or int(match[1]) > _LATEST_YEAR_S:
        return None
    offset = timedelta(hours=int(match[3]), minutes=int(match[4]))
    zone = timezone(-offset if match[2] == b"-" else offset) if offset < timedelta(hours=24) else UTC
    return datetime.fromtimestamp(int(match[1]), zone)


def _text(path: Path) -> str:
    data = read_bounded(path, 4096)
    return data.decode("utf-8", "replace").strip() if data else ""


def _packed(git: Path, ref: str) -> str:
    data = read_bounded(git / "packed-refs", _MOST_REFS_BYTES) or b""
    for line in data.splitlines():
        sha, _, name = line.partition(b" ")
        if name == ref.encode():
            return sha.decode("ascii", "replace")
    return ""


def _loose(objects: Path, sha: str) -> bytes | None:
    data = read_bounded(objects / sha[:2] / sha[2:], MOST_COMMIT_BYTES)
    text = _inflate(data) if data else b""
    kind, _, rest = text.partition(b"\0")
    return rest if kind.startswith(b"commit ") else None


def _inflate(data: bytes) -> bytes:
    try:
        return zlib.decompressobj().decompress(data, MOST_COMMIT_BYTES)
    except zlib.error:
        return b""


def _from_packs(objects: Path, sha: bytes) -> bytes | None:
    for index in _indexes(objects / "pack"):
        with suppress(OSError, struct.error, ValueError):
            offset = _offset(index, sha)
            if offset is not None:
                return _at(index.with_suffix(".pack"), offset)
    return None


def _indexes(folder: Path) -> Iterator[Path]:
    try:
        found = sorted(path for path in folder.iterdir() if path.suffix == ".idx" and path.is_file())
    except OSError:
        return
    yield from found[:_MOST_PACKS]


def _offset(index: Path, sha: bytes) -> int | None:
    """Where the pack has an object. Format: git's index of a pack, version 2."""
    with index.open("rb") as file:
        if file.read(8) != b"\xfftOc\x00\x00\x00\x02":
            return None
        fanout = struct.unpack(">256I", file.read(1024))
        low, high, count = fanout[sha[0] - 1] if sha[0] else 0, fanout[sha[0]], fanout[255]
        names = 8 + 1024
        while low < high:
            middle = (low + high) // 2
            name = _read_at(file, names + 20 * middle, 20)
            if name == sha:
                place = names + 24 * count + 4 * middle
                (offset,) = struct.unpack(">I", _read_at(file, place, 4))
                if offset & 0x80000000:
                    place = names + 28 * count + 8 * (offset & 0x7FFFFFFF)
                    (offset,) = struct.unpack(">Q", _read_at(file, place, 8))
                return int(offset)
            low, high = (middle + 1, high) if name < sha else (low, middle)
    return None


def _read_at(file: BinaryIO, position: int, size: int) -> bytes:
    file.seek(position)
    return file.read(size)


def _at(pack: Path, offset: int) -> bytes | None:
    """The commit at a place of a pack; None where it is kept as a difference, or is something else."""
    if not pack.is_file():
        return None
    with pack.open("rb") as file:
        data = _read_at(file, offset, MOST_COMMIT_BYTES)
    if not data or data[0] >> 4 & 7 != _COMMIT:
        return None
    begin = next((at for at, byte in enumerate(data[:10]) if not byte & 0x80), None)
    return _inflate(data[begin + 1 :]) if begin is not None else None
