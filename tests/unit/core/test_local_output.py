"""Trees with hostile names and links stay in their folder."""

from __future__ import annotations

import os
from io import BytesIO
from typing import TYPE_CHECKING

import pytest

from incubator.context.entry import Entry
from incubator.core.export import write_file
from incubator.core.local_output import write_tree
from incubator.errors import BuilderError

if TYPE_CHECKING:
    from pathlib import Path

    from incubator.context.entry import Kind


def file(path: str, text: str = "new", mode: int = 0o644) -> Entry:
    data = text.encode()
    return Entry(
        path=path, kind="file", mode=mode, size=len(data), mtime_ns=10**18, content=lambda: BytesIO(data)
    )


def entry(path: str, kind: Kind, linkname: str = "", mode: int = 0o755) -> Entry:
    return Entry(path=path, kind=kind, mode=mode, linkname=linkname)


def test_a_tree(tmp_path: Path) -> None:
    out = tmp_path / "a" / "out"
    tree = [
        entry("closed", "dir", mode=0o555),
        file("closed/x", mode=0o4755),
        entry("closed/y", "hardlink", "closed/x"),
        entry("link", "symlink", "/etc/passwd"),
    ]
    for _ in range(2):  # a second time over what is there
        write_tree(tree, out)
        assert (out / "closed").stat().st_mode & 0o7777 == 0o555
        assert (out / "closed/x").stat().st_mode & 0o7777 == 0o755
        assert (out / "closed/x").stat().st_mtime_ns == 10**18
        assert (out / "closed/y").samefile(out / "closed/x")
        assert str((out / "link").readlink()) == "/etc/passwd"


def test_all_belongs_to_the_owner_of_the_folder_above(tmp_path: Path) -> None:
    """To whom else, where root writes into a user's folder? Who is not root has nothing to give away."""
    owner = (4711, 4712) if os.geteuid() == 0 else (os.geteuid(), os.getegid())
    os.chown(tmp_path, *owner)
    there = tmp_path / "out/there"
    there.mkdir(parents=True)
    before = there.stat()
    tree = [entry("there", "dir"), entry("d", "dir"), file("d/f"), entry("d/link", "symlink", "f")]
    write_tree(tree, tmp_path / "new/out")
    write_tree(tree, tmp_path / "out")
    write_file([b"x"], str(tmp_path / "file.tar"))
    made = [*(tmp_path / "new").rglob("*"), tmp_path / "new", tmp_path / "file.tar"]
    assert {(found.stat().st_uid, found.stat().st_gid) for found in made} == {owner}
    assert (tmp_path / "new/out/d/link").lstat().st_uid == owner[0]
    assert (there.stat().st_uid, there.stat().st_gid) == (before.st_uid, before.st_gid)


def test_files_replace_files_and_links_and_leave_others(tmp_path: Path) -> None:
    out, outside = tmp_path / "out", tmp_path / "outside"
    out.mkdir()
    outside.mkdir()
    (outside / "f").write_text("old")
    (out / "f").symlink_to(outside / "f")
    (out / "d").symlink_to(outside)
    (out / "other").write_text("other")
    write_tree([file("f"), entry("d", "dir"), file("d/f")], out)
    assert (outside / "f").read_text() == "old"
    assert [(out / name).read_text() for name in ("f", "d/f", "other")] == ["new", "new", "other"]


@pytest.mark.parametrize("target", ["../outside", "/"])
def test_links_of_the_tree_are_not_followed(tmp_path: Path, target: str) -> None:
    (tmp_path / "outside").mkdir()
    with pytest.raises(BuilderError, match="cannot write the output"):
        write_tree([entry("d", "symlink", target), file("d/planted-by-a-test")], tmp_path / "out")
    assert not list((tmp_path / "outside").iterdir())


@pytest.mark.parametrize("path", ["../x", "a/../../x", ".."])
def test_names_that_lead_out(tmp_path: Path, path: str) -> None:
    with pytest.raises(BuilderError, match="cannot write the output"):
        write_tree([entry("a", "dir"), file(path)], tmp_path / "out")
    assert not (tmp_path / "x").exists()


def test_hard_links_through_links(tmp_path: Path) -> None:
    (tmp_path / "secret").write_text("secret")
    with pytest.raises(BuilderError, match="cannot write the output"):
        write_tree([entry("d", "symlink", ".."), entry("x", "hardlink", "d/secret")], tmp_path / "out")
    assert not (tmp_path / "out/x").exists()


def test_what_is_not_for_a_folder(tmp_path: Path) -> None:
    with pytest.raises(BuilderError, match="device or a pipe"):
        write_tree([entry("null", "char")], tmp_path / "out")
    (tmp_path / "out/x/full").mkdir(parents=True)
    with pytest.raises(BuilderError, match="out/x"):
        write_tree([file("x")], tmp_path / "out")
