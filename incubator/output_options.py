"""Where a build's result goes, as `--output` names it: the grammar of `docker build`. Pure."""

from __future__ import annotations

import csv
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, get_args

from incubator.errors import InputError
from incubator.faults import did_you_mean
from incubator.neighbours import FALSE, TRUE
from incubator.request import FileOutput, OutputKind

if TYPE_CHECKING:
    from collections.abc import Iterable

    from incubator.faults import Faults

STDOUT: Final = "-"
"""The `dest` that means standard output."""

_KINDS: Final[tuple[OutputKind, ...]] = get_args(OutputKind)
_ALIASES: Final = ("image", "registry")
_FORM: Final = (
    "write type=local,dest=FOLDER, type=tar,dest=FILE or type=docker,dest=FILE; a path alone is a folder"
)
_ATTRIBUTES: Final = {
    "local": ("type", "dest"),
    "tar": ("type", "dest"),
    "docker": ("type", "dest"),
    "image": ("type", "name", "push"),
    "registry": ("type", "name"),
}
_REFUSED_TYPES: Final = {
    "oci": "write type=docker,dest=FILE, which skopeo copy docker-archive:FILE oci:FOLDER turns into an OCI layout",
    "cacheonly": "leave it out: --cache-to keeps results in a registry",
}
_REFUSED: Final = {
    "compression": "leave it out: the engine compresses layers",
    "compression-level": "leave it out: the engine compresses layers",
    "force-compression": "leave it out: the engine compresses layers",
    "oci-mediatypes": "leave it out: the engine chooses the media types",
    "platform-split": "leave it out: a build is for one platform",
    "rewrite-timestamp": "leave it out: set SOURCE_DATE_EPOCH, which no file of a client-made layer is newer than",
    "push-by-digest": "give a tag to push, and use the digest among the outputs",
    "name-canonical": "leave it out: the digest is among the outputs",
    "unpack": "leave it out: the engine unpacks images where it needs them",
    "tar": "only archives are written: write type=tar or type=docker, and unpack it",
}
"""Attributes of BuildKit's exporters that nothing comes of here."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Outputs:
    """Where a result goes: `files`, and what entries of type `image` and `registry` ask for."""

    files: tuple[FileOutput, ...] = ()
    names: tuple[str, ...] = ()
    push: bool = False
    image: bool = False

    @property
    def only_files(self) -> bool:
        """Whether nothing is asked for but files: then the engine need not keep the image."""
        return bool(self.files) and not self.image


def read_outputs(texts: str | Iterable[str], faults: Faults, *, stdout: bool = False) -> Outputs:
    """What entries mean; faults are noted in `faults`. `stdout`: whether one may go to standard output."""
    files: dict[FileOutput, None] = {}
    names: dict[str, None] = {}
    push = image = False
    for text in (texts,) if isinstance(texts, str) else texts:
        with faults.gather():
            values = _read(text)
            kind = values["type"]
            if kind in _ALIASES:
                image = True
                push |= kind == "registry" or _boolean("push", values.get("push", "false"))
                names |= dict.fromkeys(
                    name.strip() for name in values.get("name", "").split(",") if name.strip()
                )
                continue
            output = _file_output(kind, values.get("dest", ""), stdout=stdout)
            if output.dest in {other.dest for other in files if other != output}:
                raise InputError(f"two outputs go to {output.dest!r}", hint="give each a dest of its own")
            files[output] = None
    return Outputs(files=tuple(files), names=tuple(names), push=push, image=image)


def _file_output(kind: str, dest: str, *, stdout: bool) -> FileOutput:
    if not dest and kind != "local" and stdout:
        dest = STDOUT  # as docker has it: without a file it is a stream
    if not dest:
        raise InputError(f"output of type {kind}: it has no dest", hint=_FORM)
    if dest == STDOUT and kind == "local":
        raise InputError(
            "output of type local: a folder cannot go to standard output", hint="write type=tar,dest=-"
        )
    if dest == STDOUT and not stdout:
        raise InputError(f"output of type {kind}: standard output is not free here", hint="name a file")
    return next(FileOutput(kind=known, dest=dest) for known in _KINDS if known == kind)


def _read(text: str) -> dict[str, str]:
    """The attributes of an entry by their names in small letters. Raises InputError."""
    fields = _fields(text)
    if len(fields) == 1 and "=" not in fields[0]:
        return {"type": "tar" if fields[0] == STDOUT else "local", "dest": fields[0]}
    values: dict[str, str] = {}
    for field in fields:
        key, equals, value = field.partition("=")
        key = key.strip().lower()
        if not equals:
            raise InputError(f"invalid output: {field!r} has no value", hint=_FORM)
        if key in values:
            raise InputError(f"invalid output: {key} is given twice")
        values[key] = value.strip()
    kind = values.get("type", "")
    if not kind:
        raise InputError("invalid output: it has no type", hint=_FORM)
    if kind in _REFUSED_TYPES:
        raise InputError(f"output of type {kind} is not supported", hint=_REFUSED_TYPES[kind])
    if kind not in _ATTRIBUTES:
        raise InputError(
            f"invalid output: there is no type {kind!r}", hint=did_you_mean(kind, tuple(_ATTRIBUTES)) or _FORM
        )
    for key, value in values.items():
        _check_attribute(kind, key, value)
    return values


def _check_attribute(kind: str, key: str, value: str) -> None:
    known = _ATTRIBUTES[kind]
    if key in known or (key == "tar" and kind in {"docker", "tar"} and value in TRUE):
        return
    if key in _REFUSED:
        raise InputError(f"output of type {kind}: {key}={value} is not supported", hint=_REFUSED[key])
    raise InputError(
        f"output of type {kind}: there is no attribute {key!r}",
        hint=did_you_mean(key, (*known, *_REFUSED)) or f"attributes are {', '.join(known)}",
    )


def _fields(text: str) -> list[str]:
    try:
        fields = next(csv.reader([text.strip()], strict=True), [])
    except csv.Error as error:
        raise InputError(
            "invalid output: its quotes or lines are not those of one record of CSV", hint=_FORM
        ) from error
    if not any(field.strip() for field in fields):
        raise InputError("invalid output: it is empty", hint=_FORM)
    return [field.strip() for field in fields]


def _boolean(key: str, value: str) -> bool:
    if value not in TRUE + FALSE:
        raise InputError(f"output: {key}={value} is neither true nor false")
    return value in TRUE
