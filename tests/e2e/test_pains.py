"""What users of other builders suffer from at the front door, on real engines and registries.

The numbers are those of docs/explanation; what other tests show already is not repeated here.
"""

from __future__ import annotations

import base64
import json
import os
import re
from typing import TYPE_CHECKING

import pytest

from tests.e2e.checkout import commit_all, git
from tests.e2e.engine import docker, nothing_left, output_of
from tests.e2e.step import make_step
from tests.engine.web import serve
from tests.unit.registry.serving import Answer, Asked, serving

if TYPE_CHECKING:
    from pathlib import Path

    from lab import EngineHandle, RegistryHandle

pytestmark = pytest.mark.e2e


def test_pain_01_the_context_is_the_workspace_and_the_log_says_what_is_in_it(
    tmp_path: Path, engine: EngineHandle
) -> None:
    tag = "acme/pain-01"
    step = make_step(tmp_path, engine, 'FROM busybox\nCOPY made.txt /\nCMD ["cat", "/made.txt"]\n', tags=tag)
    (step.workspace / "made.txt").write_text("made by an earlier step\n")
    (step.workspace / "noise.log").write_text("x")
    (step.workspace / ".dockerignore").write_text("*.log\n")
    done = step.run()
    assert done.returncode == 0, done.stdout
    assert "(context ., 3 files)" in done.stdout.replace(str(step.workspace), ".")
    assert output_of(engine, tag) == "made by an earlier step\n"
    docker(engine, "image", "rm", tag)


@pytest.mark.parametrize("context", ["", ".", "{{defaultContext}}:sub"])
def test_pain_01_without_a_checkout_the_context_is_the_repository_at_the_commit(
    tmp_path: Path, engine: EngineHandle, context: str
) -> None:
    repository = tmp_path / "web"
    (repository / "sub").mkdir(parents=True)
    for folder, label in ((repository, "root"), (repository / "sub", "sub")):
        (folder / "Dockerfile").write_text(f"FROM busybox\nLABEL at={label}\n")
    commit_all(repository)
    commit = git(repository, "rev-parse", "HEAD").strip()
    git(tmp_path, "clone", "--quiet", "--bare", str(repository), str(tmp_path / "acme/web.git"))
    step = make_step(tmp_path, engine, "", context=context)
    (step.workspace / "Dockerfile").unlink()
    with serve(tmp_path) as (address, _):
        facts = {"GITHUB_SERVER_URL": address, "GITHUB_REPOSITORY": "acme/web", "GITHUB_SHA": commit}
        step.environ.update(facts)
        done = step.run()
    assert done.returncode == 0, done.stdout
    assert f"(context {address}/acme/web.git#{commit}" in done.stdout
    expected = "sub" if "sub" in context else "root"
    assert f"at={expected}" in step.output.splitlines()


def test_pain_13_what_a_step_writes_belongs_to_the_owner_of_the_workspace(
    tmp_path: Path, engine: EngineHandle
) -> None:
    step = make_step(tmp_path, engine, "FROM busybox\n", report="reports/deep/image.html")
    os.chown(step.workspace, 1234, 4321)
    done = step.run()
    assert done.returncode == 0, done.stdout
    for name in ("reports", "reports/deep", "reports/deep/image.html"):
        found = (step.workspace / name).stat()
        assert (found.st_uid, found.st_gid) == (1234, 4321), name
    owners = {(path.stat().st_uid, path.name) for path in step.workspace.rglob("*")}
    assert {name for uid, name in owners if uid != 1234} == {"Dockerfile"}, "nothing else is written"


HARD_VALUES = {
    "LINES": "first line\nsecond line\n",
    "QUOTED": 'a "word", and a comma',
    "JSON": '{"a": [1, "b,c"], "d": "e=f"}',
    "BLANKS": "  around  ",
    "EQUALS": "a=b==",
    "UNICODE": "grüße",
}


def test_pain_14_values_of_secrets_and_arguments_arrive_byte_for_byte(
    tmp_path: Path, engine: EngineHandle
) -> None:
    names = [*HARD_VALUES]
    secrets = [f"RUN --mount=type=secret,id={name} cp /run/secrets/{name} /secret-{name}" for name in names]
    arguments = [f'ARG {name}\nRUN printf %s "${name}" > /arg-{name}' for name in names if name != "BLANKS"]
    quoted = ['"' + f"{name}={value}".replace('"', '""') + '"' for name, value in HARD_VALUES.items()]
    tag = "acme/pain-14"
    step = make_step(
        tmp_path,
        engine,
        "\n".join(["FROM busybox", *secrets, *arguments]) + "\n",
        tags=tag,
        secrets="\n".join(quoted),
        build_args="\n".join(quoted),
        no_cache="true",
    )
    done = step.run()
    assert done.returncode == 0, done.stdout
    files = {f"secret-{name}": value for name, value in HARD_VALUES.items()}
    files |= {f"arg-{name}": value.strip() for name, value in HARD_VALUES.items() if name != "BLANKS"}
    script = f"for name in {' '.join(files)}; do printf '%s|' $name; base64 -w0 /$name; echo; done"
    shown = output_of(engine, tag, "sh", "-c", script)
    docker(engine, "image", "rm", tag)
    found = dict(line.split("|") for line in shown.splitlines())
    assert {name: base64.b64decode(value).decode() for name, value in found.items()} == files


def test_pain_14_a_bad_secret_is_an_error_and_shows_no_value(tmp_path: Path, engine: EngineHandle) -> None:
    step = make_step(
        tmp_path, engine, "FROM busybox\n", secrets="s3cr3t-without-a-name", secret_envs="a=NOT_SET"
    )
    done = step.run()
    assert done.returncode == 2
    assert "input secrets" in done.stdout
    assert "NOT_SET" in done.stdout
    shown = [line for line in done.stdout.splitlines() if not line.startswith("::add-mask::")]
    assert "s3cr3t-without-a-name" not in "\n".join(shown)


DENIED = json.dumps({"errors": [{"code": "DENIED", "message": "permission_denied: write_package"}]}).encode()


def test_pain_16_a_push_that_would_be_refused_fails_before_anything_is_built(
    tmp_path: Path, engine: EngineHandle
) -> None:
    def answer(asked: Asked) -> Answer:
        return Answer(status=403, body=DENIED) if asked.method == "POST" else Answer(status=200)

    with serving(answer) as server, nothing_left(engine):
        dockerfile = "FROM busybox\nRUN echo never\n"
        step = make_step(tmp_path, engine, dockerfile, tags=f"{server.address}/acme/web", push="true")
        done = step.run()
    assert done.returncode == 4, done.stdout
    assert "403 Forbidden: DENIED: permission_denied: write_package; nothing was built" in done.stdout
    assert "permissions: packages: write" in done.stdout
    assert "::group::" not in done.stdout
    assert [(asked.method, asked.path) for asked in server.asked] == [("POST", "/v2/acme/web/blobs/uploads/")]


def test_pain_16_a_push_without_a_login_fails_before_anything_is_built(
    tmp_path: Path, engine: EngineHandle, registry_auth: RegistryHandle
) -> None:
    tag = f"{registry_auth.address}/acme/no-login"
    step = make_step(tmp_path, engine, "FROM busybox\nRUN echo never\n", tags=tag, push="true")
    done = step.run()
    assert done.returncode == 4, done.stdout
    assert "hint: log in: there is no user name and password for this registry" in done.stdout
    assert "::group::" not in done.stdout


def test_pain_16_the_upload_of_the_check_is_called_off(
    tmp_path: Path, engine: EngineHandle, registry: RegistryHandle
) -> None:
    name = f"acme/pain-16-{tmp_path.parent.name}"
    tag = f"{registry.address}/{name}"
    step = make_step(tmp_path, engine, "FROM busybox\nCOPY Dockerfile /\n", tags=tag, push="true")
    done = step.run()
    assert done.returncode == 0, done.stdout
    log = registry.access_log_path.read_text(errors="replace")
    asked = re.findall(rf'"(POST|DELETE) /v2/{name}/blobs/uploads/\S* HTTP/1.1" (\d+) .*"incubator"', log)
    assert asked[:2] == [("POST", "202"), ("DELETE", "204")]
    docker(engine, "image", "rm", tag, check=False)


def test_pain_17_a_full_disk_is_named_with_what_could_be_freed(tmp_path: Path, engine: EngineHandle) -> None:
    fill = "dd if=/dev/zero of=/small/file bs=1M count=3"
    step = make_step(tmp_path, engine, f"FROM busybox\nRUN --mount=type=tmpfs,target=/small,size=1m {fill}\n")
    with nothing_left(engine):
        done = step.run()
    assert done.returncode == 1, done.stdout
    assert "No space left on device" in done.stdout
    assert "a disk is full: that of the engine" in done.stdout
    assert "in images that no container uses (docker image prune --all)" in done.stdout
