"""Attestations as options ask for them."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any

import pytest

from incubator.attest_options import (
    DEFAULT_GENERATOR,
    LARGEST_DOCUMENT,
    Wanted,
    read_attestations,
    read_document,
)
from incubator.errors import InputError
from incubator.faults import Faults
from incubator.oci.attestation import CYCLONEDX, SPDX, Predicate
from incubator.request import Attestations, Generator, Provenance

if TYPE_CHECKING:
    from pathlib import Path

SPDX_TEXT = '{"spdxVersion": "SPDX-2.3"}'
BOM_TEXT = '{"bomFormat": "CycloneDX", "specVersion": "1.6"}'


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    inside = tmp_path / "work"
    inside.mkdir()
    (inside / "spdx.json").write_text(f"\ufeff{SPDX_TEXT}\n")
    (inside / "bom.json").write_text(BOM_TEXT)
    (tmp_path / "outside.json").write_text(SPDX_TEXT)
    (inside / "link.json").symlink_to("../outside.json")
    return inside


def read(folder: Path, *attests: str, **short: Any) -> Attestations:
    faults = Faults()
    found = read_attestations(Wanted(attests=attests, folder=folder, workspace=folder, **short), faults)
    faults.check()
    return found


def fault(folder: Path, *attests: str, **short: Any) -> InputError:
    faults = Faults()
    read_attestations(Wanted(attests=attests, folder=folder, workspace=folder, **short), faults)
    [error] = faults.errors
    return error


def test_nothing_is_attested_that_is_not_asked_for(folder: Path) -> None:
    assert not read(folder)
    assert not read(folder, "type=provenance,disabled=true", "type=sbom,disabled=true")
    assert not read(folder, provenance="false", sbom=False)


@pytest.mark.parametrize(
    ("short", "expected"),
    [
        ("true", Provenance()),
        (True, Provenance()),
        ("1", Provenance()),
        ("mode=max", Provenance(mode="max")),
        ("mode=min,inline-only=true,version=v1", Provenance()),
        ("MODE=max, reproducible=true", Provenance(mode="max", reproducible=True)),
        ("builder-id=https://ci.example/1", Provenance(builder="https://ci.example/1")),
    ],
)
def test_provenance(folder: Path, short: str | bool, expected: Provenance) -> None:
    assert read(folder, provenance=short).provenance == expected
    if isinstance(short, str) and "=" in short:
        assert read(folder, f"type=provenance,{short}").provenance == expected


def test_documents_come_as_they_are(folder: Path) -> None:
    spdx = Predicate(type=SPDX, document=SPDX_TEXT.encode())
    bom = Predicate(type=CYCLONEDX, document=BOM_TEXT.encode())
    assert read(folder, sbom="spdx.json").documents == (spdx,)
    assert read(folder, sbom="src=spdx.json").documents == (spdx,)
    both = [f"type=sbom,src={name}.json" for name in ("spdx", "bom", "spdx")]
    assert read(folder, *both).documents == (spdx, bom)


def test_short_forms_count_more_than_entries_of_their_type(folder: Path) -> None:
    entries = ("type=provenance,mode=max", "type=sbom,src=spdx.json")
    assert read(folder, *entries, provenance=True).provenance == Provenance()
    assert read(folder, *entries, provenance="false").documents
    assert [found.type for found in read(folder, *entries, sbom="bom.json").documents] == [CYCLONEDX]


@pytest.mark.parametrize(
    ("attest", "words", "hint"),
    [
        ("mode=max", "it has no type", "type=provenance"),
        ("", "it has no type", "type=provenance"),
        ("type=provenence", "no type 'provenence'", "did you mean provenance?"),
        ("type=provenance,max", "'max' has no value", "mode=max"),
        ("type=provenance,mode=max,mode=min", "mode is given twice", ""),
        ("type=provenance,mode=full", "no mode 'full'", "min, max"),
        ("type=provenance,version=v0.2", "version=v0.2 is not supported", "version 1"),
        ("type=provenance,reproducible=maybe", "reproducible=maybe is neither", ""),
        ("type=provenance,src=x", "no attribute 'src'", "attributes are"),
        ("type=provenance,bilder-id=x", "no attribute 'bilder-id'", "did you mean builder-id?"),
        ("type=sbom,src=", "src names no file", "src=FILE"),
        ("type=sbom,src=spdx.json,generator=acme/scan", "not both", "an attestation for each"),
        ("type=sbom,generator=", "", ""),
        ("type=sbom,generator=Acme/Scan", "Acme/Scan", ""),
        ("type=sbom,generater=acme/scan", "no attribute 'generater'", "did you mean generator?"),
        ("type=sbom,LEVEL=all", "no attribute 'level'", ""),
        ("type=sbom,generator=acme/scan,a-b=1", "parameter 'a-b'", "BUILDKIT_SCAN_a-b"),
        ("type=sbom,generator=acme/scan,DESTINATION=/", "parameter 'DESTINATION'", "set by the build"),
        ("type=sbom,generator=acme/scan,filename=x", "filename=x is not supported", ""),
        ("type=provenance,generator=acme/scan", "no attribute 'generator'", ""),
        ("type=sbom,src=no.json", "cannot be read: No such file", "name a file of SPDX or CycloneDX"),
        ("type=sbom,src=link.json", "link.json", ""),
        ('type=sbom,"src=a', "quotes", ""),
    ],
)
def test_faults(folder: Path, attest: str, words: str, hint: str) -> None:
    error = fault(folder, attest)
    assert words in error.message
    assert hint in (error.hint or "")


@pytest.mark.parametrize(
    ("sbom", "expected"),
    [
        (True, Generator(image=DEFAULT_GENERATOR)),
        ("true", Generator(image=DEFAULT_GENERATOR)),
        ("generator=acme/scan:1", Generator(image="acme/scan:1")),
        ("Generator=acme/scan,inline-only=true", Generator(image="acme/scan")),
        (
            f"generator=acme/scan@sha256:{'1' * 64},Level=all,A=",
            Generator(image=f"acme/scan@sha256:{'1' * 64}", parameters=(("A", ""), ("Level", "all"))),
        ),
    ],
)
def test_generators(folder: Path, sbom: str | bool, expected: Generator) -> None:
    wanted = read(folder, sbom=sbom)
    assert wanted
    assert (wanted.generators, wanted.documents) == ((expected,), ())


def test_files_and_generators_go_together(folder: Path) -> None:
    wanted = read(
        folder,
        "type=sbom,src=spdx.json",
        "type=sbom,generator=a",
        "type=sbom,generator=b,C=d",
        "type=sbom,generator=a",
    )
    assert [document.type for document in wanted.documents] == [SPDX]
    assert wanted.generators == (Generator(image="a"), Generator(image="b", parameters=(("C", "d"),)))


@pytest.mark.parametrize(
    "text",
    [
        b"",
        b"[]",
        b'"SPDX-2.3"',
        b"{}",
        b"{",
        b"\xff\xfe{}",
        b'{"spdxVersion": 2}',
        b'{"spdxVersion": "SPDX-3.0"}',
        b'{"bomFormat": "CycloneDX"}',
        b'{"bomFormat": "CycloneDX", "specVersion": "1.6", "spdxVersion": "SPDX-2.3"}',
        b'{"spdxVersion": "SPDX-2.3", "x": NaN}',
        b'{"spdxVersion": "SPDX-2.3", "x": ' + b"[" * 100_000 + b"}",
    ],
)
def test_what_is_no_list_of_packages(tmp_path: Path, text: bytes) -> None:
    (tmp_path / "sbom.json").write_bytes(text)
    with pytest.raises(InputError) as caught:
        read_document(tmp_path / "sbom.json")
    assert "is not JSON" in caught.value.message or "neither SPDX nor CycloneDX" in caught.value.message


def test_a_file_without_end_is_not_read_to_it(tmp_path: Path) -> None:
    with (tmp_path / "large.json").open("wb") as file:
        os.truncate(file.fileno(), LARGEST_DOCUMENT + 1)
    with pytest.raises(InputError, match="has more than"):
        read_document(tmp_path / "large.json")
