"""Where layers may be sent before an image is complete, and how the wait for them ends."""

from __future__ import annotations

import threading
import time
from contextlib import ExitStack, closing
from typing import TYPE_CHECKING, Any, cast

import pytest

from incubator.context.directory import DirectoryContext
from incubator.core.blob import Blob
from incubator.core.engine import ImageInfo
from incubator.core.known_layers import KnownLayer
from incubator.core.uploads import Uploads, early_place
from incubator.dockerfile.source import Source
from incubator.errors import RegistrySilent
from incubator.oci.image_config import ImageConfig, RuntimeConfig
from incubator.oci.platform import Platform
from incubator.oci.reference import parse_reference
from incubator.registry.credentials import Credentials
from incubator.registry.repository import Registries
from incubator.request import BuildRequest, Packing
from tests.unit.core.planning import plan
from tests.unit.registry.serving import SHORT, Answer, Asked, serving

if TYPE_CHECKING:
    from pathlib import Path

    from incubator.core.lazy import LazyEngine
    from incubator.errors import BuilderError
    from incubator.oci.reference import Reference

TAGS = (parse_reference("ghcr.io/acme/web:1"), parse_reference("other.example/web:1"))
FILES = "FROM busybox\nCOPY a /\n"
RUN = "FROM busybox AS a\nRUN x\nFROM a\nCOPY a /\n"
BESIDE = "FROM busybox AS a\nRUN x\nFROM busybox\nCOPY --from=a /x /\n"


@pytest.mark.parametrize(
    ("text", "store", "options", "early"),
    [
        (FILES, "docker", {}, True),
        (FILES, "docker", {"push": False}, False),
        (FILES, "docker", {"tags": ()}, False),
        (RUN, "docker", {}, False),
        (RUN, "podman", {}, False),
        (RUN, "oci", {}, True),
        (RUN, "docker", {"packing": Packing(compression="zstd")}, True),
        (RUN, "docker", {"push_by_digest": True}, True),
        (BESIDE, "docker", {}, True),
    ],
)
def test_layers_go_early_where_they_are_of_use(
    tmp_path: Path, text: str, store: str, options: dict[str, Any], *, early: bool
) -> None:
    fields: dict[str, Any] = {"tags": TAGS, "push": True} | options
    with DirectoryContext(tmp_path) as context:
        request = BuildRequest(dockerfile=Source("Dockerfile", text), context=context, **fields)
    assert early_place(plan(text), request, store) == (TAGS[0] if early else None)


def test_a_wait_ends_with_the_build(monkeypatch: pytest.MonkeyPatch) -> None:
    arrived, ended = threading.Event(), threading.Event()

    def hang(*_: object) -> None:
        arrived.set()
        assert ended.wait(20)

    def check() -> None:
        assert arrived.wait(20)
        raise InterruptedError

    monkeypatch.setattr(Uploads, "_upload", hang)
    uploads = Uploads(
        engine=cast("LazyEngine", None),
        registries=Registries(Credentials()),
        place=TAGS[0],
        packing=Packing(),
        stages=(0,),
    )
    with uploads:
        uploads._jobs.put(KnownLayer(diff_id="sha256:0"))
        try:
            with pytest.raises(InterruptedError):
                uploads.finish(check)
        finally:
            ended.set()


class FakeEngine:
    """What packs a layer: it is packed as it is."""

    def __init__(self, layers: list[KnownLayer]) -> None:
        self.layers = {layer.diff_id: layer for layer in layers}
        self.errors: list[BuilderError] = []
        self.silent = False

    def note_silence(self, error: BuilderError) -> None:
        self.errors.append(error)

    def is_silent(self, _: Reference) -> bool:
        return self.silent

    def packed_as(self, layer: KnownLayer, _: Packing) -> KnownLayer:
        return layer


def made(number: int) -> KnownLayer:
    tar = Blob.of_bytes(bytes([number]) * 1024)
    return KnownLayer(diff_id=tar.digest, tar=tar, size_bytes=tar.size_bytes)


def image_of(layers: list[KnownLayer]) -> ImageInfo:
    config = ImageConfig(
        platform=Platform(os="linux", architecture="amd64"),
        config=RuntimeConfig(),
        diff_ids=tuple(layer.diff_id for layer in layers),
    )
    return ImageInfo(id="sha256:0", config=config, size_bytes=0)


def uploads_to(place: str, engine: FakeEngine) -> Uploads:
    return Uploads(
        engine=cast("LazyEngine", engine),
        registries=Registries(Credentials(), patience=SHORT),
        place=parse_reference(f"{place}/web:1"),
        packing=Packing(),
        stages=(0,),
    )


@pytest.mark.parametrize(
    ("method", "status"),
    [
        (method, status)
        for method in ("HEAD", "POST", "PUT")
        for status in (400, 401, 403, 404, 429, 500)
        if (method, status) != ("HEAD", 404)  # which says that the layer is not there yet
    ],
)
def test_a_registry_that_refuses_ends_the_uploads_and_no_build(method: str, status: int) -> None:
    """Of a layer that is sent later nothing is asked any more; who puts the image together is told of it."""

    def answer(asked: Asked) -> Answer:
        if asked.method == method:
            return Answer(status=status)
        if asked.method == "POST":
            return Answer(status=202, headers={"Location": "/upload"})
        return Answer(status=404 if asked.method == "HEAD" else 201)

    layers = [made(number) for number in range(3)]
    with ExitStack() as stack:
        for layer in layers:
            stack.callback(layer.close)
        server = stack.enter_context(serving(answer))
        with uploads_to(server.address, FakeEngine(layers)) as uploads:
            uploads.send(1, image_of(layers))
            uploads.send(0, image_of(layers[:1]))
            until = time.monotonic() + 20
            while not uploads._broken:
                assert time.monotonic() < until
                time.sleep(0.01)
            asked = len(server.asked)
            uploads.send(0, image_of(layers))
            uploads.finish(lambda: None)
            assert len(server.asked) == asked
        assert not any(thread.is_alive() for thread in uploads._threads)


def test_silence_is_told_to_who_puts_the_image_together() -> None:
    layer = made(1)
    engine = FakeEngine([layer])
    with closing(layer), uploads_to("127.0.0.1:1", engine) as uploads:
        uploads.send(0, image_of([layer]))
        uploads.finish(lambda: None)
    assert [type(error) for error in engine.errors] == [RegistrySilent]


def test_a_registry_that_is_known_to_be_silent_is_not_asked() -> None:
    layer = made(1)
    engine = FakeEngine([layer])
    engine.silent = True
    with closing(layer), serving(lambda _: Answer()) as server, uploads_to(server.address, engine) as uploads:
        uploads.send(0, image_of([layer]))
        uploads.finish(lambda: None)
        assert server.asked == []
