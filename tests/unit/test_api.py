import gc
import importlib
import inspect
import io
import logging
import operator
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from incubator import api
from incubator.core.constants import APP_NAME
from incubator.errors import EngineUnreachable, InputErrors
from incubator.request import BuildRequest


def test_the_signature_is_the_contract() -> None:
    parameters = list(inspect.signature(api.build).parameters.values())
    positional = [(p.name, p.default) for p in parameters if p.kind is p.POSITIONAL_OR_KEYWORD]
    assert positional == [
        ("path", None), ("fileobj", None), ("tag", None), ("custom_context", False), ("pull", False), ("rm", False),
        ("forcerm", False), ("dockerfile", None), ("buildargs", None), ("container_limits", None), ("volumes", None),
        ("layers", None), ("labels", None), ("config", None), ("context_file_limit", None), ("container_client", None),
        ("cache", None),
    ]  # fmt: skip
    assert all(p.kind is p.KEYWORD_ONLY for p in parameters[len(positional) :])


@pytest.mark.parametrize(
    ("module", "name"),
    [
        ("build", "Builder.build"), ("caching", "ImageCache"), ("client", "DockerClient"),
        ("config", "ImageConfig.merge_configs"), ("config", "ImageConfig.update"), ("context", "BuildContext"),
        ("constants", "APP_NAME"), ("output", "ERROR_SUBTITLE"), ("volume", "Volume.get_instances"),
    ],
)  # fmt: skip
def test_names_that_stay(module: str, name: str) -> None:
    operator.attrgetter(name)(importlib.import_module(f"incubator.core.{module}"))


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ({}, ["neither path nor fileobj is given"]),
        ({"path": ".", "fileobj": io.BytesIO(b"FROM scratch")}, ["path and fileobj exclude each other"]),
        ({"path": ".", "custom_context": True}, ["custom_context needs fileobj"]),
        (
            {"fileobj": io.BytesIO(b"FROM scratch"), "dockerfile": "x"},
            ["dockerfile and fileobj exclude each other"],
        ),
        ({"fileobj": io.BytesIO(b"")}, ["is empty"]),
        ({"path": "no/where"}, ["context 'no/where' does not exist"]),
        (
            {"path": ".", "dockerfile": "nope"},
            ["Dockerfile 'nope' does not exist", "did you mean dockerfile="],
        ),
        ({"path": ".", "tag": "A"}, ["invalid reference 'A'"]),
        ({"path": ".", "tag": ["a", "B"]}, ["invalid reference 'B'"]),
        ({"path": ".", "buildargs": ["a"]}, ["buildargs: expected a mapping, found a list"]),
        ({"path": ".", "buildargs": {"a": 1}}, ["buildargs.a: expected a text, found the number 1"]),
        (
            {"path": ".", "container_limits": {"memory": "1m", "cpus": 2}},
            ["unknown key 'container_limits.cpus'"],
        ),
        ({"path": ".", "container_limits": {"memory": "1m"}}, ["memory '1m' is too small"]),
        ({"path": ".", "volumes": ["x"]}, ["invalid volume 'x'"]),
        ({"path": ".", "layers": [True, -1]}, ["invalid layer split True", "invalid layer split -1"]),
        ({"path": ".", "labels": {"a": None}}, ["labels.a: expected a text, found nothing"]),
        ({"path": ".", "config": {"labelz": 1}}, ["config: unknown key 'labelz'"]),
        ({"path": ".", "config": [{}, "x"]}, ["a configuration is a dict or a list of dicts, not a str"]),
        ({"path": ".", "context_file_limit": -1}, ["context_file_limit: expected at least 0"]),
        ({"path": ".", "platform": "vax"}, ["invalid platform 'vax'"]),
        ({"path": ".", "push": True}, ["nothing to push"]),
        (
            {"path": ".", "cache_from": ["type=s3", "A"], "cache_to": "type=registry"},
            ["cache source of type s3", "cache source: invalid reference 'A'", "cache target: it has no ref"],
        ),
        ({"path": ".", "source_date_epoch": -1}, ["invalid SOURCE_DATE_EPOCH '-1'"]),
    ],
)
def test_bad_input_reaches_no_engine(
    arguments: dict[str, Any], words: list[str], caplog: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "Dockerfile").write_text("FROM scratch\n")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("DOCKER_HOST", "unix:///nowhere")
    with caplog.at_level(logging.WARNING, APP_NAME), pytest.raises(InputErrors) as caught:
        api.build(**arguments)
    for word in words:
        assert word in str(caught.value)
    [record] = caplog.records
    assert (record.name, record.levelname) == ("incubator", "WARNING")
    assert record.getMessage().startswith("######> Bad input:\n")
    assert words[0] in record.getMessage()


def test_all_faults_come_together(tmp_path: Path) -> None:
    (tmp_path / "Dockerfile").write_text("RUNX x\n")
    arguments: dict[str, Any] = {"tag": "A", "layers": ["x"], "config": {"pull": 1}, "labels": {"a": 1}}
    with pytest.raises(InputErrors) as caught:
        api.build(str(tmp_path), **arguments)
    for word in ("invalid reference 'A'", "layer split 'x'", "pull: expected", "labels.a: expected", "RUNX"):
        assert word in str(caught.value)


@pytest.mark.filterwarnings(
    "ignore::pytest.PytestUnraisableExceptionWarning"
)  # docker-py leaves its socket open
def test_an_engine_that_does_not_answer(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: Any) -> None:
    (tmp_path / "Dockerfile").write_text("FROM scratch\n")
    monkeypatch.setenv("DOCKER_HOST", f"unix://{tmp_path}/nothing.sock")
    with caplog.at_level(logging.WARNING, APP_NAME), pytest.raises(EngineUnreachable) as caught:
        api.build(str(tmp_path))
    assert caught.value.exit_code == 3
    assert caplog.records[0].getMessage().startswith("######> Build failed:\nno container engine answers")
    del caught
    gc.collect()


def test_caches_arrive(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "Dockerfile").write_text("FROM scratch\n")
    made: list[BuildRequest] = []

    def run(request: BuildRequest, **_: Any) -> None:
        request.context.close()
        made.append(request)

    monkeypatch.setattr(api, "run_request", run)
    api.build(
        tmp_path,
        cache_from=["type=registry,ref=ghcr.io/acme/web:cache", "acme/web"],
        cache_to="type=registry,ref=ghcr.io/acme/web:cache,mode=max",
    )
    [request] = made
    assert [str(source.place) for source in request.cache_from] == [
        "ghcr.io/acme/web:cache",
        "acme/web:latest",
    ]
    assert [(str(target.place), target.mode) for target in request.cache_to] == [
        ("ghcr.io/acme/web:cache", "max")
    ]


def test_an_error_is_printed_by_nobody_but_the_caller(tmp_path: Path) -> None:
    text = (
        "from incubator.api import build\n"
        "from incubator.errors import BuilderError\n"
        "try:\n    build(path='no/where')\n"
        "except BuilderError as error:\n    raise SystemExit(str(error))\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", text], cwd=tmp_path, check=False, capture_output=True, text=True
    )
    assert done.returncode == 1
    assert done.stderr.count("context 'no/where' does not exist") == 1


def test_one_image_to_merge_is_a_text() -> None:
    with pytest.raises(InputErrors) as raised:
        api.merge("acme/web:1", "sha256:abc")
    assert [error.message for error in raised.value.errors] == ["'sha256:abc' is not a digest"]
