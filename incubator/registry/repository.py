"""Repositories of registries: manifests, blobs and tags. Spec: OCI distribution-spec 1.1."""

from __future__ import annotations

import contextlib
import re
import threading
from typing import TYPE_CHECKING, Final, Literal, Self
from urllib.parse import quote, urlencode, urljoin, urlsplit

from incubator.errors import InputError, RegistryError
from incubator.oci.descriptor import Descriptor
from incubator.oci.digest import fits, hasher_for, is_digest
from incubator.oci.image_config import digest_of
from incubator.oci.manifest import LARGEST_DOCUMENT, parse_document
from incubator.oci.media_types import DOCKER_INDEX, DOCKER_MANIFEST, OCI_INDEX, OCI_MANIFEST
from incubator.oci.reference import is_tag, parse_reference
from incubator.registry.patience import Patience, TryAgain
from incubator.registry.plain import is_plain
from incubator.registry.session import Body, Session
from incubator.registry.tags import next_page, parse_tags
from incubator.registry.tls import CERTIFICATES

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Generator, Iterator
    from pathlib import Path

    import requests

    from incubator.oci.manifest import Index, Manifest
    from incubator.oci.reference import Reference
    from incubator.registry.authorization import Scopes
    from incubator.registry.credentials import Credentials, Login

_ACCEPT: Final = f"{OCI_MANIFEST}, {DOCKER_MANIFEST}, {OCI_INDEX}, {DOCKER_INDEX}"
_MOST_PAGES: Final = 1000
_MOST_TAGS: Final = 200_000
_LARGEST_PAGE: Final = 1 << 20
_NUMBER: Final = re.compile(r"[0-9]{1,15}")
_PROGRESS: Final = 1 << 20
"""Bytes that make an attempt to fetch a blob one that was worth it: the attempts are counted anew."""


class Registries:
    """Registries, each with its connections and logins; leaving the context closes them. Safe in several threads.

    `insecure` names those that are spoken to over plain HTTP, besides the ones of this very machine: see `is_plain`.
    """

    def __init__(
        self,
        credentials: Credentials,
        *,
        insecure: Collection[str] = frozenset(),
        patience: Patience | None = None,
        certificates: Path = CERTIFICATES,
    ) -> None:
        self._credentials = credentials
        self._insecure = frozenset(insecure)
        self._patience = patience or Patience()
        self._certificates = certificates
        self._sessions: dict[tuple[str, Login | None], Session] = {}
        self._hurried: set[str] = set()
        self._lock = threading.Lock()
        self._ended = threading.Event()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Close all connections, and end all waiting for another attempt."""
        self._ended.set()
        with self._lock:
            for session in self._sessions.values():
                session.close()
            self._sessions.clear()

    def hurry(self, registry: str) -> None:
        """Ask a registry just once, until it answers: it has been waited for."""
        with self._lock:
            self._hurried.add(registry)
            for (name, _), session in self._sessions.items():
                if name == registry:
                    session.hurry()

    def repository(self, reference: Reference | str) -> Repository:
        """The repository of a reference, whose tag and digest do not matter.

        Nothing is asked yet. Raises InputError for what is no reference, InputError and RegistryError of `Credentials`.
        """
        parsed = parse_reference(reference) if isinstance(reference, str) else reference
        return Repository(self._session(parsed.registry, parsed.repository), parsed)

    def check_login(self, registry: str) -> None:
        """Ask a registry whether it takes the login for it. Raises RegistryError."""
        session = self._session(registry, "")
        with session.request("GET", "/v2/", doing=f"log in to {registry}"):
            pass

    def _session(self, registry: str, repository: str) -> Session:
        login = self._credentials.find(registry, repository)
        with self._lock:
            if self._ended.is_set():
                raise RegistryError(f"cannot ask {registry}: it was called off")
            key = (registry, login)
            if key not in self._sessions:
                self._sessions[key] = Session(
                    registry,
                    login,
                    plain=is_plain(registry, self._insecure),
                    ended=self._ended,
                    patience=self._patience,
                    certificates=self._certificates,
                )
                if registry in self._hurried:
                    self._sessions[key].hurry()
            return self._sessions[key]


class Repository:
    """One repository. Every method raises RegistryError, with the registry's status where it is one that refused.

    What is no tag or digest is an InputError.
    """

    def __init__(self, session: Session, reference: Reference) -> None:
        self._session = session
        self.registry = reference.registry
        self.path = reference.repository
        self.name = reference.name

    # -- manifests ------------------------------------------------------------------------------------------

    def resolve(self, tag_or_digest: str) -> Descriptor | None:
        """What a tag or a digest stands for, by the registry's headers; None where it has no such manifest."""
        shown = self._shown(tag_or_digest)
        doing = f"ask the registry for {shown}"
        with self._manifest_request("HEAD", tag_or_digest, doing) as reply:
            if reply.status_code == 404:
                return None
            digest = reply.headers.get("Docker-Content-Digest", "")
            size = reply.headers.get("Content-Length", "")
            media_type = reply.headers.get("Content-Type", "").partition(";")[0].strip()
        if is_digest(digest) and _NUMBER.fullmatch(size) and media_type:
            self._check_told(tag_or_digest, digest, doing)
            return Descriptor(media_type=media_type, digest=digest, size=int(size))
        found = self._fetch_manifest(
            tag_or_digest, doing
        )  # some registries tell less when asked for headers alone
        return found and found[1]

    def manifest(self, tag_or_digest: str) -> tuple[Manifest | Index, Descriptor]:
        """The manifest or index, and its descriptor; the digest is that of the very bytes."""
        doing = f"fetch the manifest of {self._shown(tag_or_digest)}"
        found = self._fetch_manifest(tag_or_digest, doing)
        if found is None:
            raise self._session.error(doing, f"{self.registry} has none", status=404)
        return found

    def put_manifest(self, document: Manifest | Index, *, tag_or_digest: str | None = None) -> Descriptor:
        """Store a manifest or an index under a tag, or by its digest alone. What it names has to be there."""
        data = document.to_bytes()
        digest = digest_of(data)
        where = tag_or_digest or digest
        if is_digest(where) and not fits(where, data):
            raise RegistryError(f"the manifest for {self._shown(where)} has another digest: {digest}")
        doing = f"store {self._shown(where)}"
        with self._session.request(
            "PUT",
            self._url("manifests", where),
            doing=doing,
            scopes=self._scopes("pull,push"),
            expect=(200, 201, 202, 204),
            headers={"Content-Type": document.media_type},
            body=data,
        ) as reply:
            told = reply.headers.get("Docker-Content-Digest", digest)
        if told != digest and not (is_digest(told) and fits(told, data)):
            raise self._session.error(doing, f"{self.registry} stored something else: {ascii(told)[:100]}")
        return Descriptor(media_type=document.media_type, digest=digest, size=len(data))

    def delete_manifest(self, tag_or_digest: str) -> bool:
        """Delete a manifest with all its tags, or a tag; False where there is none. Many registries do not allow it.

        Of some the manifest goes with its last tag.
        """
        with self._session.request(
            "DELETE",
            self._url("manifests", tag_or_digest),
            doing=f"delete {self._shown(tag_or_digest)}",
            scopes=self._scopes("delete,pull"),
            expect=(200, 202, 204, 404),
        ) as reply:
            return reply.status_code != 404

    def tags(self) -> list[str]:
        """All tags, in the registry's order; none of a repository that is not there."""
        doing = f"list the tags of {self.name}"
        found: list[str] = []
        seen: set[str] = set()
        url: str | None = urljoin(self._session.base, f"/v2/{self.path}/tags/list?n=1000")
        while url is not None:
            seen.add(url)
            page, link = self._page(url, doing)
            if page is None:
                break
            found += page
            url = next_page(url, link)
            if url is not None and (url in seen or len(seen) >= _MOST_PAGES or len(found) > _MOST_TAGS):
                raise self._session.error(doing, f"{self.registry} does not come to the end of its list")
        return list(dict.fromkeys(found))

    # -- blobs ----------------------------------------------------------------------------------------------

    def has_blob(self, digest: str) -> bool:
        """Whether the registry has a blob in this repository."""
        with self._session.request(
            "HEAD",
            self._url("blobs", digest),
            doing=f"ask for {self._shown(digest)}",
            scopes=self._scopes("pull"),
            expect=(200, 404),
        ) as reply:
            return reply.status_code == 200

    def read_blob(self, descriptor: Descriptor) -> Iterator[bytes]:
        """The bytes of a blob as they come; where the connection breaks, the rest is fetched.

        Only when the iterator ends without an error have they been what the descriptor says.
        """
        doing = f"fetch {self._shown(descriptor.digest)}"
        hasher, read, attempt, complete = hasher_for(descriptor.digest), 0, 0, False
        while not complete:
            attempt, begin = attempt + 1, read
            try:
                with contextlib.closing(self._rest_of_blob(descriptor, begin, doing)) as chunks:
                    for chunk in chunks:
                        read += len(chunk)
                        if read > descriptor.size:
                            raise self._session.error(
                                doing, f"{self.registry} sends more than {descriptor.size} bytes"
                            )
                        hasher.update(chunk)
                        yield chunk
                if read < descriptor.size:
                    raise TryAgain(f"{self.registry} sent {read} of {descriptor.size} bytes")  # noqa: TRY301
                complete = True
            except TryAgain as error:
                attempt = 1 if read - begin >= _PROGRESS else attempt
                self._session.pause(doing, attempt, error)
        if hasher.hexdigest() != descriptor.digest.partition(":")[2]:
            raise self._session.error(doing, f"what {self.registry} sent has another digest")

    def small_blob(self, descriptor: Descriptor, limit: int = LARGEST_DOCUMENT) -> bytes:
        """A blob of `limit` bytes at most, as image configs are."""
        if descriptor.size > limit:
            raise RegistryError(
                f"{self._shown(descriptor.digest)} has {descriptor.size} bytes, more than the {limit} it may have"
            )
        return b"".join(self.read_blob(descriptor))

    def mount_blob(self, descriptor: Descriptor, from_repository: str) -> bool:
        """Take a blob over from another repository of the registry, as in `library/busybox`; False: it will not."""
        scopes = self._scopes("pull,push") | {f"repository:{from_repository}:pull"}
        query = urlencode({"mount": descriptor.digest, "from": from_repository})
        doing = f"mount {descriptor.digest} from {from_repository} in {self.name}"
        try:
            with self._session.request(
                "POST",
                f"/v2/{self.path}/blobs/uploads/?{query}",
                doing=doing,
                scopes=scopes,
                expect=(201, 202),
            ) as reply:
                if reply.status_code == 201:
                    return True
                upload = self._session.target(reply, doing)
        except RegistryError as error:
            if error.status in {400, 401, 403, 404, 405}:
                return (
                    False  # a right to that repository is missing, or the way to do it; an upload tells more
                )
            raise
        self._call_off(upload, scopes, doing)  # it was begun instead
        return False

    def upload_blob(self, digest: str, size: int, chunks: Callable[[], Iterator[bytes]]) -> None:
        """Store a blob in one request. `chunks` gives its bytes, anew for each attempt; what it raises is raised."""
        doing = f"store {self._shown(digest)}"
        scopes = self._scopes("pull,push")
        attempts = 0

        def upload() -> None:
            nonlocal attempts
            attempts += 1
            if attempts > 1:
                # An answer may have been lost, be it the one that all is well or the one that a token has ended.
                self._session.forget_token(scopes)
                if self.has_blob(digest):
                    return
            with self._session.request(
                "POST", f"/v2/{self.path}/blobs/uploads/", doing=doing, scopes=scopes, expect=(202,)
            ) as reply:
                url = self._session.target(reply, doing)
            url += f"{'&' if urlsplit(url).query else '?'}{urlencode({'digest': digest})}"
            with self._session.request(
                "PUT",
                url,
                doing=doing,
                scopes=scopes,
                expect=(200, 201, 202, 204, 404),
                headers={"Content-Type": "application/octet-stream"},
                body=Body(size, chunks, self._session.ended),
            ) as reply:
                told = reply.headers.get("Docker-Content-Digest", digest)
                if reply.status_code == 404:
                    raise TryAgain(f"{self.registry} no longer knows the upload", status=404)
            if told.partition(":")[0] == digest.partition(":")[0] and told != digest:
                raise self._session.error(
                    doing, f"{self.registry} stored something else: {ascii(told)[:100]}"
                )

        self._session.patiently(doing, upload)

    def check_push(self) -> None:
        """Ask whether the login may push here: an upload is begun and called off, nothing is left.

        Raises RegistryError, with the status of a registry that refuses.
        """
        doing = f"push to {self.name}"
        scopes = self._scopes("pull,push")
        with self._session.request(
            "POST", f"/v2/{self.path}/blobs/uploads/", doing=doing, scopes=scopes, expect=(202,)
        ) as reply:
            upload = self._session.target(reply, doing)
        self._call_off(upload, scopes, doing)

    def _call_off(self, upload: str, scopes: Scopes, doing: str) -> None:
        """End an upload that nobody misses; a registry that does not let us does it by itself some day."""
        with (
            contextlib.suppress(RegistryError),
            self._session.request("DELETE", upload, doing=doing, scopes=scopes, expect=(200, 202, 204)),
        ):
            pass

    # -- requests -------------------------------------------------------------------------------------------

    def _scopes(self, actions: str) -> Scopes:
        return frozenset((f"repository:{self.path}:{actions}",))

    def _url(self, kind: Literal["manifests", "blobs"], name: str) -> str:
        if not is_digest(name) and (kind == "blobs" or not is_tag(name)):  # it becomes part of an address
            raise InputError(f"{name!a} is no {'tag and no ' * (kind == 'manifests')}digest")
        return f"/v2/{self.path}/{kind}/{quote(name, safe=':')}"

    def _shown(self, tag_or_digest: str) -> str:
        return f"{self.name}{'@' if is_digest(tag_or_digest) else ':'}{tag_or_digest}"

    def _manifest_request(
        self, method: str, tag_or_digest: str, doing: str
    ) -> contextlib.AbstractContextManager[requests.Response]:
        return self._session.request(
            method,
            self._url("manifests", tag_or_digest),
            doing=doing,
            scopes=self._scopes("pull"),
            expect=(200, 404),
            headers={"Accept": _ACCEPT},
        )

    def _fetch_manifest(self, tag_or_digest: str, doing: str) -> tuple[Manifest | Index, Descriptor] | None:
        def fetch() -> tuple[bytes, str, str] | None:
            with self._manifest_request("GET", tag_or_digest, doing) as reply:
                if reply.status_code == 404:
                    return None
                return (
                    self._session.content(reply, LARGEST_DOCUMENT, doing),
                    reply.headers.get("Content-Type", ""),
                    reply.headers.get("Docker-Content-Digest", ""),
                )

        found = self._session.patiently(doing, fetch)
        if found is None:
            return None
        data, media_type, told = found
        digest = tag_or_digest if is_digest(tag_or_digest) else told if is_digest(told) else digest_of(data)
        if not fits(digest, data):
            raise self._session.error(doing, f"what {self.registry} sent has not the digest {digest}")
        try:
            document = parse_document(data, media_type)
        except RegistryError as error:
            raise self._session.error(doing, error.message, hint=error.hint) from error
        return document, Descriptor(media_type=document.media_type, digest=digest, size=len(data))

    def _check_told(self, tag_or_digest: str, digest: str, doing: str) -> None:
        algorithm = tag_or_digest.partition(":")[0]
        if is_digest(tag_or_digest) and digest.startswith(f"{algorithm}:") and digest != tag_or_digest:
            raise self._session.error(doing, f"{self.registry} tells of another digest: {digest}")

    def _page(self, url: str, doing: str) -> tuple[list[str] | None, str]:
        def fetch() -> tuple[list[str] | None, str]:
            with self._session.request(
                "GET", url, doing=doing, scopes=self._scopes("pull"), expect=(200, 404)
            ) as reply:
                if reply.status_code == 404:
                    return None, ""
                page = parse_tags(self._session.content(reply, _LARGEST_PAGE, doing))
                return page, reply.headers.get("Link", "")

        return self._session.patiently(doing, fetch)

    def _rest_of_blob(self, descriptor: Descriptor, begin: int, doing: str) -> Generator[bytes]:
        """The bytes from `begin` on, also where the registry insists on sending all of them."""
        with self._session.request(
            "GET",
            self._url("blobs", descriptor.digest),
            doing=doing,
            scopes=self._scopes("pull"),
            expect=(200, 206) if begin else (200,),
            headers={"Range": f"bytes={begin}-"} if begin else {},
        ) as reply:
            skip = begin
            if reply.status_code == 206:
                skip = 0
                if not reply.headers.get("Content-Range", "").startswith(f"bytes {begin}-"):
                    raise self._session.error(
                        doing, f"{self.registry} sends another part than the one asked for"
                    )
            for chunk in self._session.stream(reply, doing):
                if fresh := chunk[skip:]:
                    yield fresh
                skip -= min(skip, len(chunk))
