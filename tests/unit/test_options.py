from pathlib import Path
from typing import Any

import pytest

from incubator.core.config import ConfigSource
from incubator.core.config_text import parse_config_text
from incubator.core.trust import Origin
from incubator.core.volume import Volume
from incubator.errors import InputErrors
from incubator.faults import Faults
from incubator.oci.platform import parse_platform
from incubator.oci.reference import parse_reference
from incubator.options import make_request
from incubator.request import BuildRequest, CacheSource, CacheTarget, Credential, Limits
from incubator.sources import Place


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    (tmp_path / "Dockerfile").write_text("FROM scratch\n")
    monkeypatch.chdir(tmp_path)
    return tmp_path


def request(config: Any = None, place: Place | None = None, **options: Any) -> BuildRequest:
    made = make_request(place or Place(path="."), config=config, **options)
    made.context.close()
    return made


def faults(config: Any = None, **options: Any) -> list[str]:
    with pytest.raises(InputErrors) as caught:
        request(config, **options)
    return [str(error) for error in caught.value.errors]


@pytest.mark.usefixtures("folder")
def test_nothing_given_is_what_docker_does() -> None:
    made = request()
    assert made == BuildRequest(dockerfile=made.dockerfile, context=made.context)


@pytest.mark.usefixtures("folder")
def test_everything_given() -> None:
    credential = Credential(registry="r:5000", username="u", password="p")
    made = request(
        values={
            "buildargs": {"A": "1", "B": None},
            "container_limits": {"memory": "1g", "cpushares": 5},
            "forcerm": False,
            "labels": {"l": "v"},
            "layers": ["3", 1, "1"],
            "network": "host",
            "no_cache": True,
            "platform": "arm64",
            "pull": True,
            "rm": False,
            "tags": ["app", "r:5000/app:2", "docker.io/library/app:latest"],
            "target": "t",
            "volumes": ["/a:/b", Volume("/c", "/d", "ro")],
        },
        push=True,
        load=False,
        credentials=[credential],
        source_date_epoch="1700000000",
    )
    assert made == BuildRequest(
        dockerfile=made.dockerfile,
        context=made.context,
        target="t",
        platform=parse_platform("linux/arm64"),
        build_args={"A": "1", "B": None, "SOURCE_DATE_EPOCH": "1700000000"},
        labels={"l": "v"},
        tags=(parse_reference("app"), parse_reference("r:5000/app:2")),
        layers=(1, 3),
        volumes=(Volume("/a", "/b"), Volume("/c", "/d", "ro")),
        limits=Limits(memory_bytes=1 << 30, cpu_shares=5),
        network="host",
        pull=True,
        no_cache=True,
        push=True,
        load=False,
        rm=False,
        force_rm=False,
        credentials=(credential,),
        source_date_epoch=1700000000,
    )


@pytest.mark.usefixtures("folder")
def test_without_earlier_results_no_cache_is_asked() -> None:
    caches = (CacheSource(place=Path("kept")),)
    assert request(cache_from=caches).read_caches == caches
    assert request(values={"no_cache": True}, cache_from=caches).read_caches == ()
    assert request(values={"no_cache_filters": "a"}, cache_from=caches).read_caches == caches


@pytest.mark.usefixtures("folder")
@pytest.mark.parametrize(
    ("config", "values", "layers"),
    [
        ({"layers": [1]}, {}, (1,)),
        ({"layers": [1]}, {"layers": None}, (1,)),
        ({"layers": [1]}, {"layers": [2]}, (2,)),
        ({"layers": [1]}, {"layers": []}, ()),
        ({"layers": [1]}, {"layers": "auto"}, "auto"),
        ({"layers": "auto"}, {"layers": [0]}, (0,)),
        ([{"layers": [3]}, {"layers": [1]}], {}, (1, 3)),
        ([{"layers": [0]}, {"layers": [1]}], {}, (1,)),
        ({"layers": "auto"}, {"layers": "2,4"}, (2, 4)),
    ],
)
def test_layers_of_the_caller_replace_those_of_configurations(config: Any, values: Any, layers: Any) -> None:
    assert request(config, values=values).layers == layers


@pytest.mark.usefixtures("folder")
def test_values_come_on_top_of_configurations() -> None:
    made = request(
        [{"tags": ["a"], "labels": {"x": "1", "y": "1"}, "pull": True, "rm": False}],
        values={"tags": ["b"], "labels": {"y": "2"}, "pull": None, "rm": None},
    )
    assert [str(tag) for tag in made.tags] == ["a:latest", "b:latest"]
    assert made.labels == {"x": "1", "y": "2"}
    assert (made.pull, made.rm) == (True, False)


@pytest.mark.usefixtures("folder")
def test_all_faults_are_reported_together() -> None:
    before = Faults()
    before.add("an earlier fault")
    found = faults(
        {"labelz": {}, "tags": ["A B"], "container_limits": {"cpushares": "many"}},
        place=Place(path="nowhere"),
        values={
            "tags": ["app@sha256:" + "0" * 64],
            "platform": "windoze",
            "container_limits": {"memory": "1"},
            "layers": ["x"],
            "volumes": ["/a:/x", "nonsense", "/b:/x/"],
            "buildargs": {"A B": "c"},
        },
        source_date_epoch="soon",
        faults=before,
    )
    for words in (
        "an earlier fault", "unknown key 'labelz'", "reference 'A B'", "cpushares 'many'", "a tag cannot name a digest",
        "invalid platform 'windoze'", "memory '1' is too small", "invalid layer split 'x'", "invalid volume 'nonsense'",
        "'/a:/x:rw' and '/b:/x/:rw' have the same destination", "build argument 'A B'",
        "invalid SOURCE_DATE_EPOCH 'soon'", "context 'nowhere' does not exist",
    ):  # fmt: skip
        assert sum(words in fault for fault in found) == 1, words
    assert len(found) == 13


@pytest.mark.usefixtures("folder")
def test_faults_of_values_name_the_place_they_come_from() -> None:
    text = parse_config_text("f.yml", "tags:\n  - A B\ncontainer_limits:\n  memory: 1k\nplatform: x/y/z/w\n")
    found = faults([ConfigSource(values=text.values, origin=Origin(name="f.yml"), text=text)])
    assert [fault.partition(": ")[0] for fault in found] == ["f.yml:5:1", "f.yml:2:5", "f.yml:4:3"]
    assert faults({"config_name": "c", "tags": ["A B"]})[0].startswith("config 'c': invalid reference")
    assert faults(values={"tags": ["A B"]})[0].startswith("invalid reference")


@pytest.mark.usefixtures("folder")
def test_pushing_needs_a_tag() -> None:
    assert faults(push=True)[0].startswith("there is nothing to push: no tag is given")
    assert request({"tags": ["a"]}, push=True).push


@pytest.mark.usefixtures("folder")
@pytest.mark.parametrize(
    ("given", "args", "epoch"),
    [
        (None, {}, None), (0, {}, 0), ("12", {}, 12), (5, {"SOURCE_DATE_EPOCH": "7"}, 7),
        (None, {"SOURCE_DATE_EPOCH": "7"}, 7), (5, {"SOURCE_DATE_EPOCH": ""}, None),
        (5, {"SOURCE_DATE_EPOCH": None}, None),
    ],
)  # fmt: skip
def test_source_date_epoch(given: Any, args: dict[str, str | None], epoch: int | None) -> None:
    assert request(values={"buildargs": args}, source_date_epoch=given).source_date_epoch == epoch


@pytest.mark.usefixtures("folder")
def test_a_build_argument_makes_a_pushed_image_a_cache() -> None:
    inline = CacheTarget(place=None)
    values = {"buildargs": {"BUILDKIT_INLINE_CACHE": "1"}, "tags": ["web"]}
    assert request(values=values, push=True).cache_to == (inline,)
    assert request(values=values, push=True, cache_to=[inline]).cache_to == (inline,)
    assert request(values=values).cache_to == ()


@pytest.mark.usefixtures("folder")
@pytest.mark.parametrize("value", ["-1", "1.5", "٣", "253402300800", "x"])
def test_bad_source_date_epoch(value: str) -> None:
    assert f"invalid SOURCE_DATE_EPOCH '{value}'" in faults(source_date_epoch=value)[0]


def test_a_checkout_cannot_swap_a_mount_under_the_engine(folder: Path) -> None:
    origin = Origin(name="./.incubator", folder=folder, workspace=folder)
    text = parse_config_text("./.incubator", "volumes:\n  - ./inner:/x\n")
    config = ConfigSource(values=text.values, origin=origin, text=text)
    assert request([config]).volumes == (Volume(f"{folder}/inner", "/x"),)
    found = faults([config], values={"volumes": [f"{folder}:/src"]})
    assert found[0].startswith("./.incubator:2:5: volume source")
    assert "inside the writable volume" in found[0]
    assert request([config], values={"volumes": [f"{folder}:/src:ro"]}).volumes


@pytest.mark.usefixtures("folder")
def test_the_context_is_closed_when_something_is_wrong(monkeypatch: pytest.MonkeyPatch) -> None:
    closed: list[object] = []
    from incubator.context.directory import DirectoryContext

    def close(context: DirectoryContext) -> None:
        closed.append(context)

    monkeypatch.setattr(DirectoryContext, "close", close)
    faults(values={"tags": ["A B"]})
    assert len(closed) >= 1
