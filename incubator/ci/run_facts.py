"""What a pipeline says of its run, for those who want to know where an image came from."""

from __future__ import annotations

from typing import TYPE_CHECKING

from incubator.ci.documents import clean
from incubator.ci.facts import read_facts
from incubator.request import PipelineRun

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import datetime

    from incubator.ci.surroundings import Surroundings


def read_run(around: Surroundings, *, now: datetime) -> PipelineRun:
    """The run, and what it has checked out. Raises InputError as `read_facts` does."""
    facts = read_facts(around, now=now)
    prefixes = {"branch": "refs/heads/", "tag": "refs/tags/", "pr": "refs/pull/"}
    return PipelineRun(
        url=_url(around),
        source=facts.repository.url,
        revision=facts.sha,
        ref=f"{prefixes[facts.kind]}{facts.ref}" if facts.kind else "",
    )


def _url(around: Surroundings) -> str:
    """Where the run's log is; empty where the pipeline does not say, or says something that is no address."""
    environ = {name: clean(value) for name, value in around.environ.items()}
    url = _github(environ) if around.ci == "github" else environ.get("CI_JOB_URL", "")
    return url if url.startswith(("https://", "http://")) and "@" not in url else ""


def _github(environ: Mapping[str, str]) -> str:
    repository, run = environ.get("GITHUB_REPOSITORY", ""), environ.get("GITHUB_RUN_ID", "")
    if not repository or not run:
        return ""
    server = environ.get("GITHUB_SERVER_URL", "https://github.com")
    attempt = environ.get("GITHUB_RUN_ATTEMPT", "")
    return f"{server}/{repository}/actions/runs/{run}" + (f"/attempts/{attempt}" if attempt else "")
