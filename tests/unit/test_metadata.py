import dataclasses
import json
import os
from pathlib import Path

import pytest

from incubator.console.summary import summary_lines
from incubator.core.result import CommandLog, LayerResult, ResultImage, ResultIndex
from incubator.errors import InputError
from incubator.metadata import check_dest, check_writable, make_metadata, metadata_text, write_atomically
from incubator.oci.attestation import SLSA_PROVENANCE
from incubator.oci.descriptor import Descriptor
from incubator.oci.image_config import RuntimeConfig
from incubator.oci.media_types import OCI_INDEX
from incubator.oci.platform import parse_platform
from incubator.request import FileOutput

ID, CONFIG, DIGEST = ("sha256:" + pair * 32 for pair in ("1a", "2b", "3c"))


def result(*, tags: tuple[str, ...] = (), pushed: bool = False) -> ResultImage:
    base = LayerResult(
        diff_id="sha256:00", size_bytes=None, commands=(), duration_s=0, cached=False, base=True
    )
    layers = (
        LayerResult(
            diff_id=ID, size_bytes=1500, commands=("RUN a\n  b", "RUN c"), duration_s=1.5, cached=False
        ),
        LayerResult(diff_id=CONFIG, size_bytes=2_500_000, commands=("COPY . .",), duration_s=0, cached=True),
    )
    return ResultImage(
        id=ID,
        config_digest=CONFIG,
        tags=tags,
        digests=dict.fromkeys(tags, DIGEST) if pushed else {},
        layers=(base, base, *layers),
        logs=(CommandLog(command="RUN a", logs="x"),),
        config=RuntimeConfig(),
        platform=parse_platform("linux/amd64"),
        duration_s=75.2,
    )


def test_metadata_is_what_docker_writes() -> None:
    text = metadata_text(make_metadata(result(tags=("app:1", "r:5000/x/app:2"), pushed=True)))
    assert json.loads(text) == {
        "containerimage.config.digest": CONFIG,
        "containerimage.digest": DIGEST,
        "image.name": "docker.io/library/app:1,r:5000/x/app:2",
    }
    assert text.startswith('{\n  "containerimage.config.digest"')


def test_what_is_attested_is_told() -> None:
    attested = dataclasses.replace(result(tags=("app:1",), pushed=True), provenance={"buildDefinition": {}})
    assert json.loads(metadata_text(make_metadata(attested)))["incubator.provenance"] == {
        "buildDefinition": {}
    }


def test_without_push_the_digest_is_that_of_the_engine() -> None:
    assert json.loads(metadata_text(make_metadata(result()))) == {
        "containerimage.config.digest": CONFIG,
        "containerimage.digest": ID,
    }


def test_files_are_there_whole_or_not_at_all(tmp_path: Path) -> None:
    target = tmp_path / "iid"
    write_atomically(str(target), "one")
    write_atomically(str(target), "two")
    assert target.read_text() == "two"
    assert list(tmp_path.iterdir()) == [target]
    with pytest.raises(UnicodeEncodeError):
        write_atomically(str(target), "\ud800")
    assert target.read_text() == "two"
    assert list(tmp_path.iterdir()) == [target]


def test_a_link_is_replaced_not_followed(tmp_path: Path) -> None:
    (tmp_path / "precious").write_text("mine")
    (tmp_path / "iid").symlink_to("precious")
    write_atomically(str(tmp_path / "iid"), "id")
    assert (tmp_path / "precious").read_text() == "mine"
    assert (tmp_path / "iid").read_text() == "id"


def test_a_pipe_is_written_to() -> None:
    reader, writer = os.pipe()
    write_atomically(f"/dev/fd/{writer}", "id")
    os.close(writer)
    assert os.read(reader, 99) == b"id"
    os.close(reader)


def test_where_nothing_can_be_written(tmp_path: Path) -> None:
    check_writable(str(tmp_path / "new"), "--iidfile")
    check_writable("new", "--iidfile")
    with pytest.raises(InputError, match=r"--iidfile '.*' is a folder"):
        check_writable(str(tmp_path), "--iidfile")
    with pytest.raises(InputError, match="there is no folder"):
        check_writable(str(tmp_path / "no/file"), "--iidfile")
    assert not list(tmp_path.iterdir())


def test_a_file_system_that_takes_nothing_is_noticed_at_once(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"output '/sys/x\.tar' cannot be written: ") as caught:
        check_dest(FileOutput(kind="tar", dest="/sys/x.tar"))
    assert caught.value.hint
    with pytest.raises(InputError, match=r"output '/sys/no/where' cannot be written: "):
        check_dest(FileOutput(kind="local", dest="/sys/no/where"))
    check_dest(FileOutput(kind="local", dest=str(tmp_path / "no/where")))
    check_dest(FileOutput(kind="tar", dest="/dev/stdout"))
    assert not list(tmp_path.iterdir())


def index(*, pushed: bool) -> ResultIndex:
    one = result(tags=("app:1",), pushed=pushed)
    fields = {name: getattr(one, name) for name in one.__dataclass_fields__}
    images = tuple(
        dataclasses.replace(one, tags=(), platform=parse_platform(text))
        for text in ("linux/amd64", "linux/arm64")
    )
    descriptor = Descriptor(media_type=OCI_INDEX, digest=DIGEST, size=7) if pushed else None
    return ResultIndex(**(fields | {"images": images, "descriptor": descriptor}))


def test_metadata_of_several_platforms() -> None:
    metadata = make_metadata(index(pushed=True))
    assert metadata.keys() == {
        "containerimage.descriptor", "containerimage.digest", "image.name", "incubator.platforms"
    }  # fmt: skip
    assert metadata["containerimage.descriptor"] == {"mediaType": OCI_INDEX, "digest": DIGEST, "size": 7}
    digests = {"containerimage.config.digest": CONFIG, "containerimage.digest": DIGEST}
    assert metadata["incubator.platforms"] == {"linux/amd64": digests, "linux/arm64": digests}
    assert "containerimage.digest" not in make_metadata(index(pushed=False))


def test_the_summary_has_a_part_for_each_platform() -> None:
    lines = summary_lines(index(pushed=True))
    assert lines[:3] == ["tag       app:1", f"digest    app:1@{DIGEST}", "platform  linux/amd64"]
    assert lines.count("platform  linux/arm64") == 1
    assert lines.count("layers    2 layers (2.5 MB), 2 layers of the base") == 2
    assert lines[-1] == "built in  1 min 15 s"


def test_the_summary() -> None:
    assert summary_lines(result(tags=("app:1",), pushed=True)) == [
        f"image     {ID}",
        f"config    {CONFIG}",
        "tag       app:1",
        f"digest    app:1@{DIGEST}",
        "platform  linux/amd64",
        "layers    2 layers (2.5 MB), 2 layers of the base",
        "  sha256:1a1a1a1a1a1a    1.5 kB     1.5 s  RUN a b; RUN c",
        "  sha256:2b2b2b2b2b2b    2.5 MB    CACHED  COPY . .",
        "built in  1 min 15 s",
    ]
    attested = dataclasses.replace(result(), attested=(SLSA_PROVENANCE,))
    assert "attested  https://slsa.dev/provenance/v1" in summary_lines(attested)
    assert "  sha256:1a1a1a1a1a1a    1.5 kB ..." in summary_lines(result(), columns=35)
