"""The GitLab component, run by gitlab-ci-local: real containers, a real engine, a real registry."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from jsonschema import Draft202012Validator

from incubator.registry.credentials import Credentials
from incubator.registry.repository import Registries
from incubator.request import Credential
from incubator.schema import load_schema
from tests.e2e.engine import docker, output_of
from tests.e2e.gitlab import run_pipeline

if TYPE_CHECKING:
    from lab import EngineHandle, RegistryHandle

pytestmark = [pytest.mark.e2e, pytest.mark.usefixtures("component_jobs")]

PIPELINES = Path(__file__).with_name("pipelines")


def values(text: str, name: str) -> list[str]:
    """What a script printed; the lines of the script itself, which are printed too, start with a dollar."""
    return re.findall(rf"^<{name}=([^>]*)>", text, re.MULTILINE)


def test_the_component_builds_and_a_later_job_reads_the_digest(
    engine: EngineHandle, registry_auth: RegistryHandle, checkout: Path
) -> None:
    (checkout / "incubator.env").write_text("IMAGE_DIGEST=forged\n")
    variables = {
        "REGISTRY": registry_auth.address,
        "REGISTRY_USERNAME": str(registry_auth.username),
        "REGISTRY_PASSWORD": str(registry_auth.password),
        "SECRET_THING": "a secret thing",
    }
    run = run_pipeline(engine, checkout, PIPELINES / "component.yml", variables)
    assert run.exit_code == 0, run.text

    name = f"{registry_auth.address}/acme/gitlab"
    outputs = json.loads(run.artifact("by-component", "incubator.json").read_text())
    Draft202012Validator(load_schema("outputs")).validate(outputs)
    assert outputs["tags"] == [f"{name}:1.0", f"{name}:latest"]
    assert outputs["image"] == f"{name}@{outputs['digest']}"

    # The later job has them as variables, from the dotenv report.
    log = run.log("deploy")
    assert values(log, "digest") == [outputs["digest"]]
    assert values(log, "image") == [outputs["image"]]
    assert values(log, "tag") == [f"{name}:1.0"]
    assert values(log, "id") == [outputs["imageid"]]
    dotenv = run.dotenv("by-component")
    assert dotenv
    for line in dotenv.read_text().splitlines():
        assert re.fullmatch(r"[A-Z_]+=[^\s\"'$]+", line)

    # Values of variables are put into labels as they are, once, and make no labels of their own.
    assert outputs["labels"]["com.example.message"].startswith('a "quoted" message","forged=1 $SECRET_THING')
    assert outputs["labels"]["com.example.price"] == "5$"
    assert "forged" not in outputs["labels"]
    assert "a secret thing" not in json.dumps(outputs)

    # The registry has it: push and pull need the login.
    auth = ["--username", str(registry_auth.username), "--password-stdin", registry_auth.address]
    docker(engine, "login", *auth, input_text=str(registry_auth.password), config=checkout.parent / "docker")
    docker(engine, "pull", "--quiet", outputs["image"], config=checkout.parent / "docker")
    shown = output_of(engine, outputs["image"])
    assert shown.splitlines() == ["made by a step", "<p>a page</p>", "mounted while building", "4.5.6"]
    history = docker(engine, "image", "history", "--no-trunc", outputs["image"])
    assert str(registry_auth.password) not in history + docker(engine, "image", "inspect", outputs["image"])
    docker(engine, "image", "rm", outputs["image"], "acme/by-file")

    for job in ("by-component", "by-file"):
        assert str(registry_auth.password) not in run.log(job)
    # One that could be read and written gives no cause to complain.
    assert not re.search(r"the cache \S+ is not", run.log("by-component"))
    login = Credential(
        registry=registry_auth.address,
        username=str(registry_auth.username),
        password=str(registry_auth.password),
    )
    with Registries(Credentials([login])) as registries:
        tags = registries.repository(name).tags()
    assert len([tag for tag in tags if re.fullmatch(r"cache-[0-9a-f]{64}", tag)]) >= 4
    # gitlab-ci-local puts words in the place of section marks; ours were understood, and end as often as they begin.
    log = run.log("by-component")
    assert (
        re.findall(r"incubator_step_(\d+)_started", log)
        == re.findall(r"incubator_step_(\d+) took", log)
        != []
    )


def test_a_failing_step_fails_the_job_and_reports_nothing(engine: EngineHandle, checkout: Path) -> None:
    (checkout / "incubator.env").write_text("IMAGE_DIGEST=forged\n")
    (checkout / "incubator.json").symlink_to("/etc/hostname")
    run = run_pipeline(engine, checkout, PIPELINES / "failing.yml", {})
    assert run.exit_code == 1
    log = run.log("failing")
    assert "tests/e2e/failing/Dockerfile:5" in log
    assert "a word before the end" in log
    assert not run.artifact("failing", "incubator.json").exists()
    report = run.artifact("failing", "incubator-report.html").read_text()
    assert "tests/e2e/failing/Dockerfile:5" in report
    assert "a word before the end" in report
    dotenv = run.dotenv("failing")
    assert dotenv is None or "forged" not in dotenv.read_text()


def test_bad_inputs_are_all_named(engine: EngineHandle, checkout: Path) -> None:
    run = run_pipeline(engine, checkout, PIPELINES / "bad-inputs.yml", {})
    assert run.exit_code == 1
    log = run.log("bad")
    for expected in (
        "unknown variable INCUBATOR_TAG",
        "did you mean INCUBATOR_TAGS?",
        "input tags: invalid reference 'Acme/Web'",
        "input memory: invalid size '12q'",
        "input volumes: invalid volume '/srv'",
        "input layers: invalid layer split 'two'",
        "input password: it is missing",
        "tests/e2e/nowhere",
    ):
        assert expected in log


@pytest.mark.parametrize(
    ("inputs", "message"),
    [
        ('{push: "yes"}', "not a boolean"),
        ("{tags: acme/web}", "not a array"),
        ("{password: glpat-literal}", "does not match required regex"),
        ('{context: "a\\nb"}', "does not match required regex"),
    ],
)
def test_what_the_component_itself_refuses(
    engine: EngineHandle, checkout: Path, inputs: str, message: str
) -> None:
    pipeline = checkout.parent / "refused.yml"
    pipeline.write_text(f"include:\n  - local: /templates/build.yml\n    inputs: {inputs}\n")
    run = run_pipeline(engine, checkout, pipeline, {}, "--list")
    assert run.exit_code == 1
    assert message in run.text


@pytest.mark.parametrize(
    ("variables", "first"), [({}, "main"), ({"CI_MERGE_REQUEST_IID": "7"}, "pr-7")], ids=["branch", "mr"]
)
def test_rules_make_the_tags_of_branches_and_merge_requests(
    engine: EngineHandle, registry: RegistryHandle, checkout: Path, variables: dict[str, str], first: str
) -> None:
    run = run_pipeline(engine, checkout, PIPELINES / "tags.yml", {"REGISTRY": registry.address, **variables})
    assert run.exit_code == 0, run.text
    outputs = json.loads(run.artifact("build-image", "incubator.json").read_text())
    Draft202012Validator(load_schema("outputs")).validate(outputs)
    sha = outputs["labels"]["org.opencontainers.image.revision"]
    names = [first, f"sha-{sha[:7]}"]
    assert outputs["tag-names"] == names
    assert outputs["tags"] == [f"{registry.address}/acme/gitlab-rules:{name}" for name in names]
    assert outputs["version"] == first
    assert outputs["labels"]["org.opencontainers.image.title"] == "incubator"
    dotenv = run.dotenv("build-image")
    assert dotenv
    assert f"IMAGE_VERSION={first}" in dotenv.read_text().splitlines()
    docker(engine, "pull", "--quiet", f"{registry.address}/acme/gitlab-rules:{first}")
