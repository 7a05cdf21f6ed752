"""Images of several platforms under one name, made from images that registries have."""

from __future__ import annotations

import contextlib
import io
import json
import subprocess
import sys
import uuid
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import pytest

import lab
from incubator.api import merge
from incubator.ci.main import main
from incubator.core.client import DockerClient
from incubator.errors import InputError, RegistryError
from incubator.oci.descriptor import Descriptor
from incubator.oci.manifest import Index
from incubator.oci.platform import Platform
from incubator.registry.credentials import Credentials
from incubator.registry.repository import Registries
from incubator.request import Credential
from tests.conftest import need

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping
    from pathlib import Path

    from incubator.core.engine import Client
    from incubator.registry.repository import Repository
    from lab import EngineHandle, RegistryHandle
    from tests.engine.conftest import Bench

BASES = {"linux/amd64": "busybox:latest", "linux/arm64": "arm64v8/busybox:latest"}
MACHINES = {"linux/amd64": "x86_64", "linux/arm64": "aarch64"}


@dataclass(frozen=True)
class Built:
    """A repository of this test alone, and the digest in it for each platform."""

    name: str
    digests: dict[str, str]


@pytest.fixture
def registries() -> Iterator[Registries]:
    with Registries(Credentials()) as opened:
        yield opened


@pytest.fixture
def built(docker28: Bench, registry: RegistryHandle) -> Built:
    need("arm64")
    lab.emulate_arm64()
    lab.ensure_images(docker28.handle, list(BASES.values()))
    name = f"{registry.address}/merge/{uuid.uuid4().hex[:12]}"
    digests = {}
    for platform, base in BASES.items():
        # One layer, which no engine has: of a layer that it has unpacked, containerd does not fetch the blob.
        dockerfile = (
            f"FROM {base} AS all\nRUN uname -m > /machine; echo {name} > /name\n"
            "FROM scratch\nCOPY --from=all / /\n"
        )
        tag = f"{name}:{platform.rpartition('/')[2]}"
        result = docker28.build(dockerfile, tag=tag, platform=platform, push=True, load=False)
        assert result.digest
        digests[platform] = result.digest
    return Built(name, digests)


def index_of(repository: Repository, tag: str) -> Index:
    document, _ = repository.manifest(tag)
    assert isinstance(document, Index)
    return document


@pytest.mark.parametrize("engine", ["docker28", "containerd28", "podman"])
def test_every_platform_is_pulled_from_one_name(
    engine: str, built: Built, docker28: Bench, start_engine: Callable[[str], EngineHandle]
) -> None:
    tags = [f"{built.name}:all", f"{built.name}:latest"]
    merged = merge(tags, [built.digests["linux/arm64"], f"{built.name}:amd64"], annotations={"key": "value"})
    assert (merged.tags, merged.platforms) == (tuple(tags), ("linux/amd64", "linux/arm64"))
    with contextlib.closing(DockerClient.from_env(start_engine(engine).env)) as client:
        for platform in BASES:
            system, architecture = platform.split("/")
            image = client.pull(
                tags[0],
                platform=Platform(os=system, architecture=architecture),
                credential=None,
                progress=lambda *_: None,
            )
            assert str(image.config.platform) == platform
            if engine == "docker28":
                assert docker28.run(image.id, "cat", "/machine").strip() == MACHINES[platform]
        client.remove_image(tags[0])


def test_the_index_says_what_it_is_made_of(built: Built, registries: Registries) -> None:
    merged = merge(f"{built.name}:all", list(built.digests.values()), annotations={"key": "value"})
    again = merge(f"{built.name}:again", [f"{built.name}:arm64", f"{built.name}:all", f"{built.name}:amd64"])
    repository = registries.repository(f"{built.name}:all")
    index = index_of(repository, "all")
    assert index.digest == merged.digest
    assert dict(index.annotations) == {"key": "value"}
    assert {str(entry.platform): entry.digest for entry in index.manifests} == built.digests
    assert (
        index_of(repository, "again").manifests == index.manifests
    )  # an index is taken apart, twice is once
    assert again.platforms == merged.platforms


def test_images_are_taken_over_into_other_repositories_and_registries(
    built: Built, registry: RegistryHandle, registry_auth: RegistryHandle, registries: Registries
) -> None:
    assert registry_auth.username
    assert registry_auth.password
    login = Credential(
        registry=registry_auth.address, username=registry_auth.username, password=registry_auth.password
    )
    path = built.name.rpartition("/")[2]
    near, far = f"{registry.address}/near/{path}:1", f"{registry_auth.address}/far/{path}:1"
    sources = [f"{built.name}@{digest}" for digest in built.digests.values()]
    with pytest.raises(RegistryError) as refused:
        merge([near, far], sources)
    assert refused.value.exit_code == 4
    assert registries.repository(near).resolve("1") is None  # no tag is set before all is there
    merged = merge([near, far], sources, credentials=[login])
    with Registries(Credentials([login])) as opened:
        for reference in (near, far):
            repository = opened.repository(reference)
            assert index_of(repository, "1").digest == merged.digest
            for digest in built.digests.values():
                manifest, _ = repository.manifest(digest)
                assert not isinstance(manifest, Index)
                assert all(repository.has_blob(blob.digest) for blob in (manifest.config, *manifest.layers))


def test_attestations_come_along(built: Built, registries: Registries) -> None:
    repository = registries.repository(built.name)
    manifest, _ = repository.manifest(built.digests["linux/arm64"])
    attestation = Descriptor(
        media_type=manifest.media_type,
        digest=manifest.digest,
        size=len(manifest.to_bytes()),
        platform=Platform(os="unknown", architecture="unknown"),
        annotations=(("vnd.docker.reference.type", "attestation-manifest"),),
    )
    amd64, _ = repository.manifest(built.digests["linux/amd64"])
    image = Descriptor(
        media_type=amd64.media_type,
        digest=amd64.digest,
        size=len(amd64.to_bytes()),
        platform=Platform(os="linux", architecture="amd64"),
    )
    repository.put_manifest(Index(manifests=(attestation, image)), tag_or_digest="attested")
    target = f"{built.name}-copy:1"
    merged = merge(target, [f"{built.name}:attested"])
    assert merged.platforms == ("linux/amd64",)
    assert index_of(registries.repository(target), "1").manifests == (image, attestation)


def test_what_cannot_be_merged_is_named(built: Built, registries: Registries) -> None:
    other = f"{built.name}:other"
    repository = registries.repository(other)
    document, _ = repository.manifest("amd64")
    repository.put_manifest(replace(document, annotations=(("a", "b"),)), tag_or_digest="other")
    with pytest.raises(InputError, match="two images are for linux/amd64") as twice:
        merge(f"{built.name}:all", [f"{built.name}:amd64", other])
    assert f"{built.name}:amd64" in twice.value.message
    assert other in twice.value.message
    repository.put_manifest(Index(), tag_or_digest="empty")
    with pytest.raises(InputError, match="no image to merge"):
        merge(f"{built.name}:all", [f"{built.name}:empty"])
    with pytest.raises(RegistryError, match="has none"):
        merge(f"{built.name}:all", [f"{built.name}:missing"])
    assert repository.resolve("all") is None


def test_the_command_prints_the_digest(built: Built, registries: Registries, tmp_path: Path) -> None:
    (tmp_path / "digests").write_text("\n".join(built.digests.values()))
    words = ["-t", f"{built.name}:all", "--digests-file", "digests", "--metadata-file", "metadata.json"]
    done = subprocess.run(
        [sys.executable, "-m", "incubator", "merge", *words, "--annotation", "key=value"],
        cwd=tmp_path, capture_output=True, text=True, check=True,
    )  # fmt: skip
    index = index_of(registries.repository(built.name), "all")
    assert done.stdout.split() == [index.digest]
    assert done.stderr.startswith(f"joining {len(set(built.digests.values()))} images\n")
    assert "linux/amd64" in done.stderr
    assert dict(index.annotations) == {"key": "value"}
    metadata = json.loads((tmp_path / "metadata.json").read_text())
    assert metadata == {
        "containerimage.descriptor": index.descriptor.to_json(),
        "containerimage.digest": index.digest,
        "image.name": f"{built.name}:all",
    }


def test_a_pipeline_step_merges(built: Built, registries: Registries, tmp_path: Path) -> None:
    environ = {
        "GITHUB_ACTIONS": "true",
        "GITHUB_WORKSPACE": str(tmp_path),
        "GITHUB_OUTPUT": str(tmp_path / "output"),
        "GITHUB_STEP_SUMMARY": str(tmp_path / "summary"),
        "GITHUB_REF": "refs/tags/v1.2.3",
        "GITHUB_SHA": "a" * 40,
        "INPUT_CONTEXT": ".",  # as action.yml has it by default
        "INPUT_IMAGES": built.name,
        "INPUT_TAGS": "type=semver,pattern={{version}}",
        "INPUT_MERGE": ",".join(built.digests.values()),
        "INPUT_ANNOTATIONS": "title=web\nindex,manifest-descriptor[linux/arm64]:of=ours",
    }
    out = io.StringIO()
    assert main(environ, out=out, connect=no_engine) == 0, out.getvalue()
    index = index_of(registries.repository(built.name), "1.2.3")
    assert index_of(registries.repository(built.name), "latest").digest == index.digest
    said = dict(index.annotations)
    assert (said["title"], said["of"]) == ("web", "ours")
    assert said["org.opencontainers.image.version"] == "1.2.3"
    assert said["org.opencontainers.image.revision"] == "a" * 40
    assert [dict(entry.annotations) for entry in index.manifests] == [{}, {"of": "ours"}]
    outputs = (tmp_path / "output").read_text()
    assert f"{built.name}@{index.digest}" in outputs
    assert "linux/amd64,linux/arm64" in outputs
    assert "Merged" in (tmp_path / "summary").read_text()
    assert index.digest in out.getvalue()


def no_engine(_environ: Mapping[str, str]) -> Client:
    pytest.fail("a merge needs no engine")
