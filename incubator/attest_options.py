"""Attestations as `--attest`, `--provenance` and `--sbom` ask for them, in buildx's grammar.

    type=provenance[,mode=min|max][,builder-id=URI][,reproducible=true]
    type=sbom,src=FILE     type=sbom[,generator=IMAGE[,NAME=VALUE...]]

The short forms are `true`, `false`, or attributes without a type; that of a list of packages may be a file alone.
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, NoReturn, get_args

from incubator.attributes import read_boolean, read_pairs, split_fields
from incubator.core.trust import check_inside
from incubator.errors import InputError
from incubator.faults import did_you_mean
from incubator.neighbours import FALSE, TRUE, Refused
from incubator.oci.attestation import CYCLONEDX, SPDX, Predicate
from incubator.oci.reference import parse_reference
from incubator.request import Attestations, Generator, Provenance, ProvenanceMode

if TYPE_CHECKING:
    from collections.abc import Iterable

    from incubator.faults import Faults

LARGEST_DOCUMENT: Final = 64 << 20
"""Bytes of a list of packages; it is held in memory, as it has to be read as a whole to be checked."""

_MODES: Final[tuple[ProvenanceMode, ...]] = get_args(ProvenanceMode)
DEFAULT_GENERATOR: Final = "docker/buildkit-syft-scanner:stable-1"
"""What buildx runs too where a list of packages is asked for, and neither a file nor a generator is named."""

_FORM: Final = "write type=provenance,mode=max or type=sbom,src=FILE or type=sbom,generator=IMAGE"
_ATTRIBUTES: Final = {
    "provenance": ("type", "disabled", "mode", "builder-id", "reproducible"),
    "sbom": ("type", "disabled", "src", "generator"),
}
_PARAMETER: Final = re.compile(r"[A-Za-z_][A-Za-z0-9_]*", re.ASCII)
_OWN_PARAMETERS: Final = {"SOURCE", "SOURCE_EXTRAS", "DESTINATION"}
"""Names whose variables say where a generator reads and writes."""

_REFUSED: Final = {
    "version": Refused(instead="leave it out: version 1 of SLSA's provenance is written", harmless=("v1",)),
    "inline-only": Refused(
        instead="leave it out: attestations are kept in the registry alone", harmless=(*TRUE, *FALSE)
    ),
    "filename": Refused(instead="leave it out: attestations are kept in the registry, not in files"),
}
"""Attributes of BuildKit that nothing comes of here, with the values that ask for nothing else."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """What a caller writes: `attests` in full, and the short forms, which count more than those of their type.

    `folder`: where files count from. `workspace`: where a file's name lies in it, so must the file.
    """

    attests: Iterable[str] = ()
    provenance: str | bool | None = None
    sbom: str | bool | None = None
    folder: Path = field(default_factory=Path)
    workspace: Path | None = None


def read_attestations(wanted: Wanted, faults: Faults) -> Attestations:
    """What all of it asks for; what is wrong is noted in `faults`."""
    found: dict[str, list[dict[str, str]]] = {"provenance": [], "sbom": []}
    for text in wanted.attests:
        with faults.gather():
            values = _read(text)
            found[values["type"]].append(values)
    for kind, short in (("provenance", wanted.provenance), ("sbom", wanted.sbom)):
        if short is not None:
            found[kind] = []
            with faults.gather():
                found[kind] = [_short(kind, short)]
    provenance: Provenance | None = None
    documents: list[Predicate] = []
    generators: list[Generator] = []
    with faults.gather():
        for values in found["provenance"]:
            provenance = _provenance(values)
    for values in found["sbom"]:
        with faults.gather():
            if _is_disabled(values):
                continue
            if "src" in values:
                documents.append(_document(values, wanted))
            else:
                generators.append(_generator(values))
    return Attestations(
        provenance=provenance,
        documents=tuple(dict.fromkeys(documents)),
        generators=tuple(dict.fromkeys(generators)),
    )


def read_document(path: Path) -> Predicate:
    """A list of packages in JSON: SPDX 2 or CycloneDX. Raises InputError."""
    name = f"sbom {str(path)!r}"
    try:
        with path.open("rb") as file:
            data = file.read(LARGEST_DOCUMENT + 1)
    except OSError as error:
        raise InputError(
            f"{name} cannot be read: {error.strerror}",
            hint=did_you_mean(str(path), ("true", "false"))
            or "name a file of SPDX or CycloneDX in JSON, or write true for the list of a generator",
        ) from None
    if len(data) > LARGEST_DOCUMENT:
        raise InputError(f"{name} has more than {LARGEST_DOCUMENT} bytes")
    try:
        text = data.decode("utf-8-sig")
        fields = json.loads(text, parse_constant=_no_constant)
    except (ValueError, RecursionError):
        raise InputError(f"{name} is not JSON", hint="write it as spdx-json or cyclonedx-json") from None
    return Predicate(type=_type_of(fields, name), document=text.strip().encode())


def _type_of(fields: Any, name: str) -> str:
    if isinstance(fields, dict):
        spdx, cyclonedx = fields.get("spdxVersion"), fields.get("bomFormat")
        if isinstance(spdx, str) and spdx.startswith("SPDX-2.") and cyclonedx is None:
            return SPDX
        if cyclonedx == "CycloneDX" and isinstance(fields.get("specVersion"), str) and spdx is None:
            return CYCLONEDX
    raise InputError(
        f"{name} is neither SPDX nor CycloneDX",
        hint='SPDX has "spdxVersion": "SPDX-2.3", CycloneDX has "bomFormat": "CycloneDX" and a "specVersion"',
    )


def _no_constant(name: str) -> NoReturn:
    raise ValueError(name)


def _document(values: dict[str, str], wanted: Wanted) -> Predicate:
    source = values["src"]
    if not source:
        raise InputError("an sbom is asked for, and src names no file", hint=_FORM)
    if "generator" in values:
        raise InputError(
            f"an sbom is a file or what a generator writes, not both: src={source} and "
            f"generator={values['generator']}",
            hint="write an attestation for each, as in --attest type=sbom,src=FILE --attest type=sbom,generator=IMAGE",
        )
    if wanted.workspace is not None:
        check_inside(wanted.folder / source, [wanted.workspace], f"sbom {source!r}")
    return read_document(wanted.folder / source)


def _generator(values: dict[str, str]) -> Generator:
    image = values.get("generator", DEFAULT_GENERATOR)
    parse_reference(image)
    parameters = [
        (key, value)
        for key, value in values.items()
        if key not in _ATTRIBUTES["sbom"] and key not in _REFUSED
    ]
    return Generator(image=image, parameters=tuple(sorted(parameters)))


def _provenance(values: dict[str, str]) -> Provenance | None:
    if _is_disabled(values):
        return None
    text = values.get("mode", "min")
    mode = next((known for known in _MODES if known == text), None)
    if mode is None:
        raise InputError(f"provenance: there is no mode {text!r}", hint=f"modes are {', '.join(_MODES)}")
    return Provenance(
        mode=mode,
        builder=values.get("builder-id", ""),
        reproducible=read_boolean(values, "reproducible", what="attestation"),
    )


def _is_disabled(values: dict[str, str]) -> bool:
    return read_boolean(values, "disabled", what="attestation")


def _short(kind: str, value: str | bool) -> dict[str, str]:
    text = str(value).lower() if isinstance(value, bool) else value.strip()
    if text in FALSE:
        return {"type": kind, "disabled": "true"}
    if text in TRUE:
        return {"type": kind}
    if kind == "sbom" and "=" not in text.partition(",")[0]:
        return {"type": kind, "src": text}
    return _read(f"type={kind},{text}")


def _read(text: str) -> dict[str, str]:
    """The attributes of an entry by their names. Raises InputError."""
    fields = split_fields(text, what="attestation", form=_FORM) if text.strip(" ,") else []
    values = read_pairs(filter(None, fields), what="attestation", form=_FORM)
    kind = values.get("type", "")
    if kind not in _ATTRIBUTES:
        problem = f"there is no type {kind!r}" if kind else "it has no type"
        raise InputError(
            f"invalid attestation: {problem}", hint=did_you_mean(kind, tuple(_ATTRIBUTES)) or _FORM
        )
    spelled = {name.lower(): name for name in (field.partition("=")[0].strip() for field in fields)}
    return {
        _name_of(kind, key, value, spelled[key], with_generator="generator" in values): value
        for key, value in values.items()
    }


def _name_of(kind: str, key: str, value: str, spelled: str, *, with_generator: bool) -> str:
    """An attribute's name; that of a generator's parameter is as it was written. Raises InputError."""
    known = _ATTRIBUTES[kind]
    if key in known:
        return key
    if refused := _REFUSED.get(key):
        if value not in refused.harmless:
            raise InputError(
                f"attestation of type {kind}: {key}={value} is not supported", hint=refused.instead
            )
        return key
    if with_generator and kind == "sbom":
        if not _PARAMETER.fullmatch(spelled) or spelled in _OWN_PARAMETERS:
            raise InputError(
                f"attestation of type {kind}: a generator cannot have a parameter {spelled!r}",
                hint=f"it becomes the variable BUILDKIT_SCAN_{spelled}: letters, digits and _; "
                f"{', '.join(sorted(_OWN_PARAMETERS))} are set by the build",
            )
        return spelled
    raise InputError(
        f"attestation of type {kind}: there is no attribute {key!r}",
        hint=did_you_mean(key, (*known, *_REFUSED)) or f"attributes are {', '.join(known)}",
    )
