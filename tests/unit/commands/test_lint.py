"""`incubator lint` as it is called: what it prints where, and its exit codes. No engine is there."""

from __future__ import annotations

import io
import json
import re
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
import yaml

from incubator.cli import main
from incubator.commands.lint import make_parser
from incubator.dockerfile.lint import FORMATS
from tests.unit.test_sources import tar

if TYPE_CHECKING:
    from collections.abc import Callable

ROOT = Path(__file__).parents[3]
CLEAN = "FROM scratch\nCOPY a /\n"
WARNED = 'FROM scratch as a\nCOPY .env /\nCMD ["x"]\n'
FAULTY = "FROM a\nRUUN b\nENV x=${y!}\nCOPY --form=c d e\n"


@dataclass(frozen=True)
class Outcome:
    code: int
    out: str
    err: str

    @property
    def rules(self) -> list[str]:
        """`name:line rule` of a report in JSON."""
        return [f"{f['file']}:{f['line']} {f['level']} {f['rule']}" for f in json.loads(self.out)["findings"]]


@pytest.fixture
def lint(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Callable[..., Outcome]:
    """Runs the command in an empty folder, on files that are given as `name=text`."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("DOCKER_HOST", "unix:///nowhere")
    monkeypatch.delenv("INCUBATOR_DEBUG", raising=False)

    def run(*arguments: str, stdin: bytes = b"", **files: str) -> Outcome:
        for name, text in files.items():
            (tmp_path / name).write_text(text)
        monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(stdin)))
        code = main(["lint", *arguments])
        captured = capsys.readouterr()
        return Outcome(code, captured.out, captured.err)

    return run


def test_nothing_found(lint: Any) -> None:
    assert lint(".", Dockerfile=CLEAN) == Outcome(0, "", "1 Dockerfile: nothing found\n")
    assert lint(".", "--error").code == 0


def test_warnings(lint: Any) -> None:
    outcome = lint(".", Dockerfile=WARNED)
    assert outcome.code == 0
    assert outcome.err == "1 Dockerfile: 2 warnings\n"
    assert outcome.out.startswith(
        "Dockerfile:1:14: warning[FromAsCasing]: 'as' and 'FROM' keywords' casing do not match\n"
        ">> 1 | FROM scratch as a\n   2 | COPY .env /\ndocs: https://"
    )
    assert "Dockerfile:2:6: warning[SecretFileCopied]: " in outcome.out


def test_all_faults_at_once(lint: Any) -> None:
    outcome = lint(".", "--format", "json", Dockerfile=FAULTY)
    assert outcome.code == 2
    assert outcome.rules == [
        "Dockerfile:2 error unknown-instruction",
        "Dockerfile:3 error expansion",
        "Dockerfile:4 error unknown-flag",
    ]
    assert outcome.err == ""


def test_faults_that_only_evaluation_shows(lint: Any) -> None:
    outcome = lint(
        ".", "--format=json", Dockerfile="FROM a as b\nENV x=${y!}\nRUN --mount=type=chache,target=/ x\n"
    )
    assert outcome.code == 2
    assert outcome.rules == [
        "Dockerfile:1 warning FromAsCasing",
        "Dockerfile:2 error expansion",
        "Dockerfile:3 error invalid-flag-value",
    ]


def test_findings_that_are_errors(lint: Any) -> None:
    outcome = lint(".", "--error", "--format", "json", Dockerfile=WARNED)
    assert outcome.code == 1
    assert outcome.rules == ["Dockerfile:1 error FromAsCasing", "Dockerfile:2 error SecretFileCopied"]
    assert lint(".", "--error=false").code == 0
    # What the file says is about the rules of the reference, as it is when a build reads it.
    outcome = lint(".", "--format", "json", Dockerfile=f"# check=error=true\n{WARNED}")
    assert outcome.code == 1
    assert outcome.rules == ["Dockerfile:2 error FromAsCasing", "Dockerfile:3 warning SecretFileCopied"]
    assert lint(".", Dockerfile="# check=error=true\nFROM scratch\nCOPY .env /\n").code == 0


def test_skipping(lint: Any) -> None:
    assert lint(".", "--skip", "FromAsCasing,SecretFileCopied", "--error", Dockerfile=WARNED).code == 0
    assert lint(".", "--skip", "FromAsCasing", "--skip", "SecretFileCopied", "--error").code == 0
    outcome = lint(".", "--skip", "FromAsCasing", "--format=json")
    assert outcome.rules == ["Dockerfile:2 warning SecretFileCopied"]
    text = f"# check=skip=SecretFileCopied\n{WARNED}"
    assert lint(".", "--skip", "FromAsCasing", "--error", Dockerfile=text).code == 0
    text = "# check=experimental=all\n# wrong\nFROM scratch AS b\n"
    assert lint(".", "--error", Dockerfile=text).code == 1
    text = "# check=experimental=InvalidDefinitionDescription\n# wrong\nFROM scratch AS b\n"
    assert lint(".", "--error", Dockerfile=text).code == 1
    assert lint(".", "--error", "--skip=InvalidDefinitionDescription").code == 0


def test_the_build_argument_replaces_what_the_file_says(lint: Any, monkeypatch: Any) -> None:
    text = f"# check=skip=FromAsCasing\n{WARNED}"
    outcome = lint(".", "--build-arg", "BUILDKIT_DOCKERFILE_CHECK=error=1", "--format=json", Dockerfile=text)
    assert outcome.code == 1
    assert outcome.rules[0] == "Dockerfile:2 error FromAsCasing"
    monkeypatch.setenv("BUILDKIT_DOCKERFILE_CHECK", "eror=1")
    outcome = lint(".", "--build-arg", "BUILDKIT_DOCKERFILE_CHECK")
    assert (outcome.code, outcome.out) == (2, "")
    assert "did you mean error?" in outcome.err


def test_ignored_files(lint: Any) -> None:
    outcome = lint(".", "--format=json", Dockerfile="FROM scratch\nCOPY a/b /\n", **{".dockerignore": "a\n"})
    assert outcome.rules == ["Dockerfile:2 warning CopyIgnoredFile"]
    assert lint(".", "--error", **{"Dockerfile.dockerignore": "c\n"}).code == 0
    outcome = lint(".", "-f", "-", "--error", stdin=b"FROM scratch\nCOPY a/b /\n")
    assert outcome.code == 1
    assert lint("-", "--error", stdin=b"FROM scratch\nCOPY a/b /\n").code == 0


def test_targets(lint: Any) -> None:
    text = "FROM scratch AS one\nCMD x\nFROM scratch AS two\nCMD y\n"
    assert lint(".", "--format=json", Dockerfile=text).rules == [
        "Dockerfile:2 warning JSONArgsRecommended",
        "Dockerfile:4 warning JSONArgsRecommended",
    ]
    assert lint(".", "--format=json", "--target", "one").rules == ["Dockerfile:2 warning JSONArgsRecommended"]
    outcome = lint(".", "--target", "ones")
    assert outcome.code == 2
    assert "there is no stage 'ones'" in outcome.out
    assert "did you mean one?" in outcome.out


def test_several_files(lint: Any, tmp_path: Path) -> None:
    outcome = lint(
        ".", "-f", "b", "--file=a", "-f", str(tmp_path / "c"), "-f", "a", "--format=json",
        a=FAULTY, b=WARNED, c=WARNED,
    )  # fmt: skip
    assert outcome.code == 2
    assert [rule.partition(" ")[0] for rule in outcome.rules] == [
        "a:2",
        "a:3",
        "a:4",
        "b:1",
        "b:2",
        "c:1",
        "c:2",
    ]


def test_what_can_be_read_is_reported_even_so(lint: Any) -> None:
    outcome = lint(".", "-f", "Dockrfile", "-f", "a", a=WARNED, Dockerfile=CLEAN)
    assert outcome.code == 2
    assert "a:1:14: warning[FromAsCasing]" in outcome.out
    assert "Dockerfile 'Dockrfile' does not exist" in outcome.err
    assert "did you mean -f Dockerfile?" in outcome.err


def test_standard_input(lint: Any) -> None:
    outcome = lint("-", stdin=WARNED.encode())
    assert outcome.code == 0
    assert outcome.out.startswith("stdin:1:14: warning[FromAsCasing]")
    assert "is empty" in lint("-").err
    assert "a tar" in lint("-", stdin=tar({"Dockerfile": b"FROM scratch\n"})).err
    assert "names another one" in lint("-", "-f", "x", stdin=b"FROM a\n").err


@pytest.mark.parametrize("name", FORMATS)
def test_formats_to_a_file(lint: Any, tmp_path: Path, name: str) -> None:
    shown = lint(".", "--format", name, Dockerfile=WARNED)
    outcome = lint(".", "--format", name, "--output", "report")
    assert (shown.code, outcome.code, outcome.out) == (0, 0, "")
    assert (tmp_path / "report").read_text() == shown.out != ""


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ([], ["no context is given", "incubator lint ."]),
        ([".", "--format", "jsn"], ["unknown --format 'jsn'", "did you mean json?"]),
        ([".", "--skip", "FromCasing"], ["there is no such rule", "did you mean FromAsCasing?"]),
        ([".", "--output", "no/report"], ["--output 'no/report': there is no folder 'no'"]),
        ([".", "--build-arg", "=x"], ["--build-arg '=x' has no name"]),
        ([".", "--fix"], ["unknown option --fix"]),
        (["nowhere"], ["context 'nowhere' does not exist"]),
        ([".", "-f", "nope"], ["Dockerfile 'nope' does not exist"]),
        ([".", "-f", "."], ["is a folder"]),
        (["Dockerfile"], ["context 'Dockerfile' is not a folder", "-f Dockerfile"]),
    ],
)
def test_bad_input(lint: Any, arguments: list[str], words: list[str]) -> None:
    outcome = lint(*arguments, Dockerfile=CLEAN)
    assert (outcome.code, outcome.out) == (2, "")
    for word in words:
        assert word in outcome.err


def test_hostile_text_is_harmless_when_shown(lint: Any) -> None:
    outcome = lint(
        ".", Dockerfile="FROM a\nR\x1b]0;x\x07UN\x1b[2J \u202e b\nENV \x1b[31m=${a!}\nWORKDIR x\r\n"
    )
    assert outcome.code == 2
    assert not set(outcome.out) & {"\x1b", "\x07", "\u202e", "\r"}
    assert "R\u241b]0;x\u2407UN\u241b[2J \ufffd b" in outcome.out


def test_a_narrow_encoding_is_no_crash(lint: Any, monkeypatch: Any) -> None:
    out = io.TextIOWrapper(io.BytesIO(), encoding="ascii")
    monkeypatch.setattr(sys, "stdout", out)
    assert lint(".", Dockerfile="FROM a\nRUUN caf\u00e9\n").code == 2
    out.seek(0)
    assert "RUUN caf\\xe9" in out.read()


def test_docs_name_every_option() -> None:
    text = (ROOT / "docs/reference/cli.md").read_text()
    section = text.partition("## Options of `incubator lint`")[2].partition("\n## ")[0]
    for action in make_parser()._actions:
        if action.help != "==SUPPRESS==":
            for option in action.option_strings:
                assert f"`{option}" in section, option
    for name in FORMATS:
        assert f"`{name}`" in section


def test_the_how_to_shows_what_is_printed(lint: Any) -> None:
    page = (ROOT / "docs/how-to/lint.md").read_text()
    first, second = re.findall(r"```dockerfile\n(.*?)```", page, re.DOTALL)
    shown = re.findall(r"```text\n(.*?)```", page, re.DOTALL)[0]
    outcome = lint(".", Dockerfile=first)
    assert outcome.code == 2
    for part in shown.split("...\n"):
        assert part in outcome.out
    assert lint(".", Dockerfile=second).code == 0
    assert lint(".", Dockerfile=second.replace("JSONArgsRecommended,", "")).code == 1


def test_the_commands_of_the_how_to_work(lint: Any, tmp_path: Path) -> None:
    page = (ROOT / "docs/how-to/lint.md").read_text()
    commands = re.findall(r"(?:^|- run: |- )incubator lint (.+)$", page, re.MULTILINE)
    assert len(commands) == 5
    (tmp_path / "docker").mkdir()
    (tmp_path / "docker/worker.Dockerfile").write_text(CLEAN)
    for command in commands:
        assert lint(*command.split(), Dockerfile=CLEAN).code == 0
    report = yaml.safe_load(re.findall(r"```yaml\n(lint:.*?)```", page, re.DOTALL)[0])["lint"]["artifacts"][
        "reports"
    ]
    assert json.loads((tmp_path / report["codequality"]).read_text()) == []
