"""The container's command, run as a process and as a container: exit codes, cancelling, secrets."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import time
from typing import TYPE_CHECKING

import pytest

from tests.e2e.engine import docker, nothing_left, output_of
from tests.e2e.step import make_step
from tests.unit.ci import runner

if TYPE_CHECKING:
    from pathlib import Path

    from lab import EngineHandle, RegistryHandle

pytestmark = pytest.mark.e2e

SECRET = "s3cr3t-t0ken-4711"


def test_a_registry_that_does_not_answer_ends_with_4_and_says_what_was_pushed(
    tmp_path: Path, engine: EngineHandle, registry: RegistryHandle
) -> None:
    good, bad = f"{registry.address}/acme/partly:1", "127.0.0.1:9/acme/partly:1"
    step = make_step(
        tmp_path, engine, "FROM busybox\nRUN echo partly > /x\n", tags=f"{good}\n{bad}", push="true"
    )
    with nothing_left(engine):
        done = step.run()
    assert done.returncode == 4, done.stdout
    commands, _ = runner.github_reads(done.stdout)
    (error,) = [command for command in commands if command.name == "error"]
    assert f"not pushed: {bad}; pushed: {good}" in error.message
    assert step.output == "", "outputs appear only after everything is done"


def test_a_login_that_is_refused_ends_with_4_before_anything_is_built(
    tmp_path: Path, engine: EngineHandle, registry_auth: RegistryHandle
) -> None:
    login = {"registry": registry_auth.address, "username": "lab", "password": SECRET}
    step = make_step(tmp_path, engine, "FROM busybox\nRUN echo never\n", tags="acme/never", **login)
    done = step.run()
    assert done.returncode == 4, done.stdout
    assert "::group::" not in done.stdout
    shown = done.stdout.replace(f"::add-mask::{SECRET}\n", "") + done.stderr
    assert SECRET not in shown
    assert SECRET not in (tmp_path / "summary").read_text()


def test_a_login_is_in_no_layer_config_file_or_command_line(
    tmp_path: Path, engine: EngineHandle, registry_auth: RegistryHandle
) -> None:
    password = str(registry_auth.password)
    tag = f"{registry_auth.address}/acme/login:1"
    look = "cat /proc/*/cmdline /proc/*/environ /proc/*/mountinfo > /seen 2>&1"
    dockerfile = f"FROM busybox\nRUN {look}; sleep 2\n"
    login = {"registry": registry_auth.address, "username": str(registry_auth.username), "password": password}
    step = make_step(tmp_path, engine, dockerfile, tags=tag, push="true", load="true", **login)
    with subprocess.Popen(step.command, env=step.environ, stdout=subprocess.PIPE, text=True) as process:
        time.sleep(1)
        lines = docker(engine, "ps", "--all", "--no-trunc", "--format", "{{.Command}} {{.Labels}}")
        environments = [
            docker(engine, "inspect", container, check=False)
            for container in docker(engine, "ps", "--quiet").split()
        ]
        out, _ = process.communicate(timeout=120)
    assert process.returncode == 0, out
    assert password not in lines
    assert password not in "\n".join(environments)
    assert password not in out.replace(f"::add-mask::{password}\n", "")
    assert password not in step.output
    assert not (tmp_path / "home").exists(), "nothing is written for logging in"

    archive = tmp_path / "image.tar"
    docker(engine, "image", "save", "--output", str(archive), tag)
    assert password.encode() not in archive.read_bytes()
    docker(engine, "image", "rm", tag)


@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_a_cancelled_step_leaves_nothing_within_five_seconds(
    tmp_path: Path, engine: EngineHandle, number: signal.Signals, code: int
) -> None:
    step = make_step(tmp_path, engine, "FROM busybox\nRUN echo started; sleep 300\n", tags="acme/cancelled")
    with (
        nothing_left(engine),
        subprocess.Popen(step.command, env=step.environ, stdout=subprocess.PIPE, text=True) as process,
    ):
        assert process.stdout
        for line in process.stdout:
            if line.strip() == "started":
                break
        begin = time.monotonic()
        process.send_signal(number)
        process.communicate(timeout=20)
        assert time.monotonic() - begin < 5
    assert process.returncode == code
    assert step.output == ""


def wait_for(engine: EngineHandle, container: str, word: str) -> None:
    """Wait until the step's own output (`[...] | word`) is in a container's log."""
    deadline = time.monotonic() + 30
    while time.monotonic() < deadline:
        if any(line.endswith(f"| {word}") for line in docker(engine, "logs", container).splitlines()):
            return
        time.sleep(0.2)
    pytest.fail(f"the step did not print {word}: {docker(engine, 'logs', container)}")


def test_a_stopped_job_container_cancels_its_build(
    tmp_path: Path, engine: EngineHandle, project_image: str
) -> None:
    """As GitHub and GitLab stop a job: SIGTERM to process 1 of the container."""
    step = make_step(tmp_path, engine, "FROM busybox\nRUN echo started; sleep 300\n", tags="acme/stopped")
    mounts = ["--volume", engine.socket_volume, "--volume", f"{step.workspace}:/w", "--workdir", "/w"]
    with nothing_left(engine):
        job = docker(engine, "run", "--detach", "--network", "none", *mounts, project_image).strip()
        try:
            wait_for(engine, job, "started")
            begin = time.monotonic()
            docker(engine, "stop", "--time", "10", job)
            assert time.monotonic() - begin < 6
            assert docker(engine, "inspect", "--format", "{{.State.ExitCode}}", job).strip() == "143"
        finally:
            docker(engine, "rm", "--force", job)


def test_the_bind_mount_of_a_hosted_runner_is_translated(
    tmp_path: Path, engine: EngineHandle, project_image: str
) -> None:
    """A hosted runner has the checkout in a folder of the host, and mounts it at /github/workspace."""
    dockerfile = 'FROM busybox\nRUN cat /a/file /b/file > /copy\nCMD ["cat", "/copy"]\n'
    step = make_step(tmp_path, engine, dockerfile)
    (step.workspace / "cache").mkdir()
    (step.workspace / "cache" / "file").write_text("from the workspace\n")
    tag = f"incubator-e2e-{tmp_path.name}"[:60].lower().rstrip("-_.")
    volumes = "INPUT_VOLUMES=./cache:/a:ro\n/github/workspace/cache:/b"
    environ = ["GITHUB_ACTIONS=true", "GITHUB_WORKSPACE=/github/workspace", f"INPUT_TAGS={tag}", volumes]
    options = [part for entry in environ for part in ("--env", entry)]
    mounts = ["--volume", engine.socket_volume, "--volume", f"{step.workspace}:/github/workspace"]
    job = [
        "run",
        "--rm",
        "--network",
        "none",
        "--workdir",
        "/github/workspace",
        *mounts,
        *options,
        project_image,
    ]
    with nothing_left(engine):
        log = docker(engine, *job)
    assert "built sha256:" in log
    assert output_of(engine, tag) == "from the workspace\n" * 2
    docker(engine, "image", "rm", tag)


def test_the_workspaces_owner_owns_what_is_written(tmp_path: Path, engine: EngineHandle) -> None:
    step = make_step(tmp_path, engine, "FROM busybox\n")
    environ = {
        name: value for name, value in step.environ.items() if not name.startswith(("GITHUB_", "INPUT_"))
    }
    environ |= {"GITLAB_CI": "true", "CI_PROJECT_DIR": str(step.workspace), "INCUBATOR_TAGS": "acme/owner"}
    os.chown(step.workspace, 1234, 4321)
    done = subprocess.run(step.command, env=environ, capture_output=True, text=True, check=False, timeout=120)
    assert done.returncode == 0, done.stdout
    for name in ("incubator.env", "incubator.json"):
        found = (step.workspace / name).stat()
        assert (found.st_uid, found.st_gid) == (1234, 4321)
    docker(engine, "image", "rm", "acme/owner")


SHA = "860c1904a1ce19322e91ac35af1ab07466440c37"
ON_GITHUB = {
    "tag": ({"GITHUB_EVENT_NAME": "push", "GITHUB_REF": "refs/tags/v1.2.3"}, ["1.2.3", "1.2", "latest"]),
    "branch": ({"GITHUB_EVENT_NAME": "push", "GITHUB_REF": "refs/heads/my/branch"}, ["my-branch"]),
    "pull request": ({"GITHUB_EVENT_NAME": "pull_request", "GITHUB_REF": "refs/pull/7/merge"}, ["pr-7"]),
}


@pytest.mark.parametrize("what", ON_GITHUB)
def test_tags_and_labels_by_rules_are_those_of_the_pushed_image(
    engine: EngineHandle, registry: RegistryHandle, tmp_path: Path, what: str
) -> None:
    variables, expected = ON_GITHUB[what]
    rules = ["type=semver,pattern={{version}}", "type=semver,pattern={{major}}.{{minor}}"]
    rules += ["type=ref,event=branch", "type=ref,event=pr"]
    name = f"{registry.address}/acme/rules-{what.replace(' ', '-')}"
    step = make_step(
        tmp_path,
        engine,
        "FROM busybox\n",
        images=name,
        tags="\n".join(rules),
        labels="at={{sha}}",
        push="true",
    )
    step.environ.update(variables | {"GITHUB_SHA": SHA, "GITHUB_REPOSITORY": "acme/web"})
    done = step.run()
    assert done.returncode == 0, done.stdout
    for tag in expected:
        docker(engine, "pull", "--quiet", f"{name}:{tag}")
    listed = docker(engine, "images", "--format", "{{.Tag}}", name).split()
    assert set(listed) - {"<none>"} == set(expected)
    labels = json.loads(
        docker(engine, "image", "inspect", "--format", "{{json .Config.Labels}}", f"{name}:{expected[0]}")
    )
    assert labels["org.opencontainers.image.version"] == expected[0]
    assert labels["org.opencontainers.image.revision"] == SHA
    assert labels["org.opencontainers.image.source"] == "https://github.com/acme/web"
    assert labels["at"] == SHA[:7]
    docker(engine, "image", "rm", *(f"{name}:{tag}" for tag in expected))


def test_secrets_of_all_inputs_are_there_and_masked(tmp_path: Path, engine: EngineHandle) -> None:
    lines = [f"RUN --mount=type=secret,id={name} cat /run/secrets/{name}" for name in ("one", "two", "three")]
    step = make_step(
        tmp_path,
        engine,
        "\n".join(
            ["FROM busybox", *lines, f'RUN --mount=type=secret,id=two,env=X test "$X" = {SECRET}-2', ""]
        ),
        secrets=f'"one=first line\n{SECRET}-1"',
        secret_envs="two=FROM_ENV",
        secret_files="three=token.txt",
        no_cache="true",
    )
    (step.workspace / "token.txt").write_text(f"{SECRET}-3\n")
    step.environ["FROM_ENV"] = f"{SECRET}-2"
    with nothing_left(engine):
        done = step.run()
    assert done.returncode == 0, done.stdout
    masks = [line for line in done.stdout.splitlines() if line.startswith("::add-mask::")]
    assert {f"::add-mask::{SECRET}-{number}" for number in (1, 2, 3)} <= set(masks)
    rest = "\n".join(
        line for line in done.stdout.splitlines() if line not in masks and 'test "$X"' not in line
    )
    assert SECRET not in rest
    assert SECRET not in (tmp_path / "summary").read_text().replace(f'test "$X" = {SECRET}-2', "")
