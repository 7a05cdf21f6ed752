"""The generated front doors are what the schemas make of them, and name the same inputs and outputs."""

from __future__ import annotations

import importlib.util
import re
from pathlib import Path
from typing import Any

import pytest
import yaml

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


COMPONENTS = ["gitlab-ci-component.yml", "templates/build.yml"]


@pytest.mark.parametrize("name", COMPONENTS)
def test_the_component_has_all_inputs_and_uses_each(name: str) -> None:
    header, jobs = read(name)
    inputs = header["spec"]["inputs"]
    assert list(inputs) == ["job-name", "stage", "image", *NAMES]
    text = (ROOT / name).read_text(encoding="utf-8").partition("\n---\n")[2]
    assert re.findall(r"\$\[\[ inputs\.([\w-]+) \]\]", text) == [*inputs, "report"]
    assert not re.search(inputs["report"]["regex"], ""), "an artifact's path is never empty"
    assert len(jobs) == 1
    for entry in inputs.values():
        assert "default" in entry
        if entry["type"] == "string":
            assert re.search(entry["regex"], entry["default"])
            assert not re.search(entry["regex"], "a\nb")


@pytest.mark.parametrize("name", COMPONENTS)
def test_inputs_come_near_no_shell(name: str) -> None:
    (job,) = read(name)[1].values()
    assert job["script"] == ["python3 /app/entrypoint.py"]
    for variable, value in job["variables"].items():
        assert re.fullmatch(r"INCUBATOR_[A-Z_]+", variable)
        assert value["expand"] is False
        assert value["value"].startswith(COMPONENT_MARK)
    assert job["artifacts"] == {
        "when": "always",
        "expose_as": "image report",
        "paths": ["$[[ inputs.report ]]", "incubator.json"],
        "reports": {"dotenv": "incubator.env"},
    }


@pytest.mark.parametrize("name", COMPONENTS)
@pytest.mark.parametrize(
    "value", ["it's", 'a "quoted" word', "# no comment", "a: b", "- x", "{a", "%&*!|>@`"]
)
def test_the_component_stays_yaml_whatever_gitlab_puts_in(name: str, value: str) -> None:
    """GitLab replaces inputs in the file's text, before it is read as YAML."""
    text = (ROOT / name).read_text(encoding="utf-8").partition("\n---\n")[2]
    for used in ("job-name", "stage", "image"):
        text = text.replace(f"$[[ inputs.{used} ]]", "x")
    filled = re.sub(r"\$\[\[ inputs\.[\w-]+ \]\]", lambda _: value, text)
    (job,) = yaml.safe_load(filled).values()
    assert {entry["value"] for entry in job["variables"].values()} == {COMPONENT_MARK + value}


def test_the_component_takes_a_secret_by_name_only() -> None:
    regex = read("templates/build.yml")[0]["spec"]["inputs"]["password"]["regex"]
    assert re.search(regex, "$REGISTRY_TOKEN")
    assert re.search(regex, "${REGISTRY_TOKEN}")
    assert not re.search(regex, "glpat-abcdef")


def test_both_components_are_one() -> None:
    first, second = ((ROOT / name).read_text(encoding="utf-8") for name in COMPONENTS)
    assert first == second


def test_the_page_has_every_input_and_output() -> None:
    page = (ROOT / "docs/reference/inputs.md").read_text(encoding="utf-8")
    for name in [*NAMES, *load_schema("outputs")["properties"]]:
        assert f"\n| `{name}` | " in page
