"""What a context that is left out, or `{{defaultContext}}`, means; and the login for contexts that are repositories."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from incubator.ci.inputs import PipelineInputs
    from incubator.ci.surroundings import Surroundings

_DEFAULT_CONTEXT = re.compile(r"\{\{ *defaultContext *\}\}(?::|$)")


def without_default(context: str) -> str:
    """A context without `{{defaultContext}}`, the workspace; `{{defaultContext}}:folder` is a folder of it."""
    return _DEFAULT_CONTEXT.sub("", context) or "."


def is_default(context: str | None) -> bool:
    """Whether a context is, or lies in, what `{{defaultContext}}` stands for."""
    return context is not None and _DEFAULT_CONTEXT.match(context) is not None


def fetch_secrets(inputs: PipelineInputs, environ: Mapping[str, str]) -> Mapping[str, bytes]:
    """The token for git repositories of GitHub, or of the server that the job runs on.

    A login that is given by a secret comes first, as with docker/build-push-action; unlike there no step can mount it.
    """
    host = urlsplit(environ.get("GITHUB_SERVER_URL") or "https://github.com").hostname or "github.com"
    names = {f"GIT_AUTH_{kind}{suffix}" for kind in ("TOKEN", "HEADER") for suffix in ("", f".{host}")}
    if inputs.github_token is None or names & inputs.access.secrets.keys():
        return {}
    return {f"GIT_AUTH_TOKEN.{host}": inputs.github_token.encode()}


def context_of(inputs: PipelineInputs, around: Surroundings) -> str:
    """The context as a path or a URL.

    On GitHub, where nothing is checked out, the default is the repository at the commit of the event, as
    docker/build-push-action has it whatever is checked out.
    """
    given = inputs.context or "."
    folder = without_default(given)
    repository, commit = around.environ.get("GITHUB_REPOSITORY"), around.environ.get("GITHUB_SHA")
    is_default = given == "." or folder != given
    if (
        around.ci != "github"
        or not is_default
        or not repository
        or not commit
        or not _is_empty(around.workspace)
    ):
        return folder
    server = around.environ.get("GITHUB_SERVER_URL") or "https://github.com"
    return f"{server}/{repository}.git#{commit}" + (f":{folder}" if folder != "." else "")


def _is_empty(folder: Path) -> bool:
    try:
        return next(folder.iterdir(), None) is None
    except OSError:
        return True
