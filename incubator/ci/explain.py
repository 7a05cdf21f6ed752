"""What rules made, as text for people and as values for programs."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterator

    from incubator.ci.tags import Metadata


def explain_lines(metadata: Metadata) -> Iterator[str]:
    """One line a rule, in order of priority, and one on `latest`."""
    yield "tags, by priority of their rules:"
    for outcome in metadata.outcomes:
        rule = outcome.rule
        made = outcome.tag or "-"
        yield f"  {made:<24} {rule.priority:>5g}  {rule.entry.text}: {outcome.status}, {outcome.reason}"
    yield f"  {metadata.latest.tag or '-':<24} {'':>5}  latest: {metadata.latest.reason}"


def metadata_values(metadata: Metadata) -> dict[str, Any]:
    """The object that docker/metadata-action calls `json`."""
    return {
        "tags": list(metadata.tags or metadata.tag_names),
        "tag-names": list(metadata.tag_names),
        "labels": dict(metadata.labels),
        "annotations": list(metadata.annotations),
    }


def metadata_variables(metadata: Metadata) -> dict[str, str]:
    """The variables that docker/metadata-action exports, by their names."""
    values = metadata_values(metadata)
    texts = {
        "VERSION": metadata.version,
        "TAGS": "\n".join(values["tags"]),
        "TAG_NAMES": "\n".join(values["tag-names"]),
        "LABELS": "\n".join(f"{key}={text}" for key, text in metadata.labels.items()),
        "ANNOTATIONS": "\n".join(values["annotations"]),
        "JSON": json.dumps(values),
    }
    return {f"DOCKER_METADATA_OUTPUT_{name}": text for name, text in texts.items()}


def explanation(metadata: Metadata) -> dict[str, Any]:
    """All of it, with the reasons, as JSON can hold it."""
    return {
        "version": metadata.version,
        **metadata_values(metadata),
        "rules": [
            {
                "rule": outcome.rule.entry.text,
                "place": outcome.rule.entry.place,
                "priority": outcome.rule.priority,
                "status": outcome.status,
                "tag": outcome.tag,
                "reason": outcome.reason,
            }
            for outcome in metadata.outcomes
        ],
        "latest": {"tag": metadata.latest.tag, "reason": metadata.latest.reason},
        "warnings": list(metadata.warnings),
    }
