"""Results that builds have kept on an engine: what there is, and what of it may go."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

from incubator.core.caching import CACHE_REPOSITORY
from incubator.core.engine import Engine
from incubator.core.records import RECORD_REPOSITORY

if TYPE_CHECKING:
    from collections.abc import Sequence


class TaggingEngine(Engine, Protocol):
    """An engine that knows when an image got its references."""

    def tagged_at_s(self, reference: str) -> float:
        """Seconds since 1970."""


@dataclass(frozen=True, slots=True, kw_only=True)
class KeptResult:
    """One result. `size_bytes` is its own layer's, without those below.

    `records` are the references that tell what it was made of.
    """

    reference: str
    made_s: float
    size_bytes: int
    records: tuple[str, ...] = ()


def kept_results(engine: TaggingEngine) -> list[KeptResult]:
    """All results on an engine, oldest first."""
    records = defaultdict(list)
    for reference in engine.references(RECORD_REPOSITORY):
        if image := engine.image(reference):
            records[image.id].append(reference)
    results = [
        KeptResult(
            reference=reference,
            made_s=engine.tagged_at_s(reference),
            size_bytes=(engine.layer_sizes(reference) or [0])[-1],
            records=tuple(records[image.id]),
        )
        for reference in engine.references(CACHE_REPOSITORY)
        if (image := engine.image(reference))  # another process may take it away meanwhile
    ]
    return sorted(results, key=lambda result: (result.made_s, result.reference))


def choose(
    results: Sequence[KeptResult], *, now_s: float, older_than_s: float | None, keep_bytes: int | None
) -> list[KeptResult]:
    """What may go of `results`, which come oldest first: all that are too old, then the oldest until the rest fits.

    Without any limit everything may go. Pure.
    """
    if older_than_s is None and keep_bytes is None:
        return list(results)
    chosen = [
        result for result in results if older_than_s is not None and now_s - result.made_s > older_than_s
    ]
    rest = [result for result in results if result not in chosen]
    size = sum(result.size_bytes for result in rest)
    while keep_bytes is not None and rest and size > keep_bytes:
        size -= rest[0].size_bytes
        chosen.append(rest.pop(0))
    return chosen


def remove(engine: Engine, results: Sequence[KeptResult]) -> None:
    """Take results away, the newest first, since older ones may lie below them."""
    for result in reversed(results):
        for reference in (*result.records, result.reference):
            engine.remove_image(reference)
