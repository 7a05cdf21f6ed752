"""What docker/metadata-action's documentation states, on the environments of GitHub and GitLab."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
import yaml

from incubator.ci.facts import read_facts
from incubator.ci.lists import parse_entries
from incubator.ci.surroundings import Surroundings
from incubator.ci.tags import PipelineFacts, compute, read_language
from incubator.faults import Faults

DATA = Path(__file__).parents[3] / "data/tags"
ENVIRONMENTS: dict[str, dict[str, Any]] = yaml.safe_load((DATA / "environments.yml").read_text("utf-8"))
CASES: list[tuple[str, list[Any]]] = [
    (group, case)
    for group, cases in yaml.safe_load((DATA / "cases.yml").read_text("utf-8")).items()
    for case in cases
]
NOW = datetime(2020, 1, 10, 0, 30, tzinfo=UTC)


def facts_of(ci: str, environment: str, ref: str, folder: Path, **more: str) -> PipelineFacts:
    found = json.loads(json.dumps(ENVIRONMENTS[environment][ci]).replace("<ref>", json.dumps(ref)[1:-1]))
    environ = dict(found)
    if ci == "github":
        (folder / "event.json").write_text(json.dumps(found["payload"]))
        environ = {**found["environ"], "GITHUB_EVENT_PATH": str(folder / "event.json")}
    around = Surroundings(
        ci="github" if ci == "github" else "gitlab", workspace=folder, environ={**environ, **more}
    )
    return read_facts(around, now=NOW)


def names_of(facts: PipelineFacts, tags: str, flavor: str) -> tuple[str, ...]:
    faults = Faults()
    language = read_language(
        images=parse_entries("acme/web", "rules"),
        tags=parse_entries(tags, "rules"),
        flavor=parse_entries(flavor, "rules"),
        faults=faults,
    )
    assert faults.errors == []
    made = compute(language, facts)
    assert made.tags == tuple(f"acme/web:{name}" for name in made.tag_names)
    assert made.version == (made.tag_names[0] if made.tag_names else "")
    return made.tag_names


def cases_on(ci: str) -> list[Any]:
    found = [(group, case) for group, case in CASES if ci in ENVIRONMENTS[case[0]]]
    return [pytest.param(case, id=f"{number}-{group}") for number, (group, case) in enumerate(found)]


def test_there_are_as_many_as_are_promised() -> None:
    assert len(cases_on("github")) >= 120
    assert len(cases_on("gitlab")) >= 40


@pytest.mark.parametrize("case", cases_on("github"))
def test_on_github(case: list[Any], tmp_path: Path) -> None:
    environment, ref, tags, flavor, expected = case
    facts = facts_of("github", environment, str(ref), tmp_path)
    assert names_of(facts, tags, flavor) == tuple(str(expected).split())


@pytest.mark.parametrize("case", cases_on("gitlab"))
def test_on_gitlab(case: list[Any], tmp_path: Path) -> None:
    environment, ref, tags, flavor, expected = case
    facts = facts_of("gitlab", environment, str(ref), tmp_path)
    assert names_of(facts, tags, flavor) == tuple(str(expected).split())


@pytest.mark.parametrize("ci", ["github", "gitlab"])
def test_the_head_of_a_pull_request_on_demand(ci: str, tmp_path: Path) -> None:
    facts = facts_of(ci, "pull_request", "", tmp_path, DOCKER_METADATA_PR_HEAD_SHA="true")
    assert names_of(facts, "type=sha", "") == ("sha-6dcb09b",)


def test_labels_of_the_repository(tmp_path: Path) -> None:
    language = read_language(
        images=(),
        tags=(),
        flavor=(),
        labels=parse_entries("org.opencontainers.image.title=Mine {{branch}}\nvendor=a=b", "lines"),
        levels=("manifest", "index"),
        faults=Faults(),
    )
    made = compute(language, facts_of("github", "branch", "my/branch", tmp_path))
    assert made.labels == {
        "org.opencontainers.image.created": "2020-01-10T00:30:00.000Z",
        "org.opencontainers.image.description": "This your first repo!",
        "org.opencontainers.image.licenses": "MIT",
        "org.opencontainers.image.revision": "860c1904a1ce19322e91ac35af1ab07466440c37",
        "org.opencontainers.image.source": "https://github.com/octocat/Hello-World",
        "org.opencontainers.image.title": "Mine my/branch",
        "org.opencontainers.image.url": "https://github.com/octocat/Hello-World",
        "org.opencontainers.image.version": "my-branch",
        "vendor": "a=b",
    }
    assert list(made.labels) == sorted(made.labels)
    assert "index:org.opencontainers.image.version=my-branch" in made.annotations
    assert len(made.annotations) == 16
