"""What a registry says a reference is.

Spec: OCI distribution-spec, "Checking if content exists in the registry"; token flow: distribution's
`spec/auth/token.md`.
"""

from __future__ import annotations

import contextlib
import re
from typing import TYPE_CHECKING

import requests

from incubator.errors import RegistryError
from incubator.oci.reference import DEFAULT_REGISTRY, is_loopback
from incubator.registry.challenge import MAX_TOKEN_ANSWER, check_realm, parse_challenge, parse_token
from incubator.registry.refusals import hint_for

if TYPE_CHECKING:
    from collections.abc import Iterator

    from incubator.oci.reference import Reference
    from incubator.request import Credential

_ACCEPT = (
    "application/vnd.oci.image.manifest.v1+json, application/vnd.docker.distribution.manifest.v2+json, "
    "application/vnd.oci.image.index.v1+json, application/vnd.docker.distribution.manifest.list.v2+json"
)
_DIGEST = re.compile(r"sha256:[0-9a-f]{64}|sha512:[0-9a-f]{128}")
_TIMEOUT_S = 30


def manifest_digest(reference: Reference, credential: Credential | None) -> str:
    """Digest of the manifest that a registry serves for a reference, by its own header.

    Plain HTTP only for loopback addresses. Raises RegistryError.
    """
    path = f"{reference.repository}/manifests/{reference.digest or reference.tag}"
    with _errors(f"ask the registry for {reference}"):
        reply = _head(reference.registry, path, credential)
    digest = reply.headers.get("Docker-Content-Digest", "")
    if not _DIGEST.fullmatch(digest):
        raise RegistryError(f"the registry tells no digest for {reference}")
    return digest


def check_login(credential: Credential) -> None:
    """Ask a registry whether it takes a login. Raises RegistryError."""
    with _errors(f"log in to {credential.registry}"):
        _head(credential.registry, "", credential)


def _head(registry: str, path: str, credential: Credential | None) -> requests.Response:
    """HEAD below `/v2/`, with a login if the registry asks for one."""
    host = "registry-1.docker.io" if registry == DEFAULT_REGISTRY else registry
    url = f"{'http' if is_loopback(host) else 'https'}://{host}/v2/{path}"
    with requests.Session() as session:
        session.trust_env = False  # a ~/.netrc is nobody's login here
        session.headers["Accept"] = _ACCEPT
        reply = session.head(url, timeout=_TIMEOUT_S, allow_redirects=False)
        if reply.status_code == requests.codes.unauthorized:
            challenge = reply.headers.get("WWW-Authenticate", "")
            header = _authorization(session, challenge, credential, plain_registry=is_loopback(host))
            headers = {"Authorization": header}
            reply = session.head(url, headers=headers, timeout=_TIMEOUT_S, allow_redirects=False)
        reply.raise_for_status()
        return reply


def _authorization(
    session: requests.Session, header: str, credential: Credential | None, *, plain_registry: bool
) -> str:
    """The header that answers a challenge: basic, or a token fetched for it."""
    basic = (credential.username, credential.password) if credential else None
    challenge = parse_challenge(header)
    if challenge.scheme == "bearer":
        asked = dict(challenge.parameters)
        realm = asked.pop("realm", "")
        check_realm(realm, plain_registry=plain_registry)
        with session.get(
            realm, params=asked, auth=basic, timeout=_TIMEOUT_S, allow_redirects=False, stream=True
        ) as reply:
            reply.raise_for_status()
            body = bytearray()
            for chunk in reply.iter_content(1 << 16):
                body += chunk
                if len(body) > MAX_TOKEN_ANSWER:
                    break
        return f"Bearer {parse_token(bytes(body))}"
    if basic is None:
        return ""
    request = requests.Request("HEAD", "http://unused", auth=basic).prepare()
    return str(request.headers["Authorization"])


@contextlib.contextmanager
def _errors(doing: str) -> Iterator[None]:
    try:
        yield
    except requests.exceptions.HTTPError as error:
        raise RegistryError(f"cannot {doing}: {error}", hint=hint_for(error.response.status_code)) from error
    except (requests.exceptions.RequestException, ValueError) as error:
        raise RegistryError(f"cannot {doing}: {error}") from error
