"""What a registry demands before it answers, and whether its demand may be met.

Spec: RFC 9110 section 11.6.1; distribution's `spec/auth/token.md`.
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from incubator.errors import RegistryError

if TYPE_CHECKING:
    from collections.abc import Mapping

_MAX_LENGTH = 4096
MAX_TOKEN_ANSWER = 1 << 20
"""Bytes that a token server may answer; real ones send a few thousand."""
_DEFAULT_LIFETIME_S = 60.0
"""By the specification, where the answer tells none."""
_LONGEST_LIFETIME_S = 86_400.0
_TOKEN = re.compile(r"[A-Za-z0-9._~+/-]+=*")
_PARAMETER = re.compile(r'([\w-]+)\s*=\s*(?:"((?:[^"\\]|\\.)*)"|([^\s",]+))\s*(?:,\s*|$)')
_ESCAPED = re.compile(r"\\(.)")


@dataclass(frozen=True, slots=True, kw_only=True)
class Challenge:
    """One `WWW-Authenticate` header: its scheme in lower case, and its parameters."""

    scheme: str
    parameters: Mapping[str, str]


def parse_challenge(header: str) -> Challenge:
    """The first challenge of a header. Raises RegistryError where it is none, or longer than any real one."""
    if len(header) > _MAX_LENGTH:
        raise RegistryError("the registry's demand for a login is longer than 4096 characters")
    scheme, _, rest = header.strip().partition(" ")
    parameters: dict[str, str] = {}
    rest = rest.lstrip()
    while found := _PARAMETER.match(rest):
        name, quoted, plain = found.groups()
        value = plain if quoted is None else _ESCAPED.sub(r"\1", quoted)
        parameters.setdefault(name.lower(), value)
        rest = rest[found.end() :]
    return Challenge(scheme=scheme.lower(), parameters=parameters)


def check_realm(realm: str, *, plain_registry: bool) -> None:
    """Refuse a token server that a login must not travel to: one in plain text for a registry that is not.

    Raises RegistryError.
    """
    scheme = _scheme(realm)
    if scheme == "https" or (scheme == "http" and plain_registry):
        return
    if scheme == "http":
        raise RegistryError(
            "the registry sends its logins to a token server over plain HTTP",
            hint="give the registry's token server an https:// address",
        )
    raise RegistryError("the registry names no token server with an address of http:// or https://")


@dataclass(frozen=True, slots=True, kw_only=True)
class Token:
    """A bearer token, and for how long after it was given out it is good."""

    value: str = field(repr=False)
    lifetime_s: float


def parse_token(body: bytes) -> Token:
    """The token in a token server's answer. Raises RegistryError, which never tells the token."""
    if len(body) > MAX_TOKEN_ANSWER:
        raise RegistryError(f"the token server's answer is longer than {MAX_TOKEN_ANSWER} bytes")
    try:
        answer = json.loads(body)
    except (ValueError, RecursionError):
        answer = None
    token = (answer.get("token") or answer.get("access_token")) if isinstance(answer, dict) else None
    if not isinstance(token, str) or not _TOKEN.fullmatch(token):
        raise RegistryError("the token server's answer holds no token")
    lifetime_s = answer.get("expires_in")
    if not isinstance(lifetime_s, int | float) or isinstance(lifetime_s, bool) or not lifetime_s > 0:
        lifetime_s = _DEFAULT_LIFETIME_S
    return Token(value=token, lifetime_s=min(lifetime_s, _LONGEST_LIFETIME_S))


def _scheme(realm: str) -> str:
    try:
        parts = urlsplit(realm)
    except ValueError:
        return ""
    return parts.scheme if parts.hostname else ""
