"""Caches in registries, as `--cache-from` and `--cache-to` name them: BuildKit's grammar. Pure.

What an entry holds is shown piece by piece, never as a whole: those of other builders may hold logins.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, Literal, TypeVar, get_args

from incubator.attributes import split_fields
from incubator.errors import InputError, OtherCache
from incubator.faults import did_you_mean
from incubator.neighbours import FALSE, TRUE, Refused
from incubator.oci.reference import Reference, parse_reference
from incubator.request import CacheSource, CacheTarget

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

    from incubator.faults import Faults

T = TypeVar("T")

LONGEST_TAG: Final = 63
"""A registry takes 128 characters, and the tag of an entry is that of its cache with `-` and 64 hex digits."""

_Mode = Literal["min", "max"]
_MODES: Final[tuple[_Mode, ...]] = get_args(_Mode)
_FORM: Final = (
    "write type=registry,ref=REFERENCE, as in ref=ghcr.io/acme/web:cache or ref=$CI_REGISTRY_IMAGE:cache"
)

_TYPES: Final = {
    "gha": f"the cache of GitHub's service is not used; a registry does the same: {_FORM}",
    "s3": f"buckets are not used; a registry does the same: {_FORM}",
    "azblob": f"buckets are not used; a registry does the same: {_FORM}",
    "local": f"the engine keeps results by itself; for other engines {_FORM}",
    "inline": f"nothing of a cache is put into the image; {_FORM}",
}
"""Types of caches that BuildKit has besides `registry`, with what to use instead."""

_INSECURE: Final = Refused(
    instead="leave it out: plain HTTP is spoken with registries on this very machine, as localhost:5000, and with "
    "those in `insecure-registries` of the engine's configuration",
    harmless=FALSE,
)
_OF_SOURCES: Final = {
    "mode": Refused(instead="leave it out: cache-to says what is kept, and all of that is found"),
    "registry.insecure": _INSECURE,
}
_OF_TARGETS: Final = {
    "oci-mediatypes": Refused(
        instead="leave it out: entries are manifests of OCI's media types", harmless=TRUE
    ),
    "image-manifest": Refused(
        instead="leave it out: each entry is a manifest of its own, not an index", harmless=TRUE
    ),
    "compression": Refused(
        instead="leave it out: layers are kept as the engine uploads them, with gzip", harmless=("gzip",)
    ),
    "compression-level": Refused(instead="leave it out: layers are kept as the engine compresses them"),
    "force-compression": Refused(
        instead="leave it out: layers are kept as the engine compresses them", harmless=FALSE
    ),
    "ignore-error": Refused(
        instead="leave it out: a cache that cannot be written is a warning and fails no build", harmless=TRUE
    ),
    "registry.insecure": _INSECURE,
}
"""Attributes of BuildKit's registry caches that nothing comes of here, with the values that ask for nothing else."""


def parse_cache_from(text: str) -> CacheSource:
    """`type=registry,ref=REFERENCE`, or the reference alone. Raises InputError."""
    what = "cache source"
    reference, _ = _read(text, what, ("type", "ref"), _OF_SOURCES)
    return CacheSource(reference=reference)


def parse_cache_to(text: str) -> CacheTarget:
    """`type=registry,ref=REFERENCE[,mode=min|max]`, or the reference alone. Raises InputError."""
    what = "cache target"
    reference, values = _read(text, what, ("type", "ref", "mode"), _OF_TARGETS)
    given = values.get("mode", "min")
    for mode in _MODES:
        if given == mode:
            return CacheTarget(reference=reference, mode=mode)
    raise InputError(
        f"{what} {str(reference)!r}: there is no mode {given!r}",
        hint=did_you_mean(given, _MODES)
        or "min keeps results that are in the image, max those of all stages",
    )


def read_caches(texts: str | Iterable[str], parse: Callable[[str], T], faults: Faults) -> tuple[T, ...]:
    """What `parse` makes of one text or several, each once; what is wrong is noted in `faults`."""
    found: list[T] = []
    for text in (texts,) if isinstance(texts, str) else texts:
        with faults.gather():
            found.append(parse(text))
    return tuple(dict.fromkeys(found))


def _read(
    text: str, what: str, known: tuple[str, ...], refused: Mapping[str, Refused]
) -> tuple[Reference, dict[str, str]]:
    """The reference of an entry, and all of its attributes. Raises InputError for what is not of `known`."""
    values = _attributes(text, what)
    reference = _reference(values, what)
    named = f"{what} {str(reference)!r}"
    for key, value in values.items():
        if key in refused:
            if value not in refused[key].harmless:
                raise InputError(f"{named}: {key}={value} is not supported", hint=refused[key].instead)
        elif key not in known:
            raise InputError(
                f"{named}: there is no attribute {key!r}",
                hint=did_you_mean(key, (*known, *refused)) or f"attributes are {', '.join(known)}",
            )
    return reference, values


def _attributes(text: str, what: str) -> dict[str, str]:
    """The attributes of an entry of type `registry` by their names in small letters."""
    fields = split_fields(text, what=what, form=_FORM)
    if not any("=" in field for field in fields):
        if len(fields) > 1:
            raise InputError(
                f"invalid {what}: it has {len(fields)} references", hint="give each in an entry of its own"
            )
        return {"type": "registry", "ref": fields[0]}
    values: dict[str, str] = {}
    bare: list[str] = []
    for field in fields:
        key, equals, value = field.partition("=")
        key = key.strip().lower()
        if not equals:
            bare.append(field)
        elif key in values:
            raise InputError(f"invalid {what}: {key} is given twice")
        else:
            values[key] = value.strip()
    _check_type(values.get("type", ""), what)
    if bare:
        raise InputError(f"invalid {what}: {bare[0]!r} has no value", hint=_FORM)
    return values


def _check_type(kind: str, what: str) -> None:
    if kind == "registry":
        return
    if not kind:
        raise InputError(f"invalid {what}: it has no type", hint=_FORM)
    if kind in _TYPES:
        raise OtherCache(f"{what} of type {kind} is not supported", hint=_TYPES[kind])
    raise InputError(
        f"invalid {what}: there is no type {kind!r}", hint=did_you_mean(kind, ("registry", *_TYPES)) or _FORM
    )


def _reference(values: Mapping[str, str], what: str) -> Reference:
    if not values.get("ref"):
        raise InputError(f"invalid {what}: it has no ref", hint=_FORM)
    try:
        reference = parse_reference(values["ref"])
    except InputError as error:
        raise InputError(f"{what}: {error.message}", hint=error.hint) from error
    if reference.digest:
        raise InputError(
            f"{what} {str(reference)!r}: a cache cannot be a digest",
            hint="name a tag, as in ghcr.io/acme/web:cache: those of entries begin with it",
        )
    if len(reference.tag or "") > LONGEST_TAG:
        raise InputError(
            f"{what} {str(reference)!r}: its tag is longer than {LONGEST_TAG} characters",
            hint="tags of entries are this one with 65 characters more, and registries take 128",
        )
    return reference
