"""Entries of steps to entries of a layer."""

from __future__ import annotations

from typing import ClassVar

import pytest

from incubator.context.entry import Entry
from incubator.context.rootfs import EmptyRoot, Stat
from incubator.core.layer_tar import NotOneTar, layer_entries


class Root:
    """An image with /tmp as it should be, and a file."""

    known: ClassVar = {
        "tmp": Stat(kind="dir", mode=0o1777, uid=3, gid=4, mtime_ns=5, xattrs=(("user.a", b"b"),)),
        "tmp/deep": Stat(kind="dir", mode=0o700),
        "etc": Stat(kind="file"),
    }

    def stat(self, path: str) -> Stat | None:
        return self.known.get(path)

    def folder(self, path: str) -> Stat:
        return self.known[path]


def file(path: str, **fields: object) -> Entry:
    return Entry(path=path, kind="file", mode=0o644, **fields)  # type: ignore[arg-type]


def test_folders_of_the_image_come_along_as_they_are() -> None:
    made = list(layer_entries([file("tmp/deep/a"), file("tmp/deep/b"), file("c")], Root(), made_at_ns=9))
    assert [entry.path for entry in made] == ["tmp", "tmp/deep", "tmp/deep/a", "tmp/deep/b", "c"]
    assert made[0] == Entry(
        path="tmp", kind="dir", mode=0o1777, uid=3, gid=4, mtime_ns=5, xattrs=(("user.a", b"b"),)
    )


def test_a_folder_that_something_is_put_into_changes_now() -> None:
    made = list(layer_entries([file("tmp/deep/a")], Root(), made_at_ns=9))
    assert [(entry.path, entry.mtime_ns) for entry in made[:2]] == [("tmp", 5), ("tmp/deep", 9)]


def test_a_folder_over_a_folder_changes_nothing_above() -> None:
    over = Entry(path="tmp/deep", kind="dir", mode=0o755, mtime_ns=7)
    made = list(layer_entries([over, file("tmp/deep/a")], Root(), made_at_ns=9))
    assert [(entry.path, entry.mtime_ns) for entry in made[:2]] == [("tmp", 5), ("tmp/deep", 7)]


def test_folders_that_are_made_are_not_asked_for() -> None:
    entries = [Entry(path="new", kind="dir", mode=0o755), file("new/a")]
    assert list(layer_entries(entries, EmptyRoot(), made_at_ns=9)) == entries


@pytest.mark.parametrize(
    "entries",
    [
        [file("a"), file("a")],
        [file("tmp/deep/a"), Entry(path="tmp", kind="dir", mode=0o755)],
        [file("tmp/deep/a"), file("tmp/b")],
        [file(".wh.a")],
        [file("tmp/.wh..wh..opq")],
        [Entry(path="b", kind="hardlink", mode=0o644, linkname="tmp/a")],
        [file("etc/a")],
        [file("missing/a")],
    ],
)
def test_what_only_a_container_can_tell(entries: list[Entry]) -> None:
    with pytest.raises(NotOneTar):
        list(layer_entries(entries, Root(), made_at_ns=9))


def test_a_hard_link_within_the_layer() -> None:
    entries = [file("a"), Entry(path="b", kind="hardlink", mode=0o644, linkname="a")]
    assert list(layer_entries(entries, Root(), made_at_ns=9)) == entries
