"""Descriptors: what a blob is, its digest and its size. Spec: OCI image-spec descriptor.md."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final, TypeGuard

from incubator.errors import RegistryError, shortened
from incubator.oci.digest import is_digest
from incubator.oci.platform import Platform, make_platform

if TYPE_CHECKING:
    from collections.abc import Mapping

Annotations = tuple[tuple[str, str], ...]
"""Keys and values, sorted by keys."""

_LARGEST: Final = 2**63 - 1


@dataclass(frozen=True, slots=True, kw_only=True)
class Descriptor:
    """A blob or a manifest by its digest.

    `platform` and `os_version` are for manifests of an index. `urls` are places besides the registry. `data` in
    a foreign descriptor is not kept: a blob is read from the registry.
    """

    media_type: str
    digest: str
    size: int
    annotations: Annotations = ()
    platform: Platform | None = None
    os_version: str = ""
    urls: tuple[str, ...] = ()
    artifact_type: str = ""

    def to_json(self) -> dict[str, Any]:
        """The object as manifests have it; unset keys are left out."""
        data: dict[str, Any] = {"mediaType": self.media_type, "digest": self.digest, "size": self.size}
        platform = self.platform and {
            "architecture": self.platform.architecture,
            "os": self.platform.os,
            "os.version": self.os_version,
            "variant": self.platform.variant,
        }
        optional: dict[str, Any] = {
            "annotations": dict(self.annotations),
            "artifactType": self.artifact_type,
            "platform": platform and {key: value for key, value in platform.items() if value},
            "urls": list(self.urls),
        }
        return data | {key: value for key, value in optional.items() if value}


def descriptor_from_json(data: object) -> Descriptor:
    """Read a descriptor that others wrote. Raises RegistryError naming the key that is wrong."""
    fields = read_object(data, "a descriptor")
    digest, size = read_text(fields, "digest"), fields.get("size")
    if not is_digest(digest):
        raise RegistryError(f"a descriptor's digest is none: {_shown(digest)}")
    if not isinstance(size, int) or isinstance(size, bool) or not 0 <= size <= _LARGEST:
        raise RegistryError(f"the size of {digest} is none: {_shown(size)}")
    media_type = read_text(fields, "mediaType")
    if not media_type:
        raise RegistryError(f"the descriptor of {digest} has no media type")
    platform = fields.get("platform")
    found, os_version = _platform(platform) if platform is not None else (None, "")
    return Descriptor(
        media_type=media_type,
        digest=digest,
        size=size,
        annotations=read_annotations(fields),
        platform=found,
        os_version=os_version,
        urls=tuple(_text(url, "urls") for url in read_list(fields, "urls")),
        artifact_type=read_text(fields, "artifactType"),
    )


def read_object(data: object, what: str) -> Mapping[str, Any]:
    """`data`, which has to be an object of JSON. Raises RegistryError."""
    if not isinstance(data, dict):
        raise RegistryError(f"{what} is no object: {_shown(data)}")
    return data


def read_text(fields: Mapping[str, Any], key: str) -> str:
    """The text at a key, empty where there is none. Raises RegistryError where it is no text."""
    value = fields.get(key)
    return "" if value is None else _text(value, key)


def read_list(fields: Mapping[str, Any], key: str) -> list[Any]:
    """The list at a key, empty where there is none. Raises RegistryError where it is no list."""
    value = fields.get(key)
    if value is not None and not isinstance(value, list):
        raise RegistryError(f"{key} is no list: {_shown(value)}")
    return value or []


def read_annotations(fields: Mapping[str, Any]) -> Annotations:
    """The annotations of an object, sorted. Raises RegistryError where they are not texts by texts."""
    value = fields.get("annotations")
    items = read_object(value, "annotations").items() if value is not None else ()
    return tuple(sorted((_text(key, "annotations"), _text(text, key)) for key, text in items))


def _platform(data: object) -> tuple[Platform, str]:
    fields = read_object(data, "a platform")
    platform = make_platform(*(read_text(fields, key) for key in ("os", "architecture", "variant")))
    return platform, read_text(fields, "os.version")


def is_text(value: object) -> TypeGuard[str]:
    """Whether a value of JSON is text that can be written again: half of a surrogate pair cannot."""
    return isinstance(value, str) and not any("\ud800" <= letter <= "\udfff" for letter in value)


def _text(value: object, key: str) -> str:
    if not is_text(value):
        raise RegistryError(f"{_shown(key)} is no text: {_shown(value)}")
    return value


def _shown(value: object) -> str:
    """A value of somebody else's, fit for a message."""
    return shortened(ascii(value), 100)
