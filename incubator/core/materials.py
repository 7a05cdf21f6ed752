"""What a build takes up from elsewhere: images, downloads and commits, each with its digest."""

from __future__ import annotations

from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from incubator.core.plan.model import BaseImage, CopyStep, ImageSource, RunStep
from incubator.core.plan.mounts import read_mounts
from incubator.core.purl import image_purl
from incubator.errors import InputError
from incubator.oci.reference import parse_reference
from incubator.remote.urls import GitRepository, redacted
from incubator.request import Material

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from incubator.core.plan.model import Origin, Plan
    from incubator.remote.urls import Remote
    from incubator.request import NamedContexts


def remote_material(remote: Remote, digest: str) -> Material:
    """A download or a commit; `digest` as `RemoteStore` tells it."""
    if isinstance(remote, GitRepository):
        ref = f"#{remote.ref}" if remote.ref else ""
        return Material(uri=redacted(remote.url) + ref, digest={"gitCommit": digest.partition(" ")[0]})
    # What stands behind a `?` may be a key to the file.
    address = urlsplit(redacted(remote.url))._replace(query="", fragment="").geturl()
    return Material(uri=address, digest=_digest_set(digest))


def find_materials(
    plan: Plan, contexts: NamedContexts, fetched: Mapping[Remote, str], generators: Iterable[BaseImage] = ()
) -> tuple[Material, ...]:
    """All that the plan takes up but for its main context, sorted by URI; `fetched` are the digests of remotes.

    `generators`: images that say what is in the built one; BuildKit names them too.
    """
    found = [image_material(image) for image in (*_images(plan), *generators)]
    for step in plan.steps:
        if isinstance(step, CopyStep):
            known = ((remote, fetched.get(remote)) for _, remote in step.remotes)
            found += [
                remote_material(remote, digest) if digest else Material(uri=redacted(remote.url))
                for remote, digest in known
            ]
    found += contexts.materials.values()
    by_uri = {(material.uri, *sorted(material.digest.items())): material for material in found}
    return tuple(by_uri[key] for key in sorted(by_uri, key=str))


def image_material(image: BaseImage) -> Material:
    """A base image by its package URL, with the digest by which its registry knows it."""
    try:
        reference = parse_reference(image.reference)
    except InputError:  # an image of a layout, which no registry has
        name, _, digest = image.reference.rpartition("@")
        return Material(uri=name, digest=_digest_set(digest))
    return Material(
        uri=image_purl(reference, image.config.platform), digest=_digest_set(image.repository_digest)
    )


def _images(plan: Plan) -> Iterator[BaseImage]:
    for stage in plan.stages:
        if isinstance(stage.base, BaseImage):
            yield stage.base
    for step in plan.steps:
        origins: Iterable[Origin | None] = ()
        if isinstance(step, CopyStep):
            origins = (step.origin,)
        elif isinstance(step, RunStep):
            origins = (mount.origin for mount in read_mounts(step))
        yield from (origin.image for origin in origins if isinstance(origin, ImageSource))


def _digest_set(digest: str) -> dict[str, str]:
    algorithm, _, value = digest.partition(":")
    return {algorithm: value} if value else {}
