from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from incubator.context.rootfs import Stat
from incubator.core.facts import FactBook, Facts, RememberingRoot, facts_from_json, files_id

DIR = Stat(kind="dir", mode=0o700, uid=3, gid=4, xattrs=(("user.a", b"\x00\xff"),), mtime_ns=5)
FILE = Stat(kind="file", mode=0o644)

paths = st.text(st.characters(exclude_categories=["Cs"]), max_size=8)
stats = st.builds(
    Stat,
    kind=st.sampled_from(["file", "dir", "symlink", "fifo"]),
    mode=st.integers(0, 0o7777),
    linkname=paths,
    uid=st.integers(0, 1 << 31),
    mtime_ns=st.integers(0, 1 << 62),
)
folders = st.builds(Stat, kind=st.just("dir"), mode=st.integers(0, 0o7777), uid=st.integers(0, 9))


class Container:
    """An image with `/a`, `/a/one` and `/etc/passwd`, which counts what it is asked."""

    def __init__(self) -> None:
        self.asked: list[str] = []
        self.files = {
            "a": DIR,
            "a/one": FILE,
            "etc": DIR,
            "etc/passwd": FILE,
            "link": Stat(kind="symlink", linkname="/a"),
        }

    def __call__(self) -> Any:
        return self

    def stat(self, path: str) -> Stat | None:
        self.asked.append(path)
        return self.files.get(path)

    def folder(self, path: str) -> Stat:
        self.asked.append(f"{path}/")
        return self.files[path]

    def text(self, path: str) -> str:
        self.asked.append(f"<{path}")
        return "app:x:1:2::/:\n"

    def listing(self, path: str, *, most_bytes: int) -> dict[str, Stat] | None:
        assert most_bytes > 0
        self.asked.append(f"{path}/*")
        return (
            {name: stat for name, stat in self.files.items() if name.startswith(f"{path}/")}
            if path == "a"
            else None
        )


@given(
    st.dictionaries(paths, st.none() | stats),
    st.dictionaries(paths, folders),
    st.dictionaries(paths, paths),
    st.sets(paths),
)
def test_facts_survive_json(
    known: dict[str, Stat | None], owned: dict[str, Stat], texts: dict[str, str], listed: set[str]
) -> None:
    facts = Facts(stats=known, folders=owned, texts=texts, listed=listed)
    assert facts_from_json(json.loads(json.dumps(facts.to_json()))) == facts


def test_attributes_survive_json() -> None:
    facts = Facts(folders={"a": DIR})
    assert facts_from_json(json.loads(json.dumps(facts.to_json()))).folders == {"a": DIR}


@pytest.mark.parametrize(
    "data",
    [
        {},
        [],
        {"stats": [], "folders": {}, "texts": {}, "listed": []},
        {"stats": {"a": {"kind": "door"}}, "folders": {}, "texts": {}, "listed": []},
        {"stats": {"a": {}}, "folders": {}, "texts": {}, "listed": []},
        {"stats": {"a": {"kind": "file", "mode": "x"}}, "folders": {}, "texts": {}, "listed": []},
        {"stats": {}, "folders": {"a": {"kind": "file"}}, "texts": {}, "listed": []},
        {"stats": {}, "folders": {"a": {"kind": "dir", "xattrs": {"a": "?"}}}, "texts": {}, "listed": []},
        {"stats": {}, "folders": {}, "texts": {}, "listed": 3},
    ],
)
def test_anything_else_is_refused(data: Any) -> None:
    with pytest.raises((ValueError, TypeError, KeyError, AttributeError)):
        facts_from_json(data)


def test_nothing_is_asked_twice() -> None:
    container, facts = Container(), Facts()
    for _ in range(2):
        root = RememberingRoot(facts, container, ahead=False)
        assert root.stat("a") == DIR
        assert root.stat("a/two") is None
        assert root.folder("a") == DIR
        assert root.text("/etc/passwd").startswith("app:")
    assert container.asked == ["a", "a/two", "a/", "</etc/passwd"]
    assert facts.learnt


def test_nothing_is_asked_below_what_is_no_folder() -> None:
    container = Container()
    root = RememberingRoot(Facts(), container, ahead=True)
    assert root.stat("none/x/y") is None
    assert root.stat("link/one") is None
    assert container.asked == ["none", "link"]


def test_neighbours_are_noted_ahead() -> None:
    container, facts = Container(), Facts()
    assert RememberingRoot(facts, container, ahead=True).stat("a/two") is None
    later = facts_from_json(facts.to_json())
    root = RememberingRoot(later, pytest.fail, ahead=True)
    assert root.stat("a/one") == FILE
    assert root.stat("a/three") is None
    assert not later.learnt


def test_a_folder_that_is_too_large_is_asked_path_by_path() -> None:
    container, facts = Container(), Facts()
    root = RememberingRoot(facts, container, ahead=True)
    assert root.stat("etc/passwd") == FILE
    assert container.asked == ["etc", "etc/*", "etc/passwd"]
    assert facts.listed == set()


def test_a_book_loads_each_page_once() -> None:
    loaded: list[str] = []

    def load(name: str) -> Facts | None:
        loaded.append(name)
        return Facts(stats={"a": None}) if name == files_id(["x"]) else None

    book = FactBook(load)
    assert book.of(["x"]) is book.of(["x"])
    assert book.of(["y"]).stats == {}
    assert loaded == [files_id(["x"]), files_id(["y"])]
    assert list(book.known()) == [files_id(["x"])]
    RememberingRoot(book.of(["y"]), Container(), ahead=False).stat("a")
    assert list(book.known()) == [files_id(["x"]), files_id(["y"])]
    assert not book.of(["x"]).learnt


def test_different_layers_are_different_files() -> None:
    assert (
        len({files_id([]), files_id(["a"]), files_id(["a", "b"]), files_id(["b", "a"]), files_id(["ab"])})
        == 5
    )
