"""Runs pipelines with gitlab-ci-local."""

from __future__ import annotations

import re
import shutil
import subprocess
from dataclasses import dataclass
from typing import TYPE_CHECKING

import lab
from tests.e2e.checkout import git

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from lab import EngineHandle

HELPER_IMAGE = "gcl-helper:local"
TIMEOUT_S = 300
ORIGIN = "https://gitlab.example.test/acme/incubator.git"
_COLOURS = re.compile(r"\x1b\[[0-9;]*m")


@dataclass(frozen=True, slots=True, kw_only=True)
class PipelineRun:
    """Exit code of gitlab-ci-local, what it printed, the jobs' raw logs and their artifacts' folder."""

    exit_code: int
    stdout: str
    text: str
    folder: Path

    def log(self, job: str) -> str:
        """What a job printed, byte for byte."""
        return (self.folder / f".gitlab-ci-local/output/{job}.log").read_text(
            encoding="utf-8", errors="replace"
        )

    def artifact(self, job: str, name: str) -> Path:
        """Path of an artifact; it may not exist."""
        return self.folder / ".gitlab-ci-local/artifacts" / job / name

    def dotenv(self, job: str) -> Path | None:
        """The dotenv report of a job."""
        return next(iter(self.artifact(job, ".gitlab-ci-reports/dotenv").glob("*")), None)


def run_pipeline(
    engine: EngineHandle,
    checkout: Path,
    pipeline: Path,
    variables: Mapping[str, str],
    *options: str,
    path: str = "/usr/bin",
) -> PipelineRun:
    """Run all jobs of a pipeline file in `checkout`, whose `origin` becomes one on a GitLab that does not exist.

    `path` is where jobs that run in a shell find their programs first.
    """
    name = f".{pipeline.name}"
    shutil.copy(pipeline, checkout / name)
    git(checkout, "add", "--all", "--force")
    if "origin" not in git(checkout, "remote"):
        git(checkout, "remote", "add", "origin", ORIGIN)
    command = [str(lab.tool("gitlab-ci-local")), "--file", name, "--helper-image", HELPER_IMAGE]
    command += ["--volume", engine.socket_volume, "--network", "host", "--no-artifacts-to-source"]
    command += ["--variable", "GITLAB_CI=true"]
    predefined = ["GITLAB_CI", *(name for name in variables if name.startswith("CI_"))]
    command += ["--ignore-predefined-vars", ",".join(predefined)]  # else it warns of them
    for key, value in variables.items():
        command += ["--variable", f"{key}={value}"]
    environ = {"PATH": f"{path}:/usr/bin:/bin", "HOME": str(checkout.parent), **engine.env}
    done = subprocess.run(
        [*command, *options],
        cwd=checkout,
        env=environ,
        capture_output=True,
        text=True,
        check=False,
        timeout=TIMEOUT_S,
    )
    text = _COLOURS.sub("", done.stdout + done.stderr)
    return PipelineRun(
        exit_code=done.returncode, stdout=_COLOURS.sub("", done.stdout), text=text, folder=checkout
    )
