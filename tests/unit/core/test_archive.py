"""Tars for `POST /images/load`, read back with tarfile."""

from __future__ import annotations

import hashlib
import io
import json
import tarfile
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest

from incubator.core.archive import docker_archive, oci_archive
from incubator.core.blob import Blob
from incubator.core.docker_types import find_config, find_manifest
from incubator.errors import EngineError
from incubator.oci import media_types
from incubator.oci.image_config import ImageConfig, RuntimeConfig, digest_of
from incubator.oci.platform import Platform

if TYPE_CHECKING:
    from collections.abc import Iterable

ONE, TWO = f"sha256:{'1' * 64}", f"sha256:{'2' * 64}"
TOP = b"tar of the top layer"
TOP_BLOB = Blob.of_bytes(TOP)
CONFIG = ImageConfig(
    platform=Platform(os="linux", architecture="amd64"), config=RuntimeConfig(cmd=("x",)), diff_ids=(ONE, TWO)
)
WITH_TOP = replace(CONFIG, diff_ids=(ONE, digest_of(TOP)))


def contents(chunks: Iterable[bytes]) -> dict[str, bytes]:
    with tarfile.open(fileobj=io.BytesIO(b"".join(chunks))) as opened:
        return {member.name: (opened.extractfile(member) or io.BytesIO()).read() for member in opened}


def hex_of(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


def test_docker_archive_of_known_layers() -> None:
    tar, image_id = docker_archive(CONFIG, top=None, placeholders=False)
    files = contents(tar)
    blob = CONFIG.to_json_bytes()
    name = f"{hex_of(blob)}.json"
    assert image_id == f"sha256:{hex_of(blob)}"
    assert set(files) == {name, "manifest.json"}
    assert files[name] == blob
    assert json.loads(files["manifest.json"]) == [
        {"Config": name, "RepoTags": None, "Layers": [f"{'1' * 64}.tar", f"{'2' * 64}.tar"]}
    ]


def test_docker_archive_with_placeholders() -> None:
    tar, _ = docker_archive(CONFIG, top=None, placeholders=True)
    files = contents(tar)
    assert files[f"{'1' * 64}.tar"] == files[f"{'2' * 64}.tar"] == b""


@pytest.mark.parametrize("placeholders", [True, False])
def test_docker_archive_with_a_new_layer(placeholders: bool) -> None:
    files = contents(docker_archive(WITH_TOP, top=TOP_BLOB, placeholders=placeholders)[0])
    assert files[f"{hex_of(TOP)}.tar"] == TOP
    assert (f"{'1' * 64}.tar" in files) is placeholders


def test_docker_archive_of_no_layers() -> None:
    files = contents(docker_archive(replace(CONFIG, diff_ids=()), top=None, placeholders=True)[0])
    assert json.loads(files["manifest.json"])[0]["Layers"] == []
    assert len(files) == 2


def test_a_layer_that_comes_twice_is_named_twice() -> None:
    config = replace(CONFIG, diff_ids=(digest_of(TOP), ONE, digest_of(TOP)))
    files = contents(docker_archive(config, top=TOP_BLOB, placeholders=True)[0])
    assert json.loads(files["manifest.json"])[0]["Layers"] == [
        f"{hex_of(TOP)}.tar",
        f"{'1' * 64}.tar",
        f"{hex_of(TOP)}.tar",
    ]
    assert files[f"{hex_of(TOP)}.tar"] == TOP


LAYER = {"mediaType": "application/vnd.oci.image.layer.v1.tar+gzip", "digest": ONE, "size": 7}


def test_oci_archive_of_known_layers() -> None:
    tar, digest, descriptors = oci_archive(CONFIG, layers=[LAYER | {"annotations": {"a": "b"}}], top=None)
    files = contents(tar)
    blob = CONFIG.to_json_bytes()
    assert json.loads(files["oci-layout"]) == {"imageLayoutVersion": "1.0.0"}
    assert descriptors == [LAYER]
    index = json.loads(files["index.json"])
    manifest = files[f"blobs/sha256/{digest.removeprefix('sha256:')}"]
    assert index["manifests"] == [
        {"mediaType": media_types.OCI_MANIFEST, "digest": digest, "size": len(manifest)}
    ]
    assert (index["schemaVersion"], index["mediaType"]) == (2, media_types.OCI_INDEX)
    assert json.loads(manifest) == {
        "schemaVersion": 2,
        "mediaType": media_types.OCI_MANIFEST,
        "config": {"mediaType": media_types.OCI_CONFIG, "digest": digest_of(blob), "size": len(blob)},
        "layers": [LAYER],
    }
    assert files[f"blobs/sha256/{hex_of(blob)}"] == blob
    assert len(files) == 4


def test_oci_archive_with_a_new_layer() -> None:
    tar, _, descriptors = oci_archive(WITH_TOP, layers=[LAYER], top=TOP_BLOB)
    assert descriptors == [
        LAYER,
        {"mediaType": f"{media_types.OCI_LAYER}+gzip", "digest": digest_of(TOP), "size": len(TOP)},
    ]
    assert contents(tar)[f"blobs/sha256/{hex_of(TOP)}"] == TOP


def test_every_blob_bears_its_own_digest() -> None:
    for name, data in contents(oci_archive(WITH_TOP, layers=[LAYER], top=TOP_BLOB)[0]).items():
        if name.startswith("blobs/"):
            assert name == f"blobs/sha256/{hex_of(data)}"


@pytest.mark.parametrize(
    ("docker", "oci"),
    [("diff.tar", ""), ("diff.tar.gzip", "+gzip"), ("diff.tar.zstd", "+zstd")],
)
def test_dockers_media_types_become_the_oci_ones(docker: str, oci: str) -> None:
    layer = LAYER | {"mediaType": f"application/vnd.docker.image.rootfs.{docker}"}
    assert oci_archive(CONFIG, layers=[layer], top=None)[2] == [
        LAYER | {"mediaType": media_types.OCI_LAYER + oci}
    ]


def test_other_media_types_stay() -> None:
    assert oci_archive(CONFIG, layers=[LAYER | {"mediaType": "x/y"}], top=None)[2] == [
        LAYER | {"mediaType": "x/y"}
    ]


def test_equal_inputs_give_equal_tars() -> None:
    def made() -> list[object]:
        docker = docker_archive(WITH_TOP, top=TOP_BLOB, placeholders=True)
        oci = oci_archive(WITH_TOP, layers=[LAYER], top=TOP_BLOB)
        return [b"".join(docker[0]), docker[1], b"".join(oci[0]), *oci[1:]]

    assert made() == made()


# -- an export read back ----------------------------------------------------------------------------------


def opened(tar: bytes) -> tarfile.TarFile:
    return tarfile.open(fileobj=io.BytesIO(tar), mode="r|")


def tar_of(files: dict[str, bytes]) -> bytes:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as tar:
        folder = tarfile.TarInfo("blobs")
        folder.type = tarfile.DIRTYPE
        tar.addfile(folder)
        for name, data in files.items():
            info = tarfile.TarInfo(name)
            info.size = len(data)
            tar.addfile(info, io.BytesIO(data))
    return buffer.getvalue()


def test_the_manifest_of_an_export_is_found_among_the_blobs() -> None:
    manifest: dict[str, Any] = {"config": {}, "layers": [LAYER]}
    files = {
        "index.json": b'{"config": 1, "layers": 2}',
        "blobs/sha256/a": b"\x1f\x8b not json",
        "blobs/sha256/b": b'["a list"]',
        "blobs/sha256/c": b'{"config": {}, "rootfs": {}}',
        "blobs/sha256/d": b" " * ((1 << 20) + 1),
        "blobs/sha256/e": json.dumps(manifest).encode(),
    }
    with opened(tar_of(files)) as tar:
        assert find_manifest(tar) == manifest
    del files["blobs/sha256/e"]
    with opened(tar_of(files)) as tar, pytest.raises(EngineError, match="holds no manifest"):
        find_manifest(tar)


def test_the_config_of_a_docker_archive_is_found() -> None:
    chunks, image_id = docker_archive(CONFIG, top=None, placeholders=True)
    tar = b"".join(chunks)
    with opened(tar) as export:
        found = find_config(export, image_id.removeprefix("sha256:"))
    assert found == json.loads(CONFIG.to_json_bytes())
    with opened(tar) as export, pytest.raises(EngineError, match="holds no config"):
        find_config(export, "f" * 64)
