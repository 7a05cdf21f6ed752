"""A shared cache, in a registry and in a folder: what a build leaves there, and what the next one need not do."""

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
from incubator.events import BaseResolved, LayerCommitted, StageSkipped, WarningRaised, WriteFinished
from incubator.oci.image_config import digest_of
from incubator.oci.manifest import Manifest
from incubator.oci.media_types import OCI_CONFIG, OCI_INDEX, OCI_LAYER_GZIP, OCI_MANIFEST
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
    folder: Path | None = None
    """Where the cache is, if not in the registry."""

    @property
    def image(self) -> str:
        return f"{self.registry.address}/{self.repository}/app"

    @property
    def cache_from(self) -> str:
        if self.folder:
            return f"type=local,src={self.folder}"
        return f"type=registry,ref={self.registry.address}/{self.repository}/cache:main"

    @property
    def cache_to(self) -> str:
        return self.cache_from.replace("src=", "dest=")

    def build(
        self, bench: Bench, files: dict[str, str] = FILES, text: str = DOCKERFILE, **options: Any
    ) -> ResultImage:
        bench.events.clear()
        options = {
            "tag": f"{self.image}:{bench.handle.name}",
            "push": True,
            "load": False,
            "no_cache": False,
            "cache_from": [self.cache_from],
            "cache_to": [self.cache_to],
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


EVERYWHERE = pytest.mark.parametrize(
    "pipeline",
    [f"{name}-{kind}" for name in ("docker20", "containerd28", "podman") for kind in ("registry", "folder")],
    indirect=True,
)
"""The second engine of a pipeline, and where the cache is."""
BOTH = pytest.mark.parametrize("pipeline", ["docker20-registry", "docker20-folder"], indirect=True)
FOLDER = pytest.mark.parametrize("pipeline", ["docker20-folder"], indirect=True)


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
    engine, _, kind = getattr(request, "param", "docker20-registry").partition("-")
    for name in ("docker28", engine):
        (tmp_path / name).mkdir()
        benches[name] = make_bench(start_engine(name), tmp_path / name)
    cold, fresh = (next(bench) for bench in benches.values())
    # Its own, lest tests that run at the same time on these engines make each other's layers.
    own = f"FROM busybox\nRUN echo app:x:4711:4711:{repository}:/:/bin/sh >>/etc/passwd\n"
    cold.build(own, tag=base, push=True)
    cold.client.remove_image(base)
    folder = tmp_path / "cache" if kind == "folder" else None
    yield Pipeline(registry=registry, repository=repository, base=base, cold=cold, fresh=fresh, folder=folder)
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


@BOTH
def test_what_an_engine_has_made_itself_does_not_hide_what_the_cache_has(pipeline: Pipeline) -> None:
    pipeline.build(pipeline.fresh, FILES | {"src/main.txt": "before\n"}, cache_from=(), cache_to=())
    cold = pipeline.build(pipeline.cold)
    warm = pipeline.build(pipeline.fresh, cache_to=())
    assert cached(pipeline.fresh) == [True, True, True, True]
    assert [layer.diff_id for layer in warm.layers] == [layer.diff_id for layer in cold.layers]
    # What the engine has itself needs no cache.
    pipeline.build(pipeline.fresh, FILES | {"src/main.txt": "after\n"}, cache_to=())
    assert cached(pipeline.fresh) == [True, True, True, False]


@EVERYWHERE
def test_nothing_changed(pipeline: Pipeline) -> None:
    cold = pipeline.build(pipeline.cold)
    assert cached(pipeline.cold) == [False, False, False, False]
    [written] = [event for event in pipeline.cold.events if isinstance(event, WriteFinished)]
    assert written.what == "cache"
    assert written.target in pipeline.cache_to
    assert cold.duration_s > written.duration_s
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


@EVERYWHERE
def test_what_changed_nothing_is_not_run_again(pipeline: Pipeline) -> None:
    text = "FROM {base}\nCOPY src /src\nRUN test -f /src/main.txt\nWORKDIR /src\nCOPY requirements.txt .\nRUN true\n"
    cold = pipeline.build(pipeline.cold, text=text)
    warm = pipeline.build(pipeline.fresh, text=text)
    assert cached(pipeline.fresh) == [True] * 5
    assert warnings(pipeline.fresh) == []
    assert [layer.diff_id for layer in warm.layers] == [layer.diff_id for layer in cold.layers]
    assert warm.config_digest == cold.config_digest


@BOTH
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


@BOTH
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


@BOTH
@pytest.mark.parametrize("mode", ["min", "max"])
def test_a_stage_that_is_only_read(pipeline: Pipeline, mode: str) -> None:
    target = f"{pipeline.cache_to},mode={mode}"
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


@BOTH
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


@BOTH
def test_a_plan_asks_the_cache_and_fetches_nothing(pipeline: Pipeline) -> None:
    pipeline.build(pipeline.cold)
    edited = FILES | {"src/main.txt": "edited\n", "Dockerfile": DOCKERFILE.format(base=pipeline.base)}
    place = Place(path=pipeline.fresh.write(edited))
    caches = [parse_cache_from(pipeline.cache_from)]
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
    result = pipeline.build(pipeline.fresh, cache_from=[nowhere, pipeline.cache_from], cache_to=[nowhere])
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


@BOTH
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
    if pipeline.folder:
        documents = [json.loads(blob(pipeline.folder, entry)) for entry in layout_entries(pipeline.folder)]
        kinds = [document["annotations"]["incubator.cache.kind"] for document in documents]
        assert kinds.count("layer") == 1 + 2 * 3  # neither has lost what the other wrote
        blobs(pipeline.folder)


@BOTH
def test_no_cache_uses_none_and_keeps_what_it_makes(pipeline: Pipeline) -> None:
    first = pipeline.build(pipeline.cold)
    nowhere = "type=registry,ref=127.0.0.1:1/no/cache:main"
    anew = pipeline.build(pipeline.fresh, no_cache=True, cache_from=[nowhere, pipeline.cache_from])
    assert not warnings(pipeline.fresh)  # nobody has asked
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


def blobs(folder: Path) -> dict[str, Path]:
    """The blobs of a layout by their names, all of which are whole."""
    found = {path.name: path for path in (folder / "blobs/sha256").iterdir()}
    assert all(digest_of(path.read_bytes()) == f"sha256:{name}" for name, path in found.items())
    return found


def hexadecimal(descriptor: dict[str, Any]) -> str:
    """What a blob is called in a layout."""
    return str(descriptor["digest"]).partition(":")[2]


def blob(folder: Path, descriptor: dict[str, Any]) -> bytes:
    return (folder / "blobs/sha256" / hexadecimal(descriptor)).read_bytes()


def layout_entries(folder: Path) -> list[dict[str, Any]]:
    """What the index of a cache in a folder names."""
    return list(json.loads((folder / "index.json").read_bytes())["manifests"])


@FOLDER
def test_a_folder_is_a_layout_that_does_not_grow(pipeline: Pipeline) -> None:
    assert pipeline.folder
    pipeline.build(pipeline.cold)
    assert warnings(pipeline.cold) == []  # the first build finds no folder
    index, found = layout_entries(pipeline.folder), blobs(pipeline.folder)
    assert len(index) > 4  # four layers, and what was asked about images
    assert {hexadecimal(entry) for entry in index} <= found.keys()
    pipeline.build(pipeline.fresh)
    assert layout_entries(pipeline.folder) == index
    assert blobs(pipeline.folder).keys() == found.keys()
    # An entry that was not used for long goes, with what it alone had.
    before = {entry["digest"] for entry in index}
    pipeline.build(pipeline.fresh, FILES | {"src/main.txt": "edited\n"})
    index = layout_entries(pipeline.folder)
    for entry in index:
        if entry["digest"] not in before:
            entry["annotations"]["incubator.cache.used"] = "2020-02-02"
    document = {"schemaVersion": 2, "mediaType": OCI_INDEX, "manifests": index}
    (pipeline.folder / "index.json").write_text(json.dumps(document))
    pipeline.build(pipeline.fresh)
    assert {entry["digest"] for entry in layout_entries(pipeline.folder)} == before
    assert blobs(pipeline.folder).keys() == found.keys()


@FOLDER
def test_layers_go_from_a_folder_to_a_registry_that_lacks_them(pipeline: Pipeline) -> None:
    pipeline.build(pipeline.cold)
    other = f"{pipeline.registry.address}/{pipeline.repository}/other:1"
    with pipeline.requests() as requests:
        result = pipeline.build(pipeline.fresh, tag=other)
    assert cached(pipeline.fresh) == [True, True, True, True]
    assert pipeline.fresh.client.image(pipeline.base) is None
    assert uploaded(requests) >= 4 + 1, requests  # layers and the config; those of the base are mounted
    assert pipeline.run(pipeline.cold, f"{other}@{result.digest}", "cat", "main.txt") == "main\n"


@FOLDER
def test_a_folder_that_is_written_anew_each_time(pipeline: Pipeline, tmp_path: Path) -> None:
    pipeline.build(pipeline.cold)
    there = [f"type=local,dest={tmp_path / 'next'},mode=max"]
    pipeline.build(pipeline.fresh, cache_to=there)
    assert cached(pipeline.fresh) == [True, True, True, True]
    here = [f"type=local,src={tmp_path / 'next'}"]
    edited = FILES | {"src/main.txt": "edited\n"}
    pipeline.build(pipeline.fresh, edited, cache_from=here, cache_to=[])
    assert cached(pipeline.fresh) == [True, True, True, False]
    assert pipeline.fresh.client.image(pipeline.base) is None  # what was asked about images came along


def spoil(folder: Path, what: str) -> None:
    """Break a cache: one of `QUIET` and `BROKEN` says how, and what of it."""
    index = folder / "index.json"
    documents = {hexadecimal(entry) for entry in layout_entries(folder)}
    files = list((folder / "blobs/sha256").iterdir())
    how, _, kind = what.partition(" ")
    of_kind = {
        "index": [index],
        "manifests": [path for path in files if path.name in documents],
        "blobs": [path for path in files if path.name not in documents],
    }
    for path in of_kind[kind]:
        data = path.read_bytes()
        path.unlink()
        if how == "linked":
            (folder.parent / path.name).write_bytes(data)
            path.symlink_to(folder.parent / path.name)
        elif how != "no":
            changed = {"broken": bytes(len(data)), "short": data[:-1], "huge": b" " * (5 << 20) + data}
            path.write_bytes(changed[how])


QUIET = ("no manifests", "no blobs", "short blobs", "huge blobs")
"""What looks like a cache that lacks something, as that of another build does."""
BROKEN = (
    "broken index", "short index", "broken manifests", "short manifests", "huge manifests",
    "linked manifests", "broken blobs", "linked blobs",
)  # fmt: skip


@FOLDER
@pytest.mark.parametrize("what", [*QUIET, *BROKEN])
def test_a_folder_that_is_broken_costs_time_alone(pipeline: Pipeline, what: str) -> None:
    assert pipeline.folder
    pipeline.build(pipeline.cold)
    spoil(pipeline.folder, what)
    result = pipeline.build(pipeline.fresh, FILES | {"requirements.txt": "two\n"})
    shown = pipeline.run(
        pipeline.cold, f"{pipeline.image}@{result.digest}", "sh", "-c", "head -n1 /installed; cat main.txt"
    )
    assert shown == "two\nmain\n"
    told = warnings(pipeline.fresh)
    assert len(told) == (what not in QUIET) + (what == "broken blobs"), told
    # All that this build came to is there and whole for the next one.
    there: dict[str, bytes] = {}
    for entry in layout_entries(pipeline.folder):
        document = json.loads(blob(pipeline.folder, entry))
        diff_ids = document["annotations"].get("incubator.cache.diff-ids", "").split()
        if diff_ids:
            there[diff_ids[0]] = blob(pipeline.folder, document["layers"][0])
    committed = [event.diff_id for event in pipeline.fresh.events if isinstance(event, LayerCommitted)]
    made = committed[-4:]  # those of a build that was begun again come before
    assert [digest_of(gzip.decompress(there[str(diff_id)])) for diff_id in made] == made


@FOLDER
@pytest.mark.parametrize("what", ["no index", "huge index"])
def test_a_folder_that_may_be_somebody_elses_is_left_alone(pipeline: Pipeline, what: str) -> None:
    assert pipeline.folder
    pipeline.build(pipeline.cold)
    spoil(pipeline.folder, what)
    before = {path.name for path in (pipeline.folder / "blobs/sha256").iterdir()}
    result = pipeline.build(pipeline.fresh, FILES | {"requirements.txt": "two\n"})
    shown = pipeline.run(pipeline.cold, f"{pipeline.image}@{result.digest}", "head", "-n1", "/installed")
    assert shown == "two\n"
    told = warnings(pipeline.fresh)
    assert len(told) == (what == "huge index") + 1, told
    assert told[-1].startswith(f"the cache {pipeline.folder} is not written: ")
    assert {path.name for path in (pipeline.folder / "blobs/sha256").iterdir()} == before


@FOLDER
def test_a_folder_that_cannot_be_used_costs_time_alone(pipeline: Pipeline) -> None:
    assert pipeline.folder
    pipeline.folder.mkdir()
    (pipeline.folder / "index.json").write_text('{"of": "somebody else"}')
    assert pipeline.build(pipeline.fresh).digest
    [told] = warnings(pipeline.fresh)
    assert told.startswith(f"the cache {pipeline.folder} is not written: ")
    assert told.endswith("has an index.json, but is no OCI layout")
    assert list((pipeline.folder / "blobs/sha256").iterdir()) == []
    assert (pipeline.folder / "index.json").read_text() == '{"of": "somebody else"}'


@FOLDER
def test_a_folder_in_the_context_has_to_be_ignored(pipeline: Pipeline) -> None:
    pipeline.folder = pipeline.cold.folder / ".cache/own"
    text = "FROM {base}\nCOPY . /srv\nCMD true"
    pipeline.build(pipeline.cold, text=text)
    [told] = [text for text in warnings(pipeline.cold) if "of a cache is copied from the context" in text]
    assert told.endswith("write .cache/own into .dockerignore")
    ignored = {"Dockerfile": text.format(base=pipeline.base), ".dockerignore": ".cache\n"}
    pipeline.build(pipeline.cold, ignored, text=text)
    assert not [text for text in warnings(pipeline.cold) if "of a cache" in text]
    pipeline.build(pipeline.cold, ignored, text=text)
    assert cached(pipeline.cold) == [True]
    pipeline.build(pipeline.cold, {".dockerignore": ""}, text="FROM {base}\nCOPY Dockerfile /srv/")
    assert not [text for text in warnings(pipeline.cold) if "of a cache" in text]


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
