"""OCI layouts as sources of images, on each engine."""

from __future__ import annotations

import io
import tarfile
from typing import TYPE_CHECKING

import pytest

from incubator.core.caching import CACHE_REPOSITORY
from incubator.errors import BuilderError, EngineError, InputError
from tests.engine.conftest import api_of
from tests.layouts import INDEX, Layout, layer_tar, sha256

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from lab import EngineHandle
    from tests.engine.conftest import Bench

DOCKERFILE = """\
FROM base
RUN echo made > /made
COPY --from=files /a/file /b/
COPY --from=files /name /
"""


@pytest.fixture(scope="session")
def busybox(start_engine: Callable[[str], EngineHandle], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A layout that an engine has written: `docker save` of a new Docker."""
    folder = tmp_path_factory.mktemp("busybox")
    api = api_of(start_engine("docker28"))
    saved = io.BytesIO(b"".join(api.get_image("busybox:latest")))
    api.close()
    with tarfile.open(fileobj=saved) as tar:
        tar.extractall(folder, filter="data")
    return folder


@pytest.fixture
def files(bench: Bench, busybox: Path, tmp_path: Path) -> Iterator[Layout]:
    """An empty layout. What the engine keeps of it, and of the other, is taken away."""
    layout = Layout(tmp_path / "files")
    yield layout
    for folder in (layout.folder, busybox):
        for blob in (folder / "blobs" / "sha256").iterdir():
            bench.client.remove_image(f"{CACHE_REPOSITORY}:{blob.name}")


def test_from_and_copy_of_layouts(bench: Bench, busybox: Path, files: Layout) -> None:
    mine = files.image({"a/file": "of the layout\n", "name": "amd64"})
    other = files.image({"a/file": "of the layout\n", "name": "arm64"}, architecture="arm64")
    index = {"schemaVersion": 2, "mediaType": INDEX, "manifests": [other, mine]}
    files.name(multi=files.document(index, INDEX))
    contexts = {"base": f"oci-layout://{busybox}", "files": f"oci-layout://{files.folder}:multi"}
    result = bench.build(DOCKERFILE, build_contexts=contexts)
    assert bench.run(result.id, "cat", "/made", "/b/file", "/name") == "made\nof the layout\namd64"
    again = bench.build(DOCKERFILE, build_contexts=contexts, no_cache=False)
    assert bench.run(again.id, "cat", "/name") == "amd64"


def test_the_config_of_a_layout_is_the_base(bench: Bench, files: Layout) -> None:
    path = "PATH=/bin"
    files.name(latest=files.image({"f": "x"}, config={"Env": ["FROM_LAYOUT=yes", path]}))
    result = bench.build("FROM base\nENV MORE=1\n", build_contexts={"base": f"oci-layout://{files.folder}"})
    assert result.config.env == ("FROM_LAYOUT=yes", path, "MORE=1")
    assert len(result.layers) == 1


def test_a_layer_whose_digest_is_wrong_reaches_no_image(bench: Bench, files: Layout) -> None:
    image = files.image({"f": "x" * 100})
    files.name(latest=image)
    [layer] = [
        path for path in (files.folder / "blobs/sha256").iterdir() if path.read_bytes()[:2] == b"\x1f\x8b"
    ]
    data = layer.read_bytes()
    layer.write_bytes(data[:-1] + bytes([data[-1] ^ 1]))
    with pytest.raises(InputError, match="is not what its digest"):
        bench.build("FROM base\n", build_contexts={"base": f"oci-layout://{files.folder}"})


def test_a_config_that_lies_about_its_layers_is_refused(bench: Bench, files: Layout) -> None:
    """It would stand for another image in the cache."""
    lie = sha256(layer_tar({"f": files.folder.as_posix()}))
    files.name(latest=files.image({"f": "other"}, rootfs={"type": "layers", "diff_ids": [lie]}))
    with pytest.raises(BuilderError) as caught:
        bench.build(
            "FROM base\nCOPY --from=base /f /g\n", build_contexts={"base": f"oci-layout://{files.folder}"}
        )
    assert isinstance(caught.value, EngineError), caught.value


def test_a_config_without_a_time(bench: Bench, files: Layout) -> None:
    """With a volume, steps start from another image of the same config, which the engine has to take."""
    files.name(latest=files.image({"f": "x"}, config={"Volumes": {"/v": {}}}))
    result = bench.build(
        "FROM base\nCOPY --from=base /f /v/f\n", build_contexts={"base": f"oci-layout://{files.folder}"}
    )
    assert "v/f" in bench.snapshot(result.id).files


def test_layers_of_zstd(bench: Bench, files: Layout) -> None:
    files.name(latest=files.image({"f": "unpacked"}, zstd=True))
    contexts = {"files": f"oci-layout://{files.folder}"}
    dockerfile = "FROM busybox\nCOPY --from=files /f /f\n"
    if bench.handle.name == "docker20":
        with pytest.raises(EngineError, match="did not keep") as caught:
            bench.build(dockerfile, build_contexts=contexts)
        assert "zstd" in str(caught.value.hint)
        return
    result = bench.build(dockerfile, build_contexts=contexts)
    assert bench.run(result.id, "cat", "/f") == "unpacked"
