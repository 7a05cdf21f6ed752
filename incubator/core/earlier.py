"""Where results of earlier builds are."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

    from incubator.core.caching import ImageCache
    from incubator.core.group_keys import GroupKeys
    from incubator.core.shared_cache import SharedCache


@dataclass(frozen=True, slots=True, kw_only=True)
class EarlierResults:
    """What knows earlier results, and under which keys. `anew`: stages that use none.

    `skipped`: keys of stages that are not made, since all that reads them is there. `shared_first`: stages of which
    more is found where `shared` is asked before the engine: of equal steps that may have other layers, made at another
    time, on which nothing goes that `shared` has.
    """

    cache: ImageCache
    shared: SharedCache | None
    keys: GroupKeys
    anew: frozenset[int]
    skipped: Mapping[int, str | None] = field(default_factory=dict)
    shared_first: frozenset[int] = frozenset()
