"""The GitHub Action, run by act: real containers, a real engine, a real registry."""

from __future__ import annotations

import json
import re
import shutil
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests.conftest import need
from tests.e2e.act import ActRun, run_act
from tests.e2e.checkout import commit_all, git
from tests.e2e.engine import docker, nothing_left, output_of

if TYPE_CHECKING:
    from collections.abc import Iterator

    from lab import EngineHandle, RegistryHandle

pytestmark = pytest.mark.e2e

WORKFLOWS = Path(__file__).with_name("workflows")
HOSTILE_MESSAGE = "first line\nforged=1\nghadelimiter_x\nlast line"


@pytest.fixture(autouse=True)
def clean(engine: EngineHandle) -> Iterator[None]:
    """Nothing of a build is left, whatever became of it."""
    need("act")
    with nothing_left(engine):
        yield


def values(text: str, name: str) -> list[str]:
    return re.findall(rf"<{name}=([^>]*)>", text)


def test_the_action_of_this_checkout_builds_and_pushes(
    engine: EngineHandle, registry: RegistryHandle, checkout: Path
) -> None:
    run = run_act(
        engine,
        checkout,
        WORKFLOWS / "build.yml",
        "--env",
        f"REGISTRY={registry.address}",
        "--env",
        f"MESSAGE={HOSTILE_MESSAGE}",
    )
    assert run.exit_code == 0, run.text

    name = f"{registry.address}/acme/web"
    outputs = run.outputs("image")
    assert re.fullmatch(r"sha256:[0-9a-f]{64}", outputs["digest"])
    assert outputs["image"] == f"{name}@{outputs['digest']}"
    assert outputs["tags"] == f"{name}:1.2.3\n{name}:latest"
    assert "forged" not in outputs

    # A later step and a later job receive them.
    assert values(run.lines, "imageid") == [outputs["imageid"]]
    assert values(run.lines, "digest") == [outputs["digest"]]
    assert values(run.lines, "tag") == [f"{name}:1.2.3", f"{name}:latest"]
    assert values(run.lines, "forged") == [""]
    assert values(run.lines, "platform") == ["linux/amd64"]
    assert values(run.lines, "image") == [outputs["image"]]

    # What the registry has under that digest runs, and was made of the checkout, the mount and the build argument.
    docker(engine, "pull", "--quiet", outputs["image"])
    shown = output_of(engine, outputs["image"])
    assert shown.splitlines() == ["made by a step", "<p>a page</p>", "mounted while building", "1.2.3"]
    assert output_of(engine, outputs["image"], "ls", "/www", "/").count("cache") == 0
    label = '{{index .Config.Labels "com.example.message"}}'
    assert docker(engine, "image", "inspect", "--format", label, outputs["image"]).startswith("first line")

    (summary,) = (record["content"] for record in run.commands("summary"))
    assert outputs["digest"] in summary.replace("&#58;", ":")
    assert "| Layer | Made by | Size | Time |" in summary
    docker(engine, "image", "rm", outputs["image"])


def test_a_consumer_uses_a_released_version_and_logs_in(
    engine: EngineHandle, registry_auth: RegistryHandle, checkout: Path, tmp_path: Path
) -> None:
    consumer = tmp_path / "consumer"
    consumer.mkdir()
    (consumer / "Dockerfile").write_text('FROM busybox\nRUN echo consumed > /made\nCMD ["cat", "/made"]\n')
    shutil.copy(WORKFLOWS / "consumer.yml", consumer / "workflow.yml")
    commit_all(consumer)
    git(consumer, "remote", "add", "origin", "https://github.example.test/acme/consumer.git")
    assert registry_auth.username
    assert registry_auth.password

    def use() -> ActRun:
        run = run_act(
            engine,
            consumer,
            consumer / "workflow.yml",
            "--local-repository",
            f"org/incubator@v1={checkout}",
            "--env",
            f"REGISTRY={registry_auth.address}",
            "--env",
            f"USERNAME={registry_auth.username}",
            "-s",
            f"PASSWORD={registry_auth.password}",
        )
        assert run.exit_code == 0, run.text
        return run

    run = use()
    digest = run.outputs("image")["digest"]
    assert values(run.lines, "digest") == [digest]

    # The next job finds the layer in the registry, on an engine that has forgotten it.
    kept = docker(engine, "image", "ls", "--format", "{{.Repository}}:{{.Tag}}", "incubator-cache").split()
    docker(engine, "image", "rm", *kept)
    again = use()
    assert again.outputs("image")["cached-layers"] == "1"
    assert "is not used" not in again.lines
    assert "is not written" not in again.lines

    # The password is in no line that a step printed, nor in what the runner shows of the step's inputs.
    assert registry_auth.password not in run.lines
    shown = [str(record.get("msg", "")) for record in run.records if record.get("command") != "add-mask"]
    assert registry_auth.password not in "\n".join(shown)


def test_a_failing_step_is_annotated_on_its_line(engine: EngineHandle, checkout: Path) -> None:
    run = run_act(engine, checkout, WORKFLOWS / "failing.yml")
    assert run.exit_code != 0
    assert "exit with `FAILURE`: 1" in run.text
    (error,) = run.commands("error")
    properties = error["kvPairs"]
    assert (properties["file"], properties["line"], properties["endLine"]) == (
        "tests/e2e/failing/Dockerfile",
        "5",
        "6",
    )
    assert "a word before the end" in error["arg"]
    assert values(run.lines, "outcome") == ["failure"]
    assert values(run.lines, "report") == ["1"], "the report is a file of the workspace"
    (summary,) = (record["content"] for record in run.commands("summary"))
    assert summary.startswith("### The build failed\n")
    assert "RUN" in summary
    assert values(run.lines, "digest") == [""]
    assert run.outputs("image") == {}, "outputs appear only after the image is complete"


def test_bad_inputs_are_all_named(engine: EngineHandle, checkout: Path) -> None:
    run = run_act(engine, checkout, WORKFLOWS / "bad-inputs.yml")
    assert run.exit_code != 0
    assert "exit with `FAILURE`: 2" in run.text
    errors = "\n".join(error["arg"] for error in run.commands("error"))
    for expected in (
        "unknown input tag",
        "did you mean tags?",
        "input tags: invalid reference 'Acme/Web'",
        "input push: 'yes'",
        "input memory: invalid size '12q'",
        "input volumes: invalid volume '/srv'",
        "input layers: invalid layer split 'two'",
        "input password: it is missing",
        "tests/e2e/nowhere",
    ):
        assert expected in errors


EVENTS = {
    "tag": ({"ref": "refs/tags/v1.2.3"}, ["1.2.3", "1.2"], ["latest"]),
    "branch": ({"ref": "refs/heads/my/branch"}, ["my-branch"], []),
}


@pytest.mark.parametrize("what", EVENTS)
def test_rules_make_the_tags_of_what_was_pushed(
    engine: EngineHandle, registry: RegistryHandle, checkout: Path, tmp_path: Path, what: str
) -> None:
    payload, first, last = EVENTS[what]
    event = tmp_path / "event.json"
    event.write_text(json.dumps(payload | {"repository": {"name": "web", "default_branch": "main"}}))
    run = run_act(
        engine,
        checkout,
        WORKFLOWS / "tags.yml",
        "--env",
        f"REGISTRY={registry.address}",
        "--eventpath",
        str(event),
    )
    assert run.exit_code == 0, run.text
    outputs = run.outputs("image")
    sha = git(checkout, "rev-parse", "HEAD").strip()
    names = [*first, f"sha-{sha[:7]}", *last]
    assert outputs["tag-names"].split() == names
    assert outputs["version"] == first[0]
    assert outputs["tags"].split() == [f"{registry.address}/acme/rules:{name}" for name in names]
    assert f"org.opencontainers.image.revision={sha}" in outputs["labels"].splitlines()
