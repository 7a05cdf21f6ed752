"""What pipelines say of their runs."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING

import pytest

from incubator.ci.run_facts import read_run
from incubator.ci.surroundings import detect
from incubator.request import PipelineRun

if TYPE_CHECKING:
    from pathlib import Path

SHA = "c" * 40
GITHUB = {
    "GITHUB_ACTIONS": "true",
    "GITHUB_REPOSITORY": "acme/web",
    "GITHUB_RUN_ID": "7",
    "GITHUB_SHA": SHA,
    "GITHUB_REF": "refs/tags/v1",
}
GITLAB = {
    "GITLAB_CI": "true",
    "CI_JOB_URL": "https://gitlab.example/acme/web/-/jobs/9",
    "CI_PROJECT_URL": "https://gitlab.example/acme/web",
    "CI_COMMIT_SHA": SHA,
    "CI_MERGE_REQUEST_IID": "12",
}


def run_of(folder: Path, environ: dict[str, str]) -> PipelineRun:
    return read_run(detect(environ, folder), now=datetime.now(UTC))


def test_github(tmp_path: Path) -> None:
    url = "https://github.com/acme/web"
    expected = PipelineRun(url=f"{url}/actions/runs/7", source=url, revision=SHA, ref="refs/tags/v1")
    assert run_of(tmp_path, GITHUB) == expected
    assert run_of(tmp_path, GITHUB | {"GITHUB_RUN_ATTEMPT": "3"}).url == f"{url}/actions/runs/7/attempts/3"
    assert not run_of(tmp_path, {**GITHUB, "GITHUB_RUN_ID": ""}).url


def test_gitlab(tmp_path: Path) -> None:
    assert run_of(tmp_path, GITLAB) == PipelineRun(
        url=GITLAB["CI_JOB_URL"], source=GITLAB["CI_PROJECT_URL"], revision=SHA, ref="refs/pull/12"
    )


@pytest.mark.parametrize("url", ["javascript:x", "https://me:pass@gitlab.example/1", ""])
def test_what_is_no_plain_address_is_left_out(tmp_path: Path, url: str) -> None:
    assert not run_of(tmp_path, GITLAB | {"CI_JOB_URL": url}).url


def test_without_a_pipeline_the_checkout_is_read(tmp_path: Path) -> None:
    assert run_of(tmp_path, {}) == PipelineRun()
    (tmp_path / ".git").mkdir()
    (tmp_path / ".git" / "HEAD").write_text(f"{SHA}\n")
    assert run_of(tmp_path, {}) == PipelineRun(revision=SHA)
