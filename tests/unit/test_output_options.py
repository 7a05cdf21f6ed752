"""The grammar of `--output`."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from incubator.errors import InputErrors
from incubator.faults import Faults
from incubator.output_options import Outputs, read_outputs
from incubator.request import FileOutput, Packing

if TYPE_CHECKING:
    from pathlib import Path


def read(*texts: str, stdout: bool = True, workspace: Path | None = None) -> Outputs:
    faults = Faults()
    outputs = read_outputs(texts, faults, stdout=stdout, workspace=workspace)
    faults.check()
    return outputs


def fault_of(*texts: str, stdout: bool = True) -> str:
    faults = Faults()
    read_outputs(texts, faults, stdout=stdout)
    [error] = faults.errors
    return str(error)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("out", FileOutput(kind="local", dest="out")),
        ("type=local,dest=out", FileOutput(kind="local", dest="out")),
        ('"type=local","dest=a,b"', FileOutput(kind="local", dest="a,b")),
        ("-", FileOutput(kind="tar", dest="-")),
        ("type=tar", FileOutput(kind="tar", dest="-")),
        ("TYPE=tar,dest=x.tar", FileOutput(kind="tar", dest="x.tar")),
        ("type=docker,dest=x.tar,tar=true", FileOutput(kind="docker", dest="x.tar")),
        ("type=oci", FileOutput(kind="oci", dest="-")),
        ("type=oci,dest=x,tar=false", FileOutput(kind="oci", dest="x", unpacked=True)),
        (
            "type=oci,dest=x,compression=zstd,compression-level=19,force-compression=true",
            FileOutput(kind="oci", dest="x", packing=Packing(compression="zstd", level=19, force=True)),
        ),
    ],
)
def test_files(text: str, expected: FileOutput) -> None:
    outputs = read(text)
    assert outputs.files == (expected,)
    assert outputs.without_image


def test_pushes_by_digest() -> None:
    outputs = read("type=image,name=acme/web,push-by-digest=true,name-canonical=true,push=true")
    assert outputs == Outputs(names=("acme/web",), push=True, by_digest=True, image=True)
    assert not read("type=registry,push-by-digest=false").by_digest
    assert "push-by-digest=perhaps is neither" in fault_of("type=registry,push-by-digest=perhaps")
    assert "there is no attribute 'push-by-digest'" in fault_of("type=oci,dest=x,push-by-digest=true")


def test_paths_count_from_a_workspace_and_links_do_not_lead_out_of_it(tmp_path: Path) -> None:
    workspace = tmp_path / "work"
    workspace.mkdir()
    (workspace / "link").symlink_to(tmp_path)
    [output] = read("type=tar,dest=a/x.tar", workspace=workspace).files
    assert output.dest == str(workspace / "a/x.tar")
    [output] = read(f"type=local,dest={tmp_path}/elsewhere", workspace=workspace).files
    assert output.dest == str(tmp_path / "elsewhere")
    with pytest.raises(InputErrors, match="leads out of the workspace"):
        read("type=local,dest=link/x", workspace=workspace)
    with pytest.raises(InputErrors, match="cannot hold a NUL character"):
        read("type=local,dest=a\0b", workspace=workspace)
    assert output.real
    assert not read("type=local,dest=x").files[0].real


def test_names_and_pushes() -> None:
    outputs = read("type=image,name=a:1,push=true", "out", "type=registry,name=b:2")
    assert outputs.names == ("a:1", "b:2")
    assert outputs.push
    assert not outputs.without_image
    assert not read("type=image,push=false").push


@pytest.mark.parametrize(
    ("attributes", "expected"),
    [
        ("", None),
        (",compression=uncompressed", Packing(compression="none")),
        (",compression=zstd,compression-level=0", Packing(compression="zstd", level=0)),
        (",compression-level=9", Packing(compression="gzip", level=9)),
        (",force-compression=1", Packing(compression="gzip", force=True)),
        (",oci-mediatypes=false", Packing(oci_types=False)),
        (",oci-mediatypes=true", Packing()),
    ],
)
def test_how_a_pushed_image_is_packed(attributes: str, expected: Packing | None) -> None:
    outputs = read(f"type=registry,name=a:1{attributes}", "type=registry,name=b:1")
    assert (outputs.packing, outputs.push, outputs.names) == (expected, True, ("a:1", "b:1"))


def test_nothing_but_the_cache() -> None:
    assert read("type=cacheonly").without_image
    assert not read("type=cacheonly", "type=image").without_image


@pytest.mark.parametrize(
    ("texts", "words"),
    [
        ([""], "it is empty"),
        (["dest=x"], "it has no type"),
        (["type=tra,dest=x"], "tar"),
        (["type=oci,tar=false"], "it has no dest"),
        (["type=oci,dest=-,tar=false"], "cannot go to standard output"),
        (["type=oci,dest=x,oci-mediatypes=false"], "type=docker,dest=FILE"),
        (["type=cacheonly,dest=x"], "no attribute 'dest'"),
        (["type=docker,dest=x,compression=gzip"], "the engine writes this archive"),
        (["type=image,compression=zsdt"], "zstd"),
        (["type=image,compression=estargz"], "no compression 'estargz'"),
        (["type=image,compression-level=10"], "none of gzip"),
        (["type=image,compression=zstd,compression-level=-1"], "from 0 to 22"),
        (["type=image,compression=uncompressed,compression-level=1"], "nothing is compressed"),
        (["type=image,compression=zstd,oci-mediatypes=false"], "exclude each other"),
        (["type=registry,name=a,compression=zstd", "type=registry,name=b,compression=gzip"], "two ways"),
        (["type=local"], "it has no dest"),
        (["type=local,dest=-"], "type=tar"),
        (["type=docker,dest=x,tar=false"], "tar=false is not supported"),
        (["type=tar,dset=x"], "dest"),
        (["type=tar,dest=x,dest=y"], "given twice"),
        (["type=image,push=maybe"], "neither true nor false"),
        (["type=tar,dest=x", "type=docker,dest=x"], "two outputs go to"),
    ],
)
def test_faults(texts: list[str], words: str) -> None:
    assert words in fault_of(*texts)


def test_standard_output_may_be_taken() -> None:
    assert "standard output is not free" in fault_of("type=tar,dest=-", stdout=False)
    assert "no dest" in fault_of("type=tar", stdout=False)
