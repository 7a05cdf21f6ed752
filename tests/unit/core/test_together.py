"""Images that wait until the engine needs one of them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, cast

import pytest

from incubator.core.blob import Blob
from incubator.core.engine import ImageInfo
from incubator.core.engine_proxy import EngineProxy
from incubator.core.together import TogetherEngine
from incubator.errors import EngineError
from incubator.oci.image_config import ImageConfig, RuntimeConfig
from incubator.oci.platform import Platform

if TYPE_CHECKING:
    from collections.abc import Sequence

    from incubator.core.together import Stacked
    from incubator.oci.image_config import HistoryEntry


class Inner(EngineProxy):
    """Has the image `base`, and notes what it gets."""

    def __init__(self) -> None:
        super().__init__(cast("Any", None))
        self.rows: list[list[tuple[int | str, list[str], bytes]]] = []
        self.tags: list[tuple[str, str]] = []
        self.broken = False

    def image(self, reference: str, platform: Platform | None = None) -> ImageInfo | None:
        del platform
        return ImageInfo(id=reference, config=config(), size_bytes=100) if reference == "base" else None

    def tag(self, image: str, reference: str) -> None:
        self.tags.append((image, reference))

    def history(self, image: str) -> tuple[HistoryEntry, ...]:
        self.tags.append(("history", image))
        return ()

    def compose_all(self, images: Sequence[Stacked]) -> list[str]:
        if self.broken:
            raise EngineError("no")
        self.rows.append([(i.below, i.references, b"".join(i.top.chunks())) for i in images])
        return [f"made-{len(self.rows)}-{number}" for number, _ in enumerate(images)]


def config(*tops: Blob) -> ImageConfig:
    return ImageConfig(
        platform=Platform(os="linux", architecture="amd64"),
        config=RuntimeConfig(),
        diff_ids=tuple(top.digest for top in tops),
    )


A, B, C = (Blob.of_bytes(data) for data in (b"a", b"bb", b"ccc"))


@pytest.fixture
def inner() -> Inner:
    return Inner()


@pytest.fixture
def engine(inner: Inner) -> TogetherEngine:
    return TogetherEngine(inner, inner)


def test_a_row_comes_in_one_call_with_its_references(engine: TogetherEngine, inner: Inner) -> None:
    one = engine.compose("base", config(A), top=A)
    engine.tag(one, "x:1")
    two = engine.compose(one, config(A, B), top=B)
    other = engine.compose(one, config(A, C), top=C)
    engine.tag(two, "y:1")
    engine.tag(other, "y:1")  # leaves the image that had it
    assert inner.rows == []
    found = engine.image("y:1")
    assert found
    assert (found.id, found.size_bytes, found.on_engine) == (other, 104, False)
    engine.history(two)
    assert inner.rows == [[("base", ["x:1"], b"a"), (0, [], b"bb"), (0, ["y:1"], b"ccc")]]
    assert inner.tags == [("history", "made-1-1")]


def test_what_is_there_already_is_named_as_the_engine_does(engine: TogetherEngine, inner: Inner) -> None:
    one = engine.compose("base", config(A), top=A)
    engine.settle()
    engine.settle()
    assert engine.compose("base", config(A), top=A) == one
    engine.compose(one, config(A, B), top=B)
    engine.tag(one, "x:1")
    engine.settle()
    assert [row[0][0] for row in inner.rows] == ["base", "made-1-0"]
    assert inner.tags == [("made-1-0", "x:1")]


def test_much_does_not_wait(engine: TogetherEngine, inner: Inner, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("incubator.core.together._MOST_BYTES", 2)
    one = engine.compose("base", config(A), top=A)
    assert inner.rows == []
    engine.compose(one, config(A, B), top=B)
    assert len(inner.rows) == 1


def test_what_the_engine_refuses_is_not_sent_again(engine: TogetherEngine, inner: Inner) -> None:
    one = engine.compose("base", config(A), top=A)
    inner.broken = True
    with pytest.raises(EngineError):
        engine.history(one)
    engine.settle()
