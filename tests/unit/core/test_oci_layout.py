"""OCI layouts: which image is meant, and what is refused."""

from __future__ import annotations

import json
import os
from typing import TYPE_CHECKING, Any

import pytest

from incubator.context.directory import DirectoryContext
from incubator.core.oci_layout import OciLayout
from incubator.errors import InputError
from incubator.oci.layout import LayoutReference, parse_layout_reference
from incubator.oci.platform import Platform
from tests.layouts import INDEX, LAYER, MANIFEST, Layout, sha256

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

AMD64 = Platform(os="linux", architecture="amd64")
ARM64 = Platform(os="linux", architecture="arm64")
DIGEST = f"sha256:{'a' * 64}"


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("/l", LayoutReference(path="/l")),
        ("out/l:1.0", LayoutReference(path="out/l", tag="1.0")),
        (f"/l@{DIGEST}", LayoutReference(path="/l", digest=DIGEST)),
        (f"/l:x@{DIGEST}", LayoutReference(path="/l", tag="x", digest=DIGEST)),
        ("/a:b/c@d/l", LayoutReference(path="/a:b/c@d/l")),
    ],
)
def test_references_of_layouts(text: str, expected: LayoutReference) -> None:
    assert parse_layout_reference(text) == expected


@pytest.mark.parametrize("text", ["", ":tag", "/l@sha256:1", f"@{DIGEST}", "/l@latest"])
def test_what_names_no_layout(text: str) -> None:
    with pytest.raises(InputError, match="invalid layout"):
        parse_layout_reference(text)


@pytest.fixture
def layout(tmp_path: Path) -> Layout:
    """An empty layout."""
    return Layout(tmp_path / "layout")


def read(layout: Layout, platform: Platform = AMD64, **wanted: str) -> str:
    """Read an image whole; the digest of its manifest."""
    with DirectoryContext(layout.folder) as files:
        image = OciLayout(files, **wanted).image(platform)
        for layer in image.layers:
            assert len(b"".join(layer.chunks())) == layer.size_bytes
        return image.manifest.digest


def test_an_image_by_tag_digest_and_none(layout: Layout) -> None:
    one, two = layout.image({"f": "1"}), layout.image({"f": "2"})
    layout.name(one=one)
    assert read(layout) == one["digest"]
    layout.name(one=one, latest=two)
    assert read(layout) == two["digest"]
    assert read(layout, tag="one") == one["digest"]
    layout.name(one=one)
    assert read(layout, digest=two["digest"]) == two["digest"]
    layout.name(**{"registry.example:5000/app:1.0": two, "other": one})
    assert read(layout, tag="1.0") == two["digest"]
    with pytest.raises(InputError, match="no image 'latest'") as caught:
        read(layout)
    assert "'other'" in str(caught.value)


def test_an_image_by_platform(layout: Layout) -> None:
    one, two = layout.image({"f": "1"}), layout.image({"f": "2"}, architecture="arm64")
    layout.name(
        latest=layout.document({"schemaVersion": 2, "mediaType": INDEX, "manifests": [one, two]}, INDEX)
    )
    assert read(layout, AMD64) == one["digest"]
    assert read(layout, ARM64) == two["digest"]
    with pytest.raises(InputError, match="no image for linux/s390x") as caught:
        read(layout, Platform(os="linux", architecture="s390x"))
    assert "linux/amd64, linux/arm64" in str(caught.value)


def _deep(layout: Layout) -> dict[str, Any]:
    inner = layout.image({"f": "1"})
    for _ in range(4):
        inner = layout.document({"schemaVersion": 2, "mediaType": INDEX, "manifests": [inner]}, INDEX)
    return inner


def _with(layout: Layout, **changes: Any) -> dict[str, Any]:
    """A descriptor of a sound manifest with other keys."""
    manifest = json.loads(layout.path(layout.image({"f": "1"})["digest"]).read_bytes())
    return layout.document(manifest | changes, MANIFEST)


def _changed(layout: Layout, find: Callable[[dict[str, Any]], str], data: bytes | None) -> dict[str, Any]:
    """A descriptor of an image of which one blob is another, or missing."""
    image = layout.image({"f": "1"})
    manifest = json.loads(layout.path(image["digest"]).read_bytes())
    path = layout.path(find(manifest))
    if data is None:
        path.unlink()
    else:
        path.write_bytes(data + path.read_bytes()[len(data) :])
    return image


def _linked(layout: Layout) -> dict[str, Any]:
    """A blob that is a link out of the layout, to a file whose digest is right."""
    image = layout.image({"f": "1"})
    path = layout.path(image["digest"])
    out = layout.folder.parent / "outside"
    path.rename(out)
    path.symlink_to(out)
    return image


def _pipe(layout: Layout) -> dict[str, Any]:
    image = layout.image({"f": "1"})
    layout.path(image["digest"]).unlink()
    os.mkfifo(layout.path(image["digest"]))
    return image


def _holes(layout: Layout) -> dict[str, Any]:
    """A layer of very many zeros, which take no space."""
    sparse = layout.path(f"sha256:{'b' * 64}")
    with sparse.open("wb") as file:
        file.truncate(1 << 41)
    return _with(layout, layers=[{"mediaType": LAYER, "digest": f"sha256:{'b' * 64}", "size": 1 << 41}])


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (_deep, "too deep"),
        (_linked, "no blobs/sha256/"),
        (_pipe, "is no file"),
        (_holes, "larger than"),
        (lambda made: _changed(made, lambda found: str(found["config"]["digest"]), b"x"), "is not what its digest"),
        (lambda made: _changed(made, lambda found: str(found["layers"][0]["digest"]), b"x"), "is not what its"),
        (lambda made: _changed(made, lambda found: str(found["layers"][0]["digest"]), None), "the layout has no"),
        (lambda made: made.image({"f": "1"}) | {"digest": DIGEST}, "the layout has no blobs/sha256/aaa"),
        (lambda made: made.image({"f": "1"}) | {"digest": "sha256:../../../etc/passwd"}, "digest is none"),
        (lambda made: made.image({"f": "1"}) | {"size": 10}, "larger than 10 bytes"),
        (lambda made: made.image({"f": "1"}) | {"size": 1 << 62}, None),
        (lambda made: _with(made, layers=[]), "0 layers"),
        (lambda made: _with(made, layers=None), "does not hold|no list|0 layers"),
        (lambda made: _with(made, manifests=[]), "does not hold"),
        (lambda made: _with(made, config=made.document([], LAYER)), "is none"),
        (lambda made: made.image({"f": "1"}, rootfs=[1]), "is none"),
        (lambda made: made.image({"f": "1"}, rootfs={"diff_ids": []}), "tells of 0"),
        (lambda made: made.image({"f": "1"}, rootfs={"diff_ids": 5}), "is none"),
        (
            lambda made: made.image({"f": "1"}, config={"Healthcheck": {"Interval": float("inf")}}),
            "is none",
        ),
    ],
)  # fmt: skip
def test_hostile_layouts(
    layout: Layout, make: Callable[[Layout], dict[str, Any]], message: str | None
) -> None:
    layout.name(latest=make(layout))
    if message is None:  # what a descriptor says of a manifest is a bound, not a promise to read so much
        read(layout)
        return
    with pytest.raises(InputError, match=message):
        read(layout)


def test_a_layer_that_is_wrong_is_never_whole(layout: Layout) -> None:
    layout.name(latest=_changed(layout, lambda found: str(found["layers"][0]["digest"]), b"x"))
    with DirectoryContext(layout.folder) as files:
        [layer] = OciLayout(files).image(AMD64).layers
        got: list[bytes] = []
        with pytest.raises(InputError):
            got.extend(layer.chunks())
        assert sum(map(len, got)) < layer.size_bytes


@pytest.mark.parametrize(
    ("name", "text", "message"),
    [
        ("oci-layout", "{}", "version 1.0.0"),
        ("oci-layout", "no JSON", "version 1.0.0"),
        ("oci-layout", " " * 2000, "larger than"),
        ("index.json", "[]", "no object"),
        ("index.json", '{"schemaVersion": 2, "config": {}, "layers": []}', "digest is none|source says|does not hold"),
        ("index.json", "[" * 100_000, "not JSON"),
    ],
)  # fmt: skip
def test_what_is_no_layout(layout: Layout, name: str, text: str, message: str) -> None:
    (layout.folder / name).write_text(text)
    with pytest.raises(InputError, match=message):
        read(layout)


def test_a_manifest_by_a_digest_that_is_not_its_own(layout: Layout) -> None:
    layout.path(DIGEST).write_bytes(b"{}")
    with pytest.raises(InputError, match="is not what its digest"):
        read(layout, digest=DIGEST)
    assert sha256(b"{}") != DIGEST
