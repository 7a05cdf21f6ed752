"""Which entries of an image's history made its layers. Pure.

Engines list a history without saying which entries made a layer; the image config has to say it. The number
of layers is known, so the entries most likely to have made one are chosen, and the count is always right.
"""

from __future__ import annotations

import re
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from incubator.oci.image_config import HistoryEntry

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

_METADATA = re.compile(
    r"(?:/bin/sh -c #\(nop\)\s+)?"
    r"(?:ARG|CMD|ENTRYPOINT|ENV|EXPOSE|HEALTHCHECK|LABEL|MAINTAINER|ONBUILD|SHELL|STOPSIGNAL|USER|VOLUME)\b"
)


def mark_layers(entries: Sequence[Mapping[str, Any]], layers: int) -> tuple[HistoryEntry, ...]:
    """History entries, oldest first, of which exactly `layers` are not empty.

    `entries` are those of `GET /images/{id}/history`, oldest first. Entries with bytes come before entries
    without, those whose text makes files before those that only set metadata. Where there are fewer entries
    than layers, nameless ones are put in front.
    """
    ranked = sorted(range(len(entries)), key=lambda i: (_rank(entries[i]), i))
    chosen = set(ranked[:layers])
    missing = HistoryEntry(created_by="", created=_time(0))
    return (missing,) * (layers - len(chosen)) + tuple(
        HistoryEntry(
            created_by=entry.get("CreatedBy") or "",
            created=_time(int(entry.get("Created") or 0)),
            comment=entry.get("Comment") or "",
            empty_layer=index not in chosen,
        )
        for index, entry in enumerate(entries)
    )


def _rank(entry: Mapping[str, Any]) -> int:
    if int(entry.get("Size") or 0) > 0:
        return 0
    return 2 if _METADATA.match(entry.get("CreatedBy") or "") else 1


def _time(seconds: int) -> str:
    return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
