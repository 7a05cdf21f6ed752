"""The cache in a folder: what is kept of it, what goes, and what a hostile one can do."""

from __future__ import annotations

import json
import multiprocessing
import os
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, cast

import pytest

from incubator.core.cache_folder import DAYS, MOST_ENTRIES, USED, FolderStore
from incubator.core.layout_folder import LayoutFolder
from incubator.errors import BuilderError
from incubator.oci.descriptor import Descriptor
from incubator.oci.image_config import digest_of
from incubator.oci.layout import REF_NAME
from incubator.oci.manifest import Index, Manifest
from incubator.oci.media_types import OCI_CONFIG, OCI_INDEX, OCI_LAYER_GZIP, OCI_MANIFEST

if TYPE_CHECKING:
    from incubator.core.lazy import LazyEngine

ENGINE = cast("LazyEngine", None)
"""Only layers that an engine alone has take one."""


def store(folder: Path) -> FolderStore:
    return FolderStore(path=folder, engine=ENGINE)


def put(where: FolderStore, *names: str) -> None:
    with where.writing() as writer:
        for name in names:
            config = writer.put_blob(f"config of {name}".encode(), OCI_CONFIG)
            layer = writer.put_blob(f"layer of {name}".encode(), OCI_LAYER_GZIP)
            writer.put_entry(name, Manifest(config=config, layers=(layer,)))


def index(folder: Path) -> list[dict[str, object]]:
    return list(json.loads((folder / "index.json").read_bytes())["manifests"])


def names(folder: Path) -> list[str]:
    """Names of all entries that can be read."""
    found = [cast("dict[str, str]", entry["annotations"])[REF_NAME] for entry in index(folder)]
    return sorted(name for name in found if store(folder).entry(name))


def blobs(folder: Path) -> set[bytes]:
    return {path.read_bytes() for path in (folder / "blobs/sha256").iterdir() if path.is_file()}


def age(folder: Path, name: str, day: str) -> None:
    """Let an entry be last used on a day."""
    entries = index(folder)
    for entry in entries:
        annotations = cast("dict[str, str]", entry["annotations"])
        if annotations[REF_NAME] == name:
            annotations[USED] = day
    document = {"schemaVersion": 2, "mediaType": OCI_INDEX, "manifests": entries}
    (folder / "index.json").write_text(json.dumps(document))


def days_ago(count: int) -> str:
    return (datetime.now(UTC).date() - timedelta(days=count)).isoformat()


def test_what_is_put_is_found(tmp_path: Path) -> None:
    assert store(tmp_path / "none").entry("a") is None
    assert not (tmp_path / "none").exists()
    put(store(tmp_path / "new/cache"), "a", "b")
    there = store(tmp_path / "new/cache")
    found = there.entry("a")
    assert found
    assert there.small_blob(found.layers[0], 100) == b"layer of a"
    assert there.has_blob(found.layers[0].digest)
    assert not there.has_blob(digest_of(b"other"))
    assert there.entry("c") is None
    with pytest.raises(BuilderError, match="more than the 3 it may have"):
        there.small_blob(found.layers[0], 3)


def test_what_nobody_uses_goes_with_all_that_it_alone_has(tmp_path: Path) -> None:
    put(store(tmp_path), "a", "b", "c", "d", "e")
    for name, day in (("a", DAYS), ("b", DAYS + 1), ("c", DAYS + 1), ("d", -5)):
        age(tmp_path, name, days_ago(day))
    age(tmp_path, "e", "never")
    reader = store(tmp_path)
    assert reader.entry("c")
    put(reader)
    assert names(tmp_path) == ["a", "c", "d", "e"]
    assert b"layer of b" not in blobs(tmp_path)
    assert {b"layer of a", b"config of c", b"layer of d"} <= blobs(tmp_path)
    told = {str(cast("dict[str, str]", entry["annotations"])[USED]) for entry in index(tmp_path)}
    assert told == {days_ago(0), days_ago(DAYS)}


def test_orphans_go(tmp_path: Path) -> None:
    put(store(tmp_path), "a")
    for name in ("blobs/sha256/.incubator-1", ".incubator-2", f"blobs/sha256/{'0' * 64}"):
        (tmp_path / name).write_text("left by a killed build")
    (tmp_path / "mine.txt").write_text("stays")
    put(store(tmp_path))
    assert names(tmp_path) == ["a"]
    assert sorted(path.name for path in tmp_path.iterdir()) == [
        "blobs",
        "index.json",
        "mine.txt",
        "oci-layout",
    ]
    assert len(blobs(tmp_path)) == 3


def test_images_of_others_stay(tmp_path: Path) -> None:
    documents = [b"config", b"layer"]
    config, layer = (
        Descriptor(media_type=OCI_CONFIG, digest=digest_of(data), size=len(data)) for data in documents
    )
    manifest = Manifest(config=config, layers=(layer,))
    below = Index(manifests=(manifest.descriptor, layer))
    with LayoutFolder.open(str(tmp_path), make=True) as folder, folder.locked():
        folder.put((*documents, manifest.to_bytes(), below.to_bytes()), (below.descriptor,))
    others = blobs(tmp_path)
    put(store(tmp_path), "a")
    age_all = days_ago(DAYS + 1)
    entries = index(tmp_path)
    assert len(entries) == 2
    cast("dict[str, str]", entries[1]["annotations"])[USED] = age_all
    document = {"schemaVersion": 2, "mediaType": OCI_INDEX, "manifests": entries}
    (tmp_path / "index.json").write_text(json.dumps(document))
    put(store(tmp_path))
    assert [entry["digest"] for entry in index(tmp_path)] == [below.digest]
    assert blobs(tmp_path) == others
    # Where nobody can tell what belongs to them, nothing is removed.
    (tmp_path / "blobs/sha256" / manifest.digest.partition(":")[2]).unlink()
    put(store(tmp_path), "b")
    (tmp_path / "blobs/sha256" / ("1" * 64)).write_text("perhaps theirs")
    put(store(tmp_path))
    assert b"perhaps theirs" in blobs(tmp_path)


def test_an_index_has_bounds(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert MOST_ENTRIES * 450 < 4 << 20
    monkeypatch.setattr("incubator.core.cache_folder.MOST_ENTRIES", 2)
    put(store(tmp_path), "a", "b")
    age(tmp_path, "a", days_ago(2))
    put(store(tmp_path), "c")
    assert names(tmp_path) == ["b", "c"]


@pytest.mark.parametrize("broken", [b"", b"layer of b", b"layer of a and more"])
def test_a_broken_blob_is_written_anew(tmp_path: Path, broken: bytes) -> None:
    put(store(tmp_path), "a")
    path = tmp_path / "blobs/sha256" / digest_of(b"layer of a").partition(":")[2]
    path.write_bytes(broken)
    found = store(tmp_path).entry("a")
    same_size = len(broken) == len(b"layer of a")
    assert bool(found) == same_size
    if found:
        with pytest.raises(BuilderError, match="is broken"):
            store(tmp_path).small_blob(found.layers[0], 100)
    put(store(tmp_path), "a")
    assert path.read_bytes() == b"layer of a"


def test_an_entry_that_lacks_something_goes(tmp_path: Path) -> None:
    put(store(tmp_path), "a", "b")
    (tmp_path / "blobs/sha256" / digest_of(b"layer of a").partition(":")[2]).unlink()
    assert store(tmp_path).entry("a") is None
    put(store(tmp_path))
    assert names(tmp_path) == ["b"]
    assert b"config of a" not in blobs(tmp_path)


def test_no_link_leads_out(tmp_path: Path) -> None:
    secret, cache = tmp_path / "secret", tmp_path / "cache"
    secret.write_bytes(b"layer of a")
    put(store(cache), "a")
    path = cache / "blobs/sha256" / digest_of(b"layer of a").partition(":")[2]
    path.unlink()
    path.symlink_to(secret)
    with pytest.raises(BuilderError, match="cannot be used"):
        store(cache).entry("a")
    put(store(cache), "a")
    assert not path.is_symlink()
    assert secret.read_bytes() == b"layer of a"


@pytest.mark.parametrize("swapped", ["ci", "ci/cache"])
def test_a_link_that_a_step_has_put_in_its_place_is_not_followed(tmp_path: Path, swapped: str) -> None:
    there = store(tmp_path / "ci/cache")
    put(there, "a")
    (tmp_path / swapped).rename(tmp_path / "elsewhere")
    (tmp_path / swapped).symlink_to(tmp_path / "elsewhere")
    before = blobs(tmp_path / "ci/cache")
    with pytest.raises(BuilderError, match="leads elsewhere now"):
        put(there, "b")
    assert blobs(tmp_path / "ci/cache") == before


def test_a_pipe_in_place_of_a_blob_is_not_waited_for(tmp_path: Path) -> None:
    put(store(tmp_path), "a")
    path = tmp_path / "blobs/sha256" / digest_of(b"layer of a").partition(":")[2]
    path.unlink()
    os.mkfifo(path)
    with pytest.raises(BuilderError, match="cannot be used"):
        store(tmp_path).entry("a")


def test_a_folder_in_place_of_a_blob_gives_way(tmp_path: Path) -> None:
    put(store(tmp_path), "a")
    path = tmp_path / "blobs/sha256" / digest_of(b"layer of a").partition(":")[2]
    path.unlink()
    (path / "below").mkdir(parents=True)
    (path / "below/link").symlink_to(tmp_path)
    with pytest.raises(BuilderError, match="cannot be used"):
        store(tmp_path).entry("a")
    put(store(tmp_path), "a")
    assert path.read_bytes() == b"layer of a"
    assert names(tmp_path) == ["a"]


def test_a_blob_of_holes_is_not_read(tmp_path: Path) -> None:
    put(store(tmp_path), "a")
    blob = Descriptor(media_type=OCI_LAYER_GZIP, digest=digest_of(b"x"), size=1 << 40)
    path = tmp_path / "blobs/sha256" / blob.digest.partition(":")[2]
    path.touch()
    os.truncate(path, blob.size)
    with pytest.raises(BuilderError, match="is broken"):
        next(store(tmp_path).read_blob(blob))


def test_an_index_of_others_is_not_replaced(tmp_path: Path) -> None:
    (tmp_path / "index.json").write_text("{}")
    with pytest.raises(BuilderError, match="is no OCI layout"):
        put(store(tmp_path), "a")
    assert (tmp_path / "index.json").read_text() == "{}"
    assert blobs(tmp_path) == set()


@pytest.mark.parametrize("count", [10_001, 60_000])
def test_blobs_of_others_stay_where_their_index_is_too_long(tmp_path: Path, count: int) -> None:
    put(store(tmp_path), "a")
    before = blobs(tmp_path)
    foreign = [{"mediaType": OCI_MANIFEST, "digest": digest_of(b"other"), "size": 5}] * count
    text = json.dumps({"schemaVersion": 2, "mediaType": OCI_INDEX, "manifests": foreign})
    (tmp_path / "index.json").write_text(text)
    with pytest.raises(BuilderError, match="what its index names cannot be told"):
        put(store(tmp_path), "b")
    assert blobs(tmp_path) == before
    assert (tmp_path / "index.json").read_text() == text


def test_blobs_without_an_index_stay(tmp_path: Path) -> None:
    put(store(tmp_path), "a")
    (tmp_path / "index.json").unlink()
    before = blobs(tmp_path)
    with pytest.raises(BuilderError, match="blobs without an index"):
        put(store(tmp_path), "b")
    assert blobs(tmp_path) == before


def test_what_a_writer_has_left_that_was_killed_at_first_goes(tmp_path: Path) -> None:
    writing = store(tmp_path).writing()
    writing.__enter__().put_blob(b"left", OCI_CONFIG)
    writing.__exit__(SystemExit, SystemExit(), None)
    put(store(tmp_path), "a")
    assert b"left" not in blobs(tmp_path)


def test_a_full_cache_takes_what_a_build_has_made(tmp_path: Path) -> None:
    put(store(tmp_path), "a")
    [entry] = index(tmp_path)
    claimed = {USED: "2999-01-01"}
    many = [entry | {"annotations": {REF_NAME: f"x{n}"} | claimed} for n in range(MOST_ENTRIES)]
    document = {"schemaVersion": 2, "mediaType": OCI_INDEX, "manifests": many}
    (tmp_path / "index.json").write_text(json.dumps(document))
    put(store(tmp_path), "new")
    assert store(tmp_path).entry("new")
    assert len(index(tmp_path)) == MOST_ENTRIES


def test_an_index_is_no_entry_of_a_cache(tmp_path: Path) -> None:
    put(store(tmp_path), "a")
    nested = Index(manifests=()).to_bytes()
    where = tmp_path / "blobs/sha256" / digest_of(nested).partition(":")[2]
    where.write_bytes(nested)
    named = {"mediaType": OCI_INDEX, "digest": digest_of(nested), "size": len(nested)}
    entries = [*index(tmp_path), named | {"annotations": {REF_NAME: "b", USED: days_ago(0)}}]
    document = {"schemaVersion": 2, "mediaType": OCI_INDEX, "manifests": entries}
    (tmp_path / "index.json").write_text(json.dumps(document))
    assert store(tmp_path).entry("b") is None
    put(store(tmp_path), "c")
    assert names(tmp_path) == ["a", "c"]


def _put_many(folder: str, first: int) -> None:
    for number in range(first, first + 20):
        put(store(Path(folder)), f"{number}", "same")


def test_processes_write_at_the_same_time(tmp_path: Path) -> None:
    context = multiprocessing.get_context("spawn")
    writers = [context.Process(target=_put_many, args=(str(tmp_path), first)) for first in (0, 20)]
    for process in writers:
        process.start()
    while any(process.is_alive() for process in writers):
        for name in ("0", "25", "same"):
            found = store(tmp_path).entry(name)  # never half of one
            assert found is None or found.media_type == OCI_MANIFEST
    for process in writers:
        process.join(timeout=60)
        assert process.exitcode == 0
    assert names(tmp_path) == sorted([*map(str, range(40)), "same"])
    assert len(blobs(tmp_path)) == 3 * 41


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give files away")
def test_what_root_writes_belongs_to_the_owner_of_the_workspace(tmp_path: Path) -> None:
    os.chown(tmp_path, 4711, 4712)
    put(store(tmp_path / "a/b"), "a")
    below = list(tmp_path.rglob("*"))
    assert len(below) > 8
    assert {(path.stat().st_uid, path.stat().st_gid) for path in below} == {(4711, 4712)}
