"""Facts out of the environment of a GitHub job and the payload of its event."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from incubator.ci.documents import Document, read_json_object
from incubator.ci.tags.facts import Repository, parse_time, with_ref

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import datetime

    from incubator.ci.tags import PipelineFacts

_ON_DEFAULT_BRANCH = ("create", "discussion", "issues", "schedule")
"""Parts of the names of events that always run for the default branch."""


def github_facts(environ: Mapping[str, str], blank: PipelineFacts, *, prefer_head: bool) -> PipelineFacts:
    """`blank` with what GitHub says; `prefer_head`: of a pull request its own commit, not the merge that is built."""
    path = environ.get("GITHUB_EVENT_PATH")
    payload = read_json_object(Path(path)) if path else Document({})
    event = environ.get("GITHUB_EVENT_NAME", "")
    ref, sha = environ.get("GITHUB_REF", ""), environ.get("GITHUB_SHA", "")
    if "pull_request_target" in event:  # the ref is that of the target branch there
        ref = f"refs/pull/{payload['number'].text}/merge" if payload["number"].text else ""
    head = payload["pull_request"]["head"]["sha"].text
    if "pull_request" in event and head and prefer_head:
        sha = head
    facts = replace(
        with_ref(blank, ref),
        event="schedule" if "schedule" in event else event,
        sha=sha,
        always_default=any(part in event for part in _ON_DEFAULT_BRANCH),
        repository=_repository(environ, payload["repository"]),
        commit_date=_commit_date(payload, sha),
    )
    return replace(facts, base_ref=_base_ref(facts, payload, environ))


def _base_ref(facts: PipelineFacts, payload: Document, environ: Mapping[str, str]) -> str:
    if facts.kind == "tag":
        return payload["base_ref"].text.removeprefix("refs/heads/")
    if facts.kind == "pr":
        return payload["pull_request"]["base"]["ref"].text or environ.get("GITHUB_BASE_REF", "")
    return ""


def _repository(environ: Mapping[str, str], payload: Document) -> Repository:
    full_name = environ.get("GITHUB_REPOSITORY", "")
    server = environ.get("GITHUB_SERVER_URL", "https://github.com")
    return Repository(
        name=payload["name"].text or full_name.rpartition("/")[2],
        description=payload["description"].text,
        url=payload["html_url"].text or (f"{server}/{full_name}" if full_name else ""),
        license=payload["license"]["spdx_id"].text,
        default_branch=payload["default_branch"].text,
    )


def _commit_date(payload: Document, sha: str) -> datetime | None:
    """The date that the payload of a push has for the commit."""
    for commit in (*payload["commits"].items, payload["head_commit"]):
        if sha and commit["id"].text == sha:
            return parse_time(commit["timestamp"].text)
    return None
