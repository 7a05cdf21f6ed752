"""The placement rules. Expected results were recorded from BuildKit (Docker Engine 28.5, overlay2)."""

from __future__ import annotations

import bz2
import gzip
import io
import lzma
import os
import tarfile
import zlib
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

import pytest

from incubator.context.chmod import parse_chmod
from incubator.context.copy import CopyOptions, place, resolve_destination
from incubator.context.directory import DirectoryContext
from incubator.context.entry import Entry
from incubator.context.inline import inline_file
from incubator.context.patterns import PatternMatcher
from incubator.context.rootfs import CopyError, EmptyRoot, Stat
from incubator.context.source import ContextError
from incubator.context.tarread import TarError
from incubator.errors import BuilderError

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


@dataclass
class Image:
    """An image as a dict: what a COPY or ADD is placed on, and applied to."""

    tree: dict[str, Entry] = field(default_factory=dict)
    asked: list[str] = field(default_factory=list)

    def stat(self, path: str) -> Stat | None:
        self.asked.append(path)
        entry = self.tree.get(path)
        if entry is None:
            return None
        kind = "file" if entry.kind == "hardlink" else entry.kind
        return Stat(kind=kind, mode=entry.mode, linkname=entry.linkname, uid=entry.uid, gid=entry.gid)

    def folder(self, path: str) -> Stat:
        entry = self.tree[path]
        return Stat(kind="dir", mode=entry.mode, uid=entry.uid, gid=entry.gid, xattrs=entry.xattrs)

    def apply(self, entry: Entry) -> None:
        """As the engine unpacks a tar: what is no folder replaces all there is."""
        parent = entry.path.rpartition("/")[0]
        assert not parent or self.tree[parent].kind == "dir", f"{entry.path} has no folder to be in"
        if entry.kind == "hardlink":
            assert self.tree[entry.linkname].kind in ("file", "hardlink")
        if not (entry.kind == "dir" and entry.path in self.tree and self.tree[entry.path].kind == "dir"):
            for path in [path for path in self.tree if path.startswith(entry.path + "/")]:
                del self.tree[path]
        self.tree[entry.path] = entry

    def add(self, path: str, kind: Any = "dir", mode: int = 0o755, linkname: str = "", **rest: Any) -> None:
        self.tree[path] = Entry(path=path, kind=kind, mode=mode, linkname=linkname, **rest)

    def copy(
        self, sources: Any, patterns: str, destination: str, workdir: str = "/", **options: Any
    ) -> list[str]:
        """Place, apply, and return the paths of the entries, but for folders that get another time only."""
        pairs = [(sources, pattern) for pattern in patterns.split(" ")]
        paths = []
        for entry in place(pairs, destination, workdir=workdir, root=self, options=CopyOptions(**options)):
            before = self.tree.get(entry.path)
            if before is None or replace(before, mtime_ns=entry.mtime_ns) != entry:
                paths.append(entry.path)
            self.apply(entry)
        return paths

    def listing(self) -> dict[str, str]:
        """`kind mode uid:gid -> link` of everything."""
        return {
            path: f"{entry.kind} {entry.mode:04o} {entry.uid}:{entry.gid}"
            + (f" -> {entry.linkname}" if entry.linkname else "")
            for path, entry in sorted(self.tree.items())
        }


@pytest.fixture
def image() -> Image:
    """Folders, links and files to copy onto."""
    image = Image()
    image.add("t", mode=0o1777)
    image.add("t/sub", mode=0o1777, uid=7, gid=7)
    image.add("t/real")
    image.add("t/lnk", "symlink", linkname="real")
    image.add("abs", "symlink", linkname="/t/real")
    image.add("dang", "symlink", linkname="nowhere")
    image.add("flnk", "symlink", linkname="/t/g")
    image.add("t/g", "file", 0o600)
    image.add("loop", "symlink", linkname="loop")
    image.add("opt")
    image.add("t/xdir")
    image.add("t/xdir/g")
    image.add("rel", "symlink", linkname="../../../../opt/zz/..")
    image.add("tl", "symlink", linkname="/t")
    image.asked.clear()
    return image


@pytest.fixture
def context(tmp_path: Path) -> Iterator[DirectoryContext]:
    """g, src/sub/f (folder 0700), src/lnk/h, and hard links a, b/c, d."""
    for name in ("g", "src/sub/f", "src/lnk/h", "hard/a"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(name)
        (tmp_path / name).chmod(0o644)
    for path in tmp_path.rglob("*"):
        if path.is_dir():
            path.chmod(0o755)
    (tmp_path / "src" / "sub").chmod(0o700)
    (tmp_path / "hard" / "b").mkdir(mode=0o755)
    os.link(tmp_path / "hard" / "a", tmp_path / "hard" / "b" / "c")
    os.link(tmp_path / "hard" / "a", tmp_path / "hard" / "d")
    (tmp_path / "hard" / "s").symlink_to("../g")
    with DirectoryContext(tmp_path) as opened:
        yield opened


@pytest.mark.parametrize(
    ("sources", "destination", "expected"),
    [
        ("g", "/new", ["new"]),
        ("g", "/new/", ["new", "new/g"]),
        ("g", "/new/.", ["new", "new/g"]),
        ("g", "/", ["g"]),
        ("g", "", ["opt/g"]),
        ("g", ".", ["opt/g"]),
        ("g", "./a/b", ["opt/a", "opt/a/b"]),
        ("g", "../a", ["a"]),
        ("g", "../../../a", ["a"]),
        ("g", "/abs", ["t/real/g"]),
        ("g", "/abs/", ["t/real/g"]),
        ("g", "/abs/x/y", ["t/real/x", "t/real/x/y"]),
        ("g", "/dang", ["nowhere"]),
        ("g", "/dang/", ["nowhere", "nowhere/g"]),
        ("g", "/dang/k", ["nowhere", "nowhere/k"]),
        ("g", "/flnk", ["t/g"]),
        ("g", "/rel", ["opt/g"]),
        ("g", "/t/real/../g2", ["t/g2"]),
        ("g", "/abs/../g3", ["g3"]),
        ("g", "/t/lnk", ["t/real/g"]),
        ("src", "/t/sub", ["t/sub/lnk", "t/sub/lnk/h", "t/sub/sub", "t/sub/sub/f"]),
        ("src/sub", "/t/", ["t/f"]),
        ("src/sub/", "/abs", ["t/real/f"]),
        ("src", "/x/y", ["x", "x/y", "x/y/lnk", "x/y/lnk/h", "x/y/sub", "x/y/sub/f"]),
        ("src/sub src/lnk g", "/x/", ["x", "x/f", "x/h", "x/g"]),
        ("g src/sub/f", "/two", ["two", "two"]),
        ("src/*", "/x/", ["x", "x/h", "x/f"]),
        ("src/*/*", "/x/", ["x", "x/h", "x/f"]),
        ("nothing*", "/x/", []),
    ],
)
def test_where_things_go(
    image: Image, context: DirectoryContext, sources: str, destination: str, expected: list[str]
) -> None:
    assert image.copy(context, sources, destination, "/opt") == expected


@pytest.mark.parametrize(
    ("sources", "destination", "message"),
    [
        ("src", "/t", "cannot copy the folder 'lnk' over /t/lnk: that is a symlink"),
        ("g", "/t/xdir", "cannot replace the folder /t/xdir/g"),
        ("src/lnk/", "/t/g", "cannot copy the folder 'src/lnk' to /t/g: that is a file"),
        ("g", "/t/g/", "cannot make the folder /t/g: that is a file"),
        ("g", "/t/g/z", "cannot make the folder /t/g: that is a file"),
        ("g", "/loop", "too many links"),
        ("g missing", "/x/", "'missing' not found"),
    ],
)
def test_what_cannot_be_copied(
    image: Image, context: DirectoryContext, sources: str, destination: str, message: str
) -> None:
    with pytest.raises(BuilderError) as caught:
        image.copy(context, sources, destination)
    assert message in str(caught.value)
    assert caught.value.hint


def test_the_top_folder_keeps_its_owner_and_those_below_get_the_sources(
    image: Image, context: DirectoryContext
) -> None:
    image.copy(context, "src/sub", "/t/sub")
    assert image.listing()["t/sub"] == "dir 1777 7:7"
    image.copy(context, "src", "/t/real", chown=(3, 4))
    assert {path: text for path, text in image.listing().items() if path.startswith("t/real")} == {
        "t/real": "dir 0755 0:0",
        "t/real/lnk": "dir 0755 3:4",
        "t/real/lnk/h": "file 0644 3:4",
        "t/real/sub": "dir 0700 3:4",
        "t/real/sub/f": "file 0644 3:4",
    }
    image.add("t/real/sub", mode=0o1777, uid=9, gid=9)
    image.copy(context, "src", "/t/real")
    assert image.listing()["t/real/sub"] == "dir 0700 0:0"


def test_made_folders(image: Image, context: DirectoryContext) -> None:
    image.copy(context, "src/sub", "/x/y", chown=(5, 6), made_at_ns=17)
    assert image.listing()["x"] == image.listing()["x/y"] == "dir 0755 5:6"
    assert image.tree["x"].mtime_ns == 17
    assert image.tree["x/y"].mtime_ns > 17


@pytest.mark.parametrize(
    ("chmod", "made", "file"),
    [
        ("700", "0700", "0700"),
        ("777", "0755", "0777"),
        ("1777", "0755", "1777"),
        ("4711", "0711", "4711"),
        ("u=rwx", "0755", "0744"),
    ],
)
def test_chmod_of_what_is_made_and_copied(
    context: DirectoryContext, chmod: str, made: str, file: str
) -> None:
    image = Image()
    image.copy(context, "g", "/x/y/z", chmod=parse_chmod(chmod))
    assert image.listing() == {"x": f"dir {made} 0:0", "x/y": f"dir {made} 0:0", "x/y/z": f"file {file} 0:0"}


def test_chmod_leaves_links_alone(context: DirectoryContext) -> None:
    image = Image()
    image.copy(context, "hard", "/", chmod=parse_chmod("0"))
    assert image.listing()["s"] == "symlink 0777 0:0 -> ../g"
    assert image.listing()["b"] == "dir 0000 0:0"


def test_hard_links_hold_within_one_source(context: DirectoryContext) -> None:
    image = Image()
    image.copy(context, "hard", "/x/")
    assert image.listing()["x/b/c"] == "hardlink 0644 0:0 -> x/a"
    assert image.listing()["x/d"] == "hardlink 0644 0:0 -> x/a"
    image = Image()
    image.copy(context, "hard/a hard/b hard/d", "/x/")
    assert {text.split()[0] for text in image.listing().values()} == {"dir", "file"}


def test_hard_links_to_what_is_left_out(context: DirectoryContext) -> None:
    image = Image()
    image.copy(context, "hard", "/x/", exclude=("a",))
    assert image.listing() == {
        "x": "dir 0755 0:0",
        "x/b": "dir 0755 0:0",
        "x/b/c": "file 0644 0:0",
        "x/d": "hardlink 0644 0:0 -> x/b/c",
        "x/s": "symlink 0777 0:0 -> ../g",
    }
    with image.tree["x/b/c"].open() as stream:
        assert stream.read() == b"hard/a"


@pytest.mark.parametrize(
    ("sources", "exclude", "expected"),
    [
        ("src", ["sub"], ["x", "x/lnk", "x/lnk/h"]),
        ("src", ["**/f"], ["x", "x/lnk", "x/lnk/h", "x/sub"]),
        ("src", ["*", "!sub/f"], ["x", "x/sub", "x/sub/f"]),
        ("src", ["*"], ["x"]),
        ("g", ["g"], ["x", "x/g"]),
        ("*", ["g", "h", "b", "?"], ["x", "x/g", "x/lnk", "x/lnk/h", "x/sub", "x/sub/f"]),
    ],
)
def test_exclude(context: DirectoryContext, sources: str, exclude: list[str], expected: list[str]) -> None:
    assert Image().copy(context, sources, "/x/", exclude=tuple(exclude)) == expected


@pytest.mark.parametrize(
    ("sources", "expected"),
    [
        ("src/sub/f", ["x", "x/src", "x/src/sub", "x/src/sub/f"]),
        ("./src/sub/f", ["x", "x/src", "x/src/sub", "x/src/sub/f"]),
        ("src/./sub/f", ["x", "x/sub", "x/sub/f"]),
        ("src/*/f", ["x", "x/src", "x/src/sub", "x/src/sub/f"]),
        ("**/h", ["x", "x/src", "x/src/lnk", "x/src/lnk/h"]),
        ("src/./**", ["x", "x/lnk", "x/lnk/h", "x/sub", "x/sub/f"]),
        ("src/sub", ["x", "x/src", "x/src/sub", "x/src/sub/f"]),
        ("no/*", ["x"]),
    ],
)
def test_parents(context: DirectoryContext, sources: str, expected: list[str]) -> None:
    assert Image().copy(context, sources, "/x/", parents=True) == expected


def test_parents_must_be_there_and_existing_ones_keep_their_owner(context: DirectoryContext) -> None:
    with pytest.raises(ContextError):
        Image().copy(context, "src/./none", "/", parents=True)
    image = Image()
    image.add("src", uid=5, gid=5, mode=0o700)
    image.copy(context, "src/sub/f", "/", parents=True)
    assert image.listing() == {"src": "dir 0755 5:5", "src/sub": "dir 0700 0:0", "src/sub/f": "file 0644 0:0"}


def test_ignored_files_and_exclude_together(tmp_path: Path) -> None:
    for name in ("a/b", "a/c", "d"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text("")
    with DirectoryContext(tmp_path, PatternMatcher(["a", "!a/b", "!a/c"])) as context:
        assert Image().copy(context, ".", "/", exclude=("a/b",)) == ["a", "a/c", "d"]


def test_inline_files(image: Image) -> None:
    pairs = [(inline_file("eof", b"text"), "eof"), (inline_file("two", b""), "two")]
    entries = list(place(pairs, "/t/sub/", root=image))
    assert [(entry.path, entry.mode, entry.size) for entry in entries] == [
        ("t/sub/eof", 0o644, 4),
        ("t/sub/two", 0o644, 0),
    ]
    assert [entry.path for entry in place(pairs[:1], "/t/h", root=EmptyRoot())] == ["t", "t/h"]


def test_what_does_not_exist_is_not_asked_about(image: Image, context: DirectoryContext) -> None:
    image.copy(context, "src", "/new/place")
    assert image.asked == ["new"]
    image.asked.clear()
    image.copy(context, "src", "/opt")
    assert image.asked == ["opt", "opt/lnk", "opt/sub"]


@pytest.mark.parametrize(
    ("destination", "workdir", "expected"),
    [
        ("a", "/w", "/w/a"),
        ("/a/", "/w", "/a/"),
        (".", "/w", "/w/"),
        ("", "/", "/"),
        ("a/.", "w", "/w/a/"),
        ("//a//b", "/", "/a/b"),
    ],
)
def test_destinations(destination: str, workdir: str, expected: str) -> None:
    assert resolve_destination(destination, workdir) == expected


# ADD of archives.


def tar(*members: tuple[str, str]) -> bytes:
    """Members as name and kind: `D`, `C` a device, `L:target`, `H:target`, or a file's content; owner 5:6."""
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as packed:
        for name, kind in members:
            info = tarfile.TarInfo(name)
            info.uid, info.gid, info.mode = 5, 6, 0o2770 if kind == "D" else 0o755
            types = {"D": tarfile.DIRTYPE, "C": tarfile.CHRTYPE, "L:": tarfile.SYMTYPE, "H:": tarfile.LNKTYPE}
            info.type = types.get(kind if kind in types else kind[:2], tarfile.REGTYPE)
            info.linkname = kind[2:] if kind[:2] in types else ""
            info.devmajor, info.devminor = 1, 3
            info.size = len(kind) if info.type == tarfile.REGTYPE else 0
            packed.addfile(info, io.BytesIO(kind.encode()))
    return buffer.getvalue()


def added(tmp_path: Path, image: Image, data: bytes, destination: str, **options: Any) -> dict[str, str]:
    """What the image has after ADD that it had not before."""
    (tmp_path / "file.bin").write_bytes(data)
    (tmp_path / "file.bin").chmod(0o644)
    before = image.listing()
    with DirectoryContext(tmp_path) as context:
        for entry in place(
            [(context, "file.bin")], destination, root=image, options=CopyOptions(unpack=True, **options)
        ):
            with entry.open() as stream:
                assert len(stream.read()) == (entry.size if entry.kind == "file" else 0)
            image.apply(entry)
    return {path: text for path, text in image.listing().items() if before.get(path) != text}


SMALL = tar(("lib/s", "x"), ("opt/deep", "D"))


@pytest.mark.parametrize("pack", [bytes, gzip.compress, bz2.compress, lzma.compress])
def test_archives_are_told_by_their_content(tmp_path: Path, pack: Any) -> None:
    assert added(tmp_path, Image(), pack(SMALL), "/x", chown=(3, 4), chmod=parse_chmod("700")) == {
        "x": "dir 0755 3:4",
        "x/lib": "dir 0755 0:0",
        "x/lib/s": "file 0755 3:4",
        "x/opt": "dir 0755 0:0",
        "x/opt/deep": "dir 2770 3:4",
    }


@pytest.mark.parametrize(
    "data",
    [b"", bytes(1024), b"plain text", gzip.compress(b"no tar"), SMALL[:300]],
    ids=["empty", "zeros", "text", "gzip", "cut"],
)
def test_other_files_are_copied(tmp_path: Path, data: bytes) -> None:
    assert added(tmp_path, Image(), data, "/x/") == {"x": "dir 0755 0:0", "x/file.bin": "file 0644 0:0"}


def test_everything_in_an_archive(tmp_path: Path) -> None:
    data = tar(
        ("./", "D"),
        ("./d", "D"),
        ("d/f", "12"),
        ("/h", "H:d/f"),
        ("s", "L:../../up"),
        ("s/x", "1"),
        ("n", "C"),
    )
    assert added(tmp_path, Image(), data, "/x") == {
        "x": "dir 0755 0:0",
        "x/d": "dir 2770 5:6",
        "x/d/f": "file 0755 5:6",
        "x/h": "hardlink 0755 5:6 -> x/d/f",
        "x/s": "symlink 0755 5:6 -> ../../up",
        "x/up": "dir 0755 0:0",
        "x/up/x": "file 0755 5:6",
        "x/n": "char 0755 5:6",
    }


def test_links_of_the_image_lead_inside_the_folder_unpacked_to(tmp_path: Path, image: Image) -> None:
    image.add("t/bin", "symlink", linkname="/t/lib")
    assert added(tmp_path, image, tar(("bin/x", "1")), "/tl/") == {
        "t/t": "dir 0755 0:0",
        "t/t/lib": "dir 0755 0:0",
        "t/t/lib/x": "file 0755 5:6",
    }
    assert "t/real/a" in added(tmp_path, image, tar(("lnk/a", "1")), "/t")


def test_an_archive_replaces_what_is_of_another_kind(tmp_path: Path, image: Image) -> None:
    image.add("t/xdir/keep", "file")
    data = tar(("lnk/", "D"), ("lnk/y", "1"), ("g/", "D"), ("xdir", "now a file"), ("sub", "D"))
    assert added(tmp_path, image, data, "/t") == {
        "t/lnk": "dir 2770 5:6",
        "t/lnk/y": "file 0755 5:6",
        "t/g": "dir 2770 5:6",
        "t/xdir": "file 0755 5:6",
        "t/sub": "dir 2770 5:6",
    }
    assert "t/xdir/keep" not in image.tree


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (tar(("ok", "1"), ("../../up", "1")), "'../../up' lies outside"),
        (tar(("ok", "1"), ("h", "H:../up")), "'../up' lies outside"),
        (tar(("ok", "1"), ("h", "H:none")), "'none', which is not there"),
        (SMALL[:700], "ends in the middle (in 'file.bin')"),
    ],
)
def test_bad_archives(tmp_path: Path, data: bytes, message: str) -> None:
    with pytest.raises(TarError) as caught:
        added(tmp_path, Image(), data, "/x")
    assert message in str(caught.value)


def test_an_archive_does_not_go_over_a_file(tmp_path: Path, image: Image) -> None:
    with pytest.raises(CopyError, match="/t/g: that is a file"):
        added(tmp_path, image, SMALL, "/t/g")


def test_zstd_says_what_it_needs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def absent(name: str) -> None:
        raise ImportError(name)

    monkeypatch.setattr("incubator.context.archive.importlib.import_module", absent)
    with pytest.raises(ContextError, match="zstd"):
        added(tmp_path, Image(), b"\x28\xb5\x2f\xfd" + bytes(20), "/x")


def test_a_compressed_file_cannot_ask_for_much_memory(tmp_path: Path) -> None:
    data = bytearray(lzma.compress(SMALL))
    end = 12 + (data[12] + 1) * 4 - 4
    data[16] = 40  # the size of the dictionary: 4 GiB
    data[end : end + 4] = zlib.crc32(data[12:end]).to_bytes(4, "little")
    with pytest.raises(ContextError, match="80 MiB"):
        added(tmp_path, Image(), bytes(data), "/x/")


def test_the_folder_copied_to_takes_the_time_of_the_source(context: DirectoryContext) -> None:
    image = Image()
    image.add("opt", mode=0o700, uid=3, mtime_ns=5)
    image.copy(context, "src", "/opt")
    wanted = next(iter(context.walk(context.resolve("src")[0]))).mtime_ns
    assert (image.tree["opt"].mode, image.tree["opt"].uid, image.tree["opt"].mtime_ns) == (0o700, 3, wanted)
