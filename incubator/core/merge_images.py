"""Images for several platforms, which registries have already, under one name: no engine is needed."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from incubator.core.assembly import ensure_layers
from incubator.core.known_layers import KnownLayer
from incubator.core.publish import Pushes, push_each
from incubator.core.registry_image import config_fields
from incubator.errors import InputError, RegistryError
from incubator.oci.annotations import select
from incubator.oci.descriptor import read_text
from incubator.oci.joined import UNKNOWN, Member, join
from incubator.oci.manifest import Index
from incubator.oci.platform import make_platform

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from incubator.events import Listener
    from incubator.oci.annotations import Annotation
    from incubator.oci.descriptor import Descriptor
    from incubator.oci.manifest import Manifest
    from incubator.oci.reference import Reference
    from incubator.registry.repository import Registries, Repository


@dataclass(frozen=True, slots=True, kw_only=True)
class MergedImage:
    """An index that registries have: `digests` maps each reference to its digest. `platforms` as `linux/arm64`."""

    descriptor: Descriptor
    digests: Mapping[str, str]
    platforms: tuple[str, ...]

    @property
    def digest(self) -> str:
        """That of the index."""
        return self.descriptor.digest

    @property
    def tags(self) -> tuple[str, ...]:
        """The references, in the order in which they were asked for."""
        return tuple(self.digests)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Found:
    """A manifest of a source, where it is, and what the index says of it."""

    member: Member
    manifest: Manifest
    home: Repository


def merge_images(
    registries: Registries,
    sources: Iterable[Reference],
    tags: Sequence[Reference],
    annotations: Sequence[Annotation] = (),
    *,
    emit: Listener = lambda _: None,
) -> MergedImage:
    """Join the images of all `sources` to one index and give it all `tags`; names of repositories alone give it none.

    What a source's index has counts one by one, attestations too. `annotations` are those of the index and of what it
    says of images; manifests stay as they are. What a tag's repository lacks is mounted from
    another repository of its registry, or copied. No tag is set before all is there. Raises InputError where two
    images are for one platform, RegistryError, and PushFailed, which says which tags are set.
    """
    found = [each for source in sources for each in _read(registries.repository(source), source)]
    index = join([_said(each.member, annotations) for each in found], dict(select(annotations, "index")))
    repositories = {(tag.registry, tag.repository): registries.repository(tag) for tag in tags}
    for repository in repositories.values():
        for each in found:
            try:
                _copy(each, repository)
            except RegistryError as error:  # which is about a blob that nobody has named
                error.message = f"cannot copy {each.member.source} to {repository.name}: {error.message}"
                raise

    def put(tag: Reference) -> str:
        repository = repositories[tag.registry, tag.repository]
        return repository.put_manifest(index, tag_or_digest=tag.tag).digest

    digests = push_each(tags, put, Pushes(emit))
    # Those of attestations say nothing to anybody.
    platforms = dict.fromkeys(str(entry.platform) for entry in index.manifests)
    platforms.pop(str(UNKNOWN), None)
    return MergedImage(descriptor=index.descriptor, digests=digests, platforms=tuple(platforms))


def _said(member: Member, annotations: Sequence[Annotation]) -> Member:
    """A member with what is to be said of it in the index; nothing more of attestations."""
    descriptor = member.descriptor
    if descriptor.platform == UNKNOWN:
        return member
    merged = dict(descriptor.annotations) | dict(
        select(annotations, "manifest-descriptor", descriptor.platform)
    )
    return replace(member, descriptor=replace(descriptor, annotations=tuple(sorted(merged.items()))))


def _read(repository: Repository, source: Reference) -> list[_Found]:
    """The manifests that a source is, or has. Raises RegistryError, and InputError for what is no image."""
    document, descriptor = repository.manifest(source.digest or source.tag or "latest")
    if not isinstance(document, Index):
        return [_found(repository, source, document, descriptor)]
    found = []
    for entry in document.manifests:
        inner, _ = repository.manifest(entry.digest)
        if isinstance(inner, Index):
            raise InputError(f"{source} has another index in it, {entry.digest}, and no way to join that")
        found.append(_found(repository, source, inner, entry))
    return found


def _found(repository: Repository, source: Reference, manifest: Manifest, entry: Descriptor) -> _Found:
    # By its very digest and type; the platform as an index had it, else as the config has it.
    described = replace(manifest.descriptor, digest=entry.digest, annotations=entry.annotations)
    described = replace(described, artifact_type=entry.artifact_type)
    if entry.platform is None:
        described = _with_platform(repository, source, manifest, described)
    else:
        described = replace(described, platform=entry.platform, os_version=entry.os_version)
    return _Found(member=Member(source=str(source), descriptor=described), manifest=manifest, home=repository)


def _with_platform(
    repository: Repository, source: Reference, manifest: Manifest, descriptor: Descriptor
) -> Descriptor:
    fields = config_fields(repository, manifest)
    system, architecture = read_text(fields, "os"), read_text(fields, "architecture")
    if not system or not architecture:
        raise InputError(f"{source} is no image: its config names no platform")
    platform = make_platform(system, architecture, read_text(fields, "variant"))
    return replace(descriptor, platform=platform, os_version=read_text(fields, "os.version"))


def _copy(found: _Found, repository: Repository) -> None:
    """See to it that a repository has a manifest and all that it names."""
    if (found.home.registry, found.home.path) == (repository.registry, repository.path):
        return
    blobs = [blob for blob in (found.manifest.config, *found.manifest.layers) if not blob.urls]
    # What their tars are is of no interest here: each is known by its blob.
    layers = [KnownLayer(diff_id=blob.digest, descriptor=blob, home=found.home) for blob in blobs]
    ensure_layers(repository, layers, lambda *_: None)
    repository.put_manifest(found.manifest, tag_or_digest=found.member.descriptor.digest)
