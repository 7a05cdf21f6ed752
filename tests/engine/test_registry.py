"""Push and pull against real registries."""

from __future__ import annotations

import base64
import contextlib
import json
import os
import secrets
import urllib.request
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from incubator.core.client import DockerClient
from incubator.errors import PushFailed, RegistryError
from incubator.events import BuildStarted, Event, ImagePushed, StepStarted, Transfer, WarningRaised
from incubator.request import Credential

if TYPE_CHECKING:
    from collections.abc import Sequence

    from lab import RegistryHandle
    from tests.engine.conftest import Bench

DOCKERFILE = "FROM busybox\nRUN echo pushed > /pushed\nCMD cat /pushed\n"


def manifest_of(registry: RegistryHandle, name: str, reference: str) -> tuple[str, dict[str, Any]]:
    """Digest by the registry's own header, and the manifest."""
    request = urllib.request.Request(f"http://{registry.address}/v2/{name}/manifests/{reference}")
    for kind in ("vnd.docker.distribution.manifest.v2", "vnd.oci.image.manifest.v1"):
        request.headers["Accept"] = request.headers.get("Accept", "") + f"application/{kind}+json,"
    if registry.username:
        pair = f"{registry.username}:{registry.password}".encode()
        request.add_header("Authorization", f"Basic {base64.b64encode(pair).decode()}")
    with urllib.request.urlopen(request, timeout=20) as answer:
        return answer.headers["Docker-Content-Digest"], json.load(answer)


def test_every_tag_is_pushed_with_the_digest_the_registry_confirms(
    bench: Bench, registry: RegistryHandle
) -> None:
    name = f"push/{bench.handle.name}"
    tags = [f"{registry.address}/{name}:{tag}" for tag in ("one", "two")]
    result = bench.build(DOCKERFILE, tag=tags, push=True)
    assert list(result.digests) == tags
    for tag in ("one", "two"):
        digest, manifest = manifest_of(registry, name, tag)
        assert digest == result.digests[f"{registry.address}/{name}:{tag}"] == result.digest
        assert len(manifest["layers"]) == len(result.layers)
        assert manifest["config"]["digest"] == result.config_digest
    assert [event.reference for event in bench.events if isinstance(event, ImagePushed)] == tags
    bench.api.remove_image(result.id, force=True)
    pulled = bench.client.pull(
        f"{registry.address}/{name}@{result.digest}", platform=None, credential=None, progress=lambda *_: None
    )
    assert bench.run(pulled.id, "sh", "-c", "cat /pushed") == "pushed\n"


def test_a_login_is_needed_and_checked_before_anything_runs(
    bench: Bench, registry_auth: RegistryHandle
) -> None:
    tag = f"{registry_auth.address}/login/{bench.handle.name}:1"
    assert registry_auth.username
    assert registry_auth.password
    right = Credential(
        registry=registry_auth.address, username=registry_auth.username, password=registry_auth.password
    )
    wrong = Credential(
        registry=registry_auth.address, username=registry_auth.username, password="wrong horse"
    )
    with pytest.raises(RegistryError) as refused:
        bench.build(DOCKERFILE, tag=tag, push=True, credentials=[wrong])
    assert "wrong horse" not in str(refused.value)
    assert bench.events == [] or not any(hasattr(event, "step") and event.step for event in bench.events)
    with pytest.raises(PushFailed) as anonymous:
        bench.build(DOCKERFILE, tag=tag, push=True)
    assert (anonymous.value.pushed, anonymous.value.failed, anonymous.value.exit_code) == ((), (tag,), 4)
    result = bench.build(DOCKERFILE, tag=tag, push=True, credentials=[right])
    assert manifest_of(registry_auth, f"login/{bench.handle.name}", "1")[0] == result.digest


def open_sockets() -> int:
    return sum(path.is_socket() for path in Path("/proc/self/fd").iterdir())


def test_a_refused_push_leaves_no_connection_open(docker28: Bench, registry_auth: RegistryHandle) -> None:
    tag = f"{registry_auth.address}/login/closed:1"
    docker28.build("FROM busybox\nLABEL pushed=never\n", tag=tag)
    before = open_sockets()
    client = DockerClient.from_env(docker28.handle.env)
    with pytest.raises(RegistryError) as refused:  # which holds the frames, as whoever reports it does
        client.push(tag, credential=None, progress=lambda *_: None)
    client.close()
    assert refused.value.hint
    assert open_sockets() == before


def test_a_login_that_docker_keeps_is_used(
    bench: Bench, registry_auth: RegistryHandle, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pair = f"{registry_auth.username}:{registry_auth.password}".encode()
    auths = {registry_auth.address: {"auth": base64.b64encode(pair).decode()}}
    (tmp_path / "config.json").write_text(json.dumps({"auths": auths}))
    monkeypatch.setenv("DOCKER_CONFIG", str(tmp_path))
    name = f"kept/{bench.handle.name}"
    client = DockerClient.from_env({**bench.handle.env, "DOCKER_CONFIG": str(tmp_path)})
    with contextlib.closing(client):
        result = bench.build(
            DOCKERFILE, tag=f"{registry_auth.address}/{name}:1", push=True, container_client=client
        )
    assert manifest_of(registry_auth, name, "1")[0] == result.digest


def warnings_before(events: Sequence[Event]) -> list[str]:
    """Warnings before the first step."""
    first = next(index for index, event in enumerate(events) if isinstance(event, StepStarted))
    return [event.message for event in events[:first] if isinstance(event, WarningRaised)]


@pytest.mark.parametrize("load", [True, False])
def test_a_helper_that_is_not_there_is_told_before_anything_is_built(
    bench: Bench, registry: RegistryHandle, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, *, load: bool
) -> None:
    config = tmp_path / "config.json"
    config.write_text(json.dumps({"credHelpers": {registry.address: "gone"}}))
    monkeypatch.setenv("DOCKER_CONFIG", str(tmp_path))
    client = DockerClient.from_env({**bench.handle.env, "DOCKER_CONFIG": str(tmp_path)})
    tag = f"{registry.address}/gone/{bench.handle.name}:1"
    with contextlib.closing(client), pytest.raises(PushFailed) as raised:
        bench.build(DOCKERFILE, tag=tag, push=True, load=load, container_client=client)
    assert (
        f"from docker-credential-gone, which {config} names: there is no such program; nothing was built"
        in str(raised.value)
    )
    assert not any(isinstance(event, BuildStarted) for event in bench.events)


def test_a_registry_that_does_not_answer_is_warned_of_before_the_first_step(bench: Bench) -> None:
    with pytest.raises(PushFailed):
        bench.build(DOCKERFILE, tag="127.0.0.1:1/nowhere:1", push=True)
    (told,) = [message for message in warnings_before(bench.events) if "may fail" in message]
    assert told.startswith(
        "the push to 127.0.0.1:1/nowhere may fail: 127.0.0.1:1 does not answer: Connection refused;"
    )


@pytest.mark.parametrize("read", [True, False])
def test_a_cache_that_may_not_be_written_is_warned_of_before_the_first_step_and_no_more(
    bench: Bench, registry: RegistryHandle, registry_auth: RegistryHandle, *, read: bool
) -> None:
    cache = f"type=registry,ref={registry_auth.address}/no-login/{bench.handle.name}:cache,mode=max"
    tag = f"{registry.address}/no-login/{bench.handle.name}:1"
    options: dict[str, Any] = (
        {"no_cache": False, "cache_from": [cache.removesuffix(",mode=max")]} if read else {}
    )
    bench.build(DOCKERFILE, tag=tag, push=True, load=False, cache_to=[cache], **options)
    told = [message for message in warnings_before(bench.events) if "is not written" in message]
    assert len(told) == 1
    assert "answers 401" in told[0]
    assert "hint: log in" in told[0]
    all_told = [event.message for event in bench.events if isinstance(event, WarningRaised)]
    assert [message for message in all_told if "is not written" in message] == told


@pytest.mark.parametrize("load", [True, False])
def test_a_push_counts_what_travels(bench: Bench, registry: RegistryHandle, *, load: bool) -> None:
    tag = f"{registry.address}/counted/{secrets.token_hex(6)}:1"
    (bench.folder / "bytes").write_bytes(os.urandom(3 << 20))
    text = "FROM scratch\nCOPY bytes /\n"
    bench.build(text, tag=tag, push=True, load=load)
    (pushed,) = [event for event in bench.events if isinstance(event, ImagePushed)]
    if (
        pushed.sent_bytes is None
    ):  # Podman tells nothing of a push, the containerd store nothing of a quick one
        assert load
        assert bench.client.info().store in ("podman", "oci")
    else:
        assert abs(pushed.sent_bytes - (3 << 20)) < 100_000
    transfers = [event for event in bench.events if isinstance(event, Transfer)]
    if transfers:  # else it has travelled before the push
        assert transfers[-1].current_bytes == transfers[-1].total_bytes == pushed.sent_bytes
    bench.events.clear()
    bench.build(text, tag=tag, push=True, load=load)
    assert [event for event in bench.events if isinstance(event, Transfer)] == []
    (again,) = [event for event in bench.events if isinstance(event, ImagePushed)]
    assert not again.sent_bytes
    bench.client.remove_image(tag)


def test_a_push_without_load_leaves_tags_as_they_were(docker28: Bench, registry: RegistryHandle) -> None:
    old, new = (f"{registry.address}/load:{tag}" for tag in ("old", "new"))
    before = docker28.build("FROM busybox\nRUN echo before > /x\n", tag=old)
    docker28.build(DOCKERFILE, tag=[old, new], push=True, load=False)
    kept = docker28.client.image(old)
    assert kept
    assert kept.id == before.id
    assert docker28.client.image(new) is None
    assert manifest_of(registry, "load", "old")[0] == manifest_of(registry, "load", "new")[0]


def test_a_failed_push_says_which_references_made_it(docker28: Bench, registry: RegistryHandle) -> None:
    made, failed = f"{registry.address}/partly:1", "127.0.0.1:1/partly:1"
    with pytest.raises(PushFailed) as raised:
        docker28.build(DOCKERFILE, tag=[made, failed], push=True)
    assert (raised.value.pushed, raised.value.failed) == ((made,), (failed,))
    assert made in str(raised.value)


def test_a_base_image_comes_from_the_registry(bench: Bench, registry: RegistryHandle) -> None:
    base = f"{registry.address}/base/{bench.handle.name}:1"
    made = bench.build(
        'FROM busybox\nRUN mkdir /data\nVOLUME /data\nONBUILD RUN echo trigger > /data/t\nSHELL ["/bin/ash", "-c"]\n',
        tag=base,
        push=True,
    )
    bench.api.remove_image(made.id, force=True)
    result = bench.build(f"FROM {base}\nRUN echo $0 > /data/shell\n", pull=True)
    assert bench.snapshot(result.id).config["Volumes"] == {"/data": {}}
    assert "OnBuild" not in bench.snapshot(result.id).config
    files = bench.snapshot(result.id).files
    assert {"data/t", "data/shell"} <= set(files)
    with pytest.raises(RegistryError) as missing:
        bench.build(f"FROM {registry.address}/no/such:image\n")
    assert "Dockerfile:1:" in str(missing.value)
    assert missing.value.exit_code == 4
