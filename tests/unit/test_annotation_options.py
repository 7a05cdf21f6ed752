"""Annotations as options name them."""

from __future__ import annotations

import pytest

from incubator.annotation_options import parse_annotation, parse_merge_annotation, read_annotations
from incubator.errors import InputError
from incubator.faults import Faults
from incubator.oci.annotations import Annotation
from incubator.oci.platform import Platform

ARM64 = Platform(os="linux", architecture="arm64")


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("a=b", [Annotation(key="a", value="b")]),
        ("a=", [Annotation(key="a", value="")]),
        ("a=b=c: d", [Annotation(key="a", value="b=c: d")]),
        ("index:a=b", [Annotation(key="a", value="b", level="index")]),
        ("manifest:x:y=b", [Annotation(key="x:y", value="b")]),
        (
            "manifest[linux/arm64],index:a=b",
            [Annotation(key="a", value="b", platform=ARM64), Annotation(key="a", value="b", level="index")],
        ),
        ("manifest[linux/arm64/v8],manifest[arm64]:a=b", [Annotation(key="a", value="b", platform=ARM64)]),
        ("manifest-descriptor:a=b", [Annotation(key="a", value="b", level="manifest-descriptor")]),
        ("index-descriptor:a=b", [Annotation(key="a", value="b", level="index-descriptor")]),
    ],
)
def test_forms(text: str, expected: list[Annotation]) -> None:
    assert list(parse_annotation(text)) == expected


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("a", "it has no value"),
        ("", "it has no value"),
        ("=b", "'' is no key"),
        ("index:=b", "'' is no key"),
        ("a b=c", "'a b' is no key"),
        ("a\x1b[0m=c", "is no key"),
        ("manifst:a=b", "no level 'manifst'"),
        ("Manifest:a=b", "'Manifest' is no level"),
        ("manifest[]:a=b", "is no level"),
        ("manifest[linux:a=b", "is no level"),
        (",index:a=b", "'' is no level"),
        ("index[linux/arm64]:a=b", "an index is for all platforms"),
        ("manifest[linux/amd46]:a=b", "no architecture 'amd46'"),
    ],
)
def test_faults(text: str, words: str) -> None:
    with pytest.raises(InputError) as caught:
        parse_annotation(text)
    assert words in caught.value.message
    assert caught.value.hint


def test_a_merge_is_about_the_index() -> None:
    assert parse_merge_annotation("a=b") == (Annotation(key="a", value="b", level="index"),)
    assert parse_merge_annotation("manifest-descriptor[arm64]:a=b")[0].platform == ARM64
    for level, words in (
        ("manifest", "leaves manifests as they are"),
        ("index-descriptor", "no index-descriptor in a registry"),
    ):
        with pytest.raises(InputError, match=words):
            parse_merge_annotation(f"index,{level}:a=b")


def test_all_faults_are_told() -> None:
    faults = Faults()
    assert read_annotations(["a", "b=c", "x:y=z"], faults) == (Annotation(key="b", value="c"),)
    assert len(faults.errors) == 2
    assert read_annotations("b=c", faults) == (Annotation(key="b", value="c"),)
