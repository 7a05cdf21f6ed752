"""Several platforms in one call: an index that every engine finds its own image in."""

from __future__ import annotations

import hashlib
import json
import os
import signal
import subprocess
import sys
import time
import urllib.request
import uuid
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

import lab
from incubator.core.result import ResultIndex
from incubator.errors import EngineUnreachable, InputErrors, RegistryError, StepFailed
from incubator.events import BuildFailed, BuildStarted, LayerCommitted, StepFinished, WarningRaised
from incubator.metadata import make_metadata
from incubator.oci.manifest import Index
from incubator.oci.media_types import INDEXES, MANIFESTS
from incubator.registry.credentials import Credentials
from incubator.registry.repository import Registries
from incubator.request import Credential
from tests.conftest import ENGINES, need
from tests.engine.conftest import Bench, make_bench
from tests.engine.forwarder import forwarded_tls

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from lab import EngineHandle, RegistryHandle

BOTH = ["linux/amd64", "linux/arm64"]
MACHINES = {"linux/amd64": "x86_64", "linux/arm64": "aarch64"}
BASE = """\
FROM busybox AS all-amd64
FROM --platform=linux/arm64 arm64v8/busybox AS all-arm64
FROM all-$TARGETARCH AS all
RUN echo {name} > /name
FROM scratch
COPY --from=all / /
CMD ["sh"]
"""
TLS = Path(__file__).parents[1] / "data" / "tls"


@pytest.fixture(scope="module")
def base(
    start_engine: Callable[[str], EngineHandle],
    registry: RegistryHandle,
    tmp_path_factory: pytest.TempPathFactory,
) -> str:
    """A base image for both platforms, in one layer that no engine has."""
    need("arm64")
    lab.emulate_arm64()
    handle = start_engine("docker28")
    lab.ensure_images(handle, ["arm64v8/busybox:latest"])
    name = new_name(registry)
    for bench in make_bench(handle, tmp_path_factory.mktemp("base")):
        bench.build(BASE.format(name=name), tag=name, platforms=BOTH, push=True)
    return name


@pytest.fixture
def docker20(start_engine: Callable[[str], EngineHandle], tmp_path: Path) -> Iterator[Bench]:
    (tmp_path / "docker20").mkdir()
    yield from make_bench(start_engine("docker20"), tmp_path / "docker20")


def new_name(registry: RegistryHandle) -> str:
    return f"{registry.address}/several/{uuid.uuid4().hex[:12]}"


def build(bench: Bench, dockerfile: str, files: dict[str, str] | None = None, **options: Any) -> ResultIndex:
    result = bench.build(dockerfile, files, **({"platforms": BOTH} | options))
    assert isinstance(result, ResultIndex)
    return result


def started(bench: Bench) -> dict[str, str]:
    """The engine that each platform was built on."""
    return {event.platform: event.engine for event in bench.events if isinstance(event, BuildStarted)}


def fetch(registry: RegistryHandle, name: str, kind: str, what: str) -> tuple[bytes, str]:
    """Something of a registry as it is, and its type."""
    path = name.removeprefix(f"{registry.address}/")
    accept = ", ".join(sorted(INDEXES | MANIFESTS))
    request = urllib.request.Request(
        f"http://{registry.address}/v2/{path}/{kind}/{what}", headers={"Accept": accept}
    )
    with urllib.request.urlopen(request) as answer:
        return bytes(answer.read()), str(answer.headers["Content-Type"])


def check_index(registry: RegistryHandle, name: str, tag: str) -> dict[str, str]:
    """Compute every digest of an index anew; the digest of each platform's manifest."""
    data, kind = fetch(registry, name, "manifests", tag)
    assert kind == "application/vnd.oci.image.index.v1+json"
    found = {}
    for entry in json.loads(data)["manifests"]:
        inner, kind = fetch(registry, name, "manifests", entry["digest"])
        assert (digest(inner), len(inner), kind) == (entry["digest"], entry["size"], entry["mediaType"])
        manifest = json.loads(inner)
        blobs = [manifest["config"], *manifest["layers"]]
        contents = [fetch(registry, name, "blobs", blob["digest"])[0] for blob in blobs]
        assert [(digest(blob), len(blob)) for blob in contents] == [(b["digest"], b["size"]) for b in blobs]
        config = json.loads(contents[0])
        platform = f"{config['os']}/{config['architecture']}"
        assert platform == f"{entry['platform']['os']}/{entry['platform']['architecture']}"
        found[platform] = entry["digest"]
    return found


def digest(data: bytes) -> str:
    return f"sha256:{hashlib.sha256(data).hexdigest()}"


def test_every_engine_finds_its_image_under_one_name(
    base: str, docker28: Bench, registry: RegistryHandle, start_engine: Callable[[str], EngineHandle]
) -> None:
    name, other = new_name(registry), new_name(registry)
    dockerfile = (
        f"FROM {base} AS all\nARG TARGETARCH\nRUN uname -m > /machine; echo $TARGETARCH {name} > /arch\n"
        "FROM scratch\nCOPY --from=all / /\n"
    )
    result = build(docker28, dockerfile, tag=[f"{name}:1", f"{other}:2"], push=True)
    assert result.tags == (f"{name}:1", f"{other}:2")
    assert set(result.digests.values()) == {result.digest} == {result.id}
    assert result.platforms == tuple(BOTH)
    assert started(docker28).keys() == set(BOTH)
    digests = {str(image.platform): image.digest for image in result.images}
    for repository, tag in ((name, "1"), (other, "2")):
        assert digest(fetch(registry, repository, "manifests", tag)[0]) == result.digest
        assert check_index(registry, repository, tag) == digests
    metadata = make_metadata(result)
    assert (
        metadata["containerimage.digest"] == metadata["containerimage.descriptor"]["digest"] == result.digest
    )
    assert metadata["image.name"] == f"{name}:1,{other}:2"
    assert {
        key: entry["containerimage.digest"] for key, entry in metadata["incubator.platforms"].items()
    } == digests
    assert not docker28.client.references(name)
    for engine in ENGINES:
        handle = start_engine(engine)
        for platform, machine in MACHINES.items():
            assert pulled(handle, f"{name}:1", platform) == f"{machine}\n{platform[6:]} {name}\n"


def pulled(handle: EngineHandle, reference: str, platform: str) -> str:
    """What an image says that an engine takes out of an index for a platform."""
    docker = [str(lab.tool("docker"))]
    environment = {**os.environ, **handle.env}

    def call(*words: str) -> str:
        return subprocess.run(
            [*docker, *words], env=environment, capture_output=True, text=True, check=True
        ).stdout

    call("pull", "--quiet", "--platform", platform, reference)
    try:
        show = ("--network", "none", "--rm", "--platform", platform, reference)
        return call("run", *show, "/bin/busybox", "cat", "/machine", "/arch")
    finally:
        call("rmi", "--force", reference)


def test_a_stage_that_all_platforms_share_is_made_once(docker28: Bench, base: str, tmp_path: Path) -> None:
    dockerfile = (
        f"FROM --platform=$BUILDPLATFORM busybox AS build\nRUN : {uuid.uuid4()}; "
        "sleep 1; cat /proc/sys/kernel/random/uuid > /id\n"
        f"FROM {base} AS all\nRUN uname -m > /machine\nFROM scratch\n"
        "COPY --from=build /id /\nCOPY --from=all /machine /\n"
    )
    result = build(docker28, dockerfile, outputs=f"type=local,dest={tmp_path / 'out'}", no_cache=False)
    written = {path.relative_to(tmp_path / "out").as_posix() for path in (tmp_path / "out").rglob("*")}
    assert written == {
        f"{folder}{file}" for folder in ("linux_amd64", "linux_arm64") for file in ("", "/id", "/machine")
    }
    assert (tmp_path / "out/linux_arm64/machine").read_text() == "aarch64\n"
    assert (
        len({(tmp_path / f"out/{folder}/id").read_text() for folder in ("linux_amd64", "linux_arm64")}) == 1
    )
    cached = [
        event.cached
        for event in docker28.events
        if isinstance(event, StepFinished) and event.step.stage == "build"
    ]
    assert sorted(cached) == [False, True]
    assert (result.id, result.digest, result.tags) == ("", None, ())


def test_files_alone_need_no_emulation(docker28: Bench, registry: RegistryHandle) -> None:
    name = new_name(registry)
    platforms = ["linux/s390x", "linux/riscv64", "linux/arm/v6"]
    dockerfile = "FROM scratch\nARG TARGETPLATFORM\nCOPY file /\nLABEL platform=$TARGETPLATFORM\n"
    result = build(docker28, dockerfile, {"file": "x"}, platforms=platforms, tag=name, push_by_digest=True)
    assert [dict(image.config.labels)["platform"] for image in result.images] == platforms
    assert (result.tags, result.digests) == ((), {name: result.digest})
    with Registries(Credentials()) as registries:
        repository = registries.repository(name)
        index, _ = repository.manifest(result.digest or "")
        assert repository.tags() == []
    assert isinstance(index, Index)
    assert sorted(str(entry.platform) for entry in index.manifests) == sorted(platforms)


def test_what_is_attested_of_each_image_comes_along(docker28: Bench, registry: RegistryHandle) -> None:
    name = new_name(registry)
    result = build(
        docker28,
        "FROM scratch\nARG TARGETARCH\nCOPY file /\nLABEL arch=$TARGETARCH\n",
        {"file": "x"},
        tag=name,
        push=True,
        provenance=True,
        annotations=["index:org.example.of=index", "manifest:org.example.of=image"],
    )
    index = json.loads(fetch(registry, name, "manifests", "latest")[0])
    assert index["annotations"] == {"org.example.of": "index"}
    images = [entry for entry in index["manifests"] if entry["platform"]["os"] != "unknown"]
    about = [entry["annotations"] for entry in index["manifests"] if entry["platform"]["os"] == "unknown"]
    assert [entry["platform"]["architecture"] for entry in images] == ["amd64", "arm64"]
    assert {notes["vnd.docker.reference.digest"] for notes in about} == {entry["digest"] for entry in images}
    assert {notes["vnd.docker.reference.type"] for notes in about} == {"attestation-manifest"}
    for entry in images:
        manifest = json.loads(fetch(registry, name, "manifests", entry["digest"])[0])
        assert manifest["annotations"] == {"org.example.of": "image"}
    assert all(image.provenance for image in result.images)


def test_the_first_failure_ends_the_others(docker28: Bench, base: str) -> None:
    dockerfile = f"FROM {base}\nARG TARGETARCH\nRUN test $TARGETARCH = amd64 && sleep 600; sleep 2; exit 3\n"
    begin = time.monotonic()
    with pytest.raises(StepFailed, match=r"linux/arm64: RUN failed with exit status 3") as raised:
        build(docker28, dockerfile, tag="several:failed")
    assert time.monotonic() - begin < 300
    assert raised.value.platform == "linux/arm64"
    assert str(raised.value.step) == "[linux/arm64 stage-0 2/2]"
    (failed,) = [event for event in docker28.events if isinstance(event, BuildFailed)]
    assert failed.step == raised.value.step
    assert docker28.leftovers() == []
    assert docker28.client.image("several:failed") is None


def test_a_signal_ends_all(docker28: Bench, base: str, registry: RegistryHandle) -> None:
    docker28.write({"Dockerfile": f"FROM {base}\nRUN echo started; sleep 600\n"})
    command = [sys.executable, "-m", "incubator", "build", "--progress", "plain", "--network", "none"]
    process = subprocess.Popen(
        [*command, "--platform", ",".join(BOTH), "--push", "-t", new_name(registry), str(docker28.folder)],
        env={**os.environ, **docker28.handle.env},
        stderr=subprocess.PIPE,
        text=True,
    )
    assert process.stderr
    running = set()
    for line in process.stderr:
        if line.rstrip().endswith("started"):
            running.add(line.split()[0])
        if len(running) == 2:
            break
    assert running == {"[linux/amd64", "[linux/arm64"}
    process.send_signal(signal.SIGTERM)
    process.communicate()
    assert process.returncode == 128 + signal.SIGTERM
    owners = docker28.client.labels("incubator.owner").values()
    assert not [labels for labels in owners if str(process.pid) in labels["incubator.owner"].split()[2:3]]


def test_nodes_build_their_platforms(
    docker28: Bench,
    docker20: Bench,
    base: str,
    registry: RegistryHandle,
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
) -> None:
    name = new_name(registry)
    dockerfile = f"FROM {base}\nRUN : {name}; uname -m > /machine\n"
    node = f"linux/arm64={docker20.handle.host}"
    result = build(docker28, dockerfile, tag=name, push=True, nodes=node)
    versions = {"linux/amd64": docker28.client.info(), "linux/arm64": docker20.client.info()}
    assert started(docker28) == {key: f"{info.name} {info.version}" for key, info in versions.items()}
    assert check_index(registry, name, "latest").keys() == set(BOTH)

    for pem, source in (("ca", "server.crt"), ("cert", "server.crt"), ("key", "server.key")):
        (tmp_path / f"{pem}.pem").write_bytes((TLS / source).read_bytes())
    monkeypatch.setenv("DOCKER_TLS_VERIFY", "1")
    monkeypatch.setenv("DOCKER_CERT_PATH", str(tmp_path))
    docker28.events.clear()
    socket = docker20.handle.host.removeprefix("unix://")
    with forwarded_tls(socket, TLS / "server.crt", TLS / "server.key") as address:
        again = build(docker28, dockerfile, tag=name, push=True, nodes=[f"aarch64={address}"])
    assert started(docker28)["linux/arm64"] == f"Docker Engine {docker20.client.info().version}"
    assert [image.platform for image in again.images] == [image.platform for image in result.images]
    docker20.events += docker28.events  # so that both are asked for what is left


def test_a_node_that_does_not_answer_is_named_before_anything_is_built(docker28: Bench) -> None:
    with pytest.raises(
        EngineUnreachable, match=r"node linux/arm64=tcp://127\.0\.0\.1:1: no container engine"
    ) as raised:
        build(docker28, "FROM scratch\nCOPY . /\n", nodes="linux/arm64=tcp://127.0.0.1:1")
    assert raised.value.exit_code == 3
    assert docker28.events == []


def test_a_login_is_checked_before_anything_is_built(docker28: Bench, registry_auth: RegistryHandle) -> None:
    wrong = Credential(registry=registry_auth.address, username="nobody", password="wrong")
    name = f"{registry_auth.address}/several"
    with pytest.raises(RegistryError):
        build(docker28, "FROM busybox\nRUN true\n", tag=name, push=True, credentials=[wrong])
    assert started(docker28) == {}


def test_one_cache_has_the_results_of_all_platforms(
    docker28: Bench, docker20: Bench, base: str, registry: RegistryHandle
) -> None:
    name, cache = new_name(registry), f"{new_name(registry)}:cache"
    dockerfile = f"FROM {base}\nRUN : {name}; uname -m > /machine\nCOPY file /\n"
    options: dict[str, Any] = {"tag": name, "push": True, "no_cache": False}
    # That the base is on the engine already makes no difference.
    docker20.client.pull(base, platform=None, credential=None, progress=lambda *_: None)
    first = build(docker28, dockerfile, {"file": "x"}, cache_to=cache, **options)
    second = build(docker20, dockerfile, {"file": "x"}, cache_from=cache, **options)
    made = [event for event in docker20.events if isinstance(event, LayerCommitted)]
    assert {(event.platform, event.cached) for event in made} == {(platform, True) for platform in BOTH}
    assert len(made) == 4
    # Not the configs: an engine tells the history of a base that it has in whole seconds.
    layers = [[layer.diff_id for layer in image.layers] for image in first.images]
    assert [[layer.diff_id for layer in image.layers] for image in second.images] == layers
    with Registries(Credentials()) as registries:
        keys = {tag for tag in registries.repository(cache).tags() if tag.startswith("cache-")}
    assert len(keys) >= 4


def test_what_is_taken_by_nobody_stays_in_the_cache_alone(docker28: Bench, base: str) -> None:
    dockerfile = f"FROM {base}\nRUN : {uuid.uuid4()}; uname -m > /machine\n"
    result = build(docker28, dockerfile, tag="several:unpushed", no_cache=False)
    warnings = [event.message for event in docker28.events if isinstance(event, WarningRaised)]
    assert any("nothing takes the images of several platforms" in text for text in warnings)
    assert docker28.client.image("several:unpushed") is None
    docker28.events.clear()
    build(docker28, dockerfile, no_cache=False)
    assert all(event.cached for event in docker28.events if isinstance(event, LayerCommitted))
    assert len(result.images) == 2


@pytest.mark.parametrize(
    ("options", "reason"),
    [
        ({"load": True}, "load keeps one image under a name, and 2 platforms are given"),
        ({"outputs": "type=tar,dest=/tmp/never.tar"}, "output of type tar: it holds one image"),
        ({"outputs": "type=docker,dest=/tmp/never.tar"}, "output of type docker: it holds one image"),
        ({"platform": "linux/amd64"}, "platform and platforms exclude each other"),
        ({"nodes": ["arm64=tcp://a:1", "linux/arm64=tcp://b:1"]}, "two nodes are for linux/arm64"),
    ],
)
def test_what_does_not_go_together_is_told_before(
    docker28: Bench, options: dict[str, Any], reason: str
) -> None:
    with pytest.raises(InputErrors, match=reason):
        build(docker28, "FROM scratch\nCOPY . /\n", **options)
    assert docker28.events == []
