"""The generated front doors are what the schemas make of them, and name the same inputs and outputs."""

from __future__ import annotations

import importlib.util
import re
from pathlib import Path
from typing import Any

import pytest
import yaml

from incubator.ci.inputs import OF_MERGE
from incubator.ci.raw import COMPONENT_MARK
from incubator.ci.spec import input_specs
from incubator.schema import load_schema

ROOT = Path(__file__).resolve().parents[3]
NAMES = [spec.name for spec in input_specs()]


def read(name: str) -> list[Any]:
    return list(yaml.safe_load_all((ROOT / name).read_text(encoding="utf-8")))


def test_nothing_has_drifted() -> None:
    spec = importlib.util.spec_from_file_location("generate", ROOT / "scripts/generate.py")
    assert spec
    assert spec.loader
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    assert module.drifted() == [], "run `make generate`"


def test_the_action_has_all_inputs_and_outputs() -> None:
    (action,) = read("action.yml")
    assert list(action["inputs"]) == NAMES
    assert list(action["outputs"]) == list(load_schema("outputs")["properties"])
    assert action["runs"] == {"using": "docker", "image": "Dockerfile"}
    assert not any(entry["required"] for entry in action["inputs"].values())
    assert all(entry["description"] for entry in [*action["inputs"].values(), *action["outputs"].values()])


COMPONENTS = ["gitlab-ci-component.yml", "templates/build.yml", "templates/merge.yml"]
OF_JOBS = [
    "job-name", "stage", "image", "engine", "dind-image", "rules", "when", "use-needs", "needs", "use-runner-tags",
    "runner-tags", "allow-failure", "interruptible", "artifacts",
]  # fmt: skip
HIDDEN = [
    "on:socket", "on:dind", "on:shell", "needs:false", "needs:true", "tagged:false", "tagged:true", "artifacts:false",
    "artifacts:true",
]  # fmt: skip


def body(name: str) -> str:
    return (ROOT / name).read_text(encoding="utf-8").partition("\n---\n")[2]


def main_job(jobs: dict[str, Any]) -> dict[str, Any]:
    """The one job that is not hidden."""
    [job] = [job for name, job in jobs.items() if not name.startswith(".")]
    assert isinstance(job, dict)
    return job


@pytest.mark.parametrize("name", COMPONENTS)
def test_a_component_uses_each_of_its_inputs(name: str) -> None:
    header, jobs = read(name)
    inputs = header["spec"]["inputs"]
    own = [given for given in inputs if given not in OF_JOBS]
    assert list(inputs)[: len(OF_JOBS)] == OF_JOBS
    assert own == NAMES if "merge.yml" not in name else set(own) < set(NAMES)
    used = re.findall(r"\$\[\[ inputs\.([\w-]+) \]\]", body(name))
    assert set(used) == set(inputs)
    assert set(jobs) == {f".$[[ inputs.job-name ]]:{part}" for part in HIDDEN} | {"$[[ inputs.job-name ]]"}
    for entry in inputs.values():
        assert "default" in entry
        if entry["type"] == "string" and "options" not in entry:
            assert re.search(entry["regex"], entry["default"])
            assert not re.search(entry["regex"], "a\nb")


def test_an_artifacts_path_is_never_empty() -> None:
    assert not re.search(read("templates/build.yml")[0]["spec"]["inputs"]["report"]["regex"], "")


@pytest.mark.parametrize("name", COMPONENTS)
def test_inputs_come_near_no_shell(name: str) -> None:
    jobs = read(name)[1]
    scripts = {word for job in jobs.values() for word in job.get("script", ())}
    assert scripts == {"python3 /app/entrypoint.py", "python3 -m incubator.ci"}
    for variable, value in main_job(jobs)["variables"].items():
        assert re.fullmatch(r"INCUBATOR_[A-Z_]+", variable)
        assert value["expand"] is False
        assert value["value"].startswith(COMPONENT_MARK)


def test_artifacts_of_a_build_and_of_a_merge() -> None:
    hidden = ".$[[ inputs.job-name ]]:artifacts:true"
    assert read("templates/build.yml")[1][hidden]["artifacts"] == {
        "when": "always",
        "expose_as": "image report",
        "paths": ["$[[ inputs.report ]]", "incubator.json"],
        "reports": {"dotenv": "incubator.env"},
    }
    assert read("templates/merge.yml")[1][hidden]["artifacts"] == {
        "paths": ["incubator.json"],
        "reports": {"dotenv": "incubator.env"},
    }


def test_a_merge_takes_exactly_what_the_program_lets_it_take() -> None:
    """`github-token` and `push` change nothing there, so they are not offered."""
    own = set(read("templates/merge.yml")[0]["spec"]["inputs"]) - set(OF_JOBS)
    assert own | {"github-token", "push"} == OF_MERGE


@pytest.mark.parametrize("name", COMPONENTS)
@pytest.mark.parametrize(
    "value", ["it's", 'a "quoted" word', "# no comment", "a: b", "- x", "{a", "%&*!|>@`"]
)
def test_the_component_stays_yaml_whatever_gitlab_puts_in(name: str, value: str) -> None:
    """GitLab replaces inputs in the file's text, before it is read as YAML."""
    text = body(name)
    for used in (*OF_JOBS,):
        text = text.replace(f"$[[ inputs.{used} ]]", "x")
    filled = re.sub(r"\$\[\[ inputs\.[\w-]+ \]\]", lambda _: value, text)
    job = main_job(yaml.safe_load(filled))
    assert {entry["value"] for entry in job["variables"].values()} == {COMPONENT_MARK + value}


def test_the_component_takes_a_secret_by_name_only() -> None:
    regex = read("templates/build.yml")[0]["spec"]["inputs"]["password"]["regex"]
    assert re.search(regex, "$REGISTRY_TOKEN")
    assert re.search(regex, "${REGISTRY_TOKEN}")
    assert not re.search(regex, "glpat-abcdef")


def test_both_components_are_one() -> None:
    first, second = ((ROOT / name).read_text(encoding="utf-8") for name in COMPONENTS[:2])
    assert first == second


def test_the_page_has_every_input_and_output() -> None:
    page = (ROOT / "docs/reference/inputs.md").read_text(encoding="utf-8")
    for name in [*NAMES, *load_schema("outputs")["properties"]]:
        assert f"\n| `{name}` | " in page
