"""Which pipeline this is, by its environment."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    from collections.abc import Mapping

Ci = Literal["github", "gitlab", "plain"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Surroundings:
    """The pipeline's kind (`plain`: none that is known), its workspace, and its environment."""

    ci: Ci
    workspace: Path
    environ: Mapping[str, str]


def detect(environ: Mapping[str, str], folder: Path) -> Surroundings:
    """Read the environment; `folder` is the workspace where the pipeline names none.

    `CI_JOB_ID` and `CI_SERVER_URL` count for GitLab too: gitlab-ci-local sets `GITLAB_CI=false`.
    """
    if environ.get("GITHUB_ACTIONS") == "true":
        workspace = environ.get("GITHUB_WORKSPACE")
        ci: Ci = "github"
    elif environ.get("GITLAB_CI") == "true" or ("CI_JOB_ID" in environ and "CI_SERVER_URL" in environ):
        workspace = environ.get("CI_PROJECT_DIR")
        ci = "gitlab"
    else:
        workspace = None
        ci = "plain"
    return Surroundings(ci=ci, workspace=Path(workspace) if workspace else folder, environ=environ)
