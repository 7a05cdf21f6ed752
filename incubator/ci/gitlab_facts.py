"""Facts out of the environment of a GitLab job: its predefined variables."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from incubator.ci.tags.facts import Repository, parse_time

if TYPE_CHECKING:
    from collections.abc import Mapping

    from incubator.ci.tags import PipelineFacts
    from incubator.ci.tags.facts import RefKind

EVENTS = {
    "merge_request_event": "pull_request",
    "external_pull_request_event": "pull_request",
    "push": "push",
    "schedule": "schedule",
    "web": "workflow_dispatch",
    "webide": "workflow_dispatch",
    "chat": "workflow_dispatch",
    "api": "repository_dispatch",
    "trigger": "repository_dispatch",
    "pipeline": "workflow_call",
    "parent_pipeline": "workflow_call",
}
"""GitLab's word for what started a pipeline, and GitHub's for about the same."""


def gitlab_facts(environ: Mapping[str, str], blank: PipelineFacts, *, prefer_head: bool) -> PipelineFacts:
    """`blank` with what GitLab says.

    A merge request counts as a pull request, whichever of its pipelines runs: detached, of merged results, in a merge
    train, or the child of one of those. Only then `CI_MERGE_REQUEST_IID` is set.
    """
    number = environ.get("CI_MERGE_REQUEST_IID", "") or environ.get("CI_EXTERNAL_PULL_REQUEST_IID", "")
    tag, branch = environ.get("CI_COMMIT_TAG", ""), environ.get("CI_COMMIT_BRANCH", "")
    kind: RefKind | None = "pr" if number else "tag" if tag else "branch" if branch else None
    target = environ.get("CI_MERGE_REQUEST_TARGET_BRANCH_NAME", "") or environ.get(
        "CI_EXTERNAL_PULL_REQUEST_TARGET_BRANCH_NAME", ""
    )
    sha = environ.get("CI_COMMIT_SHA", "")
    head = environ.get("CI_MERGE_REQUEST_SOURCE_BRANCH_SHA", "")  # only where sha is a merge of it
    if head and prefer_head:
        sha = head
    source = environ.get("CI_PIPELINE_SOURCE", "")
    return replace(
        blank,
        event=EVENTS.get(source, source),
        kind=kind,
        ref=number or tag or branch,
        sha=sha,
        base_ref=target if kind == "pr" else "",
        commit_date=parse_time(environ.get("CI_COMMIT_TIMESTAMP", ""))
        if sha == environ.get("CI_COMMIT_SHA", "")
        else None,
        repository=Repository(
            name=environ.get("CI_PROJECT_NAME", ""),
            description=environ.get("CI_PROJECT_DESCRIPTION", ""),
            url=environ.get("CI_PROJECT_URL", ""),
            default_branch=environ.get("CI_DEFAULT_BRANCH", ""),
        ),
    )
