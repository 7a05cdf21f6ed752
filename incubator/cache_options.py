"""Caches in registries, folders and images, as `--cache-from` and `--cache-to` name them: BuildKit's grammar.

What an entry holds is shown piece by piece, never as a whole: those of other builders may hold logins.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final, Literal, TypeVar, get_args

from incubator.attributes import split_fields
from incubator.core.cache_folder import check_folder
from incubator.core.cache_store import LONGEST_TAG
from incubator.core.trust import check_inside
from incubator.errors import InputError, OtherCache
from incubator.faults import did_you_mean
from incubator.neighbours import FALSE, TRUE, Refused
from incubator.oci.reference import Reference, parse_reference
from incubator.request import CacheSource, CacheTarget

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

    from incubator.faults import Faults

T = TypeVar("T")

_Mode = Literal["min", "max"]
_MODES: Final[tuple[_Mode, ...]] = get_args(_Mode)
_FORM: Final = (
    "write type=registry,ref=REFERENCE, as in ref=ghcr.io/acme/web:cache or ref=$CI_REGISTRY_IMAGE:cache"
)

_TYPES: Final = {
    "gha": "the cache of GitHub's service is not used; actions/cache can keep a folder there, as in "
    f"type=local,src=.incubator-cache, or a registry does the same: {_FORM}",
    "s3": f"buckets are not used; a registry does the same: {_FORM}",
    "azblob": f"buckets are not used; a registry does the same: {_FORM}",
}
"""Types of caches that BuildKit has besides those that are used here, with what to use instead."""

_INSECURE: Final = Refused(
    instead="leave it out: plain HTTP is spoken with registries on this very machine, as localhost:5000, and with "
    "those in `insecure-registries` of the engine's configuration",
    harmless=FALSE,
)
_ONE_CACHE: Final = (
    "leave it out: a folder is one cache, of which all is found; other caches have folders of their own"
)
_OF_SOURCES: Final = {
    "mode": Refused(instead="leave it out: cache-to says what is kept, and all of that is found"),
    "registry.insecure": _INSECURE,
    "tag": Refused(instead=_ONE_CACHE),
    "digest": Refused(instead=_ONE_CACHE),
}
_OF_TARGETS: Final = {
    "tag": Refused(instead=_ONE_CACHE),
    "oci-mediatypes": Refused(
        instead="leave it out: entries are manifests of OCI's media types", harmless=TRUE
    ),
    "image-manifest": Refused(
        instead="leave it out: each entry is a manifest of its own, not an index", harmless=TRUE
    ),
    "compression": Refused(
        instead="leave it out: layers are kept as they were made, with gzip", harmless=("gzip",)
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
"""Attributes of BuildKit's caches that nothing comes of here, with the values that ask for nothing else."""


@dataclass(frozen=True, slots=True, kw_only=True)
class _Side:
    """What entries of an option have. `folder`: the attribute that names a folder; `more`: others than the place.

    `refused` are attributes and `other_types` types of BuildKit's with what to use instead.
    """

    what: str
    types: tuple[str, ...]
    other_types: Mapping[str, str]
    folder: str
    more: tuple[str, ...]
    refused: Mapping[str, Refused]

    @property
    def form(self) -> str:
        return f"{_FORM}; or type=local,{self.folder}=FOLDER"


_SOURCE: Final = _Side(
    what="cache source",
    types=("registry", "local"),
    other_types=_TYPES
    | {
        "inline": "name the image that was built with such a cache, as in type=registry,ref=ghcr.io/acme/web:main"
    },
    folder="src",
    more=(),
    refused=_OF_SOURCES,
)
_TARGET: Final = _Side(
    what="cache target",
    types=("registry", "local", "inline"),
    other_types=_TYPES,
    folder="dest",
    more=("mode",),
    refused=_OF_TARGETS,
)
_INLINE_ARG: Final = "BUILDKIT_INLINE_CACHE"


def parse_cache_from(text: str, workspace: Path | None = None) -> CacheSource:
    """`type=registry,ref=REFERENCE`, the reference alone, or `type=local,src=FOLDER`. Raises InputError.

    The folder counts from the workspace, where there is one, and may then not be a link out of it, which would be the
    checkout's doing.
    """
    place, _ = _read(text, _SOURCE, workspace)
    assert place
    return CacheSource(place=place)


def parse_cache_to(text: str, workspace: Path | None = None) -> CacheTarget:
    """As `parse_cache_from`, but with `dest=FOLDER`, and `mode=min|max`; or `type=inline`. Raises InputError.

    The folder may not be one of something else.
    """
    place, values = _read(text, _TARGET, workspace)
    given = values.get("mode", "min")
    if isinstance(place, Reference):
        _check_tag(place)
    elif place:
        _check_target(place)
    if place is None and given == "max":
        raise InputError(
            f"{_TARGET.what} 'inline': mode=max is not supported",
            hint=f"an image has its own layers alone, as with mode=min; for those of all stages {_FORM}",
        )
    for mode in _MODES:
        if given == mode:
            return CacheTarget(place=place, mode=mode)
    raise InputError(
        f"{_named(_TARGET, place)}: there is no mode {given!r}",
        hint=did_you_mean(given, _MODES)
        or "min keeps results that are in the image, max those of all stages",
    )


def asked_by(build_args: Mapping[str, str | None]) -> tuple[CacheTarget, ...]:
    """`type=inline`, where BuildKit's build argument asks for it."""
    return (CacheTarget(place=None),) if build_args.get(_INLINE_ARG) in TRUE else ()


def read_caches(texts: str | Iterable[str], parse: Callable[[str], T], faults: Faults) -> tuple[T, ...]:
    """What `parse` makes of one text or several, each once; what is wrong is noted in `faults`."""
    found: list[T] = []
    for text in (texts,) if isinstance(texts, str) else texts:
        with faults.gather():
            found.append(parse(text))
    return tuple(dict.fromkeys(found))


def _read(text: str, side: _Side, workspace: Path | None) -> tuple[Reference | Path | None, dict[str, str]]:
    """The place of an entry, and all of its attributes. Raises InputError for what is not among those of `side`."""
    values = _attributes(text, side)
    place: Reference | Path | None = None
    of_place: tuple[str, ...] = ()
    if values["type"] == "local":
        place, of_place = _folder(values, side, workspace), (side.folder,)
    elif values["type"] == "registry":
        place, of_place = _reference(values, side), ("ref",)
    known = ("type", *of_place, *side.more)
    named = _named(side, place)
    for key, value in values.items():
        if key in side.refused:
            if value not in side.refused[key].harmless:
                raise InputError(f"{named}: {key}={value} is not supported", hint=side.refused[key].instead)
        elif key not in known:
            raise InputError(
                f"{named}: there is no attribute {key!r}",
                hint=did_you_mean(key, (*known, *side.refused)) or f"attributes are {', '.join(known)}",
            )
    return place, values


def _named(side: _Side, place: Reference | Path | None) -> str:
    return f"{side.what} {str(place or 'inline')!r}"


def _attributes(text: str, side: _Side) -> dict[str, str]:
    """The attributes of an entry by their names in small letters."""
    what = side.what
    fields = split_fields(text, what=what, form=side.form)
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
    _check_type(values.get("type", ""), side)
    if bare:
        raise InputError(f"invalid {what}: {bare[0]!r} has no value", hint=side.form)
    return values


def _check_type(kind: str, side: _Side) -> None:
    if kind in side.types:
        return
    if not kind:
        raise InputError(f"invalid {side.what}: it has no type", hint=side.form)
    if kind in side.other_types:
        raise OtherCache(f"{side.what} of type {kind} is not supported", hint=side.other_types[kind])
    raise InputError(
        f"invalid {side.what}: there is no type {kind!r}",
        hint=did_you_mean(kind, (*side.types, *side.other_types)) or side.form,
    )


def _folder(values: Mapping[str, str], side: _Side, workspace: Path | None) -> Path:
    given = values.get(side.folder)
    if not given:
        raise InputError(
            f"invalid {side.what}: it has no {side.folder}",
            hint=_meant(side.folder, values, side)
            or f"write type=local,{side.folder}=FOLDER, as in {side.folder}=.incubator-cache",
        )
    if workspace is None:
        return Path(given)
    check_inside(workspace / given, [workspace], f"{side.what} {given!r}")
    return workspace / given


def _reference(values: Mapping[str, str], side: _Side) -> Reference:
    if not values.get("ref"):
        raise InputError(f"invalid {side.what}: it has no ref", hint=_meant("ref", values, side) or _FORM)
    try:
        return parse_reference(values["ref"])
    except InputError as error:
        raise InputError(f"{side.what}: {error.message}", hint=error.hint) from error


def _meant(wanted: str, values: Mapping[str, str], side: _Side) -> str | None:
    """What to say where one of the attributes is a misspelt `wanted`."""
    others = (key for key in values if key not in {"type", wanted, *side.more, *side.refused})
    return next(filter(None, (did_you_mean(key, (wanted,)) for key in others)), None)


def _check_target(folder: Path) -> None:
    try:
        check_folder(folder)
    except InputError as error:
        raise InputError(f"{_TARGET.what}: {error.message}", hint=error.hint) from error


def _check_tag(reference: Reference) -> None:
    """Raise InputError for a reference to which no tags of entries can be made; an image to read may have it."""
    if reference.digest:
        raise InputError(
            f"{_named(_TARGET, reference)}: a cache cannot be a digest",
            hint="name a tag, as in ghcr.io/acme/web:cache: those of entries begin with it",
        )
    if len(reference.tag or "") > LONGEST_TAG:
        raise InputError(
            f"{_named(_TARGET, reference)}: its tag is longer than {LONGEST_TAG} characters",
            hint="tags of entries are this one with 65 characters more, and registries take 128",
        )
