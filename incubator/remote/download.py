"""Downloads: a file at a URL, kept in a temporary file with its digest."""

from __future__ import annotations

import hashlib
import time
from dataclasses import dataclass
from email.utils import parsedate_to_datetime
from functools import partial
from typing import TYPE_CHECKING, BinaryIO, Final, cast
from urllib.parse import urlsplit

import requests

from incubator.context.entry import Entry
from incubator.context.inline import SingleFile
from incubator.errors import BuilderError
from incubator.remote.urls import redacted

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from pathlib import Path

    from incubator.remote.urls import Download

_ATTEMPTS: Final = 4
_TIMEOUT_S: Final = (30, 120)
_MOST_REDIRECTS: Final = 10
_CHUNK: Final = 1 << 18
_AGAIN: Final = frozenset((408, 429, 500, 502, 503, 504))


class DownloadFailed(BuilderError):
    """A file could not be fetched, or is not what it should be."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Downloaded:
    """A file that was fetched: what ADD copies, and the digest of its content."""

    source: SingleFile
    digest: str


def download(
    wanted: Download, path: Path, *, secrets: Mapping[str, bytes], check: Callable[[], None]
) -> Downloaded:
    """Fetch a file to `path`. `check` is called while it comes, and may raise to stop.

    The secrets `HTTP_AUTH_TOKEN_<host>` and `HTTP_AUTH_HEADER_<host>` go to that host alone. Raises DownloadFailed.
    """
    for attempt in range(_ATTEMPTS):
        if attempt:
            time.sleep(0.5 * 2**attempt)
        check()
        try:
            return _fetch(wanted, path, secrets, check)
        except _TryAgain as error:
            if attempt == _ATTEMPTS - 1:
                raise DownloadFailed(
                    f"cannot fetch {redacted(wanted.url)}: {error}",
                    hint="it is fetched from where incubator runs, not from where the engine runs",
                ) from error
    raise AssertionError


class _TryAgain(Exception):
    """The server or the network may do better a little later."""


class _Session(requests.Session):
    """Keeps credentials from hosts that a redirect leads to, and does not look for any in a .netrc."""

    def rebuild_auth(self, prepared_request: requests.PreparedRequest, response: requests.Response) -> None:
        before, now = urlsplit(str(response.request.url)), urlsplit(str(prepared_request.url))
        if (before.scheme, before.netloc) != (now.scheme, now.netloc):
            prepared_request.headers.pop("Authorization", None)


def _fetch(
    wanted: Download, path: Path, secrets: Mapping[str, bytes], check: Callable[[], None]
) -> Downloaded:
    digest, size = hashlib.sha256(), 0
    with _Session() as session:
        session.max_redirects = _MOST_REDIRECTS
        session.auth = _no_netrc
        try:
            with session.get(
                wanted.url,
                stream=True,
                timeout=_TIMEOUT_S,
                headers={"Accept-Encoding": "identity", **_authorization(wanted.url, secrets)},
            ) as reply:
                _check_status(wanted.url, reply)
                with path.open("wb") as file:
                    for chunk in reply.iter_content(_CHUNK):
                        check()
                        digest.update(chunk)
                        size += len(chunk)
                        file.write(chunk)
        except (requests.exceptions.TooManyRedirects, requests.exceptions.InvalidURL, ValueError) as error:
            raise DownloadFailed(f"cannot fetch {redacted(wanted.url)}: {error}") from error
        except (requests.exceptions.RequestException, ConnectionError) as error:
            raise _TryAgain(_innermost(error)) from error
        except OSError as error:
            raise DownloadFailed(f"cannot keep {redacted(wanted.url)}: {error.strerror}") from error
    found = f"sha256:{digest.hexdigest()}"
    if wanted.checksum is not None and found != wanted.checksum:
        raise DownloadFailed(
            f"{redacted(wanted.url)} is not what --checksum says: it has {found}, expected {wanted.checksum}",
            hint="the file has changed, or somebody has changed it: look at it before you take the new checksum",
        )
    entry = Entry(
        path=wanted.name,
        kind="file",
        mode=0o600,
        size=size,
        mtime_ns=_modified_ns(reply.headers.get("Last-Modified")),
        content=partial(_open, path),
    )
    return Downloaded(source=SingleFile(entry), digest=found)


def _no_netrc(request: requests.PreparedRequest) -> requests.PreparedRequest:
    return request


def _open(path: Path) -> BinaryIO:
    return cast("BinaryIO", path.open("rb"))


def _authorization(url: str, secrets: Mapping[str, bytes]) -> dict[str, str]:
    parts = urlsplit(url)
    for host in (parts.netloc.rpartition("@")[2], parts.hostname or ""):
        token, header = secrets.get(f"HTTP_AUTH_TOKEN_{host}"), secrets.get(f"HTTP_AUTH_HEADER_{host}")
        if header is not None:
            return {"Authorization": header.decode("latin-1").strip()}
        if token is not None:
            return {"Authorization": f"Bearer {token.decode('latin-1').strip()}"}
    return {}


def _check_status(url: str, reply: requests.Response) -> None:
    if reply.status_code in _AGAIN:
        raise _TryAgain(f"{reply.status_code} {reply.reason}")
    if reply.status_code != 200:
        host = urlsplit(url).hostname
        hint = None
        if reply.status_code in (401, 403):
            hint = f"give a login as the secret HTTP_AUTH_TOKEN_{host} or HTTP_AUTH_HEADER_{host}"
        raise DownloadFailed(f"cannot fetch {redacted(url)}: {reply.status_code} {reply.reason}", hint=hint)


def _modified_ns(text: str | None) -> int:
    """The time that a server tells, the beginning of 1970 where it tells none, as the reference has it."""
    try:
        return int(parsedate_to_datetime(text or "").timestamp()) * 10**9
    except (ValueError, TypeError, OverflowError):
        return 0


def _innermost(error: BaseException) -> str:
    while error.__cause__ or error.__context__:
        error = cast("BaseException", error.__cause__ or error.__context__)
    return str(error) or type(error).__name__
