"""The cache in a registry: what a build leaves there, and what the next one, on another engine, need not do."""

from __future__ import annotations

import gzip
import json
import re
import secrets
import urllib.error
import urllib.request
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from incubator.cache_options import parse_cache_from
from incubator.core.build import Builder
from incubator.events import BaseResolved, LayerCommitted, StageSkipped, WarningRaised
from incubator.oci.image_config import digest_of
from incubator.oci.manifest import Manifest
from incubator.oci.media_types import OCI_CONFIG, OCI_LAYER_GZIP, OCI_MANIFEST
from incubator.options import make_request
from incubator.registry.credentials import Credentials
from incubator.registry.repository import Registries
from incubator.request import Credential
from incubator.sources import Place
from tests.conftest import ENGINES
from tests.engine.conftest import Bench, make_bench

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from incubator.core.result import ResultImage
    from lab import EngineHandle, RegistryHandle

FILES = {"requirements.txt": "one\n", "src/main.txt": "main\n", "src/old.txt": "old\n"}
DOCKERFILE = """\
FROM {base}
WORKDIR /srv/app
COPY requirements.txt .
RUN cat requirements.txt >/installed && date +%s%N >>/installed
COPY --chown=app src .
CMD ["cat", "main.txt"]
"""


@dataclass
class Pipeline:
    """Builds of one project on several engines, with one repository for all."""

    registry: RegistryHandle
    repository: str
    base: str
    cold: Bench
    fresh: Bench

    @property
    def image(self) -> str:
        return f"{self.registry.address}/{self.repository}/app"

    @property
    def cache(self) -> str:
        return f"type=registry,ref={self.registry.address}/{self.repository}/cache:main"

    def build(
        self, bench: Bench, files: dict[str, str] = FILES, text: str = DOCKERFILE, **options: Any
    ) -> ResultImage:
        bench.events.clear()
        options = {
            "tag": f"{self.image}:{bench.handle.name}",
            "push": True,
            "load": False,
            "no_cache": False,
            "cache_from": [self.cache],
            "cache_to": [self.cache],
        } | options
        return bench.build(text.format(base=self.base), files, **options)

    @contextmanager
    def requests(self) -> Iterator[list[str]]:
        """Lines `METHOD path status` of what the registry was asked meanwhile about this pipeline's repositories."""
        log = self.registry.access_log_path
        begin = log.stat().st_size
        lines: list[str] = []
        yield lines
        with log.open() as file:
            file.seek(begin)
            found = re.findall(r'"([A-Z]+) (/v2/[^ "]*) HTTP/[0-9.]+" ([0-9]+)', file.read())
        lines += [" ".join(line) for line in found if f"/v2/{self.repository}/" in line[1]]

    def run(self, bench: Bench, reference: str, *command: str) -> str:
        pulled = bench.client.pull(reference, platform=None, credential=None, progress=lambda *_: None)
        return bench.run(pulled.id, *command)


EVERYWHERE = pytest.mark.parametrize("pipeline", ["docker20", "containerd28", "podman"], indirect=True)
"""The second engine of a pipeline."""


@pytest.fixture
def pipeline(
    request: pytest.FixtureRequest,
    start_engine: Callable[[str], EngineHandle],
    registry: RegistryHandle,
    tmp_path: Path,
) -> Iterator[Pipeline]:
    repository = f"shared/{secrets.token_hex(6)}"
    base = f"{registry.address}/{repository}/base:1"
    benches = {}
    for name in ("docker28", getattr(request, "param", "docker20")):
        (tmp_path / name).mkdir()
        benches[name] = make_bench(start_engine(name), tmp_path / name)
    cold, fresh = (next(bench) for bench in benches.values())
    cold.build("FROM busybox\nRUN echo app:x:4711:4711::/:/bin/sh >>/etc/passwd\n", tag=base, push=True)
    cold.client.remove_image(base)
    yield Pipeline(registry=registry, repository=repository, base=base, cold=cold, fresh=fresh)
    for bench in benches.values():
        next(bench, None)


def cached(bench: Bench) -> list[bool]:
    return [event.cached for event in bench.events if isinstance(event, LayerCommitted)]


def warnings(bench: Bench) -> list[str]:
    return [event.message for event in bench.events if isinstance(event, WarningRaised)]


def moved(requests: list[str]) -> list[str]:
    """Requests that move blobs or change something, without the digests and tags in their paths."""
    shortened = [re.sub(r"sha256:[0-9a-f]+|main-[0-9a-f]+|uploads/.*(?= )", "*", line) for line in requests]
    return [line for line in shortened if not line.startswith("HEAD") and "/manifests/" not in line]


def uploaded(requests: list[str]) -> int:
    """Uploads that were not called off: one is begun to see whether the push is allowed."""
    begun = [line for line in requests if line.startswith("POST") and "/blobs/uploads/" in line]
    called_off = [line for line in requests if line.startswith("DELETE") and "/blobs/uploads/" in line]
    return len(begun) - len(called_off)


def call(pipeline: Pipeline, method: str, path: str, data: bytes | None = None, kind: str = "") -> bytes:
    """Ask the registry about one of the pipeline's repositories, as anybody could."""
    request = urllib.request.Request(
        f"http://{pipeline.registry.address}/v2/{pipeline.repository}/{path}", data=data, method=method
    )
    request.add_header("Content-Type" if data else "Accept", kind or OCI_MANIFEST)
    with urllib.request.urlopen(request, timeout=20) as reply:
        return bytes(reply.read())


def entries(pipeline: Pipeline) -> dict[str, Any]:
    """The entries of the cache by their tags."""
    names = json.loads(call(pipeline, "GET", "cache/tags/list"))["tags"]
    return {
        name: json.loads(call(pipeline, "GET", f"cache/manifests/{name}"))
        for name in names
        if name != "main-image"
    }


@EVERYWHERE
def test_nothing_changed(pipeline: Pipeline) -> None:
    cold = pipeline.build(pipeline.cold)
    assert cached(pipeline.cold) == [False, False, False, False]
    with pipeline.requests() as requests:
        warm = pipeline.build(pipeline.fresh)
    assert cached(pipeline.fresh) == [True, True, True, True]
    assert warnings(pipeline.fresh) == []
    assert [layer.diff_id for layer in warm.layers] == [layer.diff_id for layer in cold.layers]
    if pipeline.fresh.handle.name != "podman":  # which looks at the base for what its own mounts leave behind
        assert pipeline.fresh.client.image(pipeline.base) is None
    assert [event.pulled for event in pipeline.fresh.events if isinstance(event, BaseResolved)] == [False]
    assert warm.config_digest == cold.config_digest
    uploads = [line for line in requests if line.startswith(("POST", "PATCH", "PUT"))]
    blobs = [line for line in requests if line.startswith("GET") and "/blobs/" in line]
    assert len(blobs) == 1 or pipeline.fresh.handle.name == "podman"  # the config of the base
    assert [line for line in uploads if "/manifests/" in line] == [
        f"PUT /v2/{pipeline.repository}/app/manifests/{pipeline.fresh.handle.name} 201"
    ]
    assert uploaded(requests) == 0  # even the config is there
    assert pipeline.run(pipeline.cold, f"{pipeline.image}@{warm.digest}", "cat", "main.txt") == "main\n"


def test_an_edit_moves_one_layer(pipeline: Pipeline) -> None:
    pipeline.build(pipeline.cold)
    edited = FILES | {"src/main.txt": "edited\n", "src/new.txt": "new\n", "src/folder/x": "x\n"}
    with pipeline.requests() as requests:
        result = pipeline.build(pipeline.fresh, edited)
    assert cached(pipeline.fresh) == [True, True, True, False]
    assert warnings(pipeline.fresh) == []
    assert pipeline.fresh.client.image(pipeline.base) is None
    assert uploaded([line for line in requests if "/app/" in line]) == 2, requests  # one layer and the config
    base_blobs = [line for line in requests if line.startswith("GET") and "/base/blobs/" in line]
    assert len(base_blobs) == 1  # the config
    shown = pipeline.run(
        pipeline.cold, f"{pipeline.image}@{result.digest}", "sh", "-c",
        "cat main.txt new.txt old.txt folder/x requirements.txt; stat -c %u:%g main.txt . /srv/app/folder",
    )  # fmt: skip
    assert shown == "edited\nnew\nold\nx\none\n4711:4711\n0:0\n4711:4711\n"


@EVERYWHERE
def test_an_edit_below_a_run_brings_what_it_needs(pipeline: Pipeline) -> None:
    pipeline.build(pipeline.cold)
    result = pipeline.build(pipeline.fresh, FILES | {"requirements.txt": "two\n"})
    assert cached(pipeline.fresh) == [True, False, False, False]
    image = f"{pipeline.image}@{result.digest}"
    assert (
        pipeline.run(pipeline.cold, image, "sh", "-c", "head -n1 /installed; cat main.txt") == "two\nmain\n"
    )
    # What was made in between is there for the next one, on any engine.
    again = pipeline.build(pipeline.cold, FILES | {"requirements.txt": "two\n"})
    assert cached(pipeline.cold) == [True, True, True, True]
    made = [
        layer.diff_id for layer in result.layers
    ]  # Podman's ends with one that takes its mount points away
    assert [layer.diff_id for layer in again.layers] == made[: len(again.layers)]


def check_image(pipeline: Pipeline, digest: str) -> None:
    """Recompute every digest of an image in the registry, and every diff ID."""
    with Registries(Credentials()) as registries:
        repository = registries.repository(pipeline.image)
        manifest, descriptor = repository.manifest(digest)
        assert isinstance(manifest, Manifest)
        assert descriptor.digest == digest == digest_of(manifest.to_bytes())
        assert manifest.media_type == OCI_MANIFEST
        config = json.loads(repository.small_blob(manifest.config))
        assert manifest.config.media_type == OCI_CONFIG
        diff_ids = []
        for layer in manifest.layers:
            assert layer.media_type == OCI_LAYER_GZIP
            blob = b"".join(repository.read_blob(layer))
            assert (digest_of(blob), len(blob)) == (layer.digest, layer.size)
            diff_ids.append(digest_of(gzip.decompress(blob)))
        assert config["rootfs"]["diff_ids"] == diff_ids
        assert sum(not entry.get("empty_layer") for entry in config["history"]) == len(diff_ids)


def test_every_engine_takes_what_was_put_together(
    pipeline: Pipeline, start_engine: Callable[[str], EngineHandle], tmp_path: Path
) -> None:
    # The containerd store cannot pull what shares a layer with an image that was loaded, as busybox was.
    alone = f"FROM {pipeline.base} AS files\nFROM scratch\nCOPY --from=files / /\nLABEL of={pipeline.repository}\n"
    pipeline.base = f"{pipeline.registry.address}/{pipeline.repository}/base:2"
    pipeline.cold.build(alone, tag=pipeline.base, push=True)
    pipeline.build(pipeline.cold)
    result = pipeline.build(pipeline.fresh, FILES | {"src/main.txt": "edited\n"})
    assert cached(pipeline.fresh) == [True, True, True, False]
    assert result.digest
    check_image(pipeline, result.digest)
    for name in ENGINES:
        folder = tmp_path / f"pull-{name}"
        folder.mkdir()
        for bench in make_bench(start_engine(name), folder):
            image = f"{pipeline.image}@{result.digest}"
            assert pipeline.run(bench, image, "cat", "main.txt") == "edited\n"
            bench.client.remove_image(image)


STAGES = """\
FROM {base} AS tools
RUN date +%s%N >/tool
FROM {base}
COPY --from=tools /tool /tool
COPY src /src
"""


@pytest.mark.parametrize("mode", ["min", "max"])
def test_a_stage_that_is_only_read(pipeline: Pipeline, mode: str) -> None:
    target = f"{pipeline.cache},mode={mode}"
    cold = pipeline.build(pipeline.cold, text=STAGES, cache_to=[target])
    warm = pipeline.build(pipeline.fresh, text=STAGES, cache_to=[target])
    assert [layer.diff_id for layer in warm.layers] == [layer.diff_id for layer in cold.layers]
    assert pipeline.fresh.client.image(pipeline.base) is None
    skipped = [event.stage for event in pipeline.fresh.events if isinstance(event, StageSkipped)]
    assert skipped == (["tools"] if mode == "min" else [])
    assert all(cached(pipeline.fresh))
    # A change behind it needs its layer, and not the stage.
    pipeline.build(pipeline.fresh, FILES | {"src/main.txt": "edited\n"}, text=STAGES, cache_to=[target])
    assert cached(pipeline.fresh)[-2:] == [True, False]
    assert pipeline.fresh.client.image(pipeline.base) is None


def test_an_image_that_is_kept_on_the_engine(pipeline: Pipeline) -> None:
    cold = pipeline.build(pipeline.cold)
    warm = pipeline.build(pipeline.fresh, push=False, load=True)
    assert cached(pipeline.fresh) == [True, True, True, True]
    image = pipeline.fresh.client.image(f"{pipeline.image}:docker20")
    assert image
    assert image.id == warm.id
    assert image.config.diff_ids == tuple(layer.diff_id for layer in cold.layers)
    assert pipeline.fresh.run(warm.id, "cat", "main.txt", "/srv/app/requirements.txt") == "main\none\n"
    pipeline.fresh.client.remove_image(f"{pipeline.image}:docker20")


def test_a_plan_asks_the_cache_and_fetches_nothing(pipeline: Pipeline) -> None:
    pipeline.build(pipeline.cold)
    edited = FILES | {"src/main.txt": "edited\n", "Dockerfile": DOCKERFILE.format(base=pipeline.base)}
    place = Place(path=pipeline.fresh.write(edited))
    caches = [parse_cache_from(pipeline.cache)]
    request = make_request(place, values={"network": "none"}, cache_from=caches)
    with closing(request.context), pipeline.requests() as asked:
        [stage] = Builder(request, client=pipeline.fresh.client).preview()
    states = [layer.state for layer in stage.layers if layer.state != "config"]
    assert states == ["reuse", "reuse", "reuse", "build"]
    assert pipeline.fresh.client.image(pipeline.base) is None
    assert asked
    assert all(line.startswith(("HEAD", "GET")) for line in asked)


def test_a_cache_that_is_not_there_costs_time_alone(pipeline: Pipeline) -> None:
    nowhere = "type=registry,ref=127.0.0.1:1/no/cache:main"
    result = pipeline.build(pipeline.fresh, cache_from=[nowhere, pipeline.cache], cache_to=[nowhere])
    assert result.digest
    told = [text for text in warnings(pipeline.fresh) if "127.0.0.1:1/no/cache:main" in text]
    assert [text.split(":1/no/cache:main ")[1].split(":")[0] for text in told] == [
        "is not used",
        "is not written",
    ]


def test_garbage_in_a_cache_costs_time_alone(pipeline: Pipeline) -> None:
    pipeline.build(pipeline.cold)
    found = entries(pipeline)
    assert len(found) > 4  # four layers, and what was asked about images
    for number, (name, entry) in enumerate(found.items()):
        key = "incubator.cache.below"
        changes: list[dict[str, Any]] = [
            {"annotations": {}},
            {"layers": []},
            {"annotations": entry["annotations"] | {"incubator.cache.kind": "other"}},
            {"annotations": entry.get("annotations", {}) | {key: "0" * 64}},
        ]
        garbage = json.dumps(entry | changes[number % len(changes)]).encode()
        call(pipeline, "PUT", f"cache/manifests/{name}", garbage, OCI_MANIFEST)
    result = pipeline.build(pipeline.fresh)
    assert cached(pipeline.fresh) == [False, False, False, False]
    image = f"{pipeline.image}@{result.digest}"
    assert pipeline.run(pipeline.cold, image, "cat", "main.txt") == "main\n"
    assert entries(pipeline).keys() >= found.keys()
    kinds = [entry.get("annotations", {}).get("incubator.cache.kind") for entry in entries(pipeline).values()]
    assert kinds.count("layer") == 4  # what was overwritten is there again


def test_a_blob_that_is_gone_is_made_again(pipeline: Pipeline) -> None:
    pipeline.build(pipeline.cold)
    for entry in entries(pipeline).values():
        for layer in entry["layers"]:
            with suppress(urllib.error.HTTPError):  # two entries may share one
                call(pipeline, "DELETE", f"cache/blobs/{layer['digest']}")
    pipeline.build(pipeline.fresh)
    assert cached(pipeline.fresh) == [False, False, False, False]


def test_a_blob_that_is_broken_is_made_again(pipeline: Pipeline) -> None:
    pipeline.build(pipeline.cold)
    text = (pipeline.registry.access_log_path.parent / "config.yml").read_text()
    found = re.search(r"rootdirectory: ([^}\s]+)", text)
    assert found
    blobs = Path(found[1]) / "docker/registry/v2/blobs/sha256"
    for entry in entries(pipeline).values():
        for layer in entry["layers"]:
            digest = layer["digest"].partition(":")[2]
            path = blobs / digest[:2] / digest / "data"
            path.write_bytes(bytes(path.stat().st_size))
    result = pipeline.build(pipeline.fresh, FILES | {"requirements.txt": "two\n"})
    assert any("all is made again without the cache" in text for text in warnings(pipeline.fresh))
    image = f"{pipeline.image}@{result.digest}"
    assert (
        pipeline.run(pipeline.cold, image, "sh", "-c", "head -n1 /installed; cat main.txt") == "two\nmain\n"
    )


def test_two_builds_at_the_same_time(pipeline: Pipeline) -> None:
    with ThreadPoolExecutor(2) as pool:
        builds = [
            pool.submit(pipeline.build, bench, FILES | {"requirements.txt": f"{bench.handle.name}\n"})
            for bench in (pipeline.cold, pipeline.fresh)
        ]
        results = [build.result() for build in builds]
    for bench, result in zip((pipeline.cold, pipeline.fresh), results, strict=True):
        image = f"{pipeline.image}@{result.digest}"
        shown = pipeline.run(bench, image, "sh", "-c", "head -n1 /installed; cat main.txt")
        assert shown == f"{bench.handle.name}\nmain\n"


def test_no_cache_uses_none_and_keeps_what_it_makes(pipeline: Pipeline) -> None:
    first = pipeline.build(pipeline.cold)
    anew = pipeline.build(pipeline.fresh, no_cache=True)
    assert cached(pipeline.fresh) == [False, False, False, False]
    again = pipeline.build(pipeline.cold, tag=f"{pipeline.image}:again")
    assert first.layers[3].diff_id != anew.layers[3].diff_id  # it holds the time
    assert [layer.diff_id for layer in again.layers] == [layer.diff_id for layer in first.layers]


def test_the_engine_keeps_what_it_has_the_base_of(pipeline: Pipeline) -> None:
    alone: dict[str, Any] = {"cache_from": [], "cache_to": []}
    first = pipeline.build(pipeline.cold, **alone)
    again = pipeline.build(pipeline.cold, **alone)
    assert cached(pipeline.cold) == [True, True, True, True]
    assert [layer.diff_id for layer in again.layers] == [layer.diff_id for layer in first.layers]


def test_an_image_of_files_alone_never_touches_the_engine(pipeline: Pipeline) -> None:
    text = "FROM {base}\nCOPY --link --chown=4711 src /src\nCMD cat /src/main.txt"
    result = pipeline.build(pipeline.fresh, text=text, cache_from=[], cache_to=[])
    assert pipeline.fresh.client.image(pipeline.base) is None
    image = f"{pipeline.image}@{result.digest}"
    assert pipeline.run(pipeline.cold, image, "cat", "/src/main.txt") == "main\n"


def test_a_cache_that_wants_a_login(docker28: Bench, registry_auth: RegistryHandle) -> None:
    assert registry_auth.username
    assert registry_auth.password
    login = Credential(
        registry=registry_auth.address, username=registry_auth.username, password=registry_auth.password
    )
    name = f"{registry_auth.address}/shared/{secrets.token_hex(6)}"
    text = "FROM busybox\nRUN date +%s%N >/made\n"
    options: dict[str, Any] = {"cache_from": [f"{name}:cache"], "cache_to": [f"{name}:cache"]}
    first = docker28.build(text, credentials=[login], **options)
    assert warnings(docker28) == []
    docker28.events.clear()
    again = docker28.build(text, credentials=[login], no_cache=False, **options)
    assert cached(docker28) == [True]
    assert again.layers[-1].diff_id == first.layers[-1].diff_id
    docker28.events.clear()
    docker28.build(text + "RUN true\n", no_cache=False, **options)
    told = warnings(docker28)
    assert [message for message in told if "is not used" in message and "401" in message]
    assert [message for message in told if "is not written" in message]
    assert not [message for message in told if registry_auth.password in message]
