"""What to do about a registry's refusal, by its HTTP status."""

from __future__ import annotations

_HINTS = {
    401: "check the user name and password for this registry",
    403: "give the login the right to this repository (GitHub: `permissions: packages: write`)",
    404: "check the repository's name and namespace; some registries hide what a login may not see",
    429: "too many requests: wait, or log in, which raises the limit on most registries",
}
_FIRST_SERVER_ERROR = 500


def hint_for(status: int) -> str | None:
    """One hint, or None where the status says nothing of use."""
    if status >= _FIRST_SERVER_ERROR:
        return "the registry itself failed: try again later"
    return _HINTS.get(status)
