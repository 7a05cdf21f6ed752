"""Parts of a container's export, named as the archive of a path names them."""

from __future__ import annotations

from io import BytesIO
from typing import TYPE_CHECKING

import pytest

from incubator.context.entry import Entry
from incubator.context.tarread import read_tar
from incubator.context.tarstream import write_tar
from incubator.core.podman_export import part_of_export

if TYPE_CHECKING:
    from collections.abc import Iterator

EXPORT = [
    Entry(path="a", kind="dir", mode=0o700, uid=5),
    Entry(path="a/file", kind="file", mode=0o600, size=1, content=lambda: BytesIO(b"x"), gid=6),
    Entry(path="a/link", kind="hardlink", mode=0o600, linkname="a/file"),
    Entry(path="ab", kind="dir", mode=0o755),
    Entry(path="ab/other", kind="hardlink", mode=0o600, linkname="a/file", gid=6),
]


def read_file(path: str) -> Iterator[bytes]:
    assert path == "/ab/other"
    return write_tar([Entry(path="other", kind="file", mode=0o600, size=1, content=lambda: BytesIO(b"x"))])


@pytest.mark.parametrize(
    ("path", "expected"),
    [
        ("/", ["dir  0:0", "dir a 5:0", "file a/file 0:6", "hardlink a/link 0:0 a/file", "dir ab 0:0",
               "hardlink ab/other 0:6 a/file"]),
        ("/a", ["dir a 5:0", "file a/file 0:6", "hardlink a/link 0:0 a/file"]),
        ("/a/file", ["file file 0:6"]),
        ("/ab", ["dir ab 0:0", "file ab/other 0:6"]),
        ("/b", []),
    ],
)  # fmt: skip
def test_parts(path: str, expected: list[str]) -> None:
    data = b"".join(part_of_export(write_tar(EXPORT), path, read_file))
    found = [f"{e.kind} {e.path} {e.uid}:{e.gid} {e.linkname}".rstrip() for e in read_tar(BytesIO(data))]
    assert found == expected
