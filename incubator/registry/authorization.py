"""What a registry is told about who asks: nothing, a user name and password, or a token for certain scopes.

Spec: distribution's `spec/auth/token.md` and `spec/auth/oauth.md`.
"""

from __future__ import annotations

import base64
import threading
import time
from typing import TYPE_CHECKING, Final

from incubator.registry.challenge import check_realm, parse_challenge, parse_token

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from incubator.registry.challenge import Challenge
    from incubator.registry.credentials import Login

Scopes = frozenset[str]
"""As in `repository:a/b:pull,push`."""

_SHORTEST: Final = 4
"""Letters of the shortest secret that is masked: what is shorter stands in too many other words."""
_MARGIN_S: Final = 5.0
"""A token is renewed so long before it ends, as a request takes its time."""


class Authorization:
    """Answers a registry's demands. Tokens are kept by their scopes until they end. Safe to use from several threads.

    `fetch` asks a token server: method, address, query or form, `Authorization` (empty for none); its answer's body.
    """

    def __init__(
        self,
        login: Login | None,
        *,
        plain: bool,
        fetch: Callable[[str, str, Mapping[str, str | list[str]], str], bytes],
    ) -> None:
        self._login = login
        self._plain = plain
        self._fetch = fetch
        self._challenge: Challenge | None = None
        self._asked: dict[Scopes, Scopes] = {}
        self._tokens: dict[Scopes, tuple[str, float]] = {}
        self._lock = threading.RLock()  # a refusal of the token server is masked meanwhile

    @property
    def logged_in(self) -> bool:
        """Whether there is anything to tell."""
        return self._login is not None

    def header(self, scopes: Scopes) -> str:
        """The value of `Authorization` to begin with; empty where the registry has not asked for any yet.

        Raises RegistryError where a token has ended and no other is given out.
        """
        with self._lock:
            return self._header(scopes)

    def answer(self, challenge: str, scopes: Scopes, sent: str) -> str:
        """The value that answers a 401 to a request that was sent with `sent`; the same or empty: there is none.

        Raises RegistryError.
        """
        with self._lock:
            self._challenge = parse_challenge(challenge)
            told = self._challenge.parameters.get("scope", "").split()
            self._asked[scopes] = scopes | self._asked.get(scopes, frozenset()) | frozenset(told)
            if sent == f"Bearer {self._tokens.get(scopes, ('', 0))[0]}":  # else another thread has renewed it
                del self._tokens[scopes]
            return self._header(scopes)

    def forget(self, scopes: Scopes) -> None:
        """Get another token for these scopes with the next request."""
        with self._lock:
            self._tokens.pop(scopes, None)

    def masked(self, text: str) -> str:
        """`text` without anything that was told to the registry, which may have repeated it."""
        with self._lock:
            secrets = [token for token, _ in self._tokens.values()]
        if self._login:
            secrets += [self._login.password, self._login.identity_token, self._basic().partition(" ")[2]]
        for secret in secrets:
            if len(secret) >= _SHORTEST:
                text = text.replace(secret, "***")
        return text

    def _header(self, scopes: Scopes) -> str:
        if self._challenge is None:
            return ""
        if self._challenge.scheme == "basic":
            return self._basic()
        if self._challenge.scheme != "bearer":
            return ""
        token, ends = self._tokens.get(scopes, ("", 0.0))
        if not token or ends <= time.monotonic():
            token = self._renewed(self._challenge, scopes)
        return f"Bearer {token}"

    def _renewed(self, challenge: Challenge, scopes: Scopes) -> str:
        realm = challenge.parameters.get("realm", "")
        check_realm(realm, plain_registry=self._plain)
        service = challenge.parameters.get("service", "")
        wanted = sorted(self._asked.get(scopes, scopes))
        begin = time.monotonic()
        if self._login and self._login.identity_token:
            form = {
                "grant_type": "refresh_token",
                "service": service,
                "client_id": "incubator",
                "scope": " ".join(wanted),
                "refresh_token": self._login.identity_token,
            }
            body = self._fetch("POST", realm, form, "")
        else:
            query: dict[str, str | list[str]] = {"scope": wanted} | ({"service": service} if service else {})
            body = self._fetch("GET", realm, query, self._basic())
        token = parse_token(body)
        margin_s = min(_MARGIN_S, token.lifetime_s / 2)
        self._tokens[scopes] = (token.value, begin + token.lifetime_s - margin_s)
        return token.value

    def _basic(self) -> str:
        if self._login is None or not self._login.username:
            return ""
        pair = f"{self._login.username}:{self._login.password}".encode()
        return f"Basic {base64.b64encode(pair).decode()}"
