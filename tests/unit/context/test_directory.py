from __future__ import annotations

import gc
import os
import socket
import threading
from typing import TYPE_CHECKING

import pytest

from incubator.context import directory
from incubator.context.directory import DirectoryContext, load_ignore
from incubator.context.links import TooManyLinks, follow
from incubator.context.pattern import PatternError
from incubator.context.patterns import PatternMatcher
from incubator.context.source import ContextError
from incubator.errors import InputError

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path


def tree(root: Path, **files: str) -> Path:
    """Make files; `__` in a name is a slash, `L:` starts a link's target."""
    for name, content in files.items():
        path = root / name.replace("__", "/")
        path.parent.mkdir(parents=True, exist_ok=True)
        if content.startswith("L:"):
            path.symlink_to(content[2:])
        else:
            path.write_text(content)
    return root


def walked(root: Path, pattern: str = "/", ignore: Sequence[str] = ()) -> list[str]:
    with DirectoryContext(root, PatternMatcher(ignore)) as context:
        return [entry.path for match in context.resolve(pattern) for entry in context.walk(match)]


def resolved(root: Path, pattern: str, ignore: Sequence[str] = ()) -> list[str]:
    with DirectoryContext(root, PatternMatcher(ignore)) as context:
        return [match.path for match in context.resolve(pattern)]


def test_walk_is_sorted_and_starts_at_the_root(tmp_path: Path) -> None:
    tree(tmp_path, b="", a__z="", a__b__c="", **{"a-": ""})
    assert walked(tmp_path) == ["", "a", "a/b", "a/b/c", "a/z", "a-", "b"]
    assert walked(tmp_path, "a/") == ["", "b", "b/c", "z"]
    assert walked(tmp_path, "a/z") == [""]


def test_entries_say_what_is_there(tmp_path: Path) -> None:
    tree(tmp_path, file="content", link="L:file", empty="")
    (tmp_path / "file").chmod(0o4751)
    os.utime(tmp_path / "file", ns=(0, 1_234_567_891_234_567_891))
    os.link(tmp_path / "file", tmp_path / "zhard")
    os.mkfifo(tmp_path / "pipe")
    server = socket.socket(socket.AF_UNIX)
    server.bind(str(tmp_path / "socket"))
    server.close()
    with DirectoryContext(tmp_path) as context:
        entries = {entry.path: entry for entry in context.walk(context.resolve(".")[0])}
        file = entries["file"]
        assert (file.kind, file.mode, file.size, file.mtime_ns) == (
            "file",
            0o4751,
            7,
            1_234_567_891_234_567_891,
        )
        assert (file.uid, file.gid) == (0, 0)
        with file.open() as stream:
            assert stream.read() == b"content"
        assert (entries["link"].kind, entries["link"].linkname) == ("symlink", "file")
        assert (entries["zhard"].kind, entries["zhard"].linkname) == ("hardlink", "file")
        assert entries["pipe"].kind == "fifo"
        assert (entries["socket"].kind, entries["socket"].size) == ("file", 0)
        assert entries["empty"].open().read() == b""


def test_extended_attributes(tmp_path: Path) -> None:
    tree(tmp_path, a="", d__b="")
    try:
        os.setxattr(tmp_path / "a", "user.note", b"\0yes")
        os.setxattr(tmp_path / "d", "user.note", b"folder")
    except OSError:
        pytest.skip("this file system keeps no user attributes")
    with DirectoryContext(tmp_path) as context:
        entries = {entry.path: entry.xattrs for entry in context.walk(context.resolve(".")[0])}
    assert entries == {"": (), "a": (("user.note", b"\0yes"),), "d": (("user.note", b"folder"),), "d/b": ()}


@pytest.mark.parametrize(
    ("pattern", "expected"),
    [
        ("a.txt", ["a.txt"]),
        ("/a.txt", ["a.txt"]),
        ("../../a.txt", ["a.txt"]),
        ("sub/../a.txt", ["a.txt"]),
        ("a.txt/", ["a.txt"]),
        ("", [""]),
        ("..", [""]),
        ("*.txt", ["a.txt", "b.txt"]),
        ("*", ["a.txt", "b.txt", "link", "sub"]),
        ("sub/*", ["sub/c.txt", "sub/deep"]),
        ("*/*.txt", ["sub/c.txt"]),
        ("sub/*/d*", ["sub/deep/d.txt"]),
        ("[^a].txt", ["b.txt"]),
        ("s[^a]*[!-/]d*", ["sub/deep"]),
        ("su[a-c]/deep/[d].txt", ["sub/deep/d.txt"]),
        ("link/c*", ["sub/c.txt"]),
        ("a.txt/*", []),
        ("nothing*", []),
        ("sub/\\c.txt*", ["sub/c.txt"]),
    ],
)
def test_resolve(tmp_path: Path, pattern: str, expected: list[str]) -> None:
    tree(tmp_path, **{"a.txt": "", "b.txt": "", "sub__c.txt": "", "sub__deep__d.txt": "", "link": "L:sub"})
    assert sorted(resolved(tmp_path, pattern)) == sorted(
        "sub" if path == "link" else path for path in expected
    )


def test_a_match_keeps_the_name_of_the_link_it_came_by(tmp_path: Path) -> None:
    tree(tmp_path, real="x", **{"link.txt": "L:real"})
    with DirectoryContext(tmp_path) as context:
        [match] = context.resolve("*.txt")
    assert (match.path, match.name, match.kind) == ("real", "link.txt", "file")


def test_wildcards_do_not_go_through_links(tmp_path: Path) -> None:
    tree(tmp_path, sub__f="", link="L:sub")
    assert resolved(tmp_path, "*/f") == ["sub/f"]


@pytest.mark.parametrize("link", ["/etc", "../../../../etc", "/", "sub/../../../etc"])
def test_links_stay_inside_the_root(tmp_path: Path, link: str) -> None:
    tree(tmp_path, etc__passwd="mine", sub__x="", out="L:" + link)
    with DirectoryContext(tmp_path) as context:
        [match] = context.resolve("out/passwd" if link != "/" else "out/etc/passwd")
        [entry] = context.walk(match)
        with entry.open() as stream:
            assert stream.read() == b"mine"


@pytest.mark.parametrize(
    ("pattern", "hint"), [("a.tx", "a.txt"), ("sub/Deep", "sub/deep"), ("no/where", None)]
)
def test_missing_sources_suggest_a_neighbour(tmp_path: Path, pattern: str, hint: str | None) -> None:
    tree(tmp_path, **{"a.txt": "", "sub__deep__d.txt": ""})
    with pytest.raises(ContextError) as caught:
        resolved(tmp_path, pattern)
    assert repr(pattern) in str(caught.value)
    assert caught.value.exit_code == 2
    assert (f"did you mean {hint}?" in str(caught.value)) == (hint is not None)


def test_dangling_and_circular_links(tmp_path: Path) -> None:
    tree(tmp_path, dangling="L:nowhere", loop="L:loop", a="L:b", b="L:a")
    with pytest.raises(ContextError, match="not found"):
        resolved(tmp_path, "dangling")
    for name in ("loop", "a"):
        with pytest.raises(TooManyLinks):
            resolved(tmp_path, name)


@pytest.mark.parametrize("pattern", ["a[", "no*/[]a]", "sub/*\\"])
def test_malformed_wildcards(tmp_path: Path, pattern: str) -> None:
    tree(tmp_path, a="", sub__b="")
    with pytest.raises(PatternError):
        resolved(tmp_path, pattern)


@pytest.mark.parametrize(
    ("ignore", "expected"),
    [
        (["a"], ["", "b", "b/a", "c"]),
        (["**/a"], ["", "b", "c"]),
        (["*", "!a/x/keep"], ["", "a", "a/x", "a/x/keep"]),
        (["a", "!a/x"], ["", "a", "a/x", "a/x/keep", "a/x/y", "b", "b/a", "c"]),
        (["*", "!**/keep"], ["", "a", "a/x", "a/x/keep"]),
        (["*", "!none"], [""]),
        (["a/x", "!a/x/nothing"], ["", "a", "b", "b/a", "c"]),
        (["b/*"], ["", "a", "a/x", "a/x/keep", "a/x/y", "b", "c"]),
    ],
)
def test_ignore_rules(tmp_path: Path, ignore: list[str], expected: list[str]) -> None:
    tree(tmp_path, a__x__keep="", a__x__y="", b__a="", c="")
    assert walked(tmp_path, "/", ignore) == expected


def test_ignored_sources_are_not_there(tmp_path: Path) -> None:
    tree(tmp_path, a__x="", b="", link="L:b", gone__x="")
    ignore = ["b", "gone", "a", "!a/x", "link"]
    with pytest.raises(ContextError, match=r"excluded by the ignore file[\s\S]*!b"):
        resolved(tmp_path, "b", ignore)
    with pytest.raises(ContextError, match="excluded"):
        resolved(tmp_path, "gone", ignore)
    with pytest.raises(ContextError):
        resolved(tmp_path, "link", ["link"])
    assert resolved(tmp_path, "a", ignore) == ["a"]
    assert resolved(tmp_path, "*", ignore) == ["a"]
    assert walked(tmp_path, "a", ignore) == ["", "x"]


def test_ignored_folders_are_not_even_listed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    tree(tmp_path, node_modules__x="", src__y="", other__z="")
    listed = []
    real = DirectoryContext._list

    def listing(self: DirectoryContext, path: str) -> list[str]:
        listed.append(path)
        return real(self, path)

    monkeypatch.setattr(DirectoryContext, "_list", listing)
    assert walked(tmp_path, "/", ["node_modules", "!src/z"]) == ["", "other", "other/z", "src", "src/y"]
    assert listed == ["", "other", "src"]
    listed.clear()
    assert walked(tmp_path, "src") == ["", "y"]
    assert listed == ["src"]


def test_prune_keeps_the_walk_out(tmp_path: Path) -> None:
    tree(tmp_path, a__b__c="", a__d="", e="")
    with DirectoryContext(tmp_path, PatternMatcher(["a/b", "!a/b/c"])) as context:
        root = context.resolve("/")[0]
        for folder, left in (("a", ["", "a", "e"]), ("a/b", ["", "a", "a/b", "a/d", "e"]), ("", [""])):
            assert [entry.path for entry in context.walk(root, prune=folder.__eq__)] == left


def test_a_file_swapped_for_a_link_is_not_followed(tmp_path: Path) -> None:
    root = tree(tmp_path / "root", secret="mine", d__f="mine")
    tree(tmp_path, outside="not ours", outer__f="not ours")
    with DirectoryContext(root) as context:
        entries = {entry.path: entry for entry in context.walk(context.resolve("/")[0])}
        (root / "secret").unlink()
        (root / "secret").symlink_to(tmp_path / "outside")
        with pytest.raises(ContextError, match="link"):
            entries["secret"].open()
        (root / "other").write_text("another file")
        (root / "other").rename(root / "secret")
        with pytest.raises(ContextError, match="replaced"):
            entries["secret"].open()
        (root / "secret").unlink()
        os.mkfifo(root / "secret")
        with pytest.raises(ContextError, match="replaced"):
            entries["secret"].open()
    with DirectoryContext(root) as context:
        [match] = context.resolve("d/f")
        [entry] = context.walk(match)
        context._folders.clear()  # as if many folders had been opened meanwhile
        (root / "d").rename(root / "old")
        (root / "d").symlink_to(tmp_path / "outer")
        with pytest.raises(ContextError):
            entry.open()


def test_a_folder_swapped_for_a_link_while_walking(tmp_path: Path) -> None:
    root = tree(tmp_path / "root", a="", d__f="mine")
    tree(tmp_path, outer__f="not ours")
    with DirectoryContext(root) as context:
        walk = context.walk(context.resolve("/")[0])
        while next(walk).path != "d":
            pass
        (root / "d").rename(root / "old")
        (root / "d").symlink_to(tmp_path / "outer")
        for entry in walk:
            with entry.open() as stream:
                assert stream.read() == b"mine"


def descriptors() -> int:
    return len(os.listdir("/proc/self/fd"))  # noqa: PTH208


def test_depth_and_number_of_folders_do_not_matter(tmp_path: Path) -> None:
    place = os.open(tmp_path, os.O_RDONLY)
    for _ in range(150):
        os.mkdir("d", dir_fd=place)
        below = os.open("d", os.O_RDONLY, dir_fd=place)
        os.close(place)
        place = below
    os.close(place)
    for number in range(100):
        (tmp_path / f"n{number:03d}").mkdir()
    (tmp_path / "/".join("d" * 150) / "last").write_text("x")
    before = descriptors()
    with DirectoryContext(tmp_path) as context:
        entries = list(context.walk(context.resolve("/")[0]))
        assert len(entries) == 252
        deep = next(entry for entry in entries if entry.path.endswith("last"))
        with deep.open() as stream:
            assert stream.read() == b"x"
        assert descriptors() <= before + directory._OPEN_FOLDERS + 3
    assert descriptors() == before


def test_descriptors_are_given_back_without_close(tmp_path: Path) -> None:
    before = descriptors()
    context = DirectoryContext(tree(tmp_path, a__b=""))
    list(context.walk(context.resolve("/")[0]))
    del context
    gc.collect()
    assert descriptors() == before


def test_threads_may_share_it(tmp_path: Path) -> None:
    for folder in range(80):
        tree(tmp_path, **{f"f{folder}__{name}": f"{folder}{name}" for name in "ab"})
    wrong = []
    with DirectoryContext(tmp_path) as context:

        def read() -> None:
            for entry in context.walk(context.resolve("/")[0]):
                if entry.kind == "file":
                    with entry.open() as stream:
                        if stream.read().decode() != entry.path[1:].replace("/", ""):
                            wrong.append(entry.path)

        threads = [threading.Thread(target=read) for _ in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    assert wrong == []


def test_names_that_are_not_utf8(tmp_path: Path) -> None:
    (tmp_path / os.fsdecode(b"\xff\xfe")).write_bytes(b"x")
    assert walked(tmp_path) == ["", "\udcff\udcfe"]
    assert resolved(tmp_path, "??") == ["\udcff\udcfe"]


def test_no_context(tmp_path: Path) -> None:
    for place in (tmp_path / "none", tree(tmp_path, file="") / "file"):
        with pytest.raises(ContextError, match="build context"):
            DirectoryContext(place)


def test_load_ignore(tmp_path: Path) -> None:
    assert load_ignore(tmp_path) is None
    tree(tmp_path, **{".dockerignore": "a\n", "sub__My.Dockerfile": ""})
    found = load_ignore(tmp_path, tmp_path / "sub" / "My.Dockerfile")
    assert found is not None
    assert found.matches_or_parent_matches("a/b")
    tree(tmp_path, **{"sub__My.Dockerfile.dockerignore": ""})
    assert not load_ignore(tmp_path, tmp_path / "sub" / "My.Dockerfile")
    (tmp_path / ".dockerignore").write_text("x\n[")
    with pytest.raises(PatternError, match=r"\.dockerignore"):
        load_ignore(tmp_path)
    (tmp_path / ".dockerignore").unlink()
    (tmp_path / ".dockerignore").symlink_to("/etc/passwd")
    with pytest.raises(ContextError):
        load_ignore(tmp_path)


def test_following_links() -> None:
    links = {"bin": "usr/bin", "a/abs": "/x/y", "x/y": "../../..", "up": "..", "l": "l2", "l2": "a/abs/z"}

    def readlink(path: str) -> str | None:
        return links.get(path)

    assert follow("bin/sh", readlink) == "usr/bin/sh"
    assert follow("/a//./abs/q", readlink) == "q"
    assert follow("up/up/b/../c", readlink) == "c"
    assert follow("l", readlink) == "z"
    assert follow("", readlink) == ""
    assert follow("no/../no/such", readlink) == "no/such"
    with pytest.raises(InputError, match="too long"):
        follow("a/" * 3000, readlink)
    with pytest.raises(TooManyLinks):
        follow("grow", lambda path: "grow/" * 100 if path.endswith("grow") else None)
