"""Layouts that are written into folders which may be hostile."""

from __future__ import annotations

import json
import os
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

import pytest

from incubator.core.layout_folder import LayoutFolder
from incubator.errors import BuilderError
from incubator.oci.descriptor import Descriptor
from incubator.oci.image_config import digest_of
from incubator.oci.media_types import OCI_MANIFEST

if TYPE_CHECKING:
    from pathlib import Path


def entry(data: bytes) -> Descriptor:
    return Descriptor(media_type=OCI_MANIFEST, digest=digest_of(data), size=len(data))


def add(folder: Path, data: bytes) -> None:
    with LayoutFolder.open(str(folder), make=True) as layout, layout.locked():
        layout.put((data,), (*layout.entries(), entry(data)))


def test_several_write_at_the_same_time(tmp_path: Path) -> None:
    texts = [f"manifest {number}".encode() for number in range(20)]
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda data: add(tmp_path / "new/layout", data), texts))
    with LayoutFolder.open(str(tmp_path / "new/layout"), make=False) as layout:
        assert set(layout.entries()) == {entry(data) for data in texts}
    blobs = tmp_path / "new/layout/blobs/sha256"
    assert {path.read_bytes() for path in blobs.iterdir()} == set(texts)
    assert json.loads((tmp_path / "new/layout/oci-layout").read_bytes()) == {"imageLayoutVersion": "1.0.0"}


@pytest.mark.parametrize("name", ["blobs", "blobs/sha256"])
def test_no_link_is_followed(tmp_path: Path, name: str) -> None:
    outside, layout = tmp_path / "outside", tmp_path / "layout"
    (outside / "sha256").mkdir(parents=True)
    (layout / name).parent.mkdir(parents=True)
    (layout / name).symlink_to(outside)
    with pytest.raises(BuilderError, match="cannot be used"):
        add(layout, b"x")
    assert [path.name for path in outside.rglob("*")] == ["sha256"]


@pytest.mark.parametrize("name", ["oci-layout", "index.json"])
def test_a_link_in_place_of_a_file_is_not_read(tmp_path: Path, name: str) -> None:
    add(tmp_path / "layout", b"x")
    secret = tmp_path / "secret"
    (tmp_path / "layout" / name).rename(secret)
    (tmp_path / "layout" / name).symlink_to(secret)
    with pytest.raises(BuilderError, match="cannot be used"):
        add(tmp_path / "layout", b"y")


@pytest.mark.parametrize("text", ["", "[]", "{", '{"schemaVersion": 2, "layers": []}'])
def test_an_index_that_is_none_is_an_error(tmp_path: Path, text: str) -> None:
    add(tmp_path, b"x")
    (tmp_path / "index.json").write_text(text)
    with pytest.raises(BuilderError):
        add(tmp_path, b"y")
    assert (tmp_path / "index.json").read_text() == text


def test_a_pipe_is_no_file(tmp_path: Path) -> None:
    add(tmp_path, b"x")
    (tmp_path / "index.json").unlink()
    os.mkfifo(tmp_path / "index.json")
    with pytest.raises(BuilderError, match="is no file"):
        add(tmp_path, b"y")


def test_what_fails_on_the_way_leaves_nothing(tmp_path: Path) -> None:
    def chunks() -> object:
        yield b"a"
        raise KeyError("gone")

    with LayoutFolder.open(str(tmp_path), make=True) as layout, pytest.raises(KeyError):
        layout.write(digest_of(b"ab"), chunks())  # type: ignore[arg-type]
    assert list((tmp_path / "blobs/sha256").iterdir()) == []
