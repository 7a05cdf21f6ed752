"""One step from environment to exit code, as far as it goes without an engine."""

from __future__ import annotations

import io
import json
from typing import TYPE_CHECKING, cast

import pytest

from incubator.ci.main import main
from incubator.errors import EngineUnreachable
from tests.unit.ci import runner

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from incubator.core.engine import Client

SECRET = "s3cr3t-t0ken"


@pytest.fixture
def workspace(tmp_path: Path) -> Path:
    folder = tmp_path / "web"
    folder.mkdir()
    (folder / "Dockerfile").write_text("FROM busybox\n")
    return folder


def never(_environ: Mapping[str, str]) -> Client:
    pytest.fail("no engine is asked for")


def not_asked(_environ: Mapping[str, str]) -> Client:
    return cast("Client", object())


def unreachable(_environ: Mapping[str, str]) -> Client:
    raise EngineUnreachable("no container engine answers", hint="mount the socket")


def github(workspace: Path, **inputs: str) -> dict[str, str]:
    folder = workspace.parent
    environ = {"GITHUB_ACTIONS": "true", "GITHUB_WORKSPACE": str(workspace)}
    environ |= {"GITHUB_OUTPUT": str(folder / "output"), "GITHUB_STEP_SUMMARY": str(folder / "summary")}
    return environ | {f"INPUT_{name.upper()}": value for name, value in inputs.items()}


def test_bad_inputs_end_with_2_before_any_engine_is_asked(workspace: Path) -> None:
    out = io.StringIO()
    assert main(github(workspace, push="yes", memory="12q", tag="x"), out=out, connect=never) == 2
    commands, _ = runner.github_reads(out.getvalue())
    assert [command.name for command in commands] == ["error"] * 3
    assert not (workspace.parent / "output").exists()
    assert "The build failed" in (workspace.parent / "summary").read_text()


def test_a_missing_dockerfile_ends_with_2(workspace: Path) -> None:
    (workspace / "Dockerfile").unlink()
    out = io.StringIO()
    assert main(github(workspace), out=out, connect=never) == 2
    assert "Dockerfile" in out.getvalue()


def test_an_engine_that_does_not_answer_ends_with_3(workspace: Path) -> None:
    out = io.StringIO()
    assert main(github(workspace), out=out, connect=unreachable) == 3
    commands, _ = runner.github_reads(out.getvalue())
    assert [command.message for command in commands] == [
        "no container engine answers\nhint: mount the socket"
    ]


def test_secrets_are_masked_before_all_else_and_shown_nowhere(workspace: Path) -> None:
    out = io.StringIO()
    assert main(github(workspace, password=SECRET, push="x"), out=out, connect=never) == 2
    first, *rest = out.getvalue().splitlines()
    assert first == f"::add-mask::{SECRET}"
    assert SECRET not in "\n".join(rest)
    assert SECRET not in (workspace.parent / "summary").read_text()


def test_a_fault_of_ours_ends_with_1_and_its_text_commands_nothing(workspace: Path) -> None:
    def broken(_environ: Mapping[str, str]) -> Client:
        raise RuntimeError("what\n::set-output name=digest::forged\n##[error]forged")

    out = io.StringIO()
    assert main(github(workspace), out=out, connect=broken) == 1
    commands, shown = runner.github_reads(out.getvalue())
    assert commands == []
    assert any("RuntimeError" in line for line in shown)
    assert shown[0] == "internal error, please report it:"


def test_a_summary_that_cannot_be_written_changes_nothing(workspace: Path) -> None:
    environ = github(workspace) | {"GITHUB_STEP_SUMMARY": str(workspace / "no" / "folder")}
    out = io.StringIO()
    assert main(environ, out=out, connect=unreachable) == 3
    assert "cannot write the job summary" in out.getvalue()


def test_gitlab_removes_reports_that_the_checkout_brings(workspace: Path) -> None:
    (workspace / "incubator.env").write_text("IMAGE_DIGEST=forged\n")
    (workspace / "incubator.json").symlink_to("/etc/hostname")
    environ = {"GITLAB_CI": "true", "CI_PROJECT_DIR": str(workspace)}
    out = io.StringIO()
    assert main(environ, out=out, connect=unreachable) == 3
    assert [path.name for path in workspace.iterdir()] == ["Dockerfile"]


@pytest.mark.parametrize(
    "environ", [{"GITLAB_CI": "false", "CI_JOB_ID": "1", "CI_SERVER_URL": "https://gitlab.example"}, {}]
)
def test_other_surroundings(workspace: Path, environ: dict[str, str]) -> None:
    """gitlab-ci-local sets `GITLAB_CI=false`; and no pipeline at all, where the folder is the workspace."""
    out = io.StringIO()
    environ = environ | {"INCUBATOR_CONTEXT": "nowhere", "CI_PROJECT_DIR": str(workspace)}
    assert main(environ, out=out, folder=workspace, connect=never) == 2
    assert "nowhere" in out.getvalue()
    assert "::" not in out.getvalue()


RULES = "type=semver,pattern={{version}}\ntype=sha"
TAGGED = {"GITHUB_REF": "refs/tags/v1.2.3", "GITHUB_SHA": "860c1904a1ce19322e91ac35af1ab07466440c37"}


def test_the_log_says_why_each_tag_is_made(workspace: Path) -> None:
    environ = github(workspace, images="acme/web", tags=RULES, push="true") | TAGGED
    out = io.StringIO()
    assert main(environ, out=out, connect=unreachable) == 3
    text = out.getvalue()
    assert "1.2.3                      900  type=semver,pattern={{version}}: version, the Git tag is" in text
    assert "sha-860c190                100  type=sha: extra, the commit is" in text
    assert "latest                          latest: latest=auto" in text


def test_a_push_without_any_tag_fails_before_the_build(workspace: Path) -> None:
    environ = github(workspace, images="acme/web", tags="type=ref,event=pr", push="true") | TAGGED
    out = io.StringIO()
    assert main(environ, out=out, connect=never) == 2
    assert "the rules of the input tags give no reference" in out.getvalue()


def test_faults_of_rules_name_their_lines(workspace: Path) -> None:
    tags = "type=semvr,pattern={{version}}\n\ntype=raw,value={{brnch}}"
    out = io.StringIO()
    environ = github(workspace, images="acme/web:1", tags=tags, flavor="latst=auto") | TAGGED
    assert main(environ, out=out, connect=never) == 2
    for words in (
        "input images, line 1: 'acme/web:1' has a tag or a digest",
        "input tags, line 1: unknown type 'semvr'",
        "hint: did you mean semver?",
        "input tags, line 3: value: unknown expression {{brnch}}",
        "hint: did you mean branch?",
        "input flavor, line 1: unknown flavor 'latst'",
    ):
        assert words in out.getvalue()


def test_rules_need_a_name_for_the_image(workspace: Path) -> None:
    out = io.StringIO()
    assert main(github(workspace, tags=RULES) | TAGGED, out=out, connect=never) == 2
    assert "input images: it is missing, but tags has rules" in out.getvalue()


def test_levels_of_annotations_are_checked(workspace: Path) -> None:
    out = io.StringIO()
    environ = github(workspace, images="acme/web") | {"DOCKER_METADATA_ANNOTATIONS_LEVELS": "manifest,indx"}
    assert main(environ, out=out, connect=never) == 2
    assert "DOCKER_METADATA_ANNOTATIONS_LEVELS: unknown level 'indx'" in out.getvalue()
    assert "hint: did you mean index?" in out.getvalue()


def test_a_failed_build_has_a_report_and_no_old_one_is_left(workspace: Path) -> None:
    (workspace / "Dockerfile").write_text("FROM busybox\nRUNN <script>\n")
    path = workspace / "reports" / "image.html"
    path.parent.mkdir()
    path.write_text("an old one")
    environ = github(workspace, report="reports/image.html")
    assert main(environ, out=io.StringIO(), connect=not_asked) == 2
    page = path.read_text()
    assert "error[unknown-instruction]" in page
    assert "Dockerfile:2" in page
    assert "RUNN &lt;script&gt;" in page
    assert "an old one" not in page


@pytest.mark.parametrize(
    "name", ["../x.html", "/tmp/x.html", "x.txt", ".git/x.html", "a/.hidden/x.html", "a//x.html"]
)
def test_a_report_stays_in_the_workspace(workspace: Path, name: str) -> None:
    out = io.StringIO()
    assert main(github(workspace, report=name), out=out, connect=never) == 2
    assert "is no plain path of an HTML file in the workspace" in out.getvalue()


def test_a_report_goes_through_no_link_of_the_checkout(workspace: Path) -> None:
    (workspace / "reports").symlink_to(workspace.parent)
    out = io.StringIO()
    assert main(github(workspace, report="reports/x.html"), out=out, connect=never) == 1
    assert "leads out of the workspace" in out.getvalue()
    assert not (workspace.parent / "x.html").exists()


def test_debug_logs_of_github_tell_facts_and_where_an_error_comes_from(workspace: Path) -> None:
    environ = github(workspace, password=SECRET, username="bot", memory="64m")
    out = io.StringIO()
    assert main(environ | {"RUNNER_DEBUG": "1"}, out=out, connect=unreachable) == 3
    commands, _ = runner.github_reads(out.getvalue())
    debug = [command.message for command in commands if command.name == "debug"]
    assert any(line.startswith("incubator ") for line in debug)
    assert "inputs that were given: memory, username, password" in debug
    assert any("EngineUnreachable: no container engine answers" in line for line in debug)
    assert SECRET not in "\n".join(debug)
    quiet = io.StringIO()
    assert main(environ, out=quiet, connect=unreachable) == 3
    assert "::debug::" not in quiet.getvalue()


def test_debug_logs_of_gitlab(workspace: Path) -> None:
    environ = {"GITLAB_CI": "true", "CI_PROJECT_DIR": str(workspace), "CI_DEBUG_TRACE": "true"}
    out = io.StringIO()
    assert main(environ, out=out, connect=unreachable) == 3
    assert "\ndebug: inputs that were given: none\n" in out.getvalue()
    assert "Traceback (most recent call last)" in out.getvalue()


def test_a_merge_takes_no_inputs_of_a_build(workspace: Path) -> None:
    out = io.StringIO()
    inputs = github(
        workspace, context=".", merge="sha256:12", tags="acme/web:1", load="true", file="Dockerfile"
    )
    assert main(inputs, out=out, connect=never) == 2
    commands, _ = runner.github_reads(out.getvalue())
    messages = "\n".join(command.message for command in commands)
    assert len(commands) == 3
    for text in ("input load: it is about a build", "input file: it is about a build", "sha256:12"):
        assert text in messages


def test_a_merge_is_a_push(workspace: Path) -> None:
    out = io.StringIO()
    inputs = github(workspace, merge=f"sha256:{'a' * 64}", tags="acme/web:1", push="false")
    assert main(inputs, out=out, connect=never) == 2
    assert "merge is nothing but a push" in out.getvalue()


FAULTY = "FROM busybox AS one\nWORKDIR w\n"


def test_a_check_annotates_what_it_finds_and_fails_without_an_engine(workspace: Path) -> None:
    (workspace / "Dockerfile").write_text(FAULTY)
    out = io.StringIO()
    assert main(github(workspace, call="check", push="true"), out=out, connect=never) == 1
    commands, shown = runner.github_reads(out.getvalue())
    [warning] = [command for command in commands if command.name == "warning"]
    assert (warning.properties["file"], warning.properties["line"]) == ("Dockerfile", "2")
    assert "the check fails: 1 finding" in shown
    assert "WorkdirRelativePath" in (workspace.parent / "output").read_text()
    assert not (workspace.parent / "summary").exists()


def test_a_check_that_finds_nothing_passes(workspace: Path) -> None:
    out = io.StringIO()
    assert main(github(workspace, call="check"), out=out, connect=never) == 0


@pytest.mark.parametrize(("call", "word"), [("outline", "TARGET: one"), ("targets", "one (default)")])
def test_outline_and_targets_are_printed_and_handed_on(workspace: Path, call: str, word: str) -> None:
    (workspace / "Dockerfile").write_text(FAULTY)
    out = io.StringIO()
    assert main(github(workspace, call=call), out=out, connect=never) == 0
    assert word in out.getvalue()
    written = (workspace.parent / "output").read_text()
    assert '"name": "one"' in written
    environ = {"GITLAB_CI": "true", "CI_PROJECT_DIR": str(workspace), "INCUBATOR_CALL": call}
    assert main(environ, out=io.StringIO(), connect=never) == 0
    assert json.loads((workspace / "incubator.json").read_text())["call"]


def test_an_unknown_call_is_named(workspace: Path) -> None:
    out = io.StringIO()
    assert main(github(workspace, call="outlin"), out=out, connect=never) == 2
    assert "input call: 'outlin' is no method\nhint: did you mean outline?" in out.getvalue().replace(
        "%0A", "\n"
    )


def test_a_builder_is_ignored_with_a_note_that_annotates_nothing(workspace: Path) -> None:
    out = io.StringIO()
    assert main(github(workspace, builder="builder-1", call="targets"), out=out, connect=never) == 0
    commands, shown = runner.github_reads(out.getvalue())
    assert any("input builder is ignored" in line for line in shown)
    assert commands == []
