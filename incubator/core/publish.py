"""Tags and pushes, once the image is complete."""

from __future__ import annotations

import time
from contextlib import contextmanager
from dataclasses import replace
from http import HTTPStatus
from typing import TYPE_CHECKING

from incubator.core.attach import Attacher
from incubator.core.lazy import LazyEngine
from incubator.core.lookup import find_credential, report_transfer
from incubator.errors import PushFailed, RegistryError
from incubator.events import ImagePushed, ImageTagged
from incubator.oci.reference import is_loopback
from incubator.registry.credentials import Credentials
from incubator.registry.repository import Registries

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

    from incubator.core.attach import Extras
    from incubator.core.delivery import Delivery
    from incubator.core.engine import Engine, ImageInfo
    from incubator.events import Listener
    from incubator.oci.reference import Reference
    from incubator.request import BuildRequest, Credential, Packing


def log_in(engine: Engine, credential: Credential) -> None:
    """Check a login before anything is built. Raises RegistryError where it is refused."""
    if engine.info().store == "podman" and is_loopback(credential.registry):
        with Registries(Credentials([credential])) as registries:
            registries.check_login(credential.registry)  # its login insists on TLS, though its push does not
    else:
        engine.login(credential)


def images_before(engine: Engine, request: BuildRequest) -> dict[str, ImageInfo | None]:
    """What each of the tags names before it is given anew; a push by digest gives none, nor what nobody takes."""
    if request.push_by_digest or not (request.load or request.push or request.outputs):
        return {}
    return {str(tag): engine.image(str(tag)) for tag in request.tags}


@contextmanager
def tagged(
    engine: Engine,
    emit: Listener,
    image_id: str,
    request: BuildRequest,
    before: Mapping[str, ImageInfo | None],
) -> Iterator[None]:
    """The image under its tags. Without `load` the engine's tags are as they were `before` afterwards."""
    try:
        for reference in before:
            engine.tag(image_id, reference)
            if request.load:
                emit(ImageTagged(reference=reference))
        yield
    finally:
        if not request.load:
            for reference, old in before.items():
                if old is None:
                    engine.remove_image(reference)
                elif old.id != image_id:
                    engine.tag(old.id, reference)


class Pushes:
    """Progress of pushes as events, and what has travelled in the end; `early`: into repositories by their names."""

    def __init__(self, emit: Listener, early: Mapping[str, int] | None = None) -> None:
        self._emit = emit
        self._early = dict(early or {})
        self._sent: dict[str, int] = {}

    def progress(self, reference: Reference) -> Callable[[int, int | None], None]:
        """A callback for the push of a reference; nothing to send is no event."""
        name = str(reference)
        report = report_transfer(self._emit, name, "push")

        def progress(current: int, total: int | None) -> None:
            self._sent[name] = current
            if total != 0:
                report(current, total)

        return progress

    def done(self, reference: Reference, digest: str, *, duration_s: float) -> None:
        """Tell that a reference is in its registry."""
        name = str(reference)
        sent = self._sent.get(name)
        if early := self._early.pop(reference.name, 0):
            sent = (sent or 0) + early
        self._emit(ImagePushed(reference=name, digest=digest, duration_s=duration_s, sent_bytes=sent))


def push(engine: Engine, pushes: Pushes, request: BuildRequest, credentials: Credentials) -> dict[str, str]:
    """Let the engine push every tag; each pushed reference and the digest its registry confirmed.

    Raises PushFailed, which says which references made it.
    """
    return push_each(request.tags, lambda tag: _push(engine, pushes, tag, request, credentials), pushes)


def push_with(
    extras: Extras,
    upload: Callable[[Reference], str],
    registries: Registries,
    pushes: Pushes,
    request: BuildRequest,
) -> dict[str, str]:
    """The same with what lies beside an image. `upload` puts the image alone into a repository; its digest."""
    put = Attacher(registries, request.tags, extras, upload).put if extras else upload
    return push_each(request.tags, put, pushes)


def upload_here(
    delivery: Delivery, pushes: Pushes, packing: Packing, *, tagged: bool
) -> Callable[[Reference], str]:
    """Puts an image together in a registry without the engine's push, which needs a tag and packs as it likes."""

    def upload(name: Reference) -> str:
        place = name if tagged else replace(name, tag=None)
        return delivery.push(place, packing, pushes.progress(name))

    return upload


def upload_first(
    engine: Engine, pushes: Pushes, image: str, request: BuildRequest, credentials: Credentials
) -> Callable[[Reference], str]:
    """Pushes an image of which more is to come: what a push of it alone comes to, but untagged if that can be."""

    def upload(name: Reference) -> str:
        known = isinstance(engine, LazyEngine) and engine.assemble_known(
            image, replace(name, tag=None), pushes.progress(name)
        )
        return known or _push(engine, pushes, name, request, credentials)

    return upload


def push_each(tags: Sequence[Reference], push: Callable[[Reference], str], pushes: Pushes) -> dict[str, str]:
    """Call `push`, which gives a digest, for one reference after the other; each reference and its digest.

    Raises PushFailed for the first that cannot be pushed, which says which references made it.
    """
    digests: dict[str, str] = {}
    for tag in tags:
        reference = str(tag)
        begin = time.monotonic()
        try:
            digest = push(tag)
        except RegistryError as error:
            failed = [str(other) for other in tags if str(other) not in digests]
            made = f"; pushed: {', '.join(digests)}" if digests else ""
            raise PushFailed(
                f"{error.message}; not pushed: {', '.join(failed)}{made}",
                pushed=tuple(digests),
                failed=failed,
                hint=error.hint,
            ) from error
        digests[reference] = digest
        pushes.done(tag, digest, duration_s=time.monotonic() - begin)
    return digests


def _push(
    engine: Engine, pushes: Pushes, tag: Reference, request: BuildRequest, credentials: Credentials
) -> str:
    def attempt() -> str:
        return engine.push(
            str(tag),
            credential=find_credential(tag, request.credentials),
            progress=pushes.progress(tag),
        )

    try:
        digest = attempt()
    except RegistryError as error:
        if error.status != HTTPStatus.UNAUTHORIZED:
            raise
        # Engines get a token once a push, and some tokens end before a large layer is there. What is there stays.
        digest = attempt()
    return digest or _confirmed(engine, tag, credentials)


def _confirmed(engine: Engine, tag: Reference, credentials: Credentials) -> str:
    """The digest that the registry tells of a tag. Raises RegistryError."""
    with Registries(credentials, insecure=engine.info().insecure_registries) as registries:
        found = registries.repository(tag).resolve(tag.tag or "latest")
    if found is None:
        raise RegistryError(f"the registry does not have {tag}, which was pushed")
    return found.digest
