"""Image configs to JSON and back."""

from __future__ import annotations

import hashlib
import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from incubator.oci.image_config import (
    Healthcheck,
    HistoryEntry,
    ImageConfig,
    RuntimeConfig,
    digest_of,
    history_from_json,
    image_config_from_json,
    runtime_config_from_json,
)
from incubator.oci.platform import Platform

FULL = {
    "User": "5:6",
    "ExposedPorts": {"443/tcp": {}, "80/tcp": {}},
    "Env": ["PATH=/bin", "A=b=c", "E="],
    "Entrypoint": ["/e"],
    "Cmd": ["a", ""],
    "Healthcheck": {
        "Test": ["CMD", "x"],
        "Interval": 1,
        "Timeout": 2,
        "StartPeriod": 3,
        "StartInterval": 4,
        "Retries": 5,
    },
    "ArgsEscaped": True,
    "Volumes": {"/v": {}},
    "WorkingDir": "/w",
    "OnBuild": ["RUN x"],
    "Labels": {"a": "1", "b": ""},
    "StopSignal": "SIGINT",
    "Shell": ["/bin/sh", "-c"],
}


def test_every_key_there_and_back() -> None:
    config = runtime_config_from_json(FULL)
    assert config.to_json() == FULL
    assert config.healthcheck == Healthcheck(
        test=("CMD", "x"), interval_ns=1, timeout_ns=2, start_period_ns=3, start_interval_ns=4, retries=5
    )
    assert config.env_map() == {"PATH": "/bin", "A": "b=c", "E": ""}


@pytest.mark.parametrize(
    "data", [None, {}, dict.fromkeys(FULL), {"Env": [], "Labels": {}, "Healthcheck": {}, "User": ""}]
)
def test_what_is_unset_is_left_out(data: dict[str, Any] | None) -> None:
    config = runtime_config_from_json(data)
    assert config == RuntimeConfig()
    assert config.to_json() == {}


@pytest.mark.parametrize("key", ["Cmd", "Entrypoint", "Shell"])
def test_an_empty_list_is_read_as_such_and_left_out(key: str) -> None:
    config = runtime_config_from_json({key: []})
    assert config != RuntimeConfig()
    assert config.to_json() == {}


@pytest.mark.parametrize(
    ("health", "data"),
    [
        (Healthcheck(test=("NONE",)), {"Test": ["NONE"]}),
        (Healthcheck(test=("CMD-SHELL", "x"), retries=1), {"Test": ["CMD-SHELL", "x"], "Retries": 1}),
        (Healthcheck(test=(), interval_ns=9), {"Interval": 9}),
    ],
)  # fmt: skip
def test_healthchecks(health: Healthcheck, data: dict[str, Any]) -> None:
    config = RuntimeConfig(healthcheck=health)
    assert config.to_json() == {"Healthcheck": data}
    assert runtime_config_from_json(config.to_json()) == config


def test_ports_volumes_and_labels_are_sorted() -> None:
    config = runtime_config_from_json({
        "ExposedPorts": {"9/tcp": {}, "10/tcp": {}}, "Volumes": {"/b": {}, "/a": {}}, "Labels": {"b": "1", "a": "2"},
    })  # fmt: skip
    assert config.exposed_ports == ("10/tcp", "9/tcp")
    assert config.volumes == ("/a", "/b")
    assert config.labels == (("a", "2"), ("b", "1"))


def test_an_entry_without_an_equals_sign_has_the_empty_value() -> None:
    assert RuntimeConfig(env=("A", "B=")).env_map() == {"A": "", "B": ""}


IMAGE = ImageConfig(
    platform=Platform(os="linux", architecture="arm", variant="v7"),
    config=RuntimeConfig(cmd=("x",), labels=(("é", "\u2028<&>"),)),
    diff_ids=("sha256:1", "sha256:2"),
    history=(
        HistoryEntry(created_by="RUN a", created="2020-01-01T00:00:00Z", comment="c", author="me"),
        HistoryEntry(created_by="ENV a", created="2020-01-01T00:00:00Z", empty_layer=True),
    ),
    created="2020-01-01T00:00:00Z",
    author="me",
    os_version="10.0",
)


def test_a_whole_config() -> None:
    assert json.loads(IMAGE.to_json_bytes()) == {
        "architecture": "arm", "variant": "v7", "os": "linux", "os.version": "10.0", "author": "me",
        "created": "2020-01-01T00:00:00Z",
        "config": {"Cmd": ["x"], "Labels": {"é": "\u2028<&>"}},
        "history": [
            {"created_by": "RUN a", "created": "2020-01-01T00:00:00Z", "comment": "c", "author": "me"},
            {"created_by": "ENV a", "created": "2020-01-01T00:00:00Z", "empty_layer": True},
        ],
        "rootfs": {"type": "layers", "diff_ids": ["sha256:1", "sha256:2"]},
    }  # fmt: skip
    assert image_config_from_json(json.loads(IMAGE.to_json_bytes())) == IMAGE


def test_the_smallest_config() -> None:
    config = ImageConfig(platform=Platform(os="linux", architecture="amd64"), config=RuntimeConfig())
    assert config.to_json_bytes() == (
        b'{"architecture":"amd64","config":{},"history":[],"os":"linux",'
        b'"rootfs":{"diff_ids":[],"type":"layers"}}'
    )
    assert image_config_from_json({}) == config


def test_a_history_entry_may_say_nothing() -> None:
    assert history_from_json({}) == HistoryEntry(created_by="", created="")
    assert HistoryEntry(created_by="", created="").to_json() == {}


def test_digests() -> None:
    assert digest_of(b"") == "sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"
    assert digest_of(b"x") == f"sha256:{hashlib.sha256(b'x').hexdigest()}"


NAME = st.text(min_size=1, max_size=6)
WORDS = st.lists(st.text(max_size=6), min_size=1, max_size=3).map(tuple)
NS = st.integers(0, 2**40)
CONFIGS = st.builds(
    RuntimeConfig,
    env=st.dictionaries(NAME.filter(lambda name: "=" not in name), st.text(max_size=6), max_size=3).map(
        lambda values: tuple(f"{name}={value}" for name, value in values.items())
    ),
    cmd=st.none() | WORDS,
    entrypoint=st.none() | WORDS,
    working_dir=st.text(max_size=6),
    user=st.text(max_size=6),
    exposed_ports=st.sets(NAME, max_size=3).map(sorted).map(tuple),
    volumes=st.sets(NAME, max_size=3).map(sorted).map(tuple),
    labels=st.dictionaries(NAME, st.text(max_size=6), max_size=3).map(lambda d: tuple(sorted(d.items()))),
    stop_signal=st.text(max_size=6),
    healthcheck=st.none()
    | st.builds(Healthcheck, test=WORDS, interval_ns=NS, timeout_ns=NS, retries=st.integers(0, 9)),
    shell=st.none() | WORDS,
    on_build=st.lists(NAME, max_size=2).map(tuple),
    args_escaped=st.booleans(),
)


@settings(max_examples=50)
@given(CONFIGS)
def test_any_config_there_and_back(config: RuntimeConfig) -> None:
    image = ImageConfig(platform=Platform(os="linux", architecture="amd64"), config=config)
    again = image_config_from_json(json.loads(image.to_json_bytes()))
    assert again == image
    assert again.to_json_bytes() == image.to_json_bytes()
