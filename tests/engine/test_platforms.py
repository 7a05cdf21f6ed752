"""Images for another architecture than the engine's: arm64, which QEMU runs."""

from __future__ import annotations

import json
import urllib.request
from typing import TYPE_CHECKING

import pytest

import lab
from incubator.core.client import DockerClient
from incubator.errors import RegistryError, StepFailed
from incubator.events import WarningRaised
from tests.conftest import need
from tests.engine.conftest import Bench, docker_build

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from lab import EngineHandle, RegistryHandle

ARM64 = "arm64v8/busybox:latest"
CROSS = """\
FROM --platform=$BUILDPLATFORM busybox AS build
ARG TARGETPLATFORM TARGETOS TARGETARCH TARGETVARIANT BUILDPLATFORM BUILDARCH
RUN uname -m > /builder; echo "$TARGETPLATFORM $TARGETOS $TARGETARCH $TARGETVARIANT $BUILDPLATFORM $BUILDARCH" > /args
FROM arm64v8/busybox
ARG TARGETARCH
RUN uname -m > /target; echo $TARGETARCH >> /target; mkdir -p /home/worker; chown 1000 /home/worker
USER 1000
RUN id -u > /home/worker/me
USER root
COPY --from=build /builder /args /from/
COPY --from=arm64v8/busybox /bin/busybox /other
WORKDIR /work
"""
MANIFEST = "application/vnd.docker.distribution.manifest.v2+json"
MANIFEST_LIST = "application/vnd.docker.distribution.manifest.list.v2+json"


@pytest.fixture(scope="module", autouse=True)
def _arm64() -> None:
    need("arm64")
    lab.emulate_arm64()


def test_a_cross_build_is_equal(bench: Bench) -> None:
    lab.ensure_images(bench.handle, [ARM64])
    result = bench.build(CROSS, platform="aarch64")
    assert str(result.platform) == "linux/arm64"
    show = ["cat", "/from/builder", "/from/args", "/target"]
    assert bench.run(result.id, *show) == (
        "x86_64\nlinux/arm64 linux arm64  linux/amd64 amd64\naarch64\narm64\n"
    )
    assert bench.client.image(result.id)
    if bench.handle.name != "podman":
        theirs = bench.reference_build("cross:theirs", "--platform", "linux/arm64")
        assert bench.snapshot(result.id).differences(theirs) == []


@pytest.mark.parametrize("platform", ["linux/arm64/v8", "linux/aarch64", "arm64"])
def test_a_platform_has_one_name(docker28: Bench, platform: str) -> None:
    lab.ensure_images(docker28.handle, [ARM64])
    result = docker28.build(f"FROM {ARM64}\nARG TARGETPLATFORM\nENV P=$TARGETPLATFORM\n", platform=platform)
    assert "P=linux/arm64" in docker28.snapshot(result.id).config["Env"]


def test_an_image_for_another_platform_is_not_taken_instead(bench: Bench) -> None:
    with pytest.raises(RegistryError, match="the engine has busybox for linux/amd64 only") as raised:
        bench.build("FROM busybox\nRUN uname -m\n", platform="linux/arm64")
    assert raised.value.hint
    assert "FROM --platform=linux/amd64 busybox" in raised.value.hint
    assert "Dockerfile:1:1" in str(raised.value)


def test_an_architecture_that_nobody_runs_has_a_hint(bench: Bench) -> None:
    # The head of a program for s390x: big-endian, machine 22. A shell would read it as a script, the kernel refuses it.
    head = b"\x7fELF\x02\x02\x01" + bytes(9) + b"\x00\x02\x00\x16" + bytes(44)
    bench.write({"Dockerfile": ""})
    (bench.folder / "sh").write_bytes(head)
    (bench.folder / "sh").chmod(0o755)
    with pytest.raises(StepFailed) as raised:
        bench.build("FROM scratch AS base\nCOPY sh /bin/sh\nFROM base\nRUN true\n", platform="linux/s390x")
    assert raised.value.hint
    assert "register QEMU" in raised.value.hint


def test_one_name_for_several_platforms(
    bench: Bench, start_engine: Callable[[str], EngineHandle], registry: RegistryHandle, tmp_path: Path
) -> None:
    pusher = start_engine("docker28")
    lab.ensure_images(pusher, [ARM64])
    repository = f"{registry.address}/platforms-{bench.handle.name}/busybox"
    push_both(pusher, registry, repository, tmp_path)
    dockerfile = (
        f"FROM --platform=$BUILDPLATFORM {repository} AS build\nRUN uname -m > /builder\n"
        f"FROM {repository}\nRUN uname -m > /target\nCOPY --from=build /builder /\n"
    )
    for platform, machine in (
        ("linux/arm64", "aarch64"),
        ("linux/amd64", "x86_64"),
        ("linux/arm64", "aarch64"),
    ):
        result = bench.build(dockerfile, platform=platform)
        assert str(result.platform) == platform
        assert bench.run(result.id, "cat", "/builder", "/target") == f"x86_64\n{machine}\n"
    # A registry that has another platform only is believed, as BuildKit believes it, with its warning.
    bench.build(f"FROM {repository}:amd64\nRUN true\n", platform="linux/arm64")
    rules = [event.rule for event in bench.events if isinstance(event, WarningRaised)]
    assert "InvalidBaseImagePlatform" in rules


def push_both(pusher: EngineHandle, registry: RegistryHandle, repository: str, folder: Path) -> None:
    """Push images for two platforms and an index of both, with layers that no engine has already."""
    client = DockerClient.from_env(pusher.env)
    entries = []
    for base, architecture in (("busybox", "amd64"), (ARM64, "arm64")):
        reference = f"{repository}:{architecture}"
        (folder / "Dockerfile").write_text(
            f"FROM {base} AS all\nRUN echo {repository} > /marker\nFROM scratch\nCOPY --from=all / /\n"
        )
        docker_build(pusher, folder, reference, "--platform", f"linux/{architecture}")
        digest = client.push(reference, credential=None, progress=lambda *_: None)
        client.remove_image(reference)
        size = len(ask(registry, repository, architecture))
        platform = {"os": "linux", "architecture": architecture}
        entries.append({"mediaType": MANIFEST, "digest": digest, "size": size, "platform": platform})
    client.close()
    index = {"schemaVersion": 2, "mediaType": MANIFEST_LIST, "manifests": entries}
    ask(registry, repository, "latest", json.dumps(index).encode())


def ask(registry: RegistryHandle, repository: str, tag: str, content: bytes | None = None) -> bytes:
    """Get or put a manifest."""
    name = repository.removeprefix(f"{registry.address}/")
    request = urllib.request.Request(
        f"http://{registry.address}/v2/{name}/manifests/{tag}",
        data=content,
        method="GET" if content is None else "PUT",
        headers={"Accept": MANIFEST} if content is None else {"Content-Type": MANIFEST_LIST},
    )
    with urllib.request.urlopen(request) as answer:
        return bytes(answer.read())
