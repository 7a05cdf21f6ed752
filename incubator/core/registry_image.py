"""What a registry says of an image: its manifest and its config, checked."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import TYPE_CHECKING, Any, Final

from incubator.errors import RegistryError
from incubator.oci.descriptor import is_text, read_object
from incubator.oci.digest import is_digest
from incubator.oci.image_config import HistoryEntry, ImageConfig, image_config_from_json
from incubator.oci.manifest import Index

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from incubator.oci.manifest import Manifest
    from incubator.oci.platform import Platform
    from incubator.registry.repository import Repository

_LARGEST_CONFIG: Final = 8 << 20


def manifest_for(
    repository: Repository, tag_or_digest: str, platform: Platform
) -> tuple[Manifest, str] | None:
    """The manifest for a platform and its digest; None where there is none. Raises RegistryError."""
    document, descriptor = repository.manifest(tag_or_digest)
    if isinstance(document, Index):
        fitting = next((entry for entry in document.manifests if entry.platform == platform), None)
        if fitting is None:
            return None
        document, descriptor = repository.manifest(fitting.digest)
    return None if isinstance(document, Index) else (document, descriptor.digest)


def config_fields(repository: Repository, manifest: Manifest) -> Mapping[str, Any]:
    """The config of an image as JSON values. Raises RegistryError."""
    data = repository.small_blob(manifest.config, _LARGEST_CONFIG)
    try:
        parsed = json.loads(data)
    except (ValueError, RecursionError) as error:
        raise RegistryError(f"the image config {manifest.config.digest} is not JSON") from error
    return read_object(parsed, "the image config")


def config_of(repository: Repository, manifest: Manifest) -> ImageConfig:
    """The config of an image, whose history counts the layers right. Raises RegistryError."""
    return checked_config(config_fields(repository, manifest), manifest)


def checked_config(fields: Mapping[str, Any], manifest: Manifest) -> ImageConfig:
    """What the JSON values of an image's config come to, as in `config_of`. Raises RegistryError."""
    try:
        config = image_config_from_json(fields)
    except (ValueError, TypeError, AttributeError, OverflowError) as error:
        raise RegistryError(f"the image config {manifest.config.digest} cannot be read: {error}") from error
    if not all(map(is_text, _texts(config))) or not all(map(is_digest, config.diff_ids)):
        raise RegistryError(f"the image config {manifest.config.digest} holds something that is no text")
    if len(config.diff_ids) != len(manifest.layers):
        raise RegistryError(f"the image config {manifest.config.digest} does not fit its manifest")
    return replace(config, history=_counted(config.history, len(config.diff_ids)))


def _texts(config: ImageConfig) -> Iterator[object]:
    """All of a config of somebody else's that should be text."""
    runtime = config.config
    yield from (
        config.created,
        config.author,
        config.os_version,
        config.platform.os,
        config.platform.architecture,
        config.platform.variant,
        runtime.user,
        runtime.working_dir,
        runtime.stop_signal,
    )
    for several in (config.diff_ids, runtime.env, runtime.exposed_ports, runtime.volumes, runtime.on_build):
        yield from several
    for words in (runtime.cmd, runtime.entrypoint, runtime.shell):
        yield from words or ()
    for pair in runtime.labels:
        yield from pair
    yield from runtime.healthcheck.test if runtime.healthcheck else ()
    for entry in config.history:
        yield from (entry.created, entry.created_by, entry.comment, entry.author)


def _counted(history: Sequence[HistoryEntry], layers: int) -> tuple[HistoryEntry, ...]:
    """A history with as many entries that are not empty as there are layers."""
    missing = layers - sum(not entry.empty_layer for entry in history)
    if missing < 0:
        raise RegistryError("an image's history has more layers than the image")
    return (*(HistoryEntry(created_by="", created="") for _ in range(missing)), *history)
