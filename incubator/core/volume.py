"""Build-time volumes: bind mounts that are there while building and never in a layer."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from incubator.errors import InputError

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

MODES = {"ro", "rw", "z", "Z", "shared", "slave", "private", "rshared", "rslave", "rprivate", "nocopy"}
_EXCLUSIVE = (("ro", "rw"), ("z", "Z"), ("shared", "slave", "private", "rshared", "rslave", "rprivate"))


@dataclass(frozen=True, slots=True)
class Volume:
    """`source` is an absolute path on the host or the name of an engine volume, `destination` absolute."""

    source: str
    destination: str
    mode: str = "rw"

    def __str__(self) -> str:
        return f"{self.source}:{self.destination}:{self.mode}"

    @property
    def is_path(self) -> bool:
        """Whether the source is a path on the host, not the name of a volume."""
        return self.source.startswith("/")

    @staticmethod
    def get_instances(volumes: Iterable[str | Volume] | str | Volume | None) -> list[Volume] | None:
        """Volumes of `source:destination[:mode]` texts and instances; None stays None. Raises InputError."""
        if volumes is None:
            return None
        if isinstance(volumes, str | Volume):
            volumes = [volumes]
        return [volume if isinstance(volume, Volume) else parse_volume(volume) for volume in volumes]


def parse_volume(text: str) -> Volume:
    """Read `source:destination[:mode]`. Raises InputError naming the part that is wrong."""
    parts = text.split(":")
    if len(parts) not in (2, 3) or not all(parts):
        raise InputError(
            f"invalid volume {text!r}: expected source:destination[:mode]",
            hint="as in /srv/cache:/root/.cache:rw",
        )
    source, destination, *mode = parts
    if not destination.startswith("/"):
        raise InputError(f"invalid volume {text!r}: the destination {destination!r} is not an absolute path")
    if destination.rstrip("/") == "":
        raise InputError(f"invalid volume {text!r}: the destination must not be the root folder")
    return Volume(source, destination, _check_mode(text, mode[0]) if mode else "rw")


def _check_mode(text: str, mode: str) -> str:
    words: Sequence[str] = mode.split(",")
    unknown = [word for word in words if word not in MODES]
    if unknown:
        raise InputError(
            f"invalid volume {text!r}: unknown mode {unknown[0]!r}",
            hint=f"modes are {', '.join(sorted(MODES))}",
        )
    for group in _EXCLUSIVE:
        both = [word for word in words if word in group]
        if len(both) > 1:
            raise InputError(f"invalid volume {text!r}: {' and '.join(both)} exclude each other")
    return mode
