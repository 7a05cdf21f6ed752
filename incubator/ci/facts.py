"""The environment of a pipeline to the facts that tag rules are about, alike for GitHub and GitLab."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from incubator.ci.checkout import commit_date, read_head
from incubator.ci.documents import clean
from incubator.ci.github_facts import github_facts
from incubator.ci.gitlab_facts import gitlab_facts
from incubator.ci.tags import PipelineFacts
from incubator.ci.tags.facts import SHORT_SHA_LENGTH, with_ref
from incubator.errors import InputError

if TYPE_CHECKING:
    from collections.abc import Mapping

    from incubator.ci.surroundings import Surroundings

_LENGTH_VARIABLE = "DOCKER_METADATA_SHORT_SHA_LENGTH"
_HEAD_VARIABLE = "DOCKER_METADATA_PR_HEAD_SHA"
_LONGEST_SHA = 64


def read_facts(around: Surroundings, *, now: datetime) -> PipelineFacts:
    """The facts. The event's payload and the checkout are read; nobody else is asked.

    Raises InputError where a variable that steers this is wrong.
    """
    environ = {name: clean(value) for name, value in around.environ.items()}
    created = _epoch(environ.get("SOURCE_DATE_EPOCH", "")) or now
    blank = PipelineFacts(now=now, created=created, short_sha_length=_short_length(environ))
    prefer_head = environ.get(_HEAD_VARIABLE, "").strip().lower() == "true"
    if around.ci == "github":
        facts = github_facts(environ, blank, prefer_head=prefer_head)
    elif around.ci == "gitlab":
        facts = gitlab_facts(environ, blank, prefer_head=prefer_head)
    else:
        ref, sha = read_head(around.workspace)
        facts = with_ref(replace(blank, sha=sha), ref)
    if facts.commit_date is None:
        facts = replace(facts, commit_date=commit_date(around.workspace, facts.sha))
    return facts


def _short_length(environ: Mapping[str, str]) -> int:
    text = environ.get(_LENGTH_VARIABLE, "").strip()
    if not text:
        return SHORT_SHA_LENGTH
    if not text.isascii() or not text.isdigit() or not 1 <= int(text[:4]) <= _LONGEST_SHA:
        raise InputError(
            f"{_LENGTH_VARIABLE}: {text!r} is not a length", hint=f"write a number from 1 to {_LONGEST_SHA}"
        )
    return int(text)


def _epoch(text: str) -> datetime | None:
    """None where it is not a time; the build reports that by itself."""
    if not text.isascii() or not text.isdigit() or len(text) > 11:
        return None
    return datetime.fromtimestamp(int(text), UTC)
