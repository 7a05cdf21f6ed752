"""What lies beside a pushed image: annotations, provenance, lists of packages."""

from __future__ import annotations

import contextlib
import json
import os
import subprocess
import uuid
from typing import TYPE_CHECKING, Any

import pytest

import lab
from incubator.api import merge
from incubator.core.client import DockerClient
from incubator.errors import PushFailed
from incubator.events import WarningRaised
from incubator.metadata import make_metadata
from incubator.oci.attestation import CYCLONEDX, SLSA_PROVENANCE, SPDX
from incubator.oci.media_types import OCI_MANIFEST
from incubator.oci.reference import parse_reference
from incubator.registry.credentials import Credentials
from incubator.registry.repository import Registries
from incubator.request import Credential
from tests.conftest import ENGINES
from tests.engine.shelf import Shelf

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from lab import EngineHandle, RegistryHandle
    from tests.engine.conftest import Bench

SECRET = "s3cr3t-Zx81-value"
RUN = """\
FROM busybox
ARG WHO
RUN --mount=type=secret,id=token test -s /run/secrets/token && echo "$WHO" > /who
COPY file /file
"""
COPIED = "FROM {base}\nCOPY file /file\n"
SPDX_FILE = '{"spdxVersion": "SPDX-2.3", "SPDXID": "SPDXRef-DOCUMENT", "number": 1.50}\n'
CYCLONEDX_FILE = '{"bomFormat": "CycloneDX", "specVersion": "1.6", "components": []}'


@pytest.fixture
def name(registry: RegistryHandle) -> str:
    return f"{registry.address}/attest/{uuid.uuid4().hex[:12]}"


@pytest.fixture
def shelf(name: str) -> Iterator[Shelf]:
    with Registries(Credentials()) as registries:
        yield Shelf(registries.repository(name))


@pytest.fixture
def known_base(docker28: Bench, name: str) -> str:
    """A base image of a registry, which no engine has."""
    base = f"{name}-base:1"
    docker28.build("FROM busybox\nRUN echo base > /base\n", tag=base, push=True, load=False)
    docker28.events.clear()
    return base


def warnings(bench: Bench) -> list[str]:
    return [event.message for event in bench.events if isinstance(event, WarningRaised)]


def test_provenance_lies_beside_the_image(bench: Bench, name: str, shelf: Shelf, tmp_path: Path) -> None:
    (tmp_path / "spdx.json").write_text(SPDX_FILE)
    (tmp_path / "bom.json").write_text(CYCLONEDX_FILE)
    tags = [f"{name}:1.0", f"{name}:latest"]
    result = bench.build(
        RUN,
        {"file": "x"},
        tag=tags,
        push=True,
        buildargs={"WHO": "me"},
        secrets={"token": SECRET},
        provenance="mode=max",
        attests=[f"type=sbom,src={tmp_path / kind}.json" for kind in ("spdx", "bom")],
        annotations=["manifest[linux/amd64],index:title=web", "manifest[linux/arm64]:title=other"],
    )
    assert [text for text in warnings(bench) if "title goes nowhere: it is for linux/arm64" in text]
    assert set(result.digests) == set(tags)
    assert {shelf.index(tag).digest for tag in ("1.0", "latest")} == set(result.digests.values())
    assert make_metadata(result)["containerimage.digest"] == result.digest == shelf.index("1.0").digest
    assert dict(shelf.index("1.0").annotations) == {"title": "web"}
    image = shelf.image("1.0")
    assert dict(image.annotations) == {"title": "web"}
    assert image.media_type == OCI_MANIFEST

    statements = shelf.statements("1.0")
    assert set(statements) == {SLSA_PROVENANCE, SPDX, CYCLONEDX}
    purls = [f"pkg:docker/{tag.replace(f'{name}:', f'{name}@')}?platform=linux%2Famd64" for tag in tags]
    assert [subject["name"] for subject in statements[SPDX]["subject"]] == purls
    assert statements[SPDX]["predicate"] == json.loads(SPDX_FILE)
    assert statements[CYCLONEDX]["predicate"] == json.loads(CYCLONEDX_FILE)
    predicate = statements[SLSA_PROVENANCE]["predicate"]
    definition = predicate["buildDefinition"]
    assert definition["externalParameters"]["request"]["args"] == {"WHO": "me"}
    assert definition["externalParameters"]["request"]["secrets"] == [{"id": "token"}]
    assert definition["resolvedDependencies"][0]["uri"].startswith("pkg:docker/busybox@latest?platform=linux")
    layers = predicate["runDetails"]["metadata"]["incubator_metadata"]["layers"]
    assert [layer["digest"] for layer in layers] == [layer.digest for layer in image.layers]
    assert result.provenance
    assert "args" not in result.provenance["buildDefinition"]["externalParameters"].get("request", {})
    assert not [data for data in shelf.everything("1.0") if SECRET.encode() in data]


@pytest.mark.parametrize("engine", ENGINES)
def test_engines_pull_the_image_and_nothing_else(
    engine: str, docker28: Bench, name: str, shelf: Shelf, start_engine: Callable[[str], EngineHandle]
) -> None:
    # One layer, which no engine has: of a layer that it has unpacked, containerd does not fetch the blob.
    dockerfile = f"FROM busybox AS all\nRUN echo {name} > /name\nFROM scratch\nCOPY --from=all / /\n"
    docker28.build(dockerfile, tag=f"{name}:1", push=True, load=False, provenance=True)
    with contextlib.closing(DockerClient.from_env(start_engine(engine).env)) as client:
        pulled = client.pull(f"{name}:1", platform=None, credential=None, progress=lambda *_: None)
        try:
            assert str(pulled.config.platform) == "linux/amd64"
            assert len(pulled.config.diff_ids) == len(shelf.image("1").layers) == 1
        finally:
            client.remove_image(f"{name}:1")


def test_the_image_itself_is_the_same_with_and_without(docker28: Bench, name: str, shelf: Shelf) -> None:
    options: dict[str, Any] = {
        "source_date_epoch": 1700000000, "secrets": {"token": SECRET}, "push": True, "no_cache": False,
    }  # fmt: skip
    plain = docker28.build(RUN, {"file": "x"}, tag=f"{name}:plain", **options)
    attested = docker28.build(RUN, {"file": "x"}, tag=f"{name}:attested", provenance=True, **options)
    again = docker28.build(RUN, {"file": "x"}, tag=f"{name}:attested2", provenance=True, **options)
    assert plain.digest == shelf.manifest("plain").digest == shelf.image("attested").digest
    assert attested.digest != plain.digest
    assert again.id == plain.id
    first, second = (shelf.statements(tag)[SLSA_PROVENANCE]["predicate"] for tag in ("attested", "attested2"))
    for predicate in (first, second):
        times = predicate["runDetails"]["metadata"]
        assert times.pop("startedOn") <= times.pop("finishedOn")
    assert first == second
    assert "args" not in json.dumps(first)
    assert first["runDetails"]["metadata"]["incubator_hermetic"] is True


@pytest.mark.parametrize("pushed", [{"push": True, "load": False}, {"push_by_digest": True}])
def test_where_all_layers_are_known_no_tag_is_set_before_all_is_there(
    docker28: Bench, name: str, shelf: Shelf, known_base: str, pushed: dict[str, bool]
) -> None:
    tag = name if "push_by_digest" in pushed else f"{name}:1"
    result = docker28.build(COPIED.format(base=known_base), {"file": "x"}, tag=tag, provenance=True, **pushed)
    assert result.digest
    statement = shelf.statements(result.digest)[SLSA_PROVENANCE]
    base = parse_reference(known_base)
    [dependency] = statement["predicate"]["buildDefinition"]["resolvedDependencies"]
    assert dependency["uri"] == f"pkg:docker/{base.name}@1?platform=linux%2Famd64"
    with Registries(Credentials()) as registries:
        found = registries.repository(base).resolve("1")
    assert found
    assert dependency["digest"] == {"sha256": found.digest.removeprefix("sha256:")}
    assert shelf.repository.tags() == ([] if "push_by_digest" in pushed else ["1"])
    assert not warnings(docker28)


def test_annotations_alone_leave_a_plain_manifest(bench: Bench, name: str, shelf: Shelf) -> None:
    result = bench.build(
        "FROM busybox\nRUN echo x > /x\n", tag=f"{name}:1", push=True, annotations=["a=b", "index:c=d"]
    )
    manifest = shelf.manifest("1")
    assert (dict(manifest.annotations), manifest.digest) == ({"a": "b"}, result.digest)
    assert manifest.media_type == OCI_MANIFEST
    assert all(layer.media_type.startswith("application/vnd.oci.image.layer.") for layer in manifest.layers)
    assert [text for text in warnings(bench) if "annotation c goes nowhere" in text]


def test_what_docker_reads_of_it(docker28: Bench, name: str, shelf: Shelf, tmp_path: Path) -> None:
    (tmp_path / "spdx.json").write_text(SPDX_FILE)
    docker28.build(
        "FROM busybox\nRUN true > /x\n",
        tag=f"{name}:1",
        push=True,
        provenance="mode=max",
        sbom=tmp_path / "spdx.json",
    )

    def inspect(field: str) -> Any:
        command = [str(lab.tool("docker")), "buildx", "imagetools", "inspect", f"{name}:1"]
        done = subprocess.run(
            [*command, "--format", f"{{{{json .{field}}}}}"],
            env={**os.environ, **docker28.handle.env},
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, done.stderr
        return json.loads(done.stdout)

    statements = shelf.statements("1")
    assert inspect("Provenance") == {"SLSA": statements[SLSA_PROVENANCE]["predicate"]}
    assert inspect("SBOM") == {"SPDX": json.loads(SPDX_FILE)}


def test_a_merge_carries_attestations_along(
    docker28: Bench, name: str, shelf: Shelf, known_base: str
) -> None:
    result = docker28.build(
        COPIED.format(base=known_base), {"file": "x"}, tag=name, push_by_digest=True, provenance=True
    )
    assert result.digest
    merged = merge(
        [f"{name}:all", f"{name}-elsewhere:1"],
        [f"{name}@{result.digest}"],
        annotations=["title=web", "manifest-descriptor[linux/amd64]:of=image"],
    )
    assert merged.platforms == ("linux/amd64",)
    index = shelf.index("all")
    assert dict(index.annotations) == {"title": "web"}
    assert dict(index.manifests[0].annotations) == {"of": "image"}
    assert set(shelf.statements("all")) == {SLSA_PROVENANCE}
    with Registries(Credentials()) as registries:
        elsewhere = Shelf(registries.repository(f"{name}-elsewhere"))
        assert elsewhere.statements("1") == shelf.statements("all")


def test_where_nothing_is_pushed_a_warning_says_so(docker28: Bench) -> None:
    tag = f"incubator-attest-{uuid.uuid4().hex[:8]}"
    result = docker28.build("FROM busybox\nENV A=b\n", tag=tag, provenance=True, annotations="a=b")
    docker28.client.remove_image(tag)
    assert result.provenance is None
    assert [text for text in warnings(docker28) if "no attestations" in text]
    assert [text for text in warnings(docker28) if "no annotations" in text]


def test_a_refused_registry_gets_no_tag(
    docker28: Bench, name: str, shelf: Shelf, known_base: str, registry_auth: RegistryHandle
) -> None:
    refused = f"{registry_auth.address}/attest/{uuid.uuid4().hex[:12]}:1"
    with pytest.raises(PushFailed) as failed:
        docker28.build(
            COPIED.format(base=known_base),
            {"file": "x"},
            tag=[f"{name}:1", refused],
            push=True,
            load=False,
            provenance=True,
        )
    assert (failed.value.pushed, failed.value.failed) == ((), (f"{name}:1", refused))
    assert shelf.repository.tags() == []


def test_a_login_is_in_no_statement(docker28: Bench, registry_auth: RegistryHandle) -> None:
    assert registry_auth.username
    assert registry_auth.password
    login = Credential(
        registry=registry_auth.address, username=registry_auth.username, password=registry_auth.password
    )
    name = f"{registry_auth.address}/attest/{uuid.uuid4().hex[:12]}"
    docker28.build(
        "FROM busybox\nARG PASSWORD\nARG PROXY\nRUN echo x > /x\n",
        tag=f"{name}:1",
        push=True,
        credentials=[login],
        provenance="mode=max",
        buildargs={"PASSWORD": login.password, "PROXY": f"http://me:{SECRET}@proxy:3128"},
    )
    with Registries(Credentials([login])) as registries:
        statements = Shelf(registries.repository(name)).statements("1")
    arguments = statements[SLSA_PROVENANCE]["predicate"]["buildDefinition"]["externalParameters"]["request"][
        "args"
    ]
    assert arguments == {"PASSWORD": "***", "PROXY": "http://xxxxx@proxy:3128"}
