"""Generators of lists of packages, run as BuildKit runs them."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import sys
import uuid
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest

import lab
from incubator.core.client import DockerClient
from incubator.errors import BuilderError, RegistryError, StepFailed, TimedOut
from incubator.events import BaseResolved, StepFinished, StepOutput, StepStarted
from incubator.oci.attestation import SPDX
from incubator.registry.credentials import Credentials
from incubator.registry.repository import Registries
from tests.engine.shelf import Shelf

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from lab import EngineHandle, RegistryHandle
    from tests.engine.conftest import Bench

GENERATOR = """\
FROM busybox
COPY --chmod=755 scan /scan
VOLUME /data
USER 1000
ENTRYPOINT ["/scan"]
CMD ["told"]
"""
SCAN = r"""#!/bin/sh
set -e
echo "started $1 as $(id -u)"
case "$BUILDKIT_SCAN_MODE" in
    fail) echo 'no luck' >&2; exit 3 ;;
    silent) exit 0 ;;
    sleep) sleep 600 ;;
    read) cat ;;
    link) ln -s /etc/passwd "$BUILDKIT_SCAN_DESTINATION/sbom.spdx.json"; exit 0 ;;
esac
cd "$BUILDKIT_SCAN_SOURCE"
if touch written 2>/dev/null; then echo 'the source can be written to' >&2; exit 4; fi
test -z "$BUILDKIT_SCAN_SOURCE_EXTRAS"
if [ "$BUILDKIT_SCAN_MODE" = rights ]; then grep -E '^(NoNewPrivs|Seccomp):' /proc/self/status; fi
echo x > /tmp/x
list() {
    printf '{"_type": "https://in-toto.io/Statement/v0.1", "predicateType": "https://spdx.dev/Document",'
    printf '"subject": [{"name": "forged", "digest": {"sha256": "00"}}],'
    printf '"predicate": {"spdxVersion": "SPDX-2.3", "name": "%s", "comment": "%s"}}' "$1" "$2"
}
find * -exec stat -c '%u:%g %a %n' {} ';' | sort > /tmp/files
list extra '' > "$BUILDKIT_SCAN_DESTINATION/extra.spdx.json"
list main "$(tr '\n' ';' < /tmp/files)" > "$BUILDKIT_SCAN_DESTINATION/sbom.spdx.json"
"""
IMAGE = """\
FROM busybox AS files
RUN mkdir /app && echo x > /app/file && chown 12:34 /app/file && chmod 640 /app/file && ln /app/file /app/hard \
    && ln -s /outside /app/link && mknod /app/pipe p
FROM scratch
COPY --from=files /app /app
VOLUME /app
"""
FILES = "0:0 755 app;0:0 777 app/link;12:34 640 app/file;12:34 640 app/hard;"


@pytest.fixture
def name(registry: RegistryHandle) -> str:
    return f"{registry.address}/sbom/{uuid.uuid4().hex[:12]}"


@pytest.fixture
def shelf(name: str) -> Iterator[Shelf]:
    with Registries(Credentials()) as registries:
        yield Shelf(registries.repository(name))


def make_generator(bench: Bench, name: str, dockerfile: str = GENERATOR) -> str:
    """A generator in a registry alone, by its digest."""
    made = bench.build(dockerfile, {"scan": SCAN}, tag=f"{name}-generator:1", push=True, load=False)
    bench.events.clear()
    return f"{name}-generator@{made.digest}"


def scans(shelf: Shelf, tag: str) -> list[Any]:
    """What is attested of the packages, in its order; `Shelf.statements` looks at subjects."""
    assert set(shelf.statements(tag)) == {SPDX}
    [_, beside] = shelf.index(tag).manifests
    layers = shelf.manifest(beside.digest).layers
    return [json.loads(shelf.repository.small_blob(layer))["predicate"] for layer in layers]


@pytest.mark.parametrize("load", [True, False])
def test_a_generator_lists_what_is_in_the_image(bench: Bench, name: str, shelf: Shelf, load: bool) -> None:
    generator = make_generator(bench, name)
    try:
        result = bench.build(
            IMAGE,
            tag=[f"{name}:1", f"{name}:2"],
            push=True,
            load=load,
            sbom=f"generator={generator}",
            container_limits={"memory": "64m"},
        )
    finally:
        bench.client.remove_image(generator)
    assert result.digest == shelf.index("1").digest == shelf.index("2").digest
    assert result.attested == (SPDX,)
    main, extra = scans(shelf, "1")
    assert main == {"spdxVersion": "SPDX-2.3", "name": "main", "comment": FILES}
    assert extra["name"] == "extra"
    subjects = shelf.statements("1")[SPDX]["subject"]
    assert [subject["name"].startswith("pkg:docker/") for subject in subjects] == [True, True]

    steps = [event.step for event in bench.events if isinstance(event, StepStarted)]
    assert str(steps[-1]) == "[sbom 1/1]"
    assert [event.step for event in bench.events if isinstance(event, StepFinished)][-1] == steps[-1]
    said = [event.data for event in bench.events if isinstance(event, StepOutput) and event.step == steps[-1]]
    assert b"".join(said) == b"started told as 0\n"
    assert bench.leftovers() == []
    if load:
        bench.client.remove_image(f"{name}:1")
        bench.client.remove_image(f"{name}:2")


def test_a_cached_image_that_was_never_on_the_engine_is_brought_to_it(
    docker28: Bench, name: str, shelf: Shelf, start_engine: Callable[[str], EngineHandle]
) -> None:
    generator = make_generator(docker28, name)
    base, cache = f"{name}-base:1", f"type=registry,ref={name}:cache"
    docker28.build(f"FROM busybox\nRUN echo {name} > /base\n", tag=base, push=True, load=False)
    dockerfile, files = f"FROM {base}\nCOPY --chown=7:8 file /app/file\n", {"file": name}
    options: dict[str, Any] = {"push": True, "load": False, "no_cache": False, "cache_from": [cache]}
    docker28.build(dockerfile, files, tag=f"{name}:1", cache_to=[f"{cache},mode=max"], **options)
    docker28.events.clear()
    with contextlib.closing(DockerClient.from_env(start_engine("docker20").env)) as other:
        options["container_client"] = other
        again = docker28.build(dockerfile, files, tag=f"{name}:2", sbom=f"generator={generator}", **options)
        for reference in (base, generator):
            other.remove_image(reference)
        assert replace(docker28, client=other).leftovers() == []
    assert [event.on_engine for event in docker28.events if isinstance(event, BaseResolved)] == [False, False]
    assert [layer.cached or layer.base for layer in again.layers] == [True] * len(again.layers)
    comment = scans(shelf, "2")[0]["comment"]
    assert "7:8 644 app/file;" in comment
    assert "0:0 644 base;" in comment
    assert shelf.image("2").digest == shelf.manifest("1").digest


def test_what_docker_reads_of_it(docker28: Bench, name: str) -> None:
    generator = make_generator(docker28, name)
    docker28.build(IMAGE, tag=f"{name}:1", push=True, attests=f"type=sbom,generator={generator}", load=False)
    command = [str(lab.tool("docker")), "buildx", "imagetools", "inspect", f"{name}:1"]
    done = subprocess.run(
        [*command, "--format", "{{json .SBOM}}"],
        env={**os.environ, **docker28.handle.env},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["SPDX"]["comment"] == FILES


@pytest.mark.parametrize(
    ("mode", "words"),
    [
        ("fail", "failed with exit status 3"),
        ("silent", "has written no list of packages"),
        ("link", "'sbom.spdx.json' of the generator is no list of packages"),
    ],
)
def test_a_generator_that_fails_keeps_the_image_from_the_registry(
    docker28: Bench, name: str, shelf: Shelf, mode: str, words: str
) -> None:
    generator = make_generator(docker28, name)
    with pytest.raises(BuilderError, match=words) as failed:
        docker28.build(IMAGE, tag=f"{name}:1", push=True, sbom=f"generator={generator},MODE={mode}")
    if isinstance(failed.value, StepFailed):
        assert sorted(failed.value.log_tail) == ["no luck", "started told as 0"]
    assert str(failed.value.step) == "[sbom 1/1]"
    assert shelf.repository.tags() == []
    assert docker28.client.image(f"{name}:1") is None
    assert docker28.leftovers() == []


def test_a_generator_that_is_not_there_ends_the_build_before_it_begins(docker28: Bench, name: str) -> None:
    with pytest.raises(RegistryError):
        docker28.build(
            "FROM busybox\nRUN echo ran\n", tag=f"{name}:1", push=True, sbom=f"generator={name}-none:1"
        )
    assert not [event for event in docker28.events if isinstance(event, StepStarted)]


def test_the_timeout_of_a_build_ends_a_generator(docker28: Bench, name: str) -> None:
    generator = make_generator(docker28, name)
    with pytest.raises(TimedOut):
        docker28.build(
            IMAGE, tag=f"{name}:1", push=True, timeout=20, sbom=f"generator={generator},MODE=sleep"
        )
    assert [event.step.stage for event in docker28.events if isinstance(event, StepStarted)][-1] == "sbom"
    assert docker28.leftovers() == []


def test_a_generator_has_nothing_to_read_from(bench: Bench, name: str, shelf: Shelf) -> None:
    generator = make_generator(bench, name)
    try:
        bench.build(
            "FROM busybox\nENV A=b\n",
            tag=f"{name}:1",
            push=True,
            load=False,
            timeout=60,
            sbom=f"generator={generator},MODE=read",
        )
    finally:
        bench.client.remove_image(generator)
    assert shelf.repository.tags() == ["1"]


@pytest.mark.parametrize("volume", ["", "VOLUME /run/out\n"], ids=["", "in a volume"])
def test_what_the_generators_image_has_where_lists_are_written_does_not_count(
    bench: Bench, name: str, shelf: Shelf, volume: str
) -> None:
    own = "USER 0\nRUN mkdir -p /run/out/folder && echo '{}' > /run/out/own.spdx.json\n"
    generator = make_generator(bench, name, f"{GENERATOR}{own}{volume}")
    try:
        bench.build(IMAGE, tag=f"{name}:1", push=True, load=False, sbom=f"generator={generator}")
    finally:
        bench.client.remove_image(generator)
    assert [scan["name"] for scan in scans(shelf, "1")] == ["main", "extra"]
    assert bench.leftovers() == []


def test_what_takes_rights_from_steps_takes_them_from_generators(docker28: Bench, name: str) -> None:
    generator = make_generator(docker28, name)
    docker28.build(
        IMAGE,
        tag=f"{name}:1",
        push=True,
        load=False,
        security_opts=["no-new-privileges", "seccomp=unconfined"],
        sbom=f"generator={generator},MODE=rights",
    )
    said = b"".join(
        event.data
        for event in docker28.events
        if isinstance(event, StepOutput) and event.step.stage == "sbom"
    )
    assert said.split()[-4:] == [b"NoNewPrivs:", b"1", b"Seccomp:", b"2"]


def test_a_signal_leaves_nothing_of_a_generator(docker28: Bench, name: str, shelf: Shelf) -> None:
    generator = make_generator(docker28, name)
    docker28.write({"Dockerfile": IMAGE})
    before = set(docker28.client.volumes("incubator.build"))
    command = [sys.executable, "-m", "incubator", "build", "--progress", "plain", "--push", "-t", f"{name}:1"]
    command += ["--sbom", f"generator={generator},MODE=sleep", str(docker28.folder)]
    process = subprocess.Popen(
        command, env={**os.environ, **docker28.handle.env}, stderr=subprocess.PIPE, text=True
    )
    assert process.stderr
    with contextlib.closing(process.stderr) as stderr:
        assert any("started told" in line for line in stderr)
        volumes = set(docker28.client.volumes("incubator.build")) - before
        process.send_signal(signal.SIGINT)
        stderr.read()
    assert process.wait(timeout=30) == 128 + signal.SIGINT
    assert volumes
    assert not volumes & set(docker28.client.volumes("incubator.build"))
    assert not [
        labels
        for labels in docker28.client.labels("incubator.owner").values()
        if labels["incubator.owner"].split()[2:3] == [str(process.pid)]
    ]
    assert shelf.repository.tags() == []


def test_each_platform_has_its_own(docker28: Bench, name: str) -> None:
    generator = make_generator(docker28, name)
    docker28.build(
        "FROM scratch\nARG TARGETARCH\nCOPY file /$TARGETARCH\n",
        {"file": "x"},
        tag=f"{name}:1",
        push=True,
        load=False,
        platform="linux/amd64,linux/arm64",
        sbom=f"generator={generator}",
    )
    with Registries(Credentials()) as registries:
        shelf = Shelf(registries.repository(name))
        found = {}
        index = shelf.index("1")
        images = {entry.digest: str(entry.platform) for entry in index.manifests}
        for entry in index.manifests:
            about = dict(entry.annotations).get("vnd.docker.reference.digest")
            if about:
                layer = shelf.manifest(entry.digest).layers[0]
                found[images[about]] = json.loads(shelf.repository.small_blob(layer))
                assert found[images[about]]["subject"][0]["digest"] == {"sha256": about.partition(":")[2]}
    comments = {platform: statement["predicate"]["comment"] for platform, statement in found.items()}
    assert comments == {"linux/amd64": "0:0 644 amd64;", "linux/arm64": "0:0 644 arm64;"}


def test_generators_and_files_lie_beside_each_other(docker28: Bench, name: str, shelf: Shelf) -> None:
    generator = make_generator(docker28, name)
    docker28.write({"sbom.json": '{"spdxVersion": "SPDX-2.3", "name": "given"}'})
    wanted = [f"type=sbom,src={docker28.folder}/sbom.json", f"type=sbom,generator={generator}"]
    wanted.append(f"type=sbom,generator={generator},NUMBER=2")
    docker28.build(IMAGE, tag=f"{name}:1", push=True, load=False, attests=wanted, provenance=True)
    [_, beside] = shelf.index("1").manifests
    layers = shelf.manifest(beside.digest).layers
    predicates = [json.loads(shelf.repository.small_blob(layer))["predicate"] for layer in layers]
    assert [predicate.get("name") for predicate in predicates] == ["given", "main", "extra", None]
    [of_generator, _] = predicates[-1]["buildDefinition"]["resolvedDependencies"]
    assert of_generator["uri"].startswith("pkg:docker/" + generator.partition("@")[0])
    assert of_generator["digest"] == {"sha256": generator.rpartition(":")[2]}
    steps = [str(event.step) for event in docker28.events if isinstance(event, StepStarted)]
    assert steps[-2:] == ["[sbom 1/2]", "[sbom 2/2]"]
