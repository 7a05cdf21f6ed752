"""Platforms in the spelling that containerd's `platforms` package gives them."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from incubator.errors import InputError
from incubator.oci.platform import Platform, make_platform, parse_platform


@pytest.mark.parametrize(
    ("text", "normal"),
    [
        ("linux/amd64", "linux/amd64"), ("amd64", "linux/amd64"), ("x86_64", "linux/amd64"), ("x86-64", "linux/amd64"),
        ("Linux/AMD64", "linux/amd64"), ("linux/amd64/v1", "linux/amd64"), ("linux/amd64/v3", "linux/amd64/v3"),
        ("arm64", "linux/arm64"), ("aarch64", "linux/arm64"), ("linux/arm64/v8", "linux/arm64"),
        ("linux/arm64/8", "linux/arm64"),
        ("linux/arm64/v9", "linux/arm64/v9"), ("arm", "linux/arm/v7"), ("linux/arm", "linux/arm/v7"),
        ("linux/arm/6", "linux/arm/v6"), ("linux/arm/v5", "linux/arm/v5"), ("armhf", "linux/arm/v7"),
        ("armel", "linux/arm/v6"),
        ("linux/armel", "linux/arm/v6"), ("i386", "linux/386"), ("linux/i686", "linux/386"), ("s390x", "linux/s390x"),
        ("linux/riscv64", "linux/riscv64"), ("windows/amd64", "windows/amd64"), ("macos/arm64", "darwin/arm64"),
        ("linux/ppc64le", "linux/ppc64le"), ("wasi/wasm", "wasi/wasm"),
    ],
)  # fmt: skip
def test_normal_forms(text: str, normal: str) -> None:
    assert str(parse_platform(text)) == normal
    assert parse_platform(normal) == parse_platform(text)


@pytest.mark.parametrize(
    "text", ["", "/", "linux/", "/amd64", "a/b/c/d", "linux/amd64/", "linux/am d", "linux/a\n", "é/amd64"]
)
def test_what_is_no_platform(text: str) -> None:
    with pytest.raises(InputError) as caught:
        parse_platform(text)
    assert caught.value.message == f"invalid platform {text!r}"
    assert "linux/amd64" in (caught.value.hint or "")


@pytest.mark.parametrize("text", ["linux", "windows"])
def test_an_operating_system_alone_does_not_do(text: str) -> None:
    with pytest.raises(InputError) as caught:
        parse_platform(text)
    assert caught.value.hint == "name the architecture too, as in linux/amd64"


@pytest.mark.parametrize(
    ("text", "what", "hint"),
    [
        ("linux/arm46", "architecture 'arm46'", "did you mean arm64?"),
        ("x86-46", "architecture 'x86-46'", "did you mean x86-64?"),
        ("linus/amd64", "operating system 'linus'", "did you mean linux?"),
        ("foo", "architecture 'foo'", "known are 386, amd64, arm, arm64, "),
    ],
)
def test_an_unknown_name_is_told_and_corrected(text: str, what: str, hint: str) -> None:
    with pytest.raises(InputError) as caught:
        parse_platform(text)
    assert caught.value.message == f"invalid platform {text!r}: there is no {what}"
    assert (caught.value.hint or "").startswith(hint)


def test_parts_as_engines_tell_them() -> None:
    assert make_platform("linux", "arm64", "v8") == Platform(os="linux", architecture="arm64")
    assert make_platform("linux", "amd64", "") == Platform(os="linux", architecture="amd64")
    assert make_platform("linux", "arm", "") == make_platform("linux", "arm", "7")


WORD = st.sampled_from(
    ["linux", "amd64", "arm", "arm64", "aarch64", "v8", "8", "7", "v1", "armhf", "X", "a.b", "_"]
)


@given(st.lists(WORD, min_size=1, max_size=3))
def test_a_normal_form_is_normal(parts: list[str]) -> None:
    try:
        platform = parse_platform("/".join(parts))
    except InputError:
        return
    assert parse_platform(str(platform)) == platform
    assert make_platform(platform.os, platform.architecture, platform.variant) == platform
