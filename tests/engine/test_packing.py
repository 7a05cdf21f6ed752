"""How a pushed image and an OCI layout are packed: compressions, levels, media types; and who takes them."""

from __future__ import annotations

import json
import secrets
import tarfile
from typing import TYPE_CHECKING, Any

import pytest

from incubator.errors import RegistryError
from incubator.events import WarningRaised
from incubator.oci.media_types import DOCKER_MANIFEST, OCI_MANIFEST
from tests.conftest import ENGINES
from tests.engine.conftest import Bench, make_bench
from tests.engine.validate import Validated, validate_layout, validate_pushed

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from lab import EngineHandle, RegistryHandle

FILES = {"file": "a file\n" * 1000}
DOCKERFILE = "FROM {base}\nCOPY file /file\nRUN cat /file /file > /twice\n"


@pytest.fixture
def name(registry: RegistryHandle) -> str:
    return f"{registry.address}/packing/{secrets.token_hex(6)}"


@pytest.fixture
def base(start_engine: Callable[[str], EngineHandle], tmp_path: Path, name: str) -> str:
    """A base image of one layer that no engine has had from elsewhere."""
    reference = f"{name}/base:1"
    text = "FROM busybox AS files\nRUN echo {name} > /name\nFROM scratch\nCOPY --from=files / /\n"
    for bench in benches(start_engine("docker28"), tmp_path / "base"):
        bench.build(text.format(name=name), tag=reference, push=True, load=False)
    return reference


@pytest.fixture
def podman(start_engine: Callable[[str], EngineHandle], tmp_path: Path) -> Iterator[Bench]:
    yield from benches(start_engine("podman"), tmp_path / "podman")


def pushed(bench: Bench, base: str, name: str, attributes: str, **options: Any) -> Validated:
    output = f"type=image,name={name},push=true,{attributes}"
    result = bench.build(DOCKERFILE.format(base=base), FILES, outputs=[output], load=False, **options)
    assert result.digest
    assert not [event for event in bench.events if isinstance(event, WarningRaised)]
    image = validate_pushed(name.rpartition(":")[0], result.digest)
    assert image.diff_ids == [layer.diff_id for layer in result.layers]
    assert bench.client.image(name) is None
    return image


@pytest.mark.parametrize(
    ("attributes", "expected", "media_type"),
    [
        ("compression=zstd", ["gzip", "zstd", "zstd"], OCI_MANIFEST),
        ("compression=zstd,force-compression=true,compression-level=19", ["zstd"] * 3, OCI_MANIFEST),
        ("compression=uncompressed", ["gzip", "none", "none"], OCI_MANIFEST),
        ("compression-level=9", ["gzip"] * 3, OCI_MANIFEST),
        ("oci-mediatypes=false", ["gzip"] * 3, DOCKER_MANIFEST),
    ],
)
def test_a_push_is_packed_as_asked(
    docker28: Bench, base: str, name: str, attributes: str, expected: list[str], media_type: str
) -> None:
    image = pushed(docker28, base, f"{name}:1", attributes)
    assert (image.compressions, image.manifest.media_type) == (expected, media_type)
    # What comes out of the cache is packed just the same.
    again = pushed(docker28, base, f"{name}:2", attributes, no_cache=False)
    assert again.manifest.layers == image.manifest.layers


@pytest.mark.parametrize(
    "attributes", ["compression=zstd", "compression=uncompressed", "oci-mediatypes=false"]
)
def test_every_engine_pushes_it_and_takes_it(
    bench: Bench,
    start_engine: Callable[[str], EngineHandle],
    tmp_path: Path,
    base: str,
    name: str,
    attributes: str,
) -> None:
    image = pushed(bench, base, f"{name}:1", attributes)
    assert len(image.compressions) >= 3  # with Podman one layer more takes mount points away
    for engine in ENGINES:
        for other in benches(start_engine(engine), tmp_path / f"pull-{engine}"):
            reference = f"{name}@{image.manifest.digest}"
            if engine == bench.handle.name == "containerd28" and "compression" in attributes:
                continue  # it pulls no layer that it has in another compression, and then lacks the image
            if engine == "docker20" and "zstd" in attributes:
                with pytest.raises(RegistryError):
                    pull(other, reference)
                continue
            pull(other, reference)
            assert other.run(reference, "wc", "-c", "/twice").split() == ["14000", "/twice"]
            other.client.remove_image(reference)


def test_what_lies_beside_an_image_goes_with_it(docker28: Bench, base: str, name: str) -> None:
    output = f"type=registry,name={name}:1,compression=zstd"
    result = docker28.build(
        DOCKERFILE.format(base=base), FILES, outputs=output, load=False, annotations=["org.example.a=b"]
    )
    assert result.digest
    image = validate_pushed(name, result.digest)
    assert image.compressions == ["gzip", "zstd", "zstd"]
    assert dict(image.manifest.annotations) == {"org.example.a": "b"}


def test_a_base_with_zstd(podman: Bench, base: str, name: str) -> None:
    """Podman runs it, and writes no docker archive of it."""
    image = pushed(podman, base, f"{name}:1", "compression=zstd")
    pull(podman, f"{name}:1")
    try:
        output = f"type=image,name={name}:2,push=true,oci-mediatypes=true"
        result = podman.build(f"FROM {name}:1\nRUN cp /twice /again\n", outputs=output, load=False)
    finally:
        podman.client.remove_image(f"{name}:1")
    assert result.digest
    above = validate_pushed(name, result.digest)
    kept = [layer.digest for layer in above.manifest.layers[: len(image.diff_ids)]]
    assert kept == [layer.digest for layer in image.manifest.layers]


def benches(handle: EngineHandle, folder: Path) -> Iterator[Bench]:
    folder.mkdir()
    yield from make_bench(handle, folder)


def pull(bench: Bench, reference: str) -> None:
    bench.client.pull(reference, platform=None, credential=None, progress=lambda *_: None)


def test_an_oci_archive_and_a_folder(bench: Bench, tmp_path: Path) -> None:
    folder, archive = tmp_path / "layout", tmp_path / "layout.tar"
    tags = [f"registry.example/{secrets.token_hex(6)}:1", f"{secrets.token_hex(6)}:two"]
    result = bench.build(
        DOCKERFILE.format(base="busybox"),
        FILES,
        tag=tags,
        outputs=[f"type=oci,dest={archive}", f"type=oci,dest={folder},tar=false,compression=zstd"],
    )
    assert [bench.client.image(tag) for tag in tags] == [None, None]
    unpacked = tmp_path / "unpacked"
    with tarfile.open(archive) as tar:
        tar.extractall(unpacked, filter="data")
    images = [validate_layout(layout, "two") for layout in (unpacked, folder)]
    for layout, image, kind in zip((unpacked, folder), images, ("gzip", "zstd"), strict=True):
        assert image.manifest.config.digest == result.config_digest
        assert set(image.compressions[1:]) == {kind}
        index = json.loads((layout / "index.json").read_text())
        names = [entry["annotations"]["io.containerd.image.name"] for entry in index["manifests"]]
        assert names == [tags[0], f"docker.io/library/{tags[1]}"]
    # Both are what FROM takes, and a second image goes next to the first.
    check = "FROM image\nRUN test $(wc -c < /twice) = 14000\nCOPY --from=image /twice /more\n"
    bench.build(
        check,
        build_contexts={"image": f"oci-layout://{unpacked}:two"},
        tag="web:three",
        outputs=f"type=oci,tar=false,dest={folder}",
    )
    assert validate_layout(folder, "two") == images[1]
    validate_layout(folder, "three")
    assert bench.leftovers() == []


def test_nothing_but_the_cache(bench: Bench) -> None:
    tag = f"incubator-test-cacheonly:{secrets.token_hex(6)}"
    text = f"FROM busybox\nRUN echo {tag} > /x\n"
    result = bench.build(text, tag=tag, outputs="type=cacheonly", no_cache=False)
    assert result.tags == ()
    assert bench.client.image(tag) is None
    again = bench.build(text, tag=tag, outputs="type=cacheonly", no_cache=False)
    assert again.layers[1].cached  # with Podman another one behind it takes mount points away, anew each time
    assert again.config_digest == result.config_digest
    assert bench.leftovers() == []
