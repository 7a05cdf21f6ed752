from __future__ import annotations

import io
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING

import pytest

from incubator.context.digest import content_digest
from incubator.context.directory import DirectoryContext
from incubator.context.entry import Entry
from incubator.context.source import ContextError

if TYPE_CHECKING:
    from pathlib import Path


def file(path: str, data: bytes) -> Entry:
    return Entry(path=path, kind="file", mode=0o644, size=len(data), content=partial(io.BytesIO, data))


BASE = file("a", b"one")


def test_what_counts_and_what_does_not() -> None:
    same = content_digest([BASE])
    assert same.startswith("sha256:")
    assert len(same) == 71
    assert content_digest([replace(BASE, mtime_ns=5)]) == same
    others = [
        [],
        [BASE, BASE],
        [replace(BASE, path="b")],
        [replace(BASE, mode=0o600)],
        [replace(BASE, uid=1)],
        [replace(BASE, gid=1)],
        [replace(BASE, xattrs=(("user.a", b""),))],
        [replace(BASE, xattrs=(("user.", b"a"),))],
        [file("a", b"two")],
        [replace(BASE, kind="hardlink", linkname="b")],
        [replace(BASE, kind="symlink", linkname="b")],
        [replace(BASE, kind="char", device=(1, 2))],
        [replace(BASE, kind="char", device=(12, 0))],
    ]
    digests = [content_digest(entries) for entries in others]
    assert len({same, *digests}) == len(others) + 1


@pytest.mark.parametrize("size", [10, 1_000_000])
def test_as_many_threads_as_one_likes(size: int) -> None:
    entries = [file(f"{number:03d}", bytes([number]) * size) for number in range(30)]
    assert len({content_digest(entries, threads=threads) for threads in (1, 2, 5)}) == 1


@pytest.mark.parametrize("size", [2, 4, 1 << 20])
@pytest.mark.parametrize("threads", [1, 2])
def test_content_that_is_not_as_long_as_announced(size: int, threads: int) -> None:
    with pytest.raises(ContextError, match="while it was read"):
        content_digest([replace(BASE, size=size), *[file("b", b"x" * 200_000)] * 20], threads=threads)


def test_a_folder(tmp_path: Path) -> None:
    (tmp_path / "f").write_bytes(b"x" * 300_000)
    with DirectoryContext(tmp_path) as context:
        first = content_digest(context.walk(context.resolve("/")[0]))
        assert content_digest(context.walk(context.resolve("/")[0]), threads=1) == first
        (tmp_path / "f").write_bytes(b"y" * 300_000)
        assert content_digest(context.walk(context.resolve("/")[0])) != first
