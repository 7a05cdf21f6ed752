"""Images that are only known: what a registry says of them is hostile, and the engine gets them when it has to."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import TYPE_CHECKING, Any, cast

import pytest

from incubator.core.blob import Blob
from incubator.core.engine import EngineInfo, ImageInfo
from incubator.core.lazy import LazyEngine
from incubator.errors import EngineError, RegistryError, RegistrySilent
from incubator.oci.descriptor import Descriptor
from incubator.oci.image_config import ImageConfig, RuntimeConfig, digest_of
from incubator.oci.manifest import Index, Manifest
from incubator.oci.media_types import OCI_CONFIG, OCI_LAYER
from incubator.oci.platform import Platform
from incubator.request import Packing

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from incubator.core.together import Stacked

AMD64 = Platform(os="linux", architecture="amd64")
ARM64 = Platform(os="linux", architecture="arm64")
TAR = bytes(1024)
CONFIG: dict[str, Any] = {
    "architecture": "amd64",
    "os": "linux",
    "config": {"Env": ["A=1"], "Cmd": ["x"]},
    "rootfs": {"type": "layers", "diff_ids": [digest_of(TAR)]},
    "history": [{"created_by": "one"}, {"created_by": "two", "empty_layer": True}],
}


class FakeRegistry:
    """One repository with one image of one layer, whose config is `config`."""

    registry = "registry.example"
    path = "base"

    def __init__(self, config: Any, platforms: tuple[Platform, ...] = ()) -> None:
        self.config = json.dumps(config).encode()
        layer = Descriptor(media_type=OCI_LAYER, digest=digest_of(TAR), size=len(TAR))
        described = Descriptor(media_type=OCI_CONFIG, digest=digest_of(self.config), size=len(self.config))
        self.image = Manifest(config=described, layers=(layer,))
        entries = [
            Descriptor(media_type=self.image.media_type, digest=self.image.digest, size=1, platform=platform)
            for platform in platforms
        ]
        self.index = Index(manifests=tuple(entries)) if platforms else None
        self.asked: list[str] = []

    def repository(self, _: object) -> FakeRegistry:
        return self

    def manifest(self, name: str) -> tuple[Manifest | Index, Descriptor]:
        self.asked.append(name)
        if name == "gone":
            raise RegistryError("no such tag", status=404)
        document = self.index if self.index and name == "1" else self.image
        return document, document.descriptor

    def small_blob(self, descriptor: Descriptor, _: int) -> bytes:
        assert descriptor == self.image.config
        return self.config

    def read_blob(self, _: Descriptor) -> Iterator[bytes]:
        yield TAR

    def has_blob(self, digest: str) -> bool:
        self.asked.append(f"blob {digest}")
        raise RegistrySilent("no answer", registry=self.registry)

    def hurry(self, registry: str) -> None:
        assert registry == self.registry


class FakeEngine:
    """An engine without images, that notes what it is given."""

    def __init__(self, *, pulls: bool = True) -> None:
        self.pulls = pulls
        self.calls: list[str] = []
        self.images: dict[str, ImageInfo] = {}

    def info(self) -> EngineInfo:
        return EngineInfo(name="x", version="1", api_version="1", store="docker", platform=AMD64)

    def image(self, reference: str, _: Platform | None = None) -> ImageInfo | None:
        return self.images.get(reference)

    def pull(self, reference: str, **_: Any) -> ImageInfo:
        self.calls.append(f"pull {reference}")
        if not self.pulls:
            raise RegistryError("the engine cannot")
        config = ImageConfig(platform=AMD64, config=RuntimeConfig(), diff_ids=(digest_of(TAR),))
        return self.images.setdefault("pulled", ImageInfo(id="pulled", config=config, size_bytes=1))

    def compose(self, layers_of: str, config: ImageConfig, *, top: Blob | None = None) -> str:
        self.calls.append(f"compose {layers_of or '-'} {'+' if top else '='}")
        name = f"image-{len(self.images)}"
        self.images[name] = ImageInfo(id=name, config=config, size_bytes=1)
        return name

    def push(self, reference: str, **_: Any) -> str:
        self.calls.append(f"push {reference}")
        return ""

    def tag(self, image: str, reference: str) -> None:
        self.calls.append(f"tag {image} {reference}")


def lazy(engine: FakeEngine, registry: FakeRegistry, *, keep: bool = False) -> LazyEngine:
    return LazyEngine(
        cast("Any", engine), cast("Any", registry), keep=keep, shelf=lambda: "incubator-build:1"
    )


def pull(
    engine: LazyEngine, name: str = "registry.example/base:1", platform: Platform | None = None
) -> ImageInfo:
    return engine.pull(name, platform=platform, credential=None, progress=lambda *_: None)


def test_a_base_is_known_by_its_manifest() -> None:
    inner = FakeEngine()
    with lazy(inner, FakeRegistry(CONFIG)) as engine:
        base = pull(engine)
        assert (base.on_engine, base.config.diff_ids) == (False, (digest_of(TAR),))
        assert base.config.config.env == ("A=1",)
        assert [entry.created_by for entry in engine.history(base.id)] == ["one", "two"]
        assert engine.layer_sizes(base.id) == [1024, 0]
        assert inner.calls == []
        assert engine.on_engine(base.id) == engine.on_engine(base.id) == "pulled"
        assert inner.calls == ["pull registry.example/base:1"]


def test_the_platform_decides() -> None:
    registry = FakeRegistry(CONFIG, (ARM64, AMD64))
    with lazy(FakeEngine(), registry) as engine:
        assert not pull(engine).on_engine
    assert registry.asked == ["1", registry.image.digest]
    inner = FakeEngine()
    with lazy(inner, FakeRegistry(CONFIG, (ARM64,))) as engine:
        assert pull(engine).on_engine  # it knows better what else may run there
    assert inner.calls == ["pull registry.example/base:1"]


def test_the_engine_may_know_what_we_do_not() -> None:
    inner = FakeEngine()
    with lazy(inner, FakeRegistry(CONFIG)) as engine:
        assert pull(engine, "registry.example/base:gone").id == "pulled"


def test_a_base_that_the_engine_cannot_pull_is_given_to_it() -> None:
    inner = FakeEngine(pulls=False)
    with lazy(inner, FakeRegistry(CONFIG)) as engine:
        base = pull(engine)
        assert engine.on_engine(base.id) == "image-0"
    assert inner.calls[1:] == ["compose - +", "tag image-0 incubator-build:1"]


@pytest.mark.parametrize(
    "change",
    [
        {"config": {"Env": [1]}},
        {"config": {"Env": {"A": "1"}, "Cmd": [None]}},
        {"config": {"Labels": {"a": 1}}},
        {"config": {"User": 3}},
        {"config": ["x"]},
        {"rootfs": {"diff_ids": ["x"]}},
        {"rootfs": {"diff_ids": []}},
        {"rootfs": []},
        {"history": [{"created_by": 1}]},
        {"history": ["x"]},
        {"history": [{}, {}, {}]},
    ],
)
def test_a_config_that_is_none_is_left_to_the_engine(change: dict[str, Any]) -> None:
    inner = FakeEngine()
    with lazy(inner, FakeRegistry(CONFIG | change)) as engine:
        assert pull(engine).id == "pulled"


@pytest.mark.parametrize("text", ["", "[]", "{", "[" * 100_000])
def test_a_config_that_is_no_json_is_left_to_the_engine(text: str) -> None:
    registry = FakeRegistry({})
    registry.config = text.encode()
    with lazy(FakeEngine(), registry) as engine:
        assert pull(engine).id == "pulled"


def test_a_registry_whose_answer_is_none_is_asked_again() -> None:
    registry = FakeRegistry(CONFIG | {"history": [{"created_by": 1}]})
    with lazy(FakeEngine(), registry) as engine:
        pull(engine)
        pull(engine)
    assert registry.asked == ["1", "1"]


def test_layers_on_known_ones_stay_here_until_a_container_needs_them() -> None:
    inner = FakeEngine()
    with lazy(inner, FakeRegistry(CONFIG)) as engine, Blob.of_bytes(b"x" * 2048) as top:
        base = pull(engine)
        config = ImageConfig(
            platform=AMD64, config=RuntimeConfig(), diff_ids=(*base.config.diff_ids, top.digest)
        )
        image = engine.compose(base.id, config, top=top)
        engine.tag(image, "incubator-cache:key")
        engine.tag(image, "app:1")
        assert engine.image("app:1") == engine.image("incubator-cache:key") == engine.image(image)
        assert engine.unsettled() == []  # nothing is pulled for that
        assert inner.calls == []
        assert engine.on_engine(image) == "image-1"
        assert inner.calls == [
            "pull registry.example/base:1",
            "compose pulled +",
            "tag image-1 incubator-build:1",
            "tag image-1 incubator-cache:key",
        ]


def test_results_go_to_an_engine_that_has_what_they_stand_on() -> None:
    inner = FakeEngine()
    with lazy(inner, FakeRegistry(CONFIG)) as engine, Blob.of_bytes(b"x" * 2048) as top:
        config = ImageConfig(platform=AMD64, config=RuntimeConfig(), diff_ids=(top.digest,))
        image = engine.compose("", config, top=top)
        engine.tag(image, "incubator-cache:key")
        assert engine.unsettled() == [image]
        engine.on_engine(image)
        assert inner.calls == [
            "compose - +",
            "tag image-0 incubator-build:1",
            "tag image-0 incubator-cache:key",
        ]


class Stacking(FakeEngine):
    """One with a store that keeps blobs, and takes several images in one call."""

    def __init__(self, error: EngineError | None = None) -> None:
        super().__init__()
        self.error = error
        self.rows: list[list[Stacked]] = []
        self.packed: list[bytes] = []

    def info(self) -> EngineInfo:
        return replace(super().info(), store="oci")

    def compose_all(self, images: Sequence[Stacked]) -> list[str]:
        self.rows.append(list(images))
        self.packed = [b"".join(image.packed.chunks()) for image in images if image.packed]
        if self.error:
            raise self.error
        return [f"made-{number}" for number, _ in enumerate(images)]


def stack_up(engine: LazyEngine, *tops: Blob) -> list[str]:
    """Images of nothing but these layers, one on the other, each of which has a reference as a result."""
    images = [""]
    for number in range(len(tops)):
        diff_ids = tuple(top.digest for top in tops[: number + 1])
        config = ImageConfig(platform=AMD64, config=RuntimeConfig(), diff_ids=diff_ids)
        images.append(engine.compose(images[-1], config, top=tops[number]))
        engine.tag(images[-1], f"incubator-cache:{number}")
    return images[1:]


ONE, TWO = Blob.of_bytes(b"1" * 2048), Blob.of_bytes(b"2" * 2048)


def test_results_come_in_one_call_packed_as_they_were_pushed() -> None:
    inner = Stacking()
    with lazy(inner, FakeRegistry(CONFIG)) as engine:
        one, two = stack_up(engine, ONE, TWO)
        engine.tag(two, "incubator-build:final")
        best = engine.packed_as(engine.layers[ONE.digest], Packing(compression="gzip", level=9))
        best.described()
        waiting = engine.unsettled()
        assert waiting == [two, one]
        assert [engine.on_engine(image) for image in waiting] == ["made-1", "made-0"]
        assert [[image.below for image in row] for row in inner.rows] == [["", 0]]
        assert [image.references for image in inner.rows[0]] == [
            ["incubator-cache:0"],
            ["incubator-build:1", "incubator-cache:1", "incubator-build:final"],
        ]
        layers = [best, engine.layers[TWO.digest]]
        assert inner.packed == [b"".join(layer.chunks()) for layer in layers]
        assert engine.unsettled() == []
        engine.tag(one, "incubator-cache:late")
        assert inner.calls == ["tag made-0 incubator-cache:late"]


def test_what_nobody_will_look_for_is_not_given_to_the_engine() -> None:
    with lazy(FakeEngine(), FakeRegistry(CONFIG)) as engine:
        config = ImageConfig(platform=AMD64, config=RuntimeConfig(), diff_ids=(ONE.digest,))
        engine.tag(engine.compose("", config, top=ONE), "incubator-build:final")
        assert engine.unsettled() == []


def test_what_the_engine_refuses_can_be_brought_again() -> None:
    inner = Stacking(EngineError("no"))
    with lazy(inner, FakeRegistry(CONFIG)) as engine:
        image = stack_up(engine, ONE)[0]
        for _ in range(2):
            with pytest.raises(EngineError):
                engine.on_engine(image)
        assert all(stacked.top.file.closed for row in inner.rows for stacked in row)
        inner.error = None
        assert engine.on_engine(image) == "made-0"


def test_what_is_to_be_kept_is_brought_for_its_name() -> None:
    inner = FakeEngine()
    with lazy(inner, FakeRegistry(CONFIG), keep=True) as engine:
        base = pull(engine)
        engine.tag(base.id, "app:1")
        assert inner.calls == ["pull registry.example/base:1", "tag pulled app:1"]


def test_a_registry_that_gives_no_answer_is_not_waited_for_again() -> None:
    inner, registry = FakeEngine(), FakeRegistry(CONFIG)
    with lazy(inner, registry) as engine:
        base = pull(engine)
        for tag in ("registry.example/app:1", "registry.example/app:2"):
            engine.tag(base.id, tag)
            engine.push(tag, credential=None, progress=lambda *_: None)
    assert [name for name in registry.asked if name.startswith("blob")] == [f"blob {digest_of(TAR)}"]
    assert [call for call in inner.calls if call.startswith("push")] == [
        "push registry.example/app:1",
        "push registry.example/app:2",
    ]
