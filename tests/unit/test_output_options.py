"""The grammar of `--output`."""

from __future__ import annotations

import pytest

from incubator.faults import Faults
from incubator.output_options import Outputs, read_outputs
from incubator.request import FileOutput


def read(*texts: str, stdout: bool = True) -> Outputs:
    faults = Faults()
    outputs = read_outputs(texts, faults, stdout=stdout)
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
    ],
)
def test_files(text: str, expected: FileOutput) -> None:
    outputs = read(text)
    assert outputs.files == (expected,)
    assert outputs.only_files


def test_names_and_pushes() -> None:
    outputs = read("type=image,name=a:1,push=true", "out", "type=registry,name=b:2")
    assert outputs.names == ("a:1", "b:2")
    assert outputs.push
    assert not outputs.only_files
    assert not read("type=image,push=false").push


@pytest.mark.parametrize(
    ("texts", "words"),
    [
        ([""], "it is empty"),
        (["dest=x"], "it has no type"),
        (["type=tra,dest=x"], "tar"),
        (["type=oci,dest=x"], "skopeo copy"),
        (["type=local"], "it has no dest"),
        (["type=local,dest=-"], "type=tar"),
        (["type=docker,dest=x,tar=false"], "tar=false is not supported"),
        (["type=image,compression=zstd"], "compression=zstd is not supported"),
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
