"""Labels and annotations `org.opencontainers.image.*`. Spec: OCI image-spec, annotations.md."""

from __future__ import annotations

from datetime import UTC
from typing import TYPE_CHECKING

from incubator.ci.tags.expressions import expand
from incubator.errors import InputError
from incubator.faults import did_you_mean
from incubator.oci.annotations import LEVELS

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from incubator.ci.tags.facts import PipelineFacts

PREFIX = "org.opencontainers.image."
LEVELS_VARIABLE = "DOCKER_METADATA_ANNOTATIONS_LEVELS"


def make_labels(facts: PipelineFacts, version: str, own: Iterable[str]) -> dict[str, str]:
    """The eight labels of a repository, and those that the user gives (`key=value`), which win; by key."""
    repository = facts.repository
    created = facts.created.astimezone(UTC)
    labels = {
        f"{PREFIX}title": repository.name,
        f"{PREFIX}description": repository.description,
        f"{PREFIX}url": repository.url,
        f"{PREFIX}source": repository.url,
        f"{PREFIX}version": version,
        f"{PREFIX}created": f"{created:%Y-%m-%dT%H:%M:%S}.{created.microsecond // 1000:03d}Z",
        f"{PREFIX}revision": facts.sha,
        f"{PREFIX}licenses": repository.license,
    }
    return dict(sorted((labels | own_labels(facts, own)).items()))


def own_labels(facts: PipelineFacts, own: Iterable[str]) -> dict[str, str]:
    """`key=value` entries with their expressions replaced."""
    pairs = (expand(entry, facts).partition("=") for entry in own)
    return {key.strip(): value for key, _, value in pairs}


def make_annotations(
    facts: PipelineFacts, version: str, own: Iterable[str], levels: Sequence[str]
) -> tuple[str, ...]:
    """The same as annotations, `level:key=value`, for each level."""
    pairs = make_labels(facts, version, own)
    return tuple(f"{level}:{key}={value}" for level in levels for key, value in pairs.items())


def parse_levels(text: str) -> tuple[str, ...]:
    """Levels of annotations, separated by commas; `manifest` where nothing is given. Raises InputError."""
    levels = tuple(dict.fromkeys(level.strip() for level in text.split(",") if level.strip()))
    for level in levels:
        if level not in LEVELS:
            hint = did_you_mean(level, LEVELS) or f"levels are {', '.join(LEVELS)}"
            raise InputError(f"{LEVELS_VARIABLE}: unknown level {level!r}", hint=hint)
    return levels or ("manifest",)
