"""Which mount points may go, and the layer that takes them away."""

from __future__ import annotations

import io
import tarfile

import pytest

from incubator.core.mountpoints import PODMANS_OWN, removable, whiteouts


def member(path: str, kind: bytes = tarfile.DIRTYPE, size: int = 0) -> tarfile.TarInfo:
    info = tarfile.TarInfo(path)
    info.type = kind
    info.size = size
    return info


def listing(*paths: str) -> dict[str, tarfile.TarInfo]:
    """Folders end with a slash, `path=N` is a file of N bytes."""
    found = {}
    for text in paths:
        path, equals, size = text.partition("=")
        kind = tarfile.REGTYPE if equals else tarfile.DIRTYPE
        found[path.rstrip("/")] = member(path.rstrip("/"), kind, int(size or 0))
    return found


@pytest.mark.parametrize(
    ("missing", "paths", "gone"),
    [
        ({"/a": "/a"}, ["/a/"], ["/a"]),
        ({"/a/b/c": "/a/b"}, ["/a/b/", "/a/b/c/"], ["/a/b"]),
        ({"/a/b": "/a"}, ["/a/", "/a/b/", "/a/own=1"], ["/a/b"]),
        ({"/a/b": "/a"}, ["/a/", "/a/b/", "/a/b/own=0"], []),
        ({"/a": "/a"}, [], []),
        ({"/f": "/f"}, ["/f=0"], ["/f"]),
        ({"/f": "/f"}, ["/f=3"], []),
        ({"/a/b": "/a", "/a/c": "/a"}, ["/a/", "/a/b/", "/a/c/"], ["/a"]),
        ({"/a/b": "/a", "/a/c": "/a"}, ["/a/", "/a/b/", "/a/c/", "/a/c/x=1"], ["/a/b"]),
        ({"/a": "/a", "/a/b": "/a"}, ["/a/", "/a/b/"], ["/a"]),
        ({"/a/b": "/a", "/ab": "/ab"}, ["/a/", "/a/b/", "/ab/"], ["/a", "/ab"]),
        (
            {"/a/b/c": "/a", "/a/d": "/a"},
            ["/a/", "/a/b/", "/a/b/c/", "/a/d/", "/a/b/x=1"],
            ["/a/b/c", "/a/d"],
        ),
        ({"/a": "/a", "/b": "/b"}, ["/a/", "/b/", "/b/x=0"], ["/a"]),
    ],
)
def test_only_what_was_missing_and_is_still_empty_may_go(
    missing: dict[str, str], paths: list[str], gone: list[str]
) -> None:
    assert removable(missing, listing(*paths)) == gone
    assert removable(dict(reversed(missing.items())), listing(*paths)) == gone


def read(tar: bytes) -> list[tarfile.TarInfo]:
    with tarfile.open(fileobj=io.BytesIO(tar)) as opened:
        return opened.getmembers()


def test_the_layer_holds_whiteouts_and_the_folders_above_as_they_were() -> None:
    above = member("b/")
    above.mode, above.uid, above.gid, above.mtime = 0o1750, 5, 6, 1234567890.5
    above.pax_headers = {"SCHILY.xattr.user.x": "y"}
    members = read(whiteouts(["/a/b/c", "/top"], {"/a/b": above, "/a": member("a")}))
    assert [(m.name, m.isdir()) for m in members] == [
        ("a", True), ("a/b", True), ("a/b/.wh.c", False), (".wh.top", False),
    ]  # fmt: skip
    b = members[1]
    assert (b.mode, b.uid, b.gid, b.mtime) == (0o1750, 5, 6, 1234567890.5)
    assert b.pax_headers["SCHILY.xattr.user.x"] == "y"
    assert all(m.size == 0 for m in members)


def test_the_layer_of_nothing_is_empty_and_equal_ones_are_equal() -> None:
    assert read(whiteouts([], {})) == []
    assert whiteouts(["/b", "/a"], {}) == whiteouts(["/a", "/b"], {})


def test_podmans_own_are_absolute_paths() -> None:
    assert all(path.startswith("/") and not path.endswith("/") for path in PODMANS_OWN)
