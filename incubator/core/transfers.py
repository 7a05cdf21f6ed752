"""What to do where an engine cannot pull or push: all there is to go by are its words. Pure."""

from __future__ import annotations

import re
from typing import Final

_HINTS: Final = tuple(
    (re.compile(words, re.IGNORECASE), hint)
    for words, hint in (
        (
            r"no basic auth credentials",
            "log in: docker login REGISTRY, or the inputs registry, username and password",
        ),
        (r"toomanyrequests", "log in to Docker Hub, for public images too: who does may pull more"),
        (
            r"repository does not exist|manifest unknown|not found",
            "check the name and the tag; of a private image registries say the same until one logs in",
        ),
        (
            r"unauthorized|denied|forbidden|\b40[13]\b",
            "check the user name and the password or token, and that it may do this",
        ),
        (
            r"server gave HTTP response to HTTPS client",
            "the registry speaks plain HTTP: if you trust the network, name it in insecure-registries of the engine",
        ),
        (
            r"x509:|certificate signed by|certificate has expired",
            "put the registry's authority into /etc/docker/certs.d/HOST/ca.crt on the engine's machine",
        ),
        (
            r"no such host|connection refused|timeout|no route to host|network is unreachable",
            "it is the engine that has to reach the registry: check the name, and the engine's network and proxy",
        ),
    )
)
"""What an engine says, and what to do; the first that fits counts."""


def transfer_hint(said: str) -> str | None:
    """One hint for an engine's words about a pull, a push or a login; None where they say nothing of use."""
    return next((hint for words, hint in _HINTS if words.search(said)), None)
