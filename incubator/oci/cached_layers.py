"""Which layers of an image are results that a later build can take up: a list in the image's own config. Pure.

The list belongs to the config as diff IDs do, so it goes wherever the image goes. BuildKit does the same with a key and
a format of its own. What is read was written by whoever could push the image.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from incubator.errors import RegistryError
from incubator.oci.descriptor import read_list

if TYPE_CHECKING:
    from collections.abc import Mapping

FIELD: Final = "incubator.cache.v1"
"""The key of the list in an image config."""
MOST: Final = 10_000
_KEY: Final = re.compile(r"[0-9a-f]{64}", re.ASCII)


@dataclass(frozen=True, slots=True, kw_only=True, order=True)
class CachedLayers:
    """Layers `begin` up to, without, `end` of an image, base first, are what `key` stands for on top of those below.

    None where both are equal: a step that has changed nothing.
    """

    begin: int
    end: int
    key: str

    def to_json(self) -> list[Any]:
        """What the list has of it."""
        return [self.key, self.begin, self.end]


def read_cached_layers(fields: Mapping[str, Any], layers: int) -> tuple[CachedLayers, ...]:
    """The list of a config, of an image that has so many layers; empty where there is none. Raises RegistryError."""
    entries = read_list(fields, FIELD)
    if len(entries) > MOST:
        raise RegistryError(f"its config names more than {MOST} results")
    return tuple(_read(entry, layers) for entry in entries)


def _read(entry: object, layers: int) -> CachedLayers:
    match entry:
        case [str(key), int(begin), int(end)] if _KEY.fullmatch(key) and 0 <= begin <= end <= layers:
            return CachedLayers(begin=begin, end=end, key=key)
        case _:
            raise RegistryError("its config names a result that is none of its layers")
