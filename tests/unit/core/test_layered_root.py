"""What an image has at a path is told without it, where its top layer was made here."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from incubator.context.entry import Entry
from incubator.context.rootfs import Stat, View
from incubator.core.facts import Facts, RememberingRoot
from incubator.core.layered_root import EmptyImage, LayeredRoot, stat_of

if TYPE_CHECKING:
    from collections.abc import Mapping

    from incubator.context.entry import Kind
    from incubator.core.container_root import ImageRoot

Files = dict[str, Stat]
ENOUGH = 1 << 20


class Image:
    """`AskedRoot` of files that are there, which keeps to the rule: nothing is asked below what is no folder."""

    def __init__(self, files: Mapping[str, Stat]) -> None:
        self.files = files

    def stat(self, path: str) -> Stat | None:
        parent = path.rpartition("/")[0]
        assert not parent or self.files[parent].kind == "dir"
        return self.files.get(path)

    def folder(self, path: str) -> Stat:
        return self.files[path]

    def text(self, path: str) -> str:
        return f"text of {path}" if (found := self.files.get(path)) and found.kind == "file" else ""

    def listing(self, path: str, *, most_bytes: int) -> Files | None:
        assert most_bytes == ENOUGH
        return {name: stat for name, stat in self.files.items() if name.startswith(f"{path}/")}


def nobody() -> ImageRoot:
    pytest.fail("a container is asked")


def unpacked(below: Files, layer: Files) -> Files:
    """What an engine has when it has unpacked a layer onto what is below."""
    files = dict(below)
    for path, stat in layer.items():
        if path in files and (files[path].kind != "dir" or stat.kind != "dir"):
            files = {name: kept for name, kept in files.items() if not f"{name}/".startswith(f"{path}/")}
        files[path] = stat
    return files


names = st.sampled_from(["a", "b", "c"])
paths = st.lists(names, min_size=1, max_size=3).map("/".join)
kinds: st.SearchStrategy[Kind] = st.sampled_from(["dir", "file"])


@st.composite
def trees(draw: st.DrawFn, *, mark: int) -> Files:
    """Paths with all folders above them, parents first; `mark` tells whose they are."""
    files: Files = {}
    for path in draw(st.lists(paths, max_size=6)):
        parts = path.split("/")
        above = ["/".join(parts[:depth]) for depth in range(1, len(parts))]
        if all(files.get(folder, Stat(kind="dir")).kind == "dir" for folder in above) and path not in files:
            for folder in above:
                files.setdefault(
                    folder, Stat(kind="dir", uid=mark, mode=draw(st.sampled_from([0o700, 0o755])))
                )
            files[path] = Stat(kind=draw(kinds), uid=mark)
    return files


@given(trees(mark=1), trees(mark=2), trees(mark=3))
def test_it_tells_what_is_there_when_all_is_unpacked(ground: Files, first: Files, second: Files) -> None:
    lower = RememberingRoot(Facts(), lambda: LayeredRoot(Image(ground), first, nobody), ahead=False)
    root = LayeredRoot(lower, second, nobody)
    files = unpacked(unpacked(ground, first), second)
    view = View(root)
    for path in ["/".join(parts) for parts in _all_paths()]:
        expected = files.get(path)
        assert view.stat(path) == expected
        if expected is None:
            continue
        if expected.kind == "dir":
            assert root.folder(path) == expected
            below = {name: stat for name, stat in files.items() if name.startswith(f"{path}/")}
            assert root.listing(path, most_bytes=ENOUGH) == below
        elif expected.uid == 1:
            assert root.text(path) == f"text of {path}"


def _all_paths() -> list[list[str]]:
    found: list[list[str]] = [[]]
    for parts in found:
        if len(parts) < 3:
            found += [[*parts, name] for name in "abc"]
    return found[1:]


def test_what_is_in_a_file_of_the_layer_is_asked() -> None:
    below = Image({"etc": Stat(kind="dir"), "etc/passwd": Stat(kind="file"), "etc/group": Stat(kind="file")})
    above = Image({"etc": Stat(kind="dir"), "etc/users": Stat(kind="file")})
    placed = {
        "etc": Stat(kind="dir"),
        "etc/passwd": Stat(kind="symlink", linkname="users"),
        "etc/users": Stat(kind="file"),
    }
    root = LayeredRoot(below, placed, lambda: above)
    assert root.text("etc/passwd") == "text of etc/users"
    assert root.text("etc/group") == "text of etc/group"


def test_a_listing_that_is_too_much_stays_so() -> None:
    class Large(Image):
        def listing(self, path: str, *, most_bytes: int) -> Files | None:
            del path, most_bytes
            return None

    below = RememberingRoot(Facts(), lambda: Large({"a": Stat(kind="dir")}), ahead=True)
    assert LayeredRoot(below, {"a/b": Stat(kind="file")}, nobody).listing("a", most_bytes=ENOUGH) is None


def test_an_image_without_layers_has_nothing() -> None:
    root = EmptyImage()
    assert root.stat("etc") is None
    assert root.text("etc/passwd") == ""
    assert root.listing("etc", most_bytes=ENOUGH) == {}


@pytest.mark.parametrize(
    ("entry", "clamp", "expected"),
    [
        (Entry(path="a", kind="hardlink", mode=0o644, linkname="b"), None, Stat(kind="file", mode=0o644)),
        (Entry(path="a", kind="char", mode=0o600), None, Stat(kind="fifo", mode=0o600)),
        (Entry(path="a", kind="symlink", mode=0o777, linkname="b"), None,
         Stat(kind="symlink", mode=0o777, linkname="b")),
        (Entry(path="a", kind="dir", mode=0o755, uid=1, gid=2, mtime_ns=5_999_999_999), None,
         Stat(kind="dir", uid=1, gid=2, mtime_ns=5_000_000_000)),
        (Entry(path="a", kind="dir", mode=0o755, mtime_ns=5_999_999_999), 3, Stat(kind="dir", mtime_ns=3_000_000_000)),
        (Entry(path="a", kind="dir", mode=0o755, mtime_ns=2_000_000_000), 3, Stat(kind="dir", mtime_ns=2_000_000_000)),
    ],
)  # fmt: skip
def test_entries_are_told_as_an_engine_would(entry: Entry, clamp: int | None, expected: Stat) -> None:
    assert stat_of(entry, mtime_clamp=clamp) == expected
