"""Images that are caches themselves: what a pushed image says of its layers, and what the next build need not do."""

from __future__ import annotations

import json
from functools import partial
from typing import TYPE_CHECKING, Any

import pytest

from incubator.core.result import ResultIndex
from incubator.oci.image_config import digest_of
from incubator.oci.manifest import Manifest
from incubator.oci.media_types import DOCKER_MANIFEST, OCI_CONFIG, OCI_INDEX, OCI_MANIFEST
from incubator.registry.credentials import Credentials
from incubator.registry.repository import Registries
from tests.engine.test_shared_cache import (
    DOCKERFILE,
    FILES,
    STAGES,
    Pipeline,
    cached,
    call,
    pipeline,
    uploaded,
    warnings,
)

if TYPE_CHECKING:
    from incubator.core.result import ResultImage
    from tests.engine.conftest import Bench

__all__ = ["pipeline"]

FIELD = "incubator.cache.v1"
EDITED = FILES | {"src/main.txt": "edited\n"}
EVERYWHERE = pytest.mark.parametrize(
    "pipeline", ["docker20-registry", "containerd28-registry", "podman-registry"], indirect=True
)


def build(pipeline: Pipeline, bench: Bench, files: dict[str, str] = FILES, **options: Any) -> ResultImage:
    """A build under one tag, which it reads before it moves it."""
    name = f"{pipeline.image}:main"
    options = {"tag": name, "cache_from": [name], "cache_to": ["type=inline"]} | options
    return pipeline.build(bench, files, **options)


def config(pipeline: Pipeline, name: str) -> Any:
    """The config of an image of the pipeline's repository."""
    manifest = json.loads(
        call(pipeline, "GET", f"app/manifests/{name}", kind=f"{OCI_MANIFEST}, {DOCKER_MANIFEST}")
    )
    return json.loads(call(pipeline, "GET", f"app/blobs/{manifest['config']['digest']}"))


def tags(pipeline: Pipeline) -> list[str]:
    return list(json.loads(call(pipeline, "GET", "app/tags/list"))["tags"])


@EVERYWHERE
def test_an_edit_on_an_engine_that_has_nothing(pipeline: Pipeline) -> None:
    cold = build(pipeline, pipeline.cold)
    assert cached(pipeline.cold) == [False, False, False, False]
    assert warnings(pipeline.cold) == []  # the first build finds no image
    with pipeline.requests() as requests:
        warm = build(pipeline, pipeline.fresh, EDITED)
    assert cached(pipeline.fresh) == [True, True, True, False]
    assert warnings(pipeline.fresh) == []
    same = len(cold.layers) - 1
    assert [layer.diff_id for layer in warm.layers][:same] == [layer.diff_id for layer in cold.layers][:same]
    if (
        pipeline.fresh.handle.name != "podman"
    ):  # it uploads the layers of a base again, in its own compression
        assert uploaded(requests) == 2, requests  # one layer and the config
    assert tags(pipeline) == ["main"]
    shown = pipeline.run(
        pipeline.cold, f"{pipeline.image}@{warm.digest}", "cat", "main.txt", "old.txt", "requirements.txt"
    )
    assert shown == "edited\nold\none\n"


@pytest.mark.parametrize("pipeline", ["docker20-registry", "containerd28-registry"], indirect=True)
def test_steps_that_change_nothing(pipeline: Pipeline) -> None:
    text = f"{DOCKERFILE}WORKDIR /srv/app\nRUN true\n"
    cold = build(pipeline, pipeline.cold, text=text)
    warm = build(pipeline, pipeline.fresh, text=text)
    assert cached(pipeline.fresh) == [True] * 6
    assert warm.config_digest == cold.config_digest
    assert pipeline.fresh.client.image(pipeline.base) is None
    build(pipeline, pipeline.fresh, text=f"{text}RUN echo more >more\n")
    assert cached(pipeline.fresh) == [True] * 6 + [False]


@EVERYWHERE
def test_nothing_changed(pipeline: Pipeline) -> None:
    cold = build(pipeline, pipeline.cold)
    told = config(pipeline, "main")[FIELD]
    layers = len(cold.layers)
    assert [entry[1:] for entry in told] == [[index, index + 1] for index in range(layers - 4, layers)]
    with pipeline.requests() as requests:
        warm = build(pipeline, pipeline.fresh)
    assert cached(pipeline.fresh) == [True, True, True, True]
    assert warm.config_digest == cold.config_digest
    assert uploaded(requests) == 0, requests
    if pipeline.fresh.handle.name != "podman":  # which looks at the base for what its own mounts leave behind
        assert pipeline.fresh.client.image(pipeline.base) is None


def test_what_an_image_says_changes_nothing_else(pipeline: Pipeline) -> None:
    build(pipeline, pipeline.cold)  # brings the base to the engine, which shortens its history
    plain = build(pipeline, pipeline.cold, cache_to=[], tag=f"{pipeline.image}:plain")
    told = build(pipeline, pipeline.cold)
    assert cached(pipeline.cold) == [True, True, True, True]
    assert [layer.diff_id for layer in told.layers] == [layer.diff_id for layer in plain.layers]
    with_list, without = config(pipeline, "main"), config(pipeline, "plain")
    assert with_list.pop(FIELD)
    assert with_list == without
    # An image on top of one that is a cache is none.
    pipeline.cold.build(f"FROM {pipeline.image}:main\nRUN touch /x\n", tag=f"{pipeline.image}:top", push=True)
    assert FIELD not in config(pipeline, "top")


def test_the_older_spelling_of_buildkit(pipeline: Pipeline) -> None:
    build(pipeline, pipeline.cold, cache_to=[], buildargs={"BUILDKIT_INLINE_CACHE": "1"})
    build(pipeline, pipeline.fresh, EDITED, cache_to=[], buildargs={"BUILDKIT_INLINE_CACHE": "1"})
    assert cached(pipeline.fresh) == [True, True, True, False]
    build(pipeline, pipeline.cold, cache_to=[], buildargs={"BUILDKIT_INLINE_CACHE": "0"})
    assert FIELD not in config(pipeline, "main")


def test_without_a_push_no_image_is_a_cache(pipeline: Pipeline) -> None:
    build(pipeline, pipeline.cold, push=False, load=True)
    assert [text for text in warnings(pipeline.cold) if "no image becomes a cache (type=inline)" in text]
    pipeline.cold.client.remove_image(f"{pipeline.image}:main")


def test_a_stage_that_is_only_read(pipeline: Pipeline) -> None:
    cold = build(pipeline, pipeline.cold, text=STAGES)
    assert len(config(pipeline, "main")[FIELD]) == 2
    warm = build(pipeline, pipeline.fresh, text=STAGES)
    assert [layer.diff_id for layer in warm.layers] == [layer.diff_id for layer in cold.layers]
    assert all(cached(pipeline.fresh))
    assert warm.config_digest == cold.config_digest
    assert pipeline.fresh.client.image(pipeline.base) is None


@pytest.mark.parametrize(
    "options",
    [
        {"outputs": ["type=registry,oci-mediatypes=false"]},
        {"outputs": ["type=registry,compression=zstd"]},
        {"provenance": "mode=min"},
        {"annotations": ["manifest:org.example.of=cache"]},
    ],
    ids=str,
)
def test_however_the_image_is_put_together(pipeline: Pipeline, options: dict[str, Any]) -> None:
    cold = build(pipeline, pipeline.cold, **options)
    warm = build(pipeline, pipeline.fresh, EDITED, **options)
    assert warnings(pipeline.fresh) == []
    assert cached(pipeline.fresh) == [True, True, True, False]
    assert [layer.diff_id for layer in warm.layers[:-1]] == [layer.diff_id for layer in cold.layers[:-1]]
    assert pipeline.run(pipeline.cold, f"{pipeline.image}@{warm.digest}", "cat", "main.txt") == "edited\n"


def test_an_image_by_its_digest(pipeline: Pipeline) -> None:
    first = build(pipeline, pipeline.cold, tag=f"{pipeline.image}:{'t' * 100}")
    for name in (f"{pipeline.image}@{first.digest}", f"{pipeline.image}:{'t' * 100}"):
        build(pipeline, pipeline.fresh, cache_from=[name], tag=f"{pipeline.image}:other")
        assert cached(pipeline.fresh) == [True, True, True, True]


def test_both_kinds_in_one_build(pipeline: Pipeline) -> None:
    both: dict[str, Any] = {
        "cache_to": ["type=inline", pipeline.cache_to],
        "cache_from": [pipeline.cache_from],
    }
    build(pipeline, pipeline.cold, **both)
    build(pipeline, pipeline.fresh, EDITED, **both)
    assert cached(pipeline.fresh) == [True, True, True, False]
    assert pipeline.fresh.client.image(pipeline.base) is None  # what was asked about it is in the registry
    assert len(config(pipeline, "main")[FIELD]) == 4


def test_a_move_to_another_repository(pipeline: Pipeline) -> None:
    """An image copied byte for byte, with all that it names, is the same cache."""
    build(pipeline, pipeline.cold)
    with Registries(Credentials()) as registries:
        here = registries.repository(f"{pipeline.image}:main")
        there = registries.repository(f"{pipeline.image}/copy:main")
        manifest, _ = here.manifest("main")
        assert isinstance(manifest, Manifest)
        for blob in (manifest.config, *manifest.layers):
            there.upload_blob(blob.digest, blob.size, partial(here.read_blob, blob))
        there.put_manifest(manifest, tag_or_digest="main")
    build(pipeline, pipeline.fresh, EDITED, cache_from=[f"{pipeline.image}/copy:main"])
    assert cached(pipeline.fresh) == [True, True, True, False]


def overwrite(pipeline: Pipeline, name: str, change: Any) -> None:
    """Put another config into the image of a tag."""
    text = call(pipeline, "GET", f"app/manifests/{name}", kind=f"{OCI_MANIFEST}, {DOCKER_MANIFEST}")
    manifest = json.loads(text)
    found = config(pipeline, name)
    change(found, manifest)
    data = json.dumps(found).encode()
    manifest["config"] |= {"digest": digest_of(data), "size": len(data)}
    with Registries(Credentials()) as registries:
        repository = registries.repository(f"{pipeline.image}:{name}")
        repository.upload_blob(digest_of(data), len(data), lambda: iter((data,)))
    call(pipeline, "PUT", f"app/manifests/{name}", json.dumps(manifest).encode(), manifest["mediaType"])


def swap_layers(_: Any, manifest: Any) -> None:
    manifest["layers"][-2:] = reversed(manifest["layers"][-2:])


def date(found: Any, created: str) -> None:
    """Have all of an image made at a time."""
    found["history"] = [entry | {"created": created} for entry in found["history"]]


HOSTILE: dict[str, tuple[Any, str]] = {
    "no list": (lambda found, _: found.update({FIELD: {}}), "is not used: "),
    "numbers": (lambda found, _: found.update({FIELD: [1, 2]}), "is not used: "),
    "other layers": (lambda found, _: found.update({FIELD: [["0" * 64, 0, 99]]}), "is not used: "),
    "turned round": (lambda found, _: found.update({FIELD: [["0" * 64, 2, 1]]}), "is not used: "),
    "too many": (lambda found, _: found.update({FIELD: [["0" * 64, 0, 1]] * 10_001}), "is not used: "),
    "a layer less": (lambda _, manifest: manifest["layers"].pop(), "is not used: "),
    "numbers for layers": (
        lambda found, _: found["rootfs"].update(diff_ids=[1] * len(found["rootfs"]["diff_ids"])),
        "is not used: ",
    ),
    "half a letter": (lambda found, _: found.update(author="\ud800"), "is not used: "),
    "no times": (lambda found, _: date(found, "x"), ""),
    "no such month": (lambda found, _: date(found, "2026-13-01T00:00:00Z"), ""),
    "no cache": (lambda found, _: found.pop(FIELD), "nothing is found in the cache "),
}


@pytest.mark.parametrize("kind", HOSTILE)
def test_what_is_wrong_in_an_image_costs_time_alone(pipeline: Pipeline, kind: str) -> None:
    change, told = HOSTILE[kind]
    build(pipeline, pipeline.cold)
    overwrite(pipeline, "main", change)
    result = build(pipeline, pipeline.fresh)
    assert cached(pipeline.fresh) == [False, False, False, False]
    assert [told in text for text in warnings(pipeline.fresh)] == [True] * bool(told)
    assert pipeline.run(pipeline.cold, f"{pipeline.image}@{result.digest}", "cat", "main.txt") == "main\n"
    assert len(config(pipeline, "main")[FIELD]) == 4


def test_layers_that_are_not_what_the_config_says(pipeline: Pipeline) -> None:
    build(pipeline, pipeline.cold)
    overwrite(pipeline, "main", swap_layers)
    result = build(pipeline, pipeline.fresh, EDITED)  # which needs the files of the layers
    assert [text for text in warnings(pipeline.fresh) if "all is made again without the cache" in text]
    assert pipeline.run(pipeline.cold, f"{pipeline.image}@{result.digest}", "cat", "main.txt") == "edited\n"


def test_what_is_no_image_is_no_cache(pipeline: Pipeline) -> None:
    empty = json.dumps({"schemaVersion": 2, "mediaType": OCI_INDEX, "manifests": []}).encode()
    call(pipeline, "PUT", "app/manifests/main", empty, OCI_INDEX)
    build(pipeline, pipeline.fresh)
    [told] = warnings(pipeline.fresh)
    assert told.startswith(f"nothing is found in the cache {pipeline.image}:main: ")
    data = b"[]"
    with Registries(Credentials()) as registries:
        repository = registries.repository(f"{pipeline.image}:main")
        repository.upload_blob(digest_of(data), len(data), lambda: iter((data,)))
    other = {"mediaType": OCI_CONFIG, "digest": digest_of(data), "size": len(data)}
    document = {"schemaVersion": 2, "mediaType": OCI_MANIFEST, "config": other, "layers": []}
    call(pipeline, "PUT", "app/manifests/main", json.dumps(document).encode(), OCI_MANIFEST)
    build(pipeline, pipeline.cold)
    [told] = warnings(pipeline.cold)
    assert told.startswith(f"the cache {pipeline.image}:main is not used: ")


def test_each_platform_reads_its_own(pipeline: Pipeline) -> None:
    text = "FROM scratch\nCOPY requirements.txt /\nCOPY src /src\n"
    both: dict[str, Any] = {"platforms": ["linux/amd64", "linux/arm64"], "text": text}
    files = FILES | {
        "requirements.txt": pipeline.repository
    }  # an engine may have the usual ones on no base, too
    edited = files | {"src/main.txt": pipeline.repository}
    cold, warm = (
        build(pipeline, pipeline.cold, files, **both),
        build(pipeline, pipeline.fresh, edited, **both),
    )
    assert isinstance(cold, ResultIndex)
    assert isinstance(warm, ResultIndex)
    assert warnings(pipeline.fresh) == []
    assert cached(pipeline.fresh).count(True) == 2
    assert len({image.config_digest for image in cold.images}) == 2
    diff_ids = [[layer.diff_id for layer in image.layers] for image in warm.images]
    assert [ids[0] for ids in diff_ids] == [image.layers[0].diff_id for image in cold.images]
