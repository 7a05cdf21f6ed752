"""What holds for all rules: options, targets, order, and warnings that are errors."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from incubator.dockerfile import Source, parse
from incubator.dockerfile.lint import CheckOptions, check_options, findings_as_errors, lint
from incubator.dockerfile.lint.options import parse_check_options
from incubator.errors import DockerfileError, DockerfileErrors

if TYPE_CHECKING:
    from incubator.dockerfile.instructions import Document

FAULTY = "FROM a as B\nrun x\nCMD y\nEXPOSE 80/TCP\nCOPY .env /\n"


def document(text: str) -> Document:
    return parse(Source("Dockerfile", text))


def rules(text: str, **options: object) -> list[str]:
    return [warning.rule for warning in lint(document(text), **options)]  # type: ignore[arg-type]


def test_in_order_of_places() -> None:
    assert rules(FAULTY) == [
        "FromAsCasing",
        "StageNameCasing",
        "ConsistentInstructionCasing",
        "JSONArgsRecommended",
        "ExposeProtoCasing",
        "SecretFileCopied",
    ]


def test_own_rules_can_be_left_out() -> None:
    assert "SecretFileCopied" not in rules(FAULTY, own_rules=False)


def test_options_of_the_caller_replace_those_of_the_file() -> None:
    text = "# check=skip=FromAsCasing\n" + FAULTY
    assert "FromAsCasing" not in rules(text)
    options = CheckOptions(skip=frozenset(("StageNameCasing",)))
    assert "FromAsCasing" in rules(text, options=options)
    assert "StageNameCasing" not in rules(text, options=options)


def test_check_options() -> None:
    assert parse_check_options(None) == CheckOptions()
    assert parse_check_options(" skip = A, B ;error=1;experimental=C") == CheckOptions(
        skip=frozenset("AB"), experimental=frozenset("C"), error=True
    )
    everything = parse_check_options("skip=all;experimental=all;error=False")
    assert everything == CheckOptions(skip_all=True, all_experimental=True)
    assert everything.wants("X", experimental=True)
    assert not everything.wants("X", experimental=False)


@pytest.mark.parametrize("text", ["skip", "skp=A", "error=maybe", "skip=A;;error=true", "=x"])
def test_malformed_check_options(text: str) -> None:
    with pytest.raises(DockerfileError) as caught:
        lint(document(f"# syntax=docker/dockerfile:1\n# check={text}\nFROM a\n"))
    assert caught.value.rule == "invalid-check"
    assert str(caught.value.span) == "Dockerfile:2:9"


def test_hint_for_a_misspelt_option() -> None:
    with pytest.raises(DockerfileError) as caught:
        check_options(document("# check=kip=A\nFROM a\n"))
    assert caught.value.hint == "did you mean skip?"


def test_target() -> None:
    text = "FROM a AS one\nCMD x\nFROM b AS two\nCMD y\nFROM one\nRUN --mount=from=two,target=/x z\nFROM c\nCMD w\n"

    def lines(target: str | None) -> list[int]:
        return [warning.span.first_line for warning in lint(document(text), target=target)]

    assert lines(None) == [2, 4, 8]
    assert lines("ONE") == [2]
    assert lines("1") == [4]
    assert lines("2") == [2, 4]
    assert lines("3") == [8]
    with pytest.raises(DockerfileError, match="there is no stage 'ones'") as caught:
        lines("ones")
    assert caught.value.hint == "did you mean one?"


def test_findings_as_errors() -> None:
    lenient = document(FAULTY)
    assert findings_as_errors(lenient, lint(lenient)) is None
    strict = document("# check=error=true\n" + FAULTY)
    error = findings_as_errors(strict, lint(strict))
    assert isinstance(error, DockerfileErrors)
    assert [fault.rule for fault in error.errors] == rules(FAULTY, own_rules=False)
    assert str(error.errors[0]).startswith("Dockerfile:2:8: error[FromAsCasing]: 'as' and 'FROM'")
    clean = document("# check=error=true\nFROM a\nCOPY .env /\n")
    assert findings_as_errors(clean, lint(clean)) is None


def test_a_document_is_not_changed() -> None:
    one = document(FAULTY)
    assert lint(one) == lint(one)
    assert one == document(FAULTY)
