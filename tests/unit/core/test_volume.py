"""Build-time volumes from text."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from incubator.core.docker_types import make_mount, relabels
from incubator.core.volume import MODES, Volume, parse_volume
from incubator.errors import InputError


@pytest.mark.parametrize(
    ("text", "volume"),
    [
        ("/a:/b", Volume("/a", "/b", "rw")), ("/a:/b:ro", Volume("/a", "/b", "ro")),
        ("/a:/b:rw", Volume("/a", "/b", "rw")),
        ("/a:/b:z", Volume("/a", "/b", "z")), ("/a:/b:Z,ro", Volume("/a", "/b", "Z,ro")),
        ("cache:/b", Volume("cache", "/b")),
        ("/a b:/c d", Volume("/a b", "/c d")), ("/a:/b:ro,rslave", Volume("/a", "/b", "ro,rslave")),
        ("cache:/b:nocopy", Volume("cache", "/b", "nocopy")), ("./rel:/b", Volume("./rel", "/b")),
    ],
)  # fmt: skip
def test_parse(text: str, volume: Volume) -> None:
    assert parse_volume(text) == volume


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "expected source:destination[:mode]"), ("/a", "expected source"), ("/a:", "expected source"),
        (":/b", "expected source"), ("/a:/b:", "expected source"), ("/a:/b:ro:x", "expected source"),
        ("/a:b", "the destination 'b' is not an absolute path"), ("/a:./b:ro", "'./b' is not an absolute path"),
        ("/a:/", "must not be the root folder"), ("/a://", "must not be the root folder"),
        ("/a:/b:rx", "unknown mode 'rx'"), ("/a:/b:RO", "unknown mode 'RO'"), ("/a:/b:ro,", "unknown mode ''"),
        ("/a:/b: ro", "unknown mode ' ro'"), ("/a:/b:ro,rw", "ro and rw exclude each other"),
        ("/a:/b:ro,ro", "ro and ro exclude each other"), ("/a:/b:z,Z", "z and Z exclude each other"),
        ("/a:/b:shared,rprivate", "shared and rprivate exclude each other"),
    ],
)  # fmt: skip
def test_what_is_wrong_is_named(text: str, message: str) -> None:
    with pytest.raises(InputError) as caught:
        parse_volume(text)
    assert caught.value.message.startswith(f"invalid volume {text!r}: ")
    assert message in caught.value.message


def test_modes_are_listed_where_one_is_unknown() -> None:
    with pytest.raises(InputError) as caught:
        parse_volume("/a:/b:x")
    assert all(mode in str(caught.value.hint) for mode in MODES)


def test_instances_of_what_callers_give() -> None:
    one, two = Volume("/a", "/b"), Volume("c", "/d", "ro")
    assert Volume.get_instances(None) is None
    assert Volume.get_instances([]) == []
    assert Volume.get_instances("/a:/b") == [one]
    assert Volume.get_instances(one) == [one]
    assert Volume.get_instances(["/a:/b", two]) == [one, two]
    assert Volume.get_instances(iter(("c:/d:ro",))) == [two]
    with pytest.raises(InputError):
        Volume.get_instances(["/a:/b", "/c"])


def test_a_path_or_a_name() -> None:
    assert parse_volume("/a:/b").is_path
    assert not parse_volume("a:/b").is_path


PART = st.text(st.characters(exclude_characters=":/\0"), min_size=1, max_size=8)


@given(PART.map("/{}".format) | PART, PART.map("/{}".format), st.sampled_from(sorted(MODES)))
def test_text_and_back(source: str, destination: str, mode: str) -> None:
    volume = Volume(source, destination, mode)
    assert parse_volume(str(volume)) == volume


@pytest.mark.parametrize(
    ("text", "kind", "read_only", "propagation"),
    [
        ("/a:/b", "bind", False, None), ("/a:/b:ro", "bind", True, None), ("c:/b:ro", "volume", True, None),
        ("/a:/b:ro,rslave", "bind", True, "rslave"), ("/a:/b:shared", "bind", False, "shared"),
        ("c:/b:shared", "volume", False, None),
    ],
)  # fmt: skip
def test_mounts(text: str, kind: str, *, read_only: bool, propagation: str | None) -> None:
    volume = parse_volume(text)
    mount = make_mount(volume)
    assert (mount["Source"], mount["Target"], mount["Type"]) == (volume.source, volume.destination, kind)
    assert mount["ReadOnly"] is read_only
    assert mount.get("BindOptions") == ({"Propagation": propagation} if propagation else None)


@pytest.mark.parametrize("mode", sorted(MODES))
def test_what_only_a_bind_text_can_say(mode: str) -> None:
    assert relabels(Volume("/a", "/b", mode)) is (mode in {"z", "Z", "nocopy"})
    assert relabels(Volume("/a", "/b", "ro,z"))
