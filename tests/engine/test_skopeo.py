"""Another reader of registries and layouts, which checks what it copies: skopeo takes all that is pushed."""

from __future__ import annotations

import json
import secrets
import subprocess
from typing import TYPE_CHECKING, Any

import pytest

import lab
from incubator.core.result import ResultImage, ResultIndex
from incubator.oci.image_config import digest_of
from incubator.oci.manifest import Index
from incubator.registry.credentials import Credentials
from incubator.registry.repository import Registries
from tests.conftest import need
from tests.engine.validate import validate_pushed

if TYPE_CHECKING:
    from pathlib import Path

    from lab import RegistryHandle
    from tests.engine.conftest import Bench

DOCKERFILE = 'FROM busybox\nCOPY file /file\nRUN cat /file /file > /twice\nCMD ["cat", "/twice"]\n'
FILES = {"file": "a file\n" * 1000}
PLATFORMS = ["linux/amd64", "linux/arm64"]


def skopeo(*arguments: str) -> bytes:
    need("skopeo")
    done = subprocess.run([str(lab.tool("skopeo")), *arguments], capture_output=True, check=False)
    assert done.returncode == 0, done.stderr.decode()
    return done.stdout


def inspect(reference: str, *arguments: str) -> Any:
    return json.loads(skopeo("inspect", "--tls-verify=false", *arguments, f"docker://{reference}"))


def copy(source: str, target: str) -> None:
    """All of it, byte for byte."""
    insecure = ["--src-tls-verify=false", "--dest-tls-verify=false"]
    skopeo("copy", "--quiet", "--all", "--preserve-digests", *insecure, source, target)


@pytest.fixture
def name(registry: RegistryHandle) -> str:
    return f"{registry.address}/skopeo/{secrets.token_hex(6)}"


@pytest.mark.parametrize(
    ("attributes", "load"),
    [
        ("compression=gzip", True),
        ("compression=zstd,force-compression=true", False),
        ("compression=uncompressed", False),
        ("oci-mediatypes=false", False),
    ],
)
def test_images(bench: Bench, name: str, attributes: str, load: bool) -> None:
    output = f"type=image,name={name}:1,push=true,{attributes}"
    result = bench.build(DOCKERFILE, FILES, outputs=[output], load=load)
    assert isinstance(result, ResultImage)
    told = inspect(f"{name}:1")
    assert (
        told["Digest"]
        == result.digest
        == digest_of(skopeo("inspect", "--raw", "--tls-verify=false", f"docker://{name}:1"))
    )
    config = inspect(f"{name}:1", "--config")
    assert config["rootfs"]["diff_ids"] == [layer.diff_id for layer in result.layers]
    assert config["config"]["Cmd"] == ["cat", "/twice"]
    copy(f"docker://{name}:1", f"docker://{name}/copy:1")
    assert result.digest
    pushed, copied = validate_pushed(name, result.digest), validate_pushed(f"{name}/copy", result.digest)
    assert copied.compressions == pushed.compressions
    for reference in bench.client.references(name.rpartition("/")[0]):
        bench.client.remove_image(reference)


@pytest.mark.parametrize(
    ("attributes", "provenance", "count"),
    [
        ("compression=gzip", "false", 2),
        ("compression=zstd", "mode=max", 4),
        ("oci-mediatypes=false", "false", 2),
    ],
)
def test_indexes(docker28: Bench, name: str, attributes: str, provenance: str, count: int) -> None:
    result = docker28.build(
        "FROM scratch\nCOPY file /file\n",
        FILES,
        outputs=[f"type=image,name={name}:1,push=true,{attributes}"],
        platforms=PLATFORMS,
        provenance=provenance,
    )
    assert isinstance(result, ResultIndex)
    raw = inspect(f"{name}:1", "--raw")
    assert [entry["platform"]["architecture"] for entry in raw["manifests"]][:2] == ["amd64", "arm64"]
    assert len(raw["manifests"]) == count
    for architecture in ("amd64", "arm64"):
        assert (
            json.loads(
                skopeo("--override-arch", architecture, "inspect", "--tls-verify=false", f"docker://{name}:1")
            )["Architecture"]
            == architecture
        )
    copy(f"docker://{name}:1", f"docker://{name}/copy:1")
    with Registries(Credentials()) as registries:
        index, _ = registries.repository(f"{name}/copy").manifest("1")
    assert isinstance(index, Index)
    assert index.digest == result.digest
    for entry in index.manifests[:2]:
        validate_pushed(f"{name}/copy", entry.digest)


@pytest.mark.parametrize("compression", ["gzip", "zstd", "uncompressed"])
def test_layouts(bench: Bench, tmp_path: Path, name: str, compression: str) -> None:
    folder, archive = tmp_path / "layout", tmp_path / "layout.tar"
    result = bench.build(
        DOCKERFILE,
        FILES,
        tag=f"{name}:1",
        load=False,
        outputs=[
            f"type=oci,dest={folder},tar=false,compression={compression}",
            f"type=oci,dest={archive},compression={compression}",
            f"type=docker,dest={tmp_path / 'docker.tar'}",
        ],
    )
    assert isinstance(result, ResultImage)
    for source in (f"oci:{folder}", f"oci-archive:{archive}", f"docker-archive:{tmp_path / 'docker.tar'}"):
        config = json.loads(skopeo("inspect", "--config", source))
        assert config["rootfs"]["diff_ids"] == [layer.diff_id for layer in result.layers], source
    copy(f"oci:{folder}", f"docker://{name}/folder:1")
    validate_pushed(f"{name}/folder", inspect(f"{name}/folder:1")["Digest"])


def test_what_a_cache_keeps(docker28: Bench, name: str) -> None:
    docker28.build(DOCKERFILE, FILES, cache_to=[f"type=registry,ref={name}/cache"], load=False)
    tags = json.loads(skopeo("list-tags", "--tls-verify=false", f"docker://{name}/cache"))["Tags"]
    assert tags
    for tag in tags:
        copy(f"docker://{name}/cache:{tag}", f"docker://{name}/copy:{tag}")
        assert inspect(f"{name}/copy:{tag}", "--raw") == inspect(f"{name}/cache:{tag}", "--raw")
