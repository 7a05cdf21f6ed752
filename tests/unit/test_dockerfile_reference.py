"""docs/reference/dockerfile.md is true: what it names is there, and what it calls an error is one, at its line."""

from __future__ import annotations

import re
import tomllib
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from incubator.core.plan.make import PlanOptions, make_plan
from incubator.core.plan.model import BaseImage
from incubator.dockerfile import Source, parse
from incubator.errors import DockerfileError, DockerfileErrors
from incubator.oci.image_config import ImageConfig, RuntimeConfig
from incubator.oci.platform import Platform

ROOT = Path(__file__).parents[2]
PAGE = ROOT / "docs/reference/dockerfile.md"
LINUX = Platform(os="linux", architecture="amd64")
UNSUPPORTED: dict[str, Any] = tomllib.loads((ROOT / "tests/data/unsupported.toml").read_text())
CASES: dict[str, Any] = {
    name: case
    for path in (ROOT / "tests/data/differential").glob("*.toml")
    for name, case in tomllib.loads(path.read_text())["case"].items()
}
COUNTS = {"F": 13, "V": 14, "I": 50, "H": 11, "A": 12, "C": 22}


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """A row of the page."""

    name: str
    status: str
    proofs: tuple[str, ...]


def rows() -> list[Row]:
    """All rows; `\\|` is no end of a cell."""
    lines = [
        re.split(r"(?<!\\)\|", line)
        for line in PAGE.read_text().splitlines()
        if re.match(r"\| [A-Z]\d", line)
    ]
    return [
        Row(name=cells[1].strip(), status=cells[3].strip(), proofs=tuple(re.findall("`(.+?)`", cells[4])))
        for cells in lines
    ]


def test_every_row_is_there_once() -> None:
    wanted = [f"{letter}{number}" for letter, count in COUNTS.items() for number in range(1, count + 1)]
    assert [row.name for row in rows()] == wanted


@pytest.mark.parametrize("row", rows(), ids=lambda row: row.name)
def test_a_row_says_how_it_is_and_what_shows_it(row: Row) -> None:
    assert re.fullmatch(r"yes|no \(error\)(: .+)?|differs: .+", row.status)
    assert row.proofs
    for proof in row.proofs:
        if proof.startswith("tests/"):
            path, _, function = proof.partition("::")
            assert not function or f"def {function}(" in (ROOT / path).read_text(), proof
            assert (ROOT / path).is_file(), proof
        elif proof.startswith("unsupported:"):
            assert proof.removeprefix("unsupported:") in UNSUPPORTED, proof
            assert row.status.startswith("no (error)"), (
                f"{row.name} is {row.status}, but {proof} shows an error"
            )
        else:
            assert row.name in CASES[proof]["rows"], f"{proof} does not show {row.name}"
    if row.status == "no (error)":
        assert any(proof.startswith("unsupported:") for proof in row.proofs)


@pytest.mark.parametrize("name", UNSUPPORTED)
def test_what_is_not_supported_is_an_error_at_its_line(name: str) -> None:
    case = UNSUPPORTED[name]
    assert f"`unsupported:{name}`" in PAGE.read_text(), "no row names it"
    found = [(fault.rule, fault.span and fault.span.first_line) for fault in faults(case["dockerfile"])]
    advice = f"if it is supported now, say so in {PAGE.name}, add a differential case, and take {name} out"
    assert found == [("not-supported", case["line"])], advice


def faults(text: str) -> list[DockerfileError]:
    """What a build would be told, whatever images there are."""

    def lookup(reference: str, platform: Platform, **_: object) -> BaseImage:
        config = ImageConfig(platform=platform, config=RuntimeConfig())
        return BaseImage(reference=reference, image_id="id", config=config)

    try:
        make_plan(parse(Source("Dockerfile", text)), PlanOptions(build_platform=LINUX), lookup)
    except DockerfileErrors as errors:
        return list(errors.errors)
    except DockerfileError as error:
        return [error]
    return []


def test_case_names_are_unique_and_rows_known() -> None:
    known = {row.name for row in rows()}
    files = list((ROOT / "tests/data/differential").glob("*.toml"))
    assert len(CASES) == sum(len(tomllib.loads(path.read_text())["case"]) for path in files) >= 150
    assert {row for case in CASES.values() for row in case["rows"]} <= known
