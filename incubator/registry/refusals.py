"""What to do about a registry's refusal, by its HTTP status, and what a registry says of it in its own words."""

from __future__ import annotations

import json
import re
from typing import Final

from incubator.errors import shortened

_HINTS: Final = {
    401: "check the user name and password for this registry",
    403: "give the login the right to this repository (GitHub: `permissions: packages: write`); its name may lie in "
    "somebody else's namespace",
    404: "check the repository's name and namespace; some registries hide what a login may not see",
    413: "something before the registry limits the size of requests: raise it there (nginx: client_max_body_size)",
    429: "too many requests: wait, or log in, which raises the limit on most registries",
}
_DENIED: Final = {
    "ghcr.io": "a job pushes with `permissions: packages: write`; a package that another repository made has to be "
    "linked to this one (its settings, Manage Actions access); and the owner in the name has to be the login's",
    "docker.io": "the access token needs the right to write, and the namespace in the name has to be the login's",
}
"""What a refused login lacks at registries that are known, whether they call it 401 or 403."""
_ECR: Final = re.compile(r"[0-9]+\.dkr\.ecr\.[a-z0-9-]+\.amazonaws\.com(\.cn)?")
_ECR_MISSING: Final = "ECR makes no repository by itself: make it first (aws ecr create-repository)"
_NO_LOGIN: Final = "log in: there is no user name and password for this registry"
_FIRST_SERVER_ERROR: Final = 500
_LONGEST_WORDS: Final = 300
_MOST_ERRORS: Final = 3


def hint_for(status: int, registry: str = "", *, logged_in: bool = True) -> str | None:
    """One hint, or None where the status says nothing of use."""
    if status >= _FIRST_SERVER_ERROR:
        return "the registry itself failed: try again later"
    if status == 401 and not logged_in:
        return _NO_LOGIN
    if status in {401, 403} and registry in _DENIED:
        return _DENIED[registry]
    if status == 404 and _ECR.fullmatch(registry):
        return _ECR_MISSING
    return _HINTS.get(status)


def words_of(body: bytes) -> str:
    """What the body of a refusal says, in one line fit for a message; empty where it says nothing.

    Spec: OCI distribution-spec, "Error codes".
    """
    try:
        errors = json.loads(body)["errors"]
        told = [
            ": ".join(str(error[key]) for key in ("code", "message") if error.get(key))
            for error in errors[:_MOST_ERRORS]
        ]
    except (ValueError, RecursionError, LookupError, TypeError, AttributeError):
        return ""
    line = " ".join("; ".join(filter(None, told)).split())
    return shortened("".join(letter for letter in line if letter.isprintable()), _LONGEST_WORDS)
