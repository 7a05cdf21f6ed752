"""`make demo`: on a bare machine, with an engine that is there already, without root, and cancelled."""

from __future__ import annotations

import json
import os
import re
import shutil
import signal
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

import lab
import lab.apt
import lab.engines
import lab.registries
from incubator.core.caching import CACHE_REPOSITORY
from tests.conftest import need
from tests.e2e.checkout import ROOT
from tests.e2e.engine import docker, nothing_left

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from lab import EngineHandle

pytestmark = pytest.mark.e2e

COMMAND = [sys.executable, str(ROOT / "scripts/demo.py")]
BASE = "python:3.12-slim"
MADE = [
    "--filter",
    "label=org.opencontainers.image.title=hello",
    "--filter",
    "label=org.opencontainers.image.version=1.0.0",
]
REGISTRY_DOCKERFILE = """\
FROM debian:bookworm-slim
COPY docker-registry config.yml /
CMD ["/docker-registry", "serve", "/config.yml"]
"""
REGISTRY_CONFIG = """\
version: 0.1
storage: {filesystem: {rootdirectory: /var/lib/registry}}
http: {addr: ":5000"}
"""


def run_demo(environ: dict[str, str], *, before: Sequence[str] = ()) -> subprocess.CompletedProcess[str]:
    command = [*before, *COMMAND]
    return subprocess.run(command, env=environ, capture_output=True, text=True, check=False, timeout=170)


def bare_environ(state: Path) -> dict[str, str]:
    """Of a machine without an engine, where the lab's state is kept in a folder of the test's own."""
    need("docker20")
    need("registry")
    need(BASE)
    environ = {name: value for name, value in os.environ.items() if not name.startswith("DOCKER_")}
    with pytest.MonkeyPatch.context() as patch:
        patch.delenv("DOCKER_HOST", raising=False)
        if lab.engines.own_engine():
            pytest.skip("this machine has an engine, which the demo would use")
    return environ | {"INCUBATOR_LAB_STATE": str(state)}


@pytest.fixture
def state() -> Iterator[Path]:
    """A short path, since sockets are below it."""
    folder = Path(tempfile.mkdtemp(prefix="demo-"))
    yield folder
    shutil.rmtree(folder)


def assert_shown(output: str) -> None:
    """All that the demo promises to show."""
    assert [int(number) for number in re.findall(r"^== (\d)\. ", output, re.MULTILINE)] == [1, 2, 3, 4, 5]
    shown = re.search(r"^pull +(127\.0\.0\.1:\d+)/demo/hello@(sha256:[0-9a-f]{64})$", output, re.MULTILINE)
    assert shown, output
    address, digest = shown.groups()
    for tag in ("1.0.0", "latest"):
        assert f"\ntag       {address}/demo/hello:{tag}\n" in output
    assert f"\ndigest    {digest}, " in output
    assert re.search(r"^layers    \d+, those of the base included; \d+ MB on linux/", output, re.MULTILINE)
    assert re.search(r"^time      \d+\.\d+ s for build and push$", output, re.MULTILINE)
    assert "\nit says   hello 1.0.0\n" in output
    assert "::" not in output.replace("::set", ""), "workflow commands are for runners, not for readers"


def cached_layers(engine: EngineHandle) -> dict[str, str]:
    """The newest layer, shortened, of each image that builds keep on the engine, by its reference."""
    references = docker(engine, "images", "--format", "{{.Repository}}:{{.Tag}}", CACHE_REPOSITORY).split()
    found = {}
    for reference in references:
        text = docker(engine, "inspect", "--format", "{{json .RootFS.Layers}}", reference, check=False)
        if text.strip():  # others remove theirs meanwhile
            found[reference] = (json.loads(text) or [""])[-1][:19]
    return found


def assert_nothing_runs(state: Path) -> None:
    """No process has the demo's state in its command line, and the state is gone."""
    name = f"{state.name}-demo"
    assert not state.with_name(name).exists()
    for command in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            assert name not in command.read_text(errors="replace")
        except (FileNotFoundError, ProcessLookupError):  # it ended meanwhile
            continue


def test_on_a_bare_machine(state: Path) -> None:
    done = run_demo(bare_environ(state))
    assert done.returncode == 0, done.stdout + done.stderr
    assert_shown(done.stdout)
    assert "started for this demo: unix://" in done.stdout
    assert_nothing_runs(state)


def test_an_engine_that_is_there_is_used_and_left_as_it_was(engine: EngineHandle, state: Path) -> None:
    need("registry")
    before = cached_layers(engine)
    with nothing_left(engine):
        done = run_demo({**os.environ, **engine.env, "INCUBATOR_LAB_STATE": str(state)})
    assert done.returncode == 0, done.stdout + done.stderr
    assert_shown(done.stdout)
    assert f"this machine's own: {engine.host}" in done.stdout
    assert docker(engine, "images", "--all", "--quiet", *MADE) == ""
    assert docker(engine, "images", "--quiet", BASE)
    new = {layer for reference, layer in cached_layers(engine).items() if reference not in before}
    shown = set(re.findall(r"^  \| layer (sha256:[0-9a-f]{12}) ", done.stdout, re.MULTILINE))
    assert shown
    assert not new & shown
    assert_nothing_runs(state)


@pytest.fixture
def registry_image(engine: EngineHandle, tmp_path: Path) -> Iterator[str]:
    """The public registry's image if the engine has it, else one of the lab's own registry under its name."""
    name = "registry:2"
    if docker(engine, "images", "--quiet", name):
        yield name
        return
    need("registry")
    program = lab.apt.bundle_root(lab.registries.REGISTRY) / "usr/bin/docker-registry"
    shutil.copy(program, tmp_path)
    (tmp_path / "Dockerfile").write_text(REGISTRY_DOCKERFILE)
    (tmp_path / "config.yml").write_text(REGISTRY_CONFIG)
    docker(engine, "build", "--quiet", "--tag", name, str(tmp_path), classic=True)
    yield name
    docker(engine, "image", "rm", name)


@pytest.fixture
def without_root() -> list[str]:
    """A command in front of another one, which then runs as a user that is not root and owns what this one owns."""
    prefix = ["unshare", "--user", "--map-user=1000", "--map-group=1000", "--"]
    tried = subprocess.run([*prefix, "id", "-u"], capture_output=True, text=True, check=False)
    if tried.stdout.strip() != "1000":
        reason = f"users cannot be mapped here: {tried.stderr.strip()}"
        pytest.fail(reason) if os.environ.get("CI") else pytest.skip(reason)
    return prefix


@pytest.mark.usefixtures("registry_image")
def test_without_root_an_engine_is_enough(
    engine: EngineHandle, tmp_path: Path, without_root: list[str]
) -> None:
    """As on a workstation with Docker: no lab, so the registry runs in a container."""
    environ = {"PATH": os.environ["PATH"], "HOME": str(tmp_path), **engine.env}
    before = docker(engine, "ps", "--quiet", "--filter", "ancestor=registry:2")
    done = run_demo(environ, before=without_root)
    assert done.returncode == 0, done.stdout + done.stderr
    assert_shown(done.stdout)
    assert docker(engine, "ps", "--all", "--quiet", "--filter", "ancestor=registry:2") == before
    assert docker(engine, "images", "--all", "--quiet", *MADE) == ""


def test_without_root_and_engine_it_says_what_is_needed(tmp_path: Path, without_root: list[str]) -> None:
    if lab.engines.USUAL_SOCKET.exists():
        pytest.skip("this machine has an engine")
    done = run_demo({"PATH": os.environ["PATH"], "HOME": str(tmp_path)}, before=without_root)
    assert done.returncode == 1
    assert "no engine answers at DOCKER_HOST or /var/run/docker.sock" in done.stdout
    assert "hint: start Docker or Podman" in done.stdout
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_cancelled_it_stops_what_it_started(state: Path, number: signal.Signals, code: int) -> None:
    # Whoever runs the tests in the background has SIGINT ignored, and all that they start, too.
    command = ["env", "--default-signal=INT", *COMMAND]
    with subprocess.Popen(command, env=bare_environ(state), stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout
        for line in process.stdout:
            if "building examples/hello/Dockerfile" in line:
                break
        process.send_signal(number)
        rest, _ = process.communicate(timeout=60)
    assert process.returncode == code, rest
    assert "it says" not in rest
    assert_nothing_runs(state)
