"""Image configs and RUN history lines compared with what BuildKit made of the same Dockerfiles."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from incubator.core.plan.model import BaseImage
from incubator.errors import BuilderError
from incubator.oci.image_config import ImageConfig, runtime_config_from_json
from tests.unit.core.planning import AMD64, Images, plan

if TYPE_CHECKING:
    from incubator.core.plan.model import Plan

FOLDER = Path(__file__).parents[2] / "data" / "plans"
RECORDED = json.loads((FOLDER / "recorded.json").read_text())
CASES = RECORDED["cases"]
BASES = {
    name: BaseImage(
        reference=name,
        image_id=name,
        config=ImageConfig(platform=AMD64, config=runtime_config_from_json(found)),
    )
    for name, found in RECORDED["bases"].items()
}
MADE = {name for name, case in CASES.items() if case["made"]}


def plan_of(name: str) -> Plan:
    case = CASES[name]
    return plan(case["dockerfile"], lookup=Images(BASES), build_args=case["args"])


@pytest.mark.parametrize("name", sorted(MADE))
def test_config_and_author(name: str) -> None:
    target = plan_of(name).target
    assert json.loads(json.dumps(target.config.to_json())) == CASES[name]["made"]["config"]
    assert target.author == CASES[name]["made"]["author"]


@pytest.mark.parametrize("name", sorted(name for name in MADE if CASES[name]["made"]["runs"]))
def test_history_of_runs(name: str) -> None:
    made = plan_of(name)
    lines = [step.created_by for step in made.steps if step.created_by.startswith("RUN ")]
    recorded = CASES[name]["made"]["runs"]
    assert lines[len(lines) - len(recorded) :] == recorded


@pytest.mark.parametrize("name", sorted(set(CASES) - MADE))
def test_what_buildkit_refuses_is_an_error_at_its_line(name: str) -> None:
    with pytest.raises(BuilderError) as caught:
        plan_of(name)
    assert caught.value.exit_code in (2, 4)
    assert str(caught.value).startswith("Dockerfile:")


def test_every_case_is_recorded() -> None:
    texts: list[Any] = f"\n{(FOLDER / 'cases.txt').read_text()}".split("\n=== ")[1:]
    heads = [text.partition("\n") for text in texts]
    assert {head.split()[0]: f"{text.rstrip()}\n" for head, _, text in heads} == {
        name: case["dockerfile"] for name, case in CASES.items()
    }
