"""Requests to one registry: authorised, repeated while that helps, and every answer closed.

Spec: OCI distribution-spec 1.1. An `Authorization` goes to the registry's own scheme, host and port alone.
"""

from __future__ import annotations

import contextlib
import itertools
import re
import ssl
from collections.abc import Generator
from dataclasses import dataclass, field
from http import HTTPStatus
from http.cookiejar import DefaultCookiePolicy
from typing import TYPE_CHECKING, Any, Final, TypeVar
from urllib.parse import urljoin, urlsplit

import requests
import urllib3
from requests.adapters import HTTPAdapter

from incubator.errors import RegistryError, RegistrySilent, shortened
from incubator.oci.reference import DEFAULT_REGISTRY, is_loopback
from incubator.registry.authorization import Authorization
from incubator.registry.challenge import MAX_TOKEN_ANSWER
from incubator.registry.patience import AGAIN, NoAnswer, Patience, TryAgain, retry_after_s
from incubator.registry.refusals import hint_for, words_of
from incubator.registry.tls import CERTIFICATES, CONNECTIONS, Adapter, make_context

if TYPE_CHECKING:
    import threading
    from collections.abc import Callable, Collection, Iterator, Mapping
    from pathlib import Path

    from incubator.registry.authorization import Scopes
    from incubator.registry.credentials import Login

HUB_HOST: Final = "registry-1.docker.io"
USER_AGENT: Final = "incubator"
CHUNK: Final = 1 << 16
_MOST_REDIRECTS: Final = 5
_REDIRECTS: Final = frozenset((301, 302, 303, 307, 308))
_REPEATING: Final = frozenset((307, 308))
"""Redirects that hold for requests which change something too."""
_LONGEST_REFUSAL: Final = 1 << 16
_QUERY: Final = re.compile(r"\?\S*")
_OF_OPENSSL: Final = re.compile(r" \(_ssl\.c:[0-9]+\)$")
"""A line of Python's own source, which says nothing to anybody here."""
_NO_SCOPES: Final[Scopes] = frozenset()

_Result = TypeVar("_Result")


@dataclass(slots=True)
class Body:
    """A request's body: `size` bytes, made anew by `chunks` each time it is sent, until `ended` is set."""

    size: int
    chunks: Callable[[], Iterator[bytes]]
    ended: threading.Event
    fault: Exception | None = field(default=None, init=False)
    """What went wrong while it was made, which is no fault of the connection."""
    _making: Generator[bytes] | None = field(default=None, init=False)

    def __len__(self) -> int:
        return self.size

    def __iter__(self) -> Iterator[bytes]:
        self.close()
        self.fault = None
        self._making = self._checked()
        return self._making

    def close(self) -> None:
        """End what makes the bytes, wherever it is: it may hold a file, a connection or a lock."""
        if self._making is not None:
            self._making.close()
            self._making = None

    def _checked(self) -> Generator[bytes]:
        sent = 0
        chunks = self.chunks()
        try:
            for chunk in chunks:
                sent += len(chunk)
                if sent > self.size:
                    break
                if self.ended.is_set():
                    raise RegistryError("the upload was called off")  # noqa: TRY301 - kept as well
                if chunk:
                    yield chunk
            if sent != self.size:
                raise RegistryError(  # noqa: TRY301 - kept like any other fault of the maker
                    f"what is uploaded has changed meanwhile: it was to have {self.size} bytes"
                )
        except Exception as error:
            self.fault = error
            raise
        finally:
            if isinstance(chunks, Generator):
                chunks.close()


class _Connections(requests.Session):
    def get_redirect_target(self, resp: requests.Response) -> None:
        """None, always: `requests` would read the whole body of a redirect, and know less of where not to go."""


class Session:
    """Requests to one registry with one login. Safe to use from several threads.

    `plain`: over plain HTTP. `ended` is set once nothing is to be waited for any longer.
    """

    def __init__(
        self,
        registry: str,
        login: Login | None,
        *,
        plain: bool,
        ended: threading.Event,
        patience: Patience,
        certificates: Path = CERTIFICATES,
    ) -> None:
        self.registry = registry
        self.ended = ended
        host = HUB_HOST if registry == DEFAULT_REGISTRY else registry
        self.base = f"{'http' if plain else 'https'}://{host}"
        self._plain = plain
        self._patience = patience
        self._hurried = False
        self._authorization = Authorization(login, plain=plain, fetch=self._fetch_token)
        self._requests = _Connections()
        self._requests.auth = _no_netrc
        self._requests.cookies.set_policy(DefaultCookiePolicy(allowed_domains=()))
        self._requests.headers.update({"User-Agent": USER_AGENT, "Accept-Encoding": "identity"})
        if is_loopback(host):
            self._requests.trust_env = False  # no proxy is meant for this very machine
        self._requests.mount("http://", HTTPAdapter(pool_maxsize=CONNECTIONS))
        if not plain:
            self._requests.mount("https://", Adapter(make_context(host, certificates, itself=False)))
            self._requests.mount(f"{self.base}/", Adapter(make_context(host, certificates, itself=True)))

    def close(self) -> None:
        """Close all connections."""
        self._requests.close()

    def hurry(self) -> None:
        """Ask nothing a second time, until an answer comes."""
        self._hurried = True

    @contextlib.contextmanager
    def request(
        self,
        method: str,
        url: str,
        *,
        doing: str,
        scopes: Scopes = _NO_SCOPES,
        expect: Collection[int] = (200,),
        headers: Mapping[str, str] | None = None,
        body: bytes | Body | None = None,
    ) -> Iterator[requests.Response]:
        """The answer, whose status is one of `expect`; its own body is not read yet, and read by `content`.

        `url` may be relative to the registry. A request with a `Body` is not repeated: TryAgain is raised.
        Raises RegistryError for every other status, and where no answer comes.
        """

        def ask() -> requests.Response:
            reply = self._answered(method, urljoin(self.base, url), doing, scopes, headers or {}, body)
            if reply.status_code in expect:
                return reply
            with _closing(reply):
                raise self._refusal(doing, reply)

        with _closing(ask() if isinstance(body, Body) else self.patiently(doing, ask)) as reply:
            yield reply

    def patiently(self, doing: str, action: Callable[[], _Result]) -> _Result:
        """The result of an action, which is repeated as long as it raises TryAgain and that helps.

        Raises RegistryError.
        """
        for attempt in itertools.count(1):
            try:
                return action()
            except TryAgain as error:
                self.pause(doing, attempt, error)
        raise AssertionError

    def pause(self, doing: str, attempt: int, error: TryAgain) -> None:
        """Wait for the attempt after this one, counted from 1. Raises RegistryError where there is to be none."""
        wait_s = None if self._hurried else self._patience.wait_s(attempt, error.after_s)
        if wait_s is None:
            raise self._given_up(doing, error) from None
        if self.ended.wait(wait_s):
            raise self._called_off(doing) from None

    def content(self, reply: requests.Response, most: int, doing: str) -> bytes:
        """The body of an answer. Raises RegistryError where it has more than `most` bytes, and TryAgain."""
        data = bytearray()
        for chunk in self.stream(reply, doing):
            data += chunk
            if len(data) > most:
                raise RegistryError(f"cannot {doing}: {self.registry} answers with more than {most} bytes")
        return bytes(data)

    def stream(self, reply: requests.Response, doing: str) -> Iterator[bytes]:
        """The body of an answer, as it was sent. Raises TryAgain where it breaks off, and RegistryError."""
        with self._faults(doing):
            # Not `iter_content`: a layer is what was stored, whatever encoding a server believes that to be.
            for chunk in reply.raw.stream(CHUNK, decode_content=False):
                if self.ended.is_set():
                    raise self._called_off(doing)
                yield chunk

    def forget_token(self, scopes: Scopes) -> None:
        """Get another token with the next request."""
        self._authorization.forget(scopes)

    def error(
        self, doing: str, reason: str, *, status: int | None = None, hint: str | None = None
    ) -> RegistryError:
        """An error that names the registry and tells none of the login."""
        return RegistryError(
            f"cannot {doing}: {self._authorization.masked(reason)}",
            status=status,
            hint=hint
            or (hint_for(status, self.registry, logged_in=self._authorization.logged_in) if status else None),
        )

    # -- one request ----------------------------------------------------------------------------------------

    def _answered(
        self,
        method: str,
        url: str,
        doing: str,
        scopes: Scopes,
        headers: Mapping[str, str],
        body: bytes | Body | None,
    ) -> requests.Response:
        """The answer after logging in, once, and following redirects, whatever its status."""
        sent, logged_in = self._authorization.header(scopes), False
        for _ in range(_MOST_REDIRECTS + 2):
            home = _origin(url) == _origin(self.base)
            authorization = {"Authorization": sent} if home and sent else {}
            reply = self._send(method, url, doing, headers={**headers, **authorization}, data=body)
            status = reply.status_code
            with contextlib.ExitStack() as closing:
                closing.callback(_close, reply)
                if status == 401 and home and not logged_in:
                    challenge = reply.headers.get("WWW-Authenticate", "")
                    fresh = self._authorization.answer(challenge, scopes, sent)
                    if fresh not in {"", sent}:
                        sent, logged_in = fresh, True
                        continue
                elif status in (_REDIRECTS if method in {"GET", "HEAD"} else _REPEATING):
                    url = self.target(reply, doing)
                    continue
                closing.pop_all()
                return reply
        raise self.error(doing, f"{self.registry} redirects more than {_MOST_REDIRECTS} times")

    def target(self, reply: requests.Response, doing: str) -> str:
        """Where an answer leads to. Raises RegistryError where nothing may be sent there."""
        location = reply.headers.get("Location", "")
        try:
            url = urljoin(str(reply.url), location)
            scheme, host, _ = _origin(url)
        except ValueError:
            scheme = host = url = ""
        if not location or not host or scheme not in {"http", "https"}:
            raise self.error(doing, f"{self.registry} leads to an address that is none")
        if scheme == "http" and not self._plain:
            raise self.error(
                doing,
                f"{self.registry} leads from TLS to plain HTTP",
                hint="tell the registry its outer address (X-Forwarded-Proto, or http.host in its configuration)",
            )
        return url

    def _send(self, method: str, url: str, doing: str, **options: Any) -> requests.Response:
        """One request and its answer. Raises TryAgain and RegistryError."""
        if self.ended.is_set():
            raise self._called_off(doing)
        body = options.get("data")
        if isinstance(body, Body):
            options["data"] = body if body.size else b""
        timeouts = (self._patience.connect_timeout_s, self._patience.silence_timeout_s)
        try:
            with self._faults(doing):
                reply = self._requests.request(
                    method, url, timeout=timeouts, allow_redirects=False, stream=True, **options
                )
        except (TryAgain, RegistryError):
            if isinstance(body, Body) and body.fault is not None:
                raise body.fault from None
            raise
        else:
            self._hurried = False
            return reply
        finally:
            if isinstance(body, Body):
                body.close()

    @contextlib.contextmanager
    def _faults(self, doing: str) -> Iterator[None]:
        """Turn what `requests` and what it stands on raise into our own errors.

        The originals are not chained: they hold addresses with what signs them.
        """
        try:
            yield
        except RegistryError:
            raise
        except (
            requests.exceptions.RequestException,
            urllib3.exceptions.HTTPError,
            OSError,
            ValueError,
        ) as error:
            raise self._fault(doing, error) from None

    def _fault(self, doing: str, error: Exception) -> Exception:
        causes = _causes(error)
        reason = _words(causes[-1])
        if any(isinstance(cause, ssl.SSLCertVerificationError) for cause in causes):
            return self.error(
                doing,
                f"the certificate of {self.registry} is not trusted: {reason}",
                hint=f"put the authority of the registry into {CERTIFICATES}/{self.registry}/ca.crt, or name its "
                "file in SSL_CERT_FILE",
            )
        # What OpenSSL calls an answer that is not TLS depends on its version.
        plain = ("WRONG_VERSION_NUMBER", "PACKET_LENGTH_TOO_LONG", "HTTP_REQUEST", "RECORD_LAYER_FAILURE")
        if any(isinstance(cause, ssl.SSLError) and cause.reason in plain for cause in causes):
            return self.error(
                doing,
                f"{self.registry} does not speak TLS",
                hint="it may speak plain HTTP: a build does so too with what `insecure-registries` of the engine's "
                "configuration names",
            )
        if isinstance(
            error,
            requests.exceptions.ConnectionError
            | requests.exceptions.Timeout
            | requests.exceptions.ChunkedEncodingError
            | urllib3.exceptions.ProtocolError
            | urllib3.exceptions.TimeoutError
            | urllib3.exceptions.SSLError
            | OSError,
        ) and not isinstance(error, requests.exceptions.InvalidURL):
            return NoAnswer(f"{self.registry} does not answer: {reason}")
        return self.error(doing, f"{self.registry} leads to an address or an answer that is none")

    # -- refusals -------------------------------------------------------------------------------------------

    def _refusal(self, doing: str, reply: requests.Response) -> Exception:
        """What to raise for an answer with a status that was not expected."""
        status = reply.status_code
        body = b""
        with contextlib.suppress(TryAgain, RegistryError):
            body = self.content(reply, _LONGEST_REFUSAL, doing)
        at_home = _origin(str(reply.url)) == _origin(self.base)
        name = self.registry if at_home else f"{urlsplit(str(reply.url)).netloc}, for {self.registry},"
        reason = ": ".join(filter(None, (f"{name} answers {_phrase(status)}", words_of(body))))
        if status in AGAIN:
            return TryAgain(reason, status=status, after_s=retry_after_s(reply.headers.get("Retry-After")))
        hint = "it speaks TLS: take it out of `insecure-registries` of the engine's configuration"
        return self.error(doing, reason, status=status, hint=hint if b"to an HTTPS server" in body else None)

    def _called_off(self, doing: str) -> RegistryError:
        return RegistryError(f"cannot {doing}: it was called off")

    def _given_up(self, doing: str, error: TryAgain) -> RegistryError:
        if isinstance(error, NoAnswer):
            return RegistrySilent(
                f"cannot {doing}: {self._authorization.masked(error.reason)}",
                registry=self.registry,
                hint="is its address right, and can this machine reach it?",
            )
        wanted = f" (it asks for {error.after_s:.0f} s of patience)" if error.after_s else ""
        return self.error(doing, error.reason + wanted, status=error.status)

    # -- tokens ---------------------------------------------------------------------------------------------

    def _fetch_token(
        self, method: str, realm: str, fields: Mapping[str, str | list[str]], authorization: str
    ) -> bytes:
        """Ask a token server, whose address has been checked; its answer."""
        doing = (
            f"log in to {self.registry}"
            if self._authorization.logged_in
            else f"get a token for {self.registry}"
        )
        options = {"data": fields} if method == "POST" else {"params": fields}
        headers = {"Authorization": authorization} if authorization else {}

        def ask() -> bytes:
            with _closing(self._send(method, realm, doing, headers=headers, **options)) as reply:
                if reply.status_code != 200:
                    raise self._refusal(doing, reply)
                return self.content(reply, MAX_TOKEN_ANSWER, doing)

        return self.patiently(doing, ask)


def _no_netrc(request: requests.PreparedRequest) -> requests.PreparedRequest:
    return request


def _origin(url: str) -> tuple[str, str, int]:
    """Scheme, host and port: what a login is for."""
    parts = urlsplit(url)
    return parts.scheme, parts.hostname or "", parts.port or (443 if parts.scheme == "https" else 80)


def _causes(error: BaseException) -> list[BaseException]:
    """An error and what it comes from, the first cause last: libraries wrap it in layers of their own."""
    found = [error]
    while (below := found[-1].__cause__ or found[-1].__context__) is not None and below not in found:
        found.append(below)
    return found


def _words(error: BaseException) -> str:
    """What an error says, without what signs an address."""
    text = str(getattr(error, "strerror", None) or error) or type(error).__name__
    text = _OF_OPENSSL.sub("", text)
    return shortened(ascii(_QUERY.sub("?***", text))[1:-1], 200)


def _phrase(status: int) -> str:
    try:
        return f"{status} {HTTPStatus(status).phrase}"
    except ValueError:
        return str(status)


@contextlib.contextmanager
def _closing(reply: requests.Response) -> Iterator[requests.Response]:
    """Close an answer; what little is left of it is read, so that the connection can be used again."""
    try:
        yield reply
    finally:
        _close(reply)


def _close(reply: requests.Response) -> None:
    length = "0" if reply.request.method == "HEAD" else reply.headers.get("Content-Length", "")
    if length.isdecimal() and int(length[:9]) <= _LONGEST_REFUSAL:
        with contextlib.suppress(urllib3.exceptions.HTTPError, OSError):
            reply.raw.read(decode_content=False)
    reply.close()
