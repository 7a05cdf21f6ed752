"""One index out of images for several platforms. Spec: OCI image-spec image-index.md."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from incubator.errors import InputError
from incubator.oci.manifest import Index
from incubator.oci.platform import Platform

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from incubator.oci.descriptor import Descriptor

UNKNOWN: Final = Platform(os="unknown", architecture="unknown")
"""What builders give attestations, which are no images, as their platform."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Member:
    """A manifest for an index, with its platform; `source` is what a caller names it by."""

    source: str
    descriptor: Descriptor


def join(members: Iterable[Member], annotations: Mapping[str, str] | None = None) -> Index:
    """An index of all members, whatever their order: by platform, attestations last.

    A manifest that is given twice counts once. Raises InputError where two images are for the same platform.
    """
    by_digest = {member.descriptor.digest: member for member in members}
    images: dict[tuple[str, str], Member] = {}
    attestations = []
    for digest, member in by_digest.items():
        descriptor = member.descriptor
        if descriptor.platform == UNKNOWN:
            attestations.append(descriptor)
            continue
        other = images.setdefault((str(descriptor.platform), descriptor.os_version), member)
        if other is not member:
            raise InputError(
                f"two images are for {descriptor.platform}: {_named(other)} and {_named(member)}",
                hint=f"leave {digest} or the other one out: an index has one image for a platform",
            )
    if not images:
        raise InputError("there is no image to merge")
    ordered = [images[key].descriptor for key in sorted(images)]
    ordered += sorted(attestations, key=lambda descriptor: descriptor.digest)
    return Index(manifests=tuple(ordered), annotations=tuple(sorted((annotations or {}).items())))


def _named(member: Member) -> str:
    digest = member.descriptor.digest
    return member.source if digest in member.source else f"{member.source} ({digest})"
