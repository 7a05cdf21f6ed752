"""Tags and pushes, once the image is complete."""

from __future__ import annotations

import time
from contextlib import contextmanager
from typing import TYPE_CHECKING

from incubator.core.lookup import find_credential, report_transfer
from incubator.errors import PushFailed, RegistryError
from incubator.events import ImagePushed, ImageTagged
from incubator.oci.reference import is_loopback
from incubator.registry.credentials import Credentials
from incubator.registry.repository import Registries

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from incubator.core.engine import Engine, ImageInfo
    from incubator.events import Listener
    from incubator.oci.reference import Reference
    from incubator.request import BuildRequest, Credential


def log_in(engine: Engine, credential: Credential) -> None:
    """Check a login before anything is built. Raises RegistryError where it is refused."""
    if engine.info().store == "podman" and is_loopback(credential.registry):
        with Registries(Credentials([credential])) as registries:
            registries.check_login(credential.registry)  # its login insists on TLS, though its push does not
    else:
        engine.login(credential)


def images_before(engine: Engine, request: BuildRequest) -> dict[str, ImageInfo | None]:
    """What each of the tags names before it is given anew."""
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
    kept = request.load or not (request.push or request.outputs)
    try:
        for reference in before:
            engine.tag(image_id, reference)
            if kept:
                emit(ImageTagged(reference=reference))
        yield
    finally:
        if not kept:
            for reference, old in before.items():
                if old is None:
                    engine.remove_image(reference)
                elif old.id != image_id:
                    engine.tag(old.id, reference)


def push(engine: Engine, emit: Listener, request: BuildRequest, credentials: Credentials) -> dict[str, str]:
    """Push every tag; each pushed reference and the digest its registry confirmed.

    Raises PushFailed, which says which references made it.
    """
    digests: dict[str, str] = {}
    for tag in request.tags:
        reference = str(tag)
        begin = time.monotonic()
        try:
            digest = engine.push(
                reference,
                credential=find_credential(tag, request.credentials),
                progress=report_transfer(emit, reference, "push"),
            ) or _confirmed(tag, credentials)
        except RegistryError as error:
            failed = [str(other) for other in request.tags if str(other) not in digests]
            made = f"; pushed: {', '.join(digests)}" if digests else ""
            raise PushFailed(
                f"{error.message}; not pushed: {', '.join(failed)}{made}",
                pushed=tuple(digests),
                failed=failed,
                hint=error.hint,
            ) from error
        digests[reference] = digest
        emit(ImagePushed(reference=reference, digest=digest, duration_s=time.monotonic() - begin))
    return digests


def _confirmed(tag: Reference, credentials: Credentials) -> str:
    """The digest that the registry tells of a tag. Raises RegistryError."""
    with Registries(credentials) as registries:
        found = registries.repository(tag).resolve(tag.tag or "latest")
    if found is None:
        raise RegistryError(f"the registry does not have {tag}, which was pushed")
    return found.digest
