"""Annotations and attestations of a pushed image: manifests written anew in its registry, tags last."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from incubator.core.assembly import put_small_blob, typed
from incubator.core.provenance import make_provenance
from incubator.core.purl import image_purl
from incubator.core.registry_image import manifest_for
from incubator.errors import RegistryError
from incubator.oci.annotations import select
from incubator.oci.attestation import SLSA_PROVENANCE, Predicate, attested_index, make_attestation, to_json
from incubator.oci.media_types import OCI_CONFIG, OCI_LAYERS, OCI_MANIFEST

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterable, Iterator, Sequence

    from incubator.core.provenance import BuildRecord
    from incubator.oci.annotations import Annotation
    from incubator.oci.descriptor import Annotations
    from incubator.oci.manifest import Index, Manifest
    from incubator.oci.platform import Platform
    from incubator.oci.reference import Reference
    from incubator.registry.repository import Registries, Repository
    from incubator.request import BuildRequest


@dataclass(frozen=True, slots=True, kw_only=True)
class Extras:
    """What an image for `platform` gets besides its layers; nothing is stated of it without a `record`.

    `scans` are lists of its packages that generators have written.
    """

    annotations: Sequence[Annotation]
    platform: Platform
    record: BuildRecord | None = None
    scans: Sequence[Predicate] = ()

    def __bool__(self) -> bool:
        return bool(select(self.annotations, "manifest", self.platform)) or self.record is not None

    @property
    def types(self) -> tuple[str, ...]:
        """Those of all predicates, each once."""
        found = [document.type for document in self._documents]
        if self.record and self.record.request.attestations.provenance:
            found.append(SLSA_PROVENANCE)
        return tuple(dict.fromkeys(found))

    @property
    def _documents(self) -> tuple[Predicate, ...]:
        return (*self.record.request.attestations.documents, *self.scans) if self.record else ()

    def predicates(self, manifest: Manifest) -> list[Predicate]:
        """What is stated of the image with that manifest."""
        if self.record is None:
            return []
        wanted = self.record.request.attestations
        found = list(self._documents)
        if wanted.provenance:
            document = to_json(make_provenance(self.record, wanted.provenance, manifest))
            found.append(Predicate(type=SLSA_PROVENANCE, document=document))
        return found


def idle_extras(request: BuildRequest) -> Iterator[str]:
    """What a request asks for and nothing comes of, as texts of warnings."""
    if not request.push:
        if request.attestations:
            yield "nothing is pushed, so the image gets no attestations: they are kept beside it in a registry"
        if request.annotations:
            yield "nothing is pushed, so the image gets no annotations: they are in manifests of a registry"
        if any(target.place is None for target in request.cache_to):
            yield "nothing is pushed, so no image becomes a cache (type=inline): later builds read it from a registry"
        return
    levels = (
        {"index-descriptor"} if request.attestations else {"index", "index-descriptor", "manifest-descriptor"}
    )
    for annotation in request.annotations:
        if annotation.level in levels:
            yield (
                f"the annotation {annotation.key} goes nowhere: there is no {annotation.level} "
                + (
                    "in a registry"
                    if request.attestations
                    else "where an image is one manifest, without an index"
                )
            )


def for_others(
    annotations: Iterable[Annotation], platforms: Collection[Platform], *, attested: bool
) -> Iterator[str]:
    """Annotations of the images of other platforms than these, as texts of warnings. `attested`: there is an index."""
    for annotation in annotations:
        missed = annotation.platform is not None and annotation.platform not in platforms
        # Of what an index says there is a warning already where there is none.
        if missed and (annotation.level == "manifest" or attested):
            yield (
                f"the annotation {annotation.key} goes nowhere: it is for {annotation.platform}, and what is built "
                f"is for {', '.join(map(str, platforms))}"
            )


class Attacher:
    """Puts an image with its `extras` under tags, or in repositories by digest.

    `upload` gets the image alone into the repository of a reference, and gives the digest of its manifest.
    """

    def __init__(
        self,
        registries: Registries,
        names: Sequence[Reference],
        extras: Extras,
        upload: Callable[[Reference], str],
    ) -> None:
        self._registries = registries
        self._names = names
        self._extras = extras
        self._upload = upload
        self._documents: dict[tuple[str, str], Manifest | Index] = {}

    def put(self, name: Reference) -> str:
        """The digest of what is there then. Before the first tag is set all repositories have all they need.

        Raises RegistryError.
        """
        if not self._documents:
            self._prepare()
        document = self._documents[_place(name)]
        if name.tag:
            self._registries.repository(name).put_manifest(document, tag_or_digest=name.tag)
        return document.digest

    def _prepare(self) -> None:
        documents: dict[tuple[str, str], Manifest | Index] = {}
        for name in self._names:
            if _place(name) not in documents:
                repository = self._registries.repository(name)
                documents[_place(name)] = attach(repository, self._upload(name), self._names, self._extras)
        self._documents = documents


def attach(
    repository: Repository, pushed: str, names: Sequence[Reference], extras: Extras
) -> Manifest | Index:
    """Store what a tag is to name, by its digest: the image `pushed`, or an index of it and its attestations.

    Raises RegistryError.
    """
    found = manifest_for(repository, pushed, extras.platform)
    if found is None:
        raise RegistryError(f"{repository.name} has no image for {extras.platform} as {pushed}")
    manifest = annotated(found[0], select(extras.annotations, "manifest", extras.platform))
    if manifest is not found[0]:
        repository.put_manifest(manifest)
    predicates = extras.predicates(manifest)
    if not predicates:
        return manifest
    purls = [image_purl(name, extras.platform) for name in names]
    attestation = make_attestation(predicates, purls, manifest.digest)
    for descriptor, data in attestation.blobs:
        put_small_blob(repository, data, descriptor.media_type)
    repository.put_manifest(attestation.manifest)
    said = select(extras.annotations, "manifest-descriptor", extras.platform)
    index = attested_index(
        replace(manifest.descriptor, annotations=said),
        extras.platform,
        attestation.manifest,
        select(extras.annotations, "index"),
    )
    repository.put_manifest(index)
    return index


def annotated(manifest: Manifest, annotations: Annotations) -> Manifest:
    """A manifest with more annotations: one of OCI, as Docker's kind has none. Raises RegistryError."""
    if not annotations:
        return manifest
    if manifest.media_type != OCI_MANIFEST:
        manifest = replace(
            manifest,
            media_type=OCI_MANIFEST,
            config=replace(manifest.config, media_type=OCI_CONFIG),
            layers=tuple(typed(layer, OCI_LAYERS) for layer in manifest.layers),
        )
    merged = dict(manifest.annotations) | dict(annotations)
    return replace(manifest, annotations=tuple(sorted(merged.items())))


def _place(name: Reference) -> tuple[str, str]:
    return name.registry, name.repository
