"""`incubator tags`, as the command line calls it."""

from __future__ import annotations

import json
import os
import shlex
import subprocess
from pathlib import Path

import pytest
import yaml

from incubator.cli import main

ROOT = Path(__file__).parents[3]
SHA = "860c1904a1ce19322e91ac35af1ab07466440c37"


@pytest.fixture(autouse=True)
def no_pipeline(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """No variable of the pipeline that runs the tests, and a folder that is no checkout."""
    for name in list(os.environ):
        if name.startswith(("GITHUB_", "CI", "GITLAB_", "INPUT_", "INCUBATOR_", "DOCKER_METADATA_")):
            monkeypatch.delenv(name)
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_it_says_what_comes_out_and_why(capsys: pytest.CaptureFixture[str]) -> None:
    rules = ["--tag", "type=semver,pattern={{version}}", "--tag", "type=ref,event=pr"]
    assert main(["tags", "--image", "acme/web", *rules, "--ref", "refs/tags/v1.2.3", "--sha", SHA]) == 0
    out = capsys.readouterr().out
    assert f"built: tag v1.2.3, commit {SHA}, event unknown" in out
    assert "type=ref,event=pr: skipped, tag v1.2.3 is built, and no pull request" in out
    assert "references:\n  acme/web:1.2.3\n  acme/web:latest\n" in out
    assert "org.opencontainers.image.version=1.2.3" in out


def test_json_has_the_reasons(capsys: pytest.CaptureFixture[str]) -> None:
    arguments = [
        "--tag",
        "type=semver,pattern={{version}}",
        "--tag",
        "x,enable=false",
        "--label",
        "a={{tag}}",
    ]
    assert main(["tags", *arguments, "--ref", "refs/tags/v1", "--format", "json"]) == 0
    streams = capsys.readouterr()
    found = json.loads(streams.out)
    assert (found["version"], found["tags"], found["labels"]["a"]) == ("", [], "v1")
    assert [rule["status"] for rule in found["rules"]] == ["skipped", "disabled"]
    assert found["latest"] == {"tag": None, "reason": "no rule gives a tag"}
    assert "warning: --tag 'type=semver,pattern={{version}}': no tag, since the Git tag 'v1'" in streams.err


def test_all_faults_come_together(capsys: pytest.CaptureFixture[str]) -> None:
    arguments = ["--tag", "type=smver", "--flavor", "latest=yes", "--image", "A:1", "--format", "xml"]
    assert main(["tags", *arguments]) == 2
    err = capsys.readouterr().err
    for words in ("unknown type 'smver'", "unknown latest=yes", "has a tag or a digest", "--format 'xml'"):
        assert words in err
    assert main(["tags", "--ref", "main"]) == 2
    assert "--ref 'main' is no full ref" in capsys.readouterr().err


def test_inputs_of_the_pipeline_count(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("GITLAB_CI", "true")
    monkeypatch.setenv("CI_REGISTRY_IMAGE", "registry.example/acme/web")
    monkeypatch.setenv("CI_COMMIT_BRANCH", "main")
    monkeypatch.setenv("INCUBATOR_TAGS", "type=ref,event=branch")
    assert main(["tags"]) == 0
    assert "  registry.example/acme/web:main\n" in capsys.readouterr().out


@pytest.mark.parametrize("packed", [False, True])
def test_a_checkout_tells_branch_commit_and_its_date(
    no_pipeline: Path, capsys: pytest.CaptureFixture[str], packed: bool
) -> None:
    environ = {"PATH": os.environ["PATH"], "HOME": str(no_pipeline), "GIT_CONFIG_NOSYSTEM": "1"}
    environ |= dict.fromkeys(("GIT_AUTHOR_DATE", "GIT_COMMITTER_DATE"), "2020-01-10T00:30:00+0000")
    who = ["-c", "user.name=t", "-c", "user.email=t@example.test"]
    steps = [["init", "-q", "-b", "dev"], ["commit", "-q", "--allow-empty", "-m", "x"]]
    for step in [*steps, *([["gc", "-q"]] if packed else [])]:
        subprocess.run(["git", *who, *step], check=True, env=environ, cwd=no_pipeline)
    sha = subprocess.run(
        ["git", "rev-parse", "HEAD"], check=True, env=environ, cwd=no_pipeline, capture_output=True, text=True
    ).stdout.strip()
    assert main(["tags", "--tag", "type=raw,{{branch}}-{{commit_date 'YYYYMMDD'}}", "--tag", "type=sha"]) == 0
    out = capsys.readouterr().out
    assert f"tags:\n  dev-20200110\n  sha-{sha[:7]}\n" in out


def test_the_page_shows_what_the_program_takes(capsys: pytest.CaptureFixture[str]) -> None:
    page = (ROOT / "docs/how-to/tags.md").read_text(encoding="utf-8")
    command = page.partition("```sh\n")[2].partition("\n```")[0]
    program, name, *arguments = shlex.split(command)
    assert (program, name) == ("incubator", "tags")
    assert main(["tags", *arguments]) == 0
    assert "  acme/web:1.2.3\n" in capsys.readouterr().out
    (action,) = yaml.safe_load_all((ROOT / "action.yml").read_text(encoding="utf-8"))
    snippets = [yaml.safe_load(part.partition("\n```")[0]) for part in page.split("```yaml\n")[1:]]
    (ours,) = snippets[1]
    assert ours["with"].keys() <= action["inputs"].keys()
    (component,) = snippets[2]["include"]
    header = next(yaml.safe_load_all((ROOT / "templates/build.yml").read_text(encoding="utf-8")))
    assert component["inputs"].keys() <= header["spec"]["inputs"].keys()
