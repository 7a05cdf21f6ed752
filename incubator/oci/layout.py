"""OCI image layouts: where a folder of that form keeps what, and which of its images is meant. Pure.

Spec: OCI image-spec image-layout.md; names of a layout as buildx writes them, `PATH[:TAG][@DIGEST]`.
"""

from __future__ import annotations

import json
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Final

from incubator.errors import InputError, shortened
from incubator.oci.digest import is_digest

if TYPE_CHECKING:
    from collections.abc import Sequence

    from incubator.oci.descriptor import Descriptor
    from incubator.oci.manifest import Index
    from incubator.oci.platform import Platform
    from incubator.oci.reference import Reference

MARKER: Final = "oci-layout"
"""The file that says that a folder is a layout."""

MARKER_BYTES: Final = b'{"imageLayoutVersion":"1.0.0"}'

INDEX: Final = "index.json"

_VERSION: Final = "1.0.0"
_LATEST: Final = "latest"
REF_NAME: Final = "org.opencontainers.image.ref.name"
"""The annotation under which an index of a layout has the names of images."""
_FULL_NAME: Final = "io.containerd.image.name"
_NAMES: Final = (REF_NAME, _FULL_NAME)
_MOST_SHOWN: Final = 10


@dataclass(frozen=True, slots=True, kw_only=True)
class LayoutReference:
    """An image of the layout at `path`; a digest counts more than a tag."""

    path: str
    tag: str | None = None
    digest: str | None = None


def parse_layout_reference(text: str) -> LayoutReference:
    """Read `PATH[:TAG][@DIGEST]`. Raises InputError."""
    rest, at, digest = text.rpartition("@")
    if not at or "/" in digest:
        rest, digest = text, ""
    elif not is_digest(digest):
        raise InputError(
            f"invalid layout {text!r}: {digest!r} is not a digest",
            hint="a digest looks like sha256:<64 hex digits>",
        )
    path, colon, tag = rest.rpartition(":")
    if not colon or "/" in tag:
        path, tag = rest, ""
    if not path:
        raise InputError(f"invalid layout {text!r}: it names no folder", hint="write oci-layout://FOLDER:TAG")
    return LayoutReference(path=path, tag=tag or None, digest=digest or None)


def check_marker(data: bytes) -> None:
    """Raise InputError for a marker file that is not that of a layout of version 1."""
    try:
        found = json.loads(data)
    except (ValueError, RecursionError):
        found = None
    version = found.get("imageLayoutVersion") if isinstance(found, dict) else None
    if version != _VERSION:
        raise InputError(
            f"the file {MARKER} does not say version {_VERSION}: {shortened(ascii(version), 100)}"
        )


def blob_path(digest: str) -> str:
    """Where a blob is; `digest` is one."""
    return f"blobs/{digest.replace(':', '/')}"


def named(
    manifest: Descriptor, platform: Platform, references: Sequence[Reference]
) -> tuple[Descriptor, ...]:
    """The entries of a layout's index for an image: one for each of its names, as BuildKit writes them."""
    entry = replace(manifest, platform=platform)
    annotations = (
        {
            _FULL_NAME: f"{reference.registry}/{reference.repository}:{reference.tag}",
            REF_NAME: str(reference.tag),
        }
        for reference in references
        if reference.tag
    )
    found = tuple(replace(entry, annotations=tuple(sorted(texts.items()))) for texts in annotations)
    return found or (entry,)


def choose_image(index: Index, tag: str | None) -> Descriptor:
    """The image of that tag; without one `latest`, or the only one. Raises InputError."""
    named = [(name, manifest) for manifest in index.manifests for name in _names_of(manifest)]
    for name, manifest in named:
        if name == (tag or _LATEST):
            return manifest
    if tag is None and len(index.manifests) == 1:
        return index.manifests[0]
    names = [shortened(ascii(name), 100) for name, _ in named]
    raise InputError(
        f"the layout has no image {tag or _LATEST!r}",
        hint=f"it has {', '.join(names[:_MOST_SHOWN])}" if names else "it names no images: give a digest",
    )


def choose_platform(manifests: Sequence[Descriptor], platform: Platform) -> Descriptor:
    """The manifest for a platform, else the only one that says none. Raises InputError."""
    fitting = [manifest for manifest in manifests if manifest.platform == platform]
    fitting = fitting or [manifest for manifest in manifests if manifest.platform is None]
    if len(fitting) == 1 or any(manifest.platform for manifest in fitting):
        return fitting[0]
    found = sorted({str(manifest.platform) for manifest in manifests if manifest.platform})
    raise InputError(
        f"the layout has no image for {platform}",
        hint=f"it has {', '.join(found[:_MOST_SHOWN])}" if found else None,
    )


def _names_of(manifest: Descriptor) -> list[str]:
    """A name may be a tag or a whole reference, of which the tag counts."""
    names = [value for key, value in manifest.annotations if key in _NAMES]
    return names + [name.rpartition(":")[2] for name in names if ":" in name.rpartition("/")[2]]
