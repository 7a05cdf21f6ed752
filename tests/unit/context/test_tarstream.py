from __future__ import annotations

import contextlib
import io
import os
import random
import shutil
import subprocess
import tarfile
import time
from functools import partial
from typing import TYPE_CHECKING

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from incubator.context.directory import DirectoryContext
from incubator.context.entry import Entry
from incubator.context.parents import with_parents
from incubator.context.source import ContextError
from incubator.context.tarstream import TarError, header, read_tar, write_tar

if TYPE_CHECKING:
    from pathlib import Path

NEEDS_GNU_TAR = pytest.mark.skipif(shutil.which("tar") is None, reason="no tar program here")


def file(path: str, data: bytes = b"data", **rest: object) -> Entry:
    return Entry(
        path=path,
        kind="file",
        mode=0o644,
        size=len(data),
        content=partial(io.BytesIO, data),
        **rest,  # type: ignore[arg-type]
    )


def packed(*entries: Entry, clamp: int | None = None) -> bytes:
    return b"".join(write_tar(entries, mtime_clamp=clamp))


def read(data: bytes) -> list[tuple[Entry, bytes]]:
    result = []
    for entry in read_tar(io.BytesIO(data)):
        with entry.open() as content:
            result.append((entry, content.read()))
    return result


EVERYTHING = [
    Entry(path="", kind="dir", mode=0o755),
    Entry(path="d", kind="dir", mode=0o1777, uid=7, gid=8, mtime_ns=1_700_000_000_000_000_000),
    file("d/file", b"x" * 1000, uid=3_000_000, gid=4_000_000_000, mtime_ns=-5_000_000_000),
    Entry(path="d/link", kind="symlink", mode=0o777, linkname="../" + "far/" * 40),
    Entry(path="d/hard", kind="hardlink", mode=0o644, linkname="d/file"),
    Entry(path="d/fifo", kind="fifo", mode=0o600),
    Entry(path="d/null", kind="char", mode=0o666, device=(1, 3)),
    Entry(path="d/disk", kind="block", mode=0o660, device=(8, 1)),
    file("long/" * 30 + "name"),
    file("n" * 150),
    file("n" * 300),
    file("p" * 155 + "/" + "n" * 100),
    file("ä/ü\udcff"),
    file("set", b"", xattrs=(("security.capability", b"\1\0\n=\xff"), ("user.a", b""))),
]


def test_what_is_written_is_read_again() -> None:
    for given_entry, (entry, content) in zip(EVERYTHING, read(packed(*EVERYTHING)), strict=True):
        assert entry.path == given_entry.path
        for name in ("kind", "mode", "uid", "gid", "linkname", "xattrs", "device", "mtime_ns"):
            assert getattr(entry, name) == getattr(given_entry, name), (entry.path, name)
        assert content == given_entry.open().read()


def test_tarfile_reads_it_alike() -> None:
    with tarfile.open(fileobj=io.BytesIO(packed(*EVERYTHING))) as tar:
        infos = tar.getmembers()
        for entry, info in zip(EVERYTHING, infos, strict=True):
            assert info.name == (entry.path or ".")
            assert info.mode == entry.mode
            assert (info.uid, info.gid) == (entry.uid, entry.gid)
            assert info.linkname == entry.linkname
            assert info.mtime == entry.mtime_ns // 1_000_000_000
            if entry.kind == "file":
                extracted = tar.extractfile(info)
                assert extracted is not None
                assert extracted.read() == entry.open().read()
        assert (infos[6].devmajor, infos[6].devminor) == (1, 3)
        assert infos[-1].pax_headers["SCHILY.xattr.user.a"] == ""


@pytest.mark.parametrize("form", [tarfile.USTAR_FORMAT, tarfile.GNU_FORMAT, tarfile.PAX_FORMAT])
def test_reads_what_tarfile_writes(form: int) -> None:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w", format=form) as tar:
        for name, kind in (
            ("./d/", tarfile.DIRTYPE),
            ("d/" * 60 + "f", tarfile.REGTYPE),
            ("/abs", tarfile.LNKTYPE),
        ):
            info = tarfile.TarInfo(name)
            info.type = kind
            info.mtime = 1_600_000_000
            info.mode = 0o4751
            info.linkname = "/d/f" if kind == tarfile.LNKTYPE else ""
            info.size = 700 if kind == tarfile.REGTYPE else 0
            tar.addfile(info, io.BytesIO(b"z" * info.size))
    entries = read(buffer.getvalue())
    assert [(entry.path, entry.kind, entry.linkname) for entry, _ in entries] == [
        ("d", "dir", ""),
        ("d/" * 60 + "f", "file", ""),
        ("abs", "hardlink", "d/f"),
    ]
    assert entries[1][1] == b"z" * 700
    assert {entry.mtime_ns for entry, _ in entries} == {1_600_000_000_000_000_000}
    assert {entry.mode for entry, _ in entries} == {0o4751}


@NEEDS_GNU_TAR
@pytest.mark.parametrize("form", ["ustar", "gnu", "pax", "v7"])
def test_gnu_tar_and_back(tmp_path: Path, form: str) -> None:
    source = tmp_path / "source"
    (source / "sub").mkdir(parents=True)
    (source / "sub" / "file").write_bytes(b"content")
    os.link(source / "sub" / "file", source / "z-link")
    (source / "sub" / "sym").symlink_to("file")
    archive = tmp_path / "theirs.tar"
    subprocess.run(["tar", "-C", source, f"--format={form}", "--sort=name", "-cf", archive, "."], check=True)
    with archive.open("rb") as stream:
        assert [(entry.path, entry.kind, entry.linkname) for entry in read_tar(stream)] == [
            ("", "dir", ""),
            ("sub", "dir", ""),
            ("sub/file", "file", ""),
            ("sub/sym", "symlink", "file"),
            ("z-link", "hardlink", "sub/file"),
        ]
    ours = tmp_path / "ours.tar"
    with DirectoryContext(source) as context:
        ours.write_bytes(b"".join(write_tar(context.walk(context.resolve("/")[0]))))
    target = tmp_path / "target"
    target.mkdir()
    subprocess.run(["tar", "-C", target, "-xf", ours], check=True)
    assert (target / "sub" / "sym").read_bytes() == b"content"
    assert (target / "z-link").samefile(target / "sub" / "file")
    compared = subprocess.run(["tar", "-C", source, "-df", ours], capture_output=True, text=True, check=False)
    different = [line for line in compared.stdout.splitlines() if "id differs" not in line]
    assert different == []


@NEEDS_GNU_TAR
@pytest.mark.parametrize(
    "options", [["--format=gnu"], *(["--format=pax", f"--sparse-version={v}"] for v in ("0.0", "0.1", "1.0"))]
)
def test_sparse_files_come_in_full(tmp_path: Path, options: list[str]) -> None:
    holes = tmp_path / "holes"
    with holes.open("wb") as stream:
        for place in range(40):  # more than fit into the first header of the old form
            stream.seek(place * 65536)
            stream.write(b"%04d" % place * 200)
        stream.truncate(41 * 65536)
    archive = tmp_path / "sparse.tar"
    names = ["-cf", str(archive), "holes", "holes"]
    command = ["tar", "-C", str(tmp_path), "-S", "--hole-detection=raw", *options, *names]
    subprocess.run(command, check=True)
    assert archive.stat().st_size < holes.stat().st_size
    for entry, content in read(archive.read_bytes())[:1]:
        assert (entry.path, entry.size) == ("holes", holes.stat().st_size)
        assert content == holes.read_bytes()


def test_equal_entries_make_equal_bytes_and_times_are_clamped() -> None:
    first = packed(file("a", mtime_ns=2_000_000_000_500_000_000), clamp=1_000)
    assert first == packed(file("a", mtime_ns=3_000_000_000_000_000_000), clamp=1_000)
    assert read(first)[0][0].mtime_ns == 1_000_000_000_000
    assert read(packed(file("a", mtime_ns=500_999_999_999), clamp=1_000))[0][0].mtime_ns == 500_000_000_000


@pytest.mark.parametrize(("size", "word"), [(3, "longer"), (5, "shorter")])
def test_content_that_is_not_as_long_as_announced(size: int, word: str) -> None:
    entry = Entry(path="a", kind="file", mode=0o644, size=size, content=lambda: io.BytesIO(b"1234"))
    with pytest.raises(ContextError, match=word):
        packed(entry)


def test_chunks_stay_small_whatever_the_file() -> None:
    class Zeros(io.RawIOBase):
        left = 50 << 20

        def readable(self) -> bool:
            return True

        def read(self, size: int = -1) -> bytes:
            size = min(size, self.left)
            self.left -= size
            return bytes(size)

    entry = Entry(path="big", kind="file", mode=0o644, size=50 << 20, content=Zeros)  # type: ignore[arg-type]
    sizes = [len(chunk) for chunk in write_tar([entry])]
    assert max(sizes) <= 1 << 20
    assert sum(sizes) == (50 << 20) + 3 * 512


def test_sizes_beyond_eleven_octal_digits() -> None:
    entry = Entry(path="big", kind="file", mode=0o644, size=1 << 40, content=lambda: io.BytesIO(b""))
    chunks = write_tar([entry])
    with pytest.raises(ContextError):
        list(chunks)
    [info] = [tarfile.TarInfo.frombuf(header(entry)[1024:1536], "utf-8", "strict")]
    assert info.size == 0o77777777777
    assert b"size=1099511627776\n" in header(entry)


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (packed(file("a"))[:700], "ends in the middle"),
        (packed(file("a"))[:100], "ends in the middle"),
        (b"\1" + packed(file("a"))[1:], "checksum"),
        (b"x" * 512, "something else than numbers"),
    ],
)
def test_damaged(data: bytes, reason: str) -> None:
    with pytest.raises(TarError, match=reason):
        list(read_tar(io.BytesIO(data)))


@pytest.mark.parametrize("name", ["../out", "a/../../out", "/../out", ".."])
def test_names_that_leave_the_root_are_refused(name: str) -> None:
    with pytest.raises(TarError, match="outside"):
        read(packed(file(name)))
    with pytest.raises(TarError, match="outside"):
        read(packed(Entry(path="l", kind="hardlink", mode=0, linkname=name)))


def test_content_is_skipped_or_read_in_time() -> None:
    entries = list(read_tar(io.BytesIO(packed(file("a", b"1" * 600), file("b", b"2")))))
    assert [entry.path for entry in entries] == ["a", "b"]
    with pytest.raises(TarError, match="after the next"):
        entries[0].open().read()


def test_no_entries() -> None:
    assert list(read_tar(io.BytesIO(b""))) == []
    assert list(read_tar(io.BytesIO(packed()))) == []


@given(st.binary(max_size=1200))
@settings(max_examples=80)
def test_any_bytes_are_entries_or_refused(data: bytes) -> None:
    with contextlib.suppress(TarError):
        read(data)


@given(st.integers(0, 3), st.integers(0, 511), st.binary(min_size=1, max_size=8), st.booleans())
@settings(max_examples=100)
def test_any_damage_is_read_or_refused(block: int, place: int, damage: bytes, fix: bool) -> None:
    data = bytearray(packed(file("n" * 300, b"x" * 600, xattrs=(("user.a", b"1"),)), file("b")))
    start = block * 512
    data[start + place : start + place + len(damage)] = damage
    if fix:
        data[start + 148 : start + 156] = b" " * 8
        data[start + 148 : start + 156] = b"%06o\0 " % sum(data[start : start + 512])
    with contextlib.suppress(TarError):
        read(bytes(data))


NAME = st.text(st.characters(exclude_characters="/\0", exclude_categories=["Cs"]), min_size=1, max_size=120)


@given(st.lists(NAME, min_size=1, max_size=4).map("/".join), st.integers(0, 0o7777), st.binary(max_size=600))
@settings(max_examples=100)
def test_any_name_survives(path: str, mode: int, data: bytes) -> None:
    if any(part in (".", "..") for part in path.split("/")):
        return
    [(entry, content)] = read(packed(Entry(**{**_fields(file(path, data)), "mode": mode})))  # type: ignore[arg-type]
    assert (entry.path, entry.mode, content) == (path, mode, data)
    with tarfile.open(fileobj=io.BytesIO(packed(file(path, data)))) as tar:
        assert tar.getnames() == [path]


def _fields(entry: Entry) -> dict[str, object]:
    return {name: getattr(entry, name) for name in Entry.__slots__}


def test_parents_come_before_what_is_in_them() -> None:
    asked = []

    def existing(path: str) -> Entry:
        asked.append(path)
        return Entry(path=path, kind="dir", mode=0o1777)

    made = Entry(path="tmp/new", kind="dir", mode=0o755)
    entries = [file("tmp/a"), made, file("tmp/new/x/b"), file("tmp/new/c"), file("d")]
    paths = [entry.path for entry in with_parents(entries, existing)]
    assert paths == ["tmp", "tmp/a", "tmp/new", "tmp/new/x", "tmp/new/x/b", "tmp/new/c", "d"]
    assert asked == ["tmp", "tmp/new/x"]


def test_many_small_files_take_little_time(tmp_path: Path) -> None:
    chance = random.Random(5)
    for number in range(800):
        (tmp_path / f"{number:04d}").write_bytes(chance.randbytes(200))

    def ours() -> float:
        start = time.process_time()
        with DirectoryContext(tmp_path) as context:
            for _ in write_tar(context.walk(context.resolve("")[0])):
                pass
        return time.process_time() - start

    def theirs() -> float:
        start = time.process_time()
        with tarfile.open(fileobj=io.BytesIO(), mode="w") as tar:
            tar.add(tmp_path, "")
        return time.process_time() - start

    assert min(ours() for _ in range(3)) < min(theirs() for _ in range(3))
