from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from incubator.core.config import ConfigSource, ImageConfig
from incubator.core.config_text import parse_config_text
from incubator.core.trust import Origin
from incubator.core.volume import Volume
from incubator.errors import InputErrors
from incubator.schema import load_schema

FULL: dict[str, Any] = {
    "version": 1,
    "config_name": "full",
    "add_hosts": ["db=10.0.0.7"],
    "buildargs": {"A": "1"},
    "cgroup_parent": "/ci",
    "container_limits": {"memory": "64m", "cpushares": 512, "cpusetcpus": "0", "memswap": -1},
    "context_file_limit": 1024,
    "forcerm": False,
    "labels": {"l": "v"},
    "layers": [1, 3],
    "network": "none",
    "keep_failed": True,
    "max_parallelism": 2,
    "timeout": "90s",
    "no_cache": True,
    "no_cache_filters": ["deps"],
    "platform": "linux/arm64",
    "pull": True,
    "rm": False,
    "security_opts": ["seccomp=unconfined"],
    "shm_size": "128m",
    "tags": ["a", "b:2"],
    "target": "final",
    "ulimits": ["nofile=1024:2048"],
    "volumes": ["/a:/b"],
}


def faults(config: Any) -> list[str]:
    with pytest.raises(InputErrors) as caught:
        ImageConfig.merge_configs(config)
    return [str(error) for error in caught.value.errors]


def yaml_source(text: str, **origin: Any) -> ConfigSource:
    parsed = parse_config_text("f.yml", text)
    return ConfigSource(values=parsed.values, origin=Origin(name="f.yml", **origin), text=parsed)


def test_every_key_of_the_schema_is_an_attribute() -> None:
    assert set(FULL) == set(load_schema("config")["properties"])
    config = ImageConfig.merge_configs(FULL)
    for key, value in FULL.items():
        expected = [Volume("/a", "/b")] if key == "volumes" else value
        assert getattr(config, key) == expected
        assert config.is_set(key)
    assert config.config == {**FULL, "volumes": ["/a:/b:rw"]}


@pytest.mark.parametrize("nothing", [None, [], {}, [{}, {}], {"labels": None}, ()])
def test_defaults(nothing: Any) -> None:
    config = ImageConfig.merge_configs(nothing)
    assert config.config == {}
    assert (config.version, config.pull, config.rm, config.forcerm, config.no_cache) == (
        1,
        False,
        True,
        True,
        False,
    )
    assert (config.tags, config.labels, config.buildargs, config.container_limits) == ([], {}, {}, {})
    assert (config.layers, config.volumes, config.target, config.context_file_limit) == ([], [], None, None)
    assert (config.config_name, config.network, config.platform) == (None, None, None)


def test_defaults_and_what_is_merged_satisfy_the_schema() -> None:
    assert ImageConfig.merge_configs(ImageConfig.merge_configs(FULL).config).config == {
        **FULL, "volumes": ["/a:/b:rw"],
    }  # fmt: skip


def test_later_configurations_win() -> None:
    config = ImageConfig.merge_configs(
        [
            {
                "labels": {"a": "1", "b": "1"},
                "tags": ["x"],
                "pull": True,
                "target": "one",
                "config_name": "first",
            },
            {"labels": {"b": "2"}, "tags": ["y", "x"], "pull": False, "container_limits": {"memory": 7}},
            {"container_limits": {"cpushares": 2}, "config_name": "last"},
        ]
    )
    assert config.config == {
        "config_name": "last",
        "container_limits": {"memory": 7, "cpushares": 2},
        "labels": {"a": "1", "b": "2"},
        "pull": False,
        "tags": ["x", "y"],
        "target": "one",
    }


@pytest.mark.parametrize(
    ("first", "second", "merged"),
    [
        ([1], [2, 3], [1, 2, 3]), ([1], "auto", "auto"), ("auto", [2], [2]), ([1], [], []), ([1], [0], [0]),
        ([0], [2], [0, 2]), ("auto", [], []), ([], [4], [4]), (None, [4], [4]), ([4], None, [4]),
    ],
)  # fmt: skip
def test_merging_layers(first: Any, second: Any, merged: Any) -> None:
    assert ImageConfig.merge_configs([{"layers": first}, {"layers": second}]).layers == merged


def test_update() -> None:
    config = ImageConfig({"labels": {"a": "1"}, "tags": ["x"], "pull": True})
    config.update(labels={"b": "2"}, tags="y", pull=None, rm=False, volumes=[Volume("/a", "/b"), "/c:/d:ro"])
    config.update(buildargs={"A": None, "B": "x"}, volumes=Volume("/e", "/f"), layers=(1, 2))
    assert config.labels == {"a": "1", "b": "2"}
    assert (config.tags, config.pull, config.rm, config.layers) == (["x", "y"], True, False, [1, 2])
    assert config.volumes == [Volume("/a", "/b"), Volume("/c", "/d", "ro"), Volume("/e", "/f")]
    assert config.buildargs == {"A": None, "B": "x"}


def test_a_faulty_update_changes_nothing() -> None:
    config = ImageConfig({"tags": ["x"]})
    with pytest.raises(InputErrors) as caught:
        config.update(tags=["y"], labelz={}, volumes=["nonsense"])
    assert "did you mean labels?" in str(caught.value)
    with pytest.raises(InputErrors, match="expected source:destination"):
        config.update(tags=["y"], volumes=["nonsense"])
    assert config.config == {"tags": ["x"]}


def test_clear() -> None:
    config = ImageConfig(FULL)
    for key in FULL:
        config.clear(key)
        assert not config.is_set(key)
    assert config.config == {}


def test_merging_leaves_its_parts_alone() -> None:
    first, second = ImageConfig({"tags": ["x"], "labels": {"a": "1"}}), {"tags": ["y"], "labels": {"a": "2"}}
    merged = ImageConfig.merge_configs([first, second])
    merged.update(tags=["z"])
    assert first.config == {"tags": ["x"], "labels": {"a": "1"}}
    assert second == {"tags": ["y"], "labels": {"a": "2"}}
    assert merged.tags == ["x", "y", "z"]


@pytest.mark.parametrize(
    ("config", "message"),
    [
        ({"labelz": {}}, "config: unknown key 'labelz'\nhint: did you mean labels?"),
        ({"build_args": {}}, "did you mean buildargs?"),
        ({"force-rm": True}, "did you mean forcerm?"),
        ({"xyzzy": 1}, "known keys are add_hosts, buildargs, cgroup_parent, config_name,"),
        ({"infinite_command": "sh"}, "hint: remove it"),
        ({"version": 2}, "version: expected 1, found the number 2"),
        ({"labels": {"a": 1}}, 'labels.a: expected a text, found the number 1\nhint: put it in quotes: "1"'),
        ({"labels": {"a": True}}, 'labels.a: expected a text, found true\nhint: put it in quotes: "true"'),
        ({"labels": {"a": None}}, "labels.a: expected a text, found nothing"),
        ({"labels": ["a=b"]}, "labels: expected a mapping, found a list"),
        ({"labels": {1: "a"}}, "the key 1 is not a text"),
        ({"buildargs": {"": "x"}}, "buildargs has an empty name"),
        ({"buildargs": "A=b"}, 'buildargs: expected a mapping, found the text "A=b"'),
        ({"tags": [""]}, 'tags[0]: expected a text that is not empty, found the text ""'),
        ({"tags": [1.5]}, "tags[0]: expected a text, found the number 1.5"),
        ({"layers": [-1]}, "layers[0]: expected at least 0, found the number -1"),
        ({"layers": [True]}, "layers[0]: expected a whole number or a text, found true"),
        ({"layers": ["all"]}, 'layers[0]: expected a text like L12, found the text "all"'),
        ({"layers": 3}, 'layers: expected a list of whole numbers or "auto", found the number 3'),
        ({"layers": "all"}, 'layers: expected a list of whole numbers or "auto", found the text "all"'),
        ({"pull": "yes"}, 'pull: expected true or false, found the text "yes"'),
        ({"container_limits": {"memory": 1.5}}, "expected a whole number or a text, found the number 1.5"),
        ({"container_limits": {"mem": 1}}, "unknown key 'container_limits.mem'\nhint: did you mean memory?"),
        ({"context_file_limit": -1}, "context_file_limit: expected at least 0"),
        ({"volumes": ["x"]}, "invalid volume 'x'"),
        ({"volumes": ["cache/x:/y"]}, "starts with ./"),
        ({"volumes": ["/x:/y:rx"]}, "unknown mode 'rx'"),
        ({"target": object()}, "target: expected a text, found a object"),
        ({"target": "x" * 99, "pull": "y" * 99}, 'found the text "' + "y" * 56 + "..."),
        ({"config_name": "mine", "pull": 1}, "config 'mine': pull: expected true or false, found the number 1"),
        ({5: 1}, "the key 5 is not a text"),
        ("x", "a configuration is a dict or a list of dicts, not a str"),
        ([{}, 1], "a configuration is a dict or a list of dicts, not a int"),
    ],
)  # fmt: skip
def test_faults(config: Any, message: str) -> None:
    found = faults(config)
    assert len(found) == 1
    assert message in found[0]


def test_the_faults_of_all_configurations_come_together() -> None:
    found = faults([{"pull": 1, "rm": 1}, {"config_name": "b", "tags": [1]}, {"volumes": ["x", "y"]}])
    assert [fault.partition(": ")[0] for fault in found] == [
        "config 1",
        "config 1",
        "config 'b'",
        "config 3",
        "config 3",
    ]


def test_a_fault_in_a_file_has_its_line_and_what_was_written() -> None:
    found = faults(yaml_source("labels:\n  version: 1.10\n  debug: yes\nlayer: []\n"))
    assert found[0].startswith("f.yml:2:3: labels.version: expected a text, found the number 1.1\n")
    assert found[0].endswith('hint: put it in quotes: "1.10"')
    assert found[1].startswith("f.yml:3:3: labels.debug: expected a text, found true\n")
    assert found[1].endswith('hint: put it in quotes: "yes"')
    assert found[2].startswith("f.yml:4:1: unknown key 'layer'\n")


def test_a_file_cannot_take_build_arguments_from_the_environment() -> None:
    assert (
        "buildargs.TOKEN: expected a text, found nothing" in faults(yaml_source("buildargs:\n  TOKEN:\n"))[0]
    )


def test_entries_know_their_origins() -> None:
    config = ImageConfig.merge_configs(
        [yaml_source("labels: {a: x}\ntags:\n  - one\n"), {"labels": {"b": "y"}, "config_name": "c"}]
    )
    config.update(origin=Origin(name="command line"), tags=["two"], pull=True)
    assert [entry.place for entry in config.items("tags")] == ["f.yml:3", "command line"]
    assert {name: entry.place for name, entry in config.pairs("labels").items()} == {
        "a": "f.yml:1",
        "b": "config 'c'",
    }
    pull = config.scalar("pull")
    assert pull is not None
    assert pull.place == "command line"


def test_an_untrusted_network(tmp_path: Path) -> None:
    for network in ("none", "default", "bridge"):
        assert ImageConfig(yaml_source(f"network: {network}", workspace=tmp_path)).network == network
    for network in ("host", "container:db", "internal"):
        assert (
            "may only choose default, bridge, none"
            in faults(yaml_source(f"network: {network}", workspace=tmp_path))[0]
        )
        assert ImageConfig(yaml_source(f"network: {network}")).network == network


_TEXTS = st.dictionaries(st.text(min_size=1, max_size=4), st.text(max_size=4), max_size=3)
_CONFIGS = st.fixed_dictionaries(
    {},
    optional={
        "labels": _TEXTS,
        "buildargs": _TEXTS,
        "tags": st.lists(st.text(min_size=1, max_size=4), max_size=3),
        "layers": st.lists(st.integers(0, 9), max_size=3) | st.just("auto"),
        "pull": st.booleans(),
        "target": st.text(min_size=1, max_size=4),
    },
)


@settings(max_examples=60)
@given(st.lists(_CONFIGS, max_size=4))
def test_merging_in_steps_is_merging_at_once(configs: list[dict[str, Any]]) -> None:
    at_once = ImageConfig.merge_configs(configs)
    in_steps = ImageConfig()
    for config in configs:
        in_steps.update(**config)
    assert in_steps.config == at_once.config
    assert (
        ImageConfig.merge_configs([ImageConfig.merge_configs(configs[:2]), *configs[2:]]).config
        == at_once.config
    )
    for config in configs:
        assert set(config.get("tags", ())) <= set(at_once.tags)
