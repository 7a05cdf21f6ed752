"""Annotations as `--annotation` and the input `annotations` name them, in buildx's grammar. Pure.

    [LEVEL[PLATFORM][,LEVEL...]:]KEY=VALUE, as in manifest[linux/arm64],index:org.opencontainers.image.title=web

Source: buildx, util/buildflags/export.go.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

from incubator.errors import InputError, shortened
from incubator.faults import did_you_mean
from incubator.oci.annotations import LEVELS, Annotation
from incubator.oci.platform import parse_platform

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from incubator.faults import Faults
    from incubator.oci.annotations import Level
    from incubator.oci.platform import Platform

_PLACE: Final = re.compile(r"([a-z-]+)(?:\[([A-Za-z0-9_./-]+)\])?")
_KEY: Final = re.compile(r"[^\s\x00-\x1f\x7f]+")
_OF_MERGE: Final[tuple[Level, ...]] = ("index", "manifest-descriptor")
_FORM: Final = "write KEY=VALUE, index:KEY=VALUE or manifest[linux/amd64],index:KEY=VALUE"


def read_annotations(
    texts: str | Iterable[str],
    faults: Faults,
    parse: Callable[[str], tuple[Annotation, ...]] | None = None,
) -> tuple[Annotation, ...]:
    """What all `texts` name, by `parse_annotation` where nothing else is said; what is wrong is noted in `faults`."""
    found: list[Annotation] = []
    for text in (texts,) if isinstance(texts, str) else texts:
        with faults.gather():
            found += (parse or parse_annotation)(text)
    return tuple(found)


def parse_merge_annotation(text: str) -> tuple[Annotation, ...]:
    """An annotation of an index that is made of images: without a level it is the index's. Raises InputError."""
    found = parse_annotation(text, default="index")
    levels = {annotation.level for annotation in found}
    if not levels <= {*_OF_MERGE}:
        reason = (
            "a merge leaves manifests as they are"
            if "manifest" in levels
            else "there is no index-descriptor in a registry"
        )
        raise InputError(
            f"invalid annotation {_shown(text)}: {reason}",
            hint=f"levels are {' and '.join(_OF_MERGE)} here; those of a manifest are for its build",
        )
    return found


def parse_annotation(text: str, *, default: Level = "manifest") -> tuple[Annotation, ...]:
    """One annotation for each place that `text` names, at the level `default` where it names none.

    A key with a colon needs a level in front. Raises InputError.
    """
    left, equals, value = text.partition("=")
    if not equals:
        raise InputError(f"invalid annotation {_shown(text)}: it has no value", hint=_FORM)
    places, colon, key = left.partition(":")
    if not colon:
        places, key = "", left
    key = key.strip()
    if not _KEY.fullmatch(key):
        raise InputError(f"invalid annotation {_shown(text)}: {_shown(key)} is no key", hint=_FORM)
    if not colon:
        return (Annotation(key=key, value=value, level=default),)
    found = [_place(text, place.strip()) for place in places.split(",")]
    return tuple(
        Annotation(key=key, value=value, level=level, platform=platform)
        for level, platform in dict.fromkeys(found)
    )


def _place(text: str, place: str) -> tuple[Level, Platform | None]:
    match = _PLACE.fullmatch(place)
    if match is None:
        raise InputError(f"invalid annotation {_shown(text)}: {_shown(place)} is no level", hint=_FORM)
    level = next((known for known in LEVELS if known == match[1]), None)
    if level is None:
        hint = did_you_mean(match[1], LEVELS) or f"levels are {', '.join(LEVELS)}"
        raise InputError(f"invalid annotation {_shown(text)}: there is no level {match[1]!r}", hint=hint)
    if match[2] is None:
        return level, None
    if level in {"index", "index-descriptor"}:
        raise InputError(
            f"invalid annotation {_shown(text)}: an index is for all platforms",
            hint=f"write {level}:KEY=VALUE",
        )
    return level, parse_platform(match[2])


def _shown(text: str) -> str:
    return shortened(repr(text), 100)
