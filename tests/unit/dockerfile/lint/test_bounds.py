"""Checks take time that grows with the file, whatever is in it."""

from __future__ import annotations

import pytest

from incubator.calls import check_file
from incubator.context.patterns import PatternMatcher, parse_ignore_file
from incubator.dockerfile.lint import FORMATS, MAX_FINDINGS
from incubator.dockerfile.source import Source
from tests.hostile import DOCKERFILES, report_it
from tests.speed import is_within, nominal_seconds


@pytest.mark.parametrize(
    "family",
    [
        "ARG of many faults",
        "ARG with a value",
        "COPY in one line",
        "COPY of a long name",
        "COPY of many secrets",
        "ENV doubled",
        "ENV of a long value",
        "ENV unset after many",
        "ENV unset, near others",
        "EXPOSE in one line",
        "EXPOSE of many, told by no rule",
        "FROM of no image",
        "FROM of variables",
        "LABEL of a long value",
        "comments that skip",
        "directive of blanks",
        "errors asked for",
        "marker of blanks",
        "markers inside",
        "stages on a large one",
        "stages that add",
    ],
)
def test_no_file_takes_much_more_than_its_size(family: str) -> None:
    """Most of these took a minute, and four times as long for twice the text."""
    text = DOCKERFILES[family](100_000)
    assert is_within(1.5, lambda: report_it(text))


def test_paths_that_no_context_has_are_not_looked_for_in_the_ignore_file() -> None:
    """Each has thousands of folders, and each of those is looked for."""
    ignored = PatternMatcher(parse_ignore_file("*.pyc\nnode_modules\n**/*.log\n"))
    source = Source("Dockerfile", DOCKERFILES["COPY of deep paths"](100_000))
    assert (
        nominal_seconds(lambda: check_file(source, ignored, build_args={}, target=None, strict=False)) < 1.5
    )


@pytest.mark.parametrize("written", sorted(FORMATS))
def test_of_very_many_findings_the_first_are_told(written: str) -> None:
    source = Source("Dockerfile", "FROM scratch\n" + "MAINTAINER me\n" * (MAX_FINDINGS + 500))
    report = check_file(source, None, build_args={}, target=None, strict=False)
    found = [warning for warning in report.warnings if warning.rule == "MaintainerDeprecated"]
    assert len(found) == MAX_FINDINGS + 1
    assert "finds more from here on" in found[-1].message
    assert found[-1].span.first_line == MAX_FINDINGS + 2
    assert "finds more from here on" in FORMATS[written](report)


@pytest.mark.parametrize("written", ["sarif", "gitlab"])
def test_findings_of_a_long_line_have_fingerprints_of_their_own(written: str) -> None:
    ports = " ".join(f"{number}/TCP" for number in range(3000))
    source = Source("Dockerfile", f"FROM scratch\nEXPOSE {ports}\n")
    report = check_file(source, None, build_args={}, target=None, strict=False)
    lines = FORMATS[written](report).splitlines()
    fingerprints = {line for line in lines if '"fingerprint"' in line or '"finding/v1"' in line}
    assert len(fingerprints) == len(report.warnings) == MAX_FINDINGS + 1


def test_faults_of_very_many_stages_are_cut_as_those_of_syntax_are() -> None:
    source = Source("Dockerfile", "FROM :x\n" * 500)
    report = check_file(source, None, build_args={}, target=None, strict=False)
    assert len(report.faults) == 101
    assert report.faults[-1].rule == "many-faults"


def test_a_stage_sees_what_those_below_it_set_and_no_others() -> None:
    text = (
        "FROM scratch AS a\nENV one=1\nARG two\n"
        "FROM a AS b\nENV one=changed three=3\n"
        "FROM a AS c\nLABEL x=$one y=$two z=$three\n"
        "FROM b AS d\nLABEL x=$one y=$two z=$three\n"
    )
    report = check_file(Source("Dockerfile", text), None, build_args={}, target=None, strict=False)
    assert [(warning.rule, warning.span.first_line, warning.message) for warning in report.warnings] == [
        ("UndefinedVar", 7, "Usage of undefined variable '$three'")
    ]
