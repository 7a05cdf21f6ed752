"""Where a build's result goes, as `--output` names it: the grammar of `docker build`."""

from __future__ import annotations

import os
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Final, get_args

from incubator.attributes import read_boolean, read_pairs, split_fields
from incubator.core.trust import check_inside, real_path
from incubator.errors import InputError
from incubator.faults import did_you_mean
from incubator.neighbours import TRUE
from incubator.packing_options import PACKING, read_packing
from incubator.request import FileOutput, OutputKind, Packing

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from pathlib import Path

    from incubator.faults import Faults

STDOUT: Final = "-"
"""The `dest` that means standard output."""

_KINDS: Final[tuple[OutputKind, ...]] = get_args(OutputKind)
_ALIASES: Final = ("image", "registry")
_FORM: Final = (
    "write type=local,dest=FOLDER, type=tar,dest=FILE, type=docker,dest=FILE or type=oci,dest=FILE; "
    "a path alone is a folder"
)
_NAMING: Final = ("push-by-digest", "name-canonical")
_ATTRIBUTES: Final = {
    "local": ("type", "dest"),
    "tar": ("type", "dest"),
    "docker": ("type", "dest"),
    "oci": ("type", "dest", "name", "tar", *PACKING),
    "image": ("type", "name", "push", *_NAMING, *PACKING),
    "registry": ("type", "name", *_NAMING, *PACKING),
    "cacheonly": ("type",),
}
_BY_ENGINE: Final = (
    "leave it out: the engine writes this archive; type=oci and pushes can be packed otherwise"
)
_REFUSED: Final = {
    **dict.fromkeys(PACKING, _BY_ENGINE),
    "platform-split": "leave it out: a build is for one platform",
    "rewrite-timestamp": "leave it out: set SOURCE_DATE_EPOCH, which no file of a client-made layer is newer than",
    "unpack": "leave it out: the engine unpacks images where it needs them",
    "tar": "write type=oci,tar=false for an image in a folder, type=local for its files",
}
"""Attributes of BuildKit's exporters that nothing comes of here, or not with each type."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Outputs:
    """Where a result goes: `files`, and what entries of type `image` and `registry` ask for.

    `by_digest`: where it is pushed, without tags. `packing`: how the image is pushed. `cache_only`: nowhere, where no
    other entry says more.
    """

    files: tuple[FileOutput, ...] = ()
    names: tuple[str, ...] = ()
    push: bool = False
    by_digest: bool = False
    image: bool = False
    packing: Packing | None = None
    cache_only: bool = False

    def is_by_digest(self, *, push: bool) -> bool:
        """Whether the image goes to a registry without a tag, where it is pushed anyway or by an entry."""
        return self.by_digest and (push or self.push)

    @property
    def without_image(self) -> bool:
        """Whether files, or nothing at all, are asked for: then the engine need not keep the image."""
        return bool(self.files or self.cache_only) and not self.image


def read_outputs(
    texts: str | Iterable[str], faults: Faults, *, stdout: bool = False, workspace: Path | None = None
) -> Outputs:
    """What entries mean; faults are noted in `faults`. `stdout`: whether one may go to standard output.

    Paths count from the workspace, where there is one, and may then not be links out of it, which would be the
    checkout's doing.
    """
    files: dict[FileOutput, None] = {}
    found = Outputs()
    for text in (texts,) if isinstance(texts, str) else texts:
        with faults.gather():
            values = _read(text)
            kind = values["type"]
            named = [name.strip() for name in values.get("name", "").split(",") if name.strip()]
            names = tuple(dict.fromkeys((*found.names, *named)))
            if kind == "cacheonly":
                found = replace(found, cache_only=True)
            elif kind in _ALIASES:
                push = kind == "registry" or read_boolean(values, "push", what="output")
                by_digest = read_boolean(values, "push-by-digest", what="output")
                read_boolean(values, "name-canonical", what="output")  # the digest is told in any case
                packing = read_packing(values)
                if packing and found.packing not in (None, packing):
                    raise InputError("two outputs want the image to be packed in two ways")
                packing = packing or found.packing
                found = replace(
                    found,
                    image=True,
                    names=names,
                    push=found.push or push,
                    by_digest=found.by_digest or by_digest,
                    packing=packing,
                )
            else:
                output = _file_output(values, stdout=stdout, workspace=workspace)
                if output.dest in {other.dest for other in files if other != output}:
                    raise InputError(f"two outputs go to {output.dest!r}", hint="give each a dest of its own")
                files[output] = None
                found = replace(found, names=names, files=tuple(files))
    return found


def _file_output(values: Mapping[str, str], *, stdout: bool, workspace: Path | None) -> FileOutput:
    kind, dest = values["type"], values.get("dest", "")
    unpacked = not read_boolean(values, "tar", what="output", default=True)
    packing = read_packing(values) or Packing()
    folder = kind == "local" or unpacked
    if not packing.oci_types:
        raise InputError(
            "output of type oci: oci-mediatypes=false is not supported", hint="write type=docker,dest=FILE"
        )
    if not dest and not folder and stdout:
        dest = STDOUT  # as docker has it: without a file it is a stream
    if not dest:
        raise InputError(f"output of type {kind}: it has no dest", hint=_FORM)
    if dest == STDOUT and folder:
        raise InputError(
            f"output of type {kind}: a folder cannot go to standard output",
            hint="write type=tar,dest=-" if kind == "local" else "leave tar=false out",
        )
    if dest == STDOUT and not stdout:
        raise InputError(f"output of type {kind}: standard output is not free here", hint="name a file")
    if workspace is not None:
        check_inside(workspace / dest, [workspace], f"output {dest!r}")
        dest = os.fspath(real_path(workspace / dest))
    known = next(known for known in _KINDS if known == kind)
    return FileOutput(kind=known, dest=dest, unpacked=unpacked, packing=packing, real=workspace is not None)


def _read(text: str) -> dict[str, str]:
    """The attributes of an entry by their names in small letters. Raises InputError."""
    fields = split_fields(text, what="output", form=_FORM)
    if len(fields) == 1 and "=" not in fields[0]:
        return {"type": "tar" if fields[0] == STDOUT else "local", "dest": fields[0]}
    values = read_pairs(fields, what="output", form=_FORM)
    kind = values.get("type", "")
    if not kind:
        raise InputError("invalid output: it has no type", hint=_FORM)
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
