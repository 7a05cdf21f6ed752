from __future__ import annotations

import pytest

from incubator.errors import InputError
from incubator.faults import Faults
from incubator.oci.platform import parse_platforms
from incubator.output_options import Outputs
from incubator.platform_options import check_several, parse_node, read_nodes
from incubator.request import FileOutput

BOTH = parse_platforms("linux/amd64,linux/arm64")


def messages(faults: Faults) -> list[str]:
    return [error.message for error in faults.errors]


def test_platforms_are_a_list_without_twins() -> None:
    assert list(map(str, parse_platforms(" linux/amd64, aarch64,linux/arm64/v8,"))) == [
        "linux/amd64",
        "linux/arm64",
    ]
    for text in ("", "linux/amd64,solaris96"):
        with pytest.raises(InputError):
            parse_platforms(text)


def test_a_node_has_platforms_and_an_address() -> None:
    node = parse_node("arm64,linux/arm/v7=tcp://arm.example:2376")
    assert str(node) == "linux/arm64,linux/arm/v7=tcp://arm.example:2376"
    assert parse_node("arm64=unix:///run/a=b.sock").host == "unix:///run/a=b.sock"


@pytest.mark.parametrize(
    "text",
    [
        "",
        "arm64",
        "arm64=",
        "=tcp://a:1",
        "arm64=arm.example",
        "arm64=tcp://",
        "arm64=http://a",
        "x=tcp://a:1",
    ],
)
def test_what_is_no_node(text: str) -> None:
    with pytest.raises(InputError):
        parse_node(text)


def test_nodes_are_for_platforms_that_are_built() -> None:
    faults = Faults()
    assert len(read_nodes(["arm64=tcp://a:1", "amd64=tcp://b:1"], BOTH, faults)) == 2
    assert faults.errors == []
    read_nodes(["arm64=tcp://a:1", "arm64=tcp://b:1", "s390x=tcp://c:1"], BOTH, faults)
    read_nodes(["arm64=tcp://a:1"], (), faults)
    assert messages(faults) == [
        "two nodes are for linux/arm64: tcp://a:1 and tcp://b:1",
        "node linux/s390x=tcp://c:1: linux/s390x is not built, only linux/amd64, linux/arm64",
        "node linux/arm64=tcp://a:1: linux/arm64 is not built, and no platform is given",
    ]


def test_what_holds_one_image_does_not_go_with_several() -> None:
    faults = Faults()
    outputs = Outputs(files=(FileOutput(kind="local", dest="out"), FileOutput(kind="tar", dest="out.tar")))
    check_several(BOTH, load=True, outputs=outputs, faults=faults)
    assert [text.partition(",")[0] for text in messages(faults)] == [
        "load keeps one image under a name",
        "output of type tar: it holds one image",
    ]
