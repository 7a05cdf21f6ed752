"""What to do about a registry's refusal, by its HTTP status, and what a registry says of it in its own words."""

from __future__ import annotations

import json
from typing import Final

from incubator.errors import shortened

_HINTS: Final = {
    401: "check the user name and password for this registry",
    403: "give the login the right to this repository (GitHub: `permissions: packages: write`)",
    404: "check the repository's name and namespace; some registries hide what a login may not see",
    413: "something before the registry limits the size of requests: raise it there (nginx: client_max_body_size)",
    429: "too many requests: wait, or log in, which raises the limit on most registries",
}
_NO_LOGIN: Final = "log in: there is no user name and password for this registry"
_FIRST_SERVER_ERROR: Final = 500
_LONGEST_WORDS: Final = 300
_MOST_ERRORS: Final = 3


def hint_for(status: int, *, logged_in: bool = True) -> str | None:
    """One hint, or None where the status says nothing of use."""
    if status >= _FIRST_SERVER_ERROR:
        return "the registry itself failed: try again later"
    if status == 401 and not logged_in:
        return _NO_LOGIN
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
