"""Report formats, on findings that try to break out of them."""

from __future__ import annotations

import json

import pytest

from incubator.dockerfile import Source, parse
from incubator.dockerfile.lint import FORMATS, RULES, Report, lint
from incubator.errors import DockerfileErrors

TEXT = "FROM a as b\nRUN x \\\n\n  y\nEXPOSE 80/TCP%0A::error::x\nCMD <\u00e9>\n"
HOSTILE = "FROM a\nWORKDIR sub%0A::set-output\nCOPY a%0A.key /x\n"


def warnings_of(text: str, name: str = "Dockerfile") -> Report:
    document = parse(Source(name, text))
    return Report(warnings=lint(document))


def faults_of(text: str, name: str = "Dockerfile") -> Report:
    with pytest.raises(DockerfileErrors) as caught:
        parse(Source(name, text))
    return Report(faults=caught.value.errors)


def test_names() -> None:
    assert list(FORMATS) == ["text", "json", "sarif", "github", "gitlab"]


@pytest.mark.parametrize("name", FORMATS)
def test_nothing_found(name: str) -> None:
    written = FORMATS[name](Report())
    assert written == "" or written.endswith("\n")


def test_text() -> None:
    assert FORMATS["text"](warnings_of("FROM a as b\n")) == (
        "Dockerfile:1:8: warning[FromAsCasing]: 'as' and 'FROM' keywords' casing do not match\n"
        ">> 1 | FROM a as b\n"
        "docs: https://docs.docker.com/go/dockerfile/rule/from-as-casing/\n"
    )
    assert FORMATS["text"](faults_of("FROM a\nRUUN b\n")) == (
        "Dockerfile:2:1: error[unknown-instruction]: 'RUUN' is not a Dockerfile instruction\n"
        "   1 | FROM a\n>> 2 | RUUN b\nhint: did you mean RUN?\n"
        "docs: https://github.com/org/incubator/blob/v1/docs/rules/faults.md#unknown-instruction\n"
    )


def test_json() -> None:
    report = json.loads(FORMATS["json"](warnings_of(TEXT, "dir/Dockerfile")))
    assert report["version"] == 1
    first = report["findings"][0]
    assert first == {
        "level": "warning",
        "rule": "FromAsCasing",
        "message": "'as' and 'FROM' keywords' casing do not match",
        "hint": None,
        "file": "dir/Dockerfile",
        "line": 1,
        "end_line": 1,
        "column": 8,
        "url": "https://docs.docker.com/go/dockerfile/rule/from-as-casing/",
    }
    assert [finding["rule"] for finding in report["findings"]] == [
        "FromAsCasing",
        "NoEmptyContinuation",
        "ExposeInvalidFormat",
        "JSONArgsRecommended",
    ]


def test_sarif() -> None:
    log = json.loads(FORMATS["sarif"](warnings_of(TEXT, "a dir/D\u00e9kerfile")))
    assert log["version"] == "2.1.0"
    (run,) = log["runs"]
    described = run["tool"]["driver"]["rules"]
    known = {rule.name for rule in RULES}
    assert {rule["id"] for rule in described} <= known
    for result in run["results"]:
        assert described[result["ruleIndex"]]["id"] == result["ruleId"]
        assert result["message"]["text"]
        (location,) = result["locations"]
        place = location["physicalLocation"]
        assert place["artifactLocation"]["uri"] == "a%20dir/D%C3%A9kerfile"
        assert 1 <= place["region"]["startLine"] <= place["region"]["endLine"]
    prints = [result["partialFingerprints"]["finding/v1"] for result in run["results"]]
    assert len(prints) == len(set(prints)) == 4


def test_github() -> None:
    written = FORMATS["github"](faults_of("FROM a\nCOPY --form=x a b\n", "a,b:c%d\nX/Dockerfile"))
    assert written == (
        "::error file=a%2Cb%3Ac%25d%0AX/Dockerfile,line=2,endLine=2,col=6,title=unknown-flag::"
        "COPY: unknown flag --form%0Adid you mean --from?\n"
    )


@pytest.mark.parametrize("text", [TEXT, HOSTILE, HOSTILE.replace("\n", "\r\n")])
def test_github_commands_cannot_be_forged(text: str) -> None:
    report = warnings_of(text)
    lines = FORMATS["github"](report).splitlines()
    assert len(lines) == len(report.warnings)
    assert all(line.startswith("::warning file=Dockerfile,line=") for line in lines)
    # What looked escaped in the file is escaped once more.
    assert all("%0A" not in line for line in lines)
    assert any("%250A" in line for line in lines)


def test_gitlab() -> None:
    issues = json.loads(FORMATS["gitlab"](warnings_of("FROM a\nEXPOSE 80/TCP 80/TCP\n", "./x/Dockerfile")))
    assert len({issue["fingerprint"] for issue in issues}) == 2
    assert {key for issue in issues for key in issue} == {
        "description", "check_name", "fingerprint", "severity", "location",
    }  # fmt: skip
    assert issues[0]["location"] == {"path": "x/Dockerfile", "lines": {"begin": 2, "end": 2}}
    assert issues[0]["severity"] == "minor"
    (fault,) = json.loads(FORMATS["gitlab"](faults_of("FROM a\nFOO\n")))
    assert fault["severity"] == "critical"


def test_fingerprints_outlive_moved_lines() -> None:
    def prints(text: str) -> list[str]:
        return [issue["fingerprint"] for issue in json.loads(FORMATS["gitlab"](warnings_of(text)))]

    text = "FROM a\nEXPOSE 80/TCP\nCMD x\n"
    assert prints(text) == prints("# a comment\n\n" + text)
