"""The image that jobs run in: small, nothing in it that only building needs, and it starts."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

from incubator.oci.manifest import Manifest
from incubator.registry.credentials import Credentials
from incubator.registry.repository import Registries
from tests.e2e.checkout import commit_all, git
from tests.e2e.engine import docker
from tests.engine.web import serve

if TYPE_CHECKING:
    from pathlib import Path

    from lab import EngineHandle, RegistryHandle

pytestmark = pytest.mark.e2e

MOST_BYTES = 31_000_000
"""On top of the base image."""

MOST_COMPRESSED_BYTES = 12_000_000
"""Of what a runner has to fetch above the base: with python:3.12-slim and its 45 MB or so, less than 60 MB."""


def test_it_adds_little_to_its_base(engine: EngineHandle, project_image: str) -> None:
    sizes = [
        int(docker(engine, "image", "inspect", "--format", "{{.Size}}", name))
        for name in (project_image, "python:3.12-slim")
    ]
    assert sizes[0] - sizes[1] < MOST_BYTES


def test_a_runner_fetches_little(engine: EngineHandle, project_image: str, registry: RegistryHandle) -> None:
    name = f"{registry.address}/incubator/size"
    docker(engine, "tag", project_image, name)
    docker(engine, "push", "--quiet", name)
    docker(engine, "image", "rm", "--no-prune", name)
    with Registries(Credentials()) as registries:
        manifest, _ = registries.repository(name).manifest("latest")
    assert isinstance(manifest, Manifest)
    count = len(json.loads(docker(engine, "image", "inspect", "python:3.12-slim"))[0]["RootFS"]["Layers"])
    assert sum(layer.size for layer in manifest.layers[count:]) < MOST_COMPRESSED_BYTES


def test_it_holds_what_runs_and_nothing_else(engine: EngineHandle, project_image: str) -> None:
    script = "ls /app; ls -A /root; for name in gcc cc make; do command -v $name; done"
    run = ["run", "--rm", "--network", "none", "--entrypoint", "sh", project_image, "-c", script]
    shown = docker(engine, *run, check=False).split()
    assert {"entrypoint.py", "incubator", "LICENSE", "docker", "yaml", "jsonschema"} <= set(shown)
    assert not {"tests", "lab", "requirements", "bin", ".cache", "/usr/bin/gcc", "/usr/bin/make"} & set(shown)


def test_its_entrypoint_is_absolute_and_needs_no_shell(engine: EngineHandle, project_image: str) -> None:
    entrypoint = docker(engine, "image", "inspect", "--format", "{{json .Config.Entrypoint}}", project_image)
    assert json.loads(entrypoint) == ["python3", "/app/entrypoint.py"]


def test_without_an_engine_it_says_so(engine: EngineHandle, project_image: str) -> None:
    script = "mkdir /w && cd /w && echo FROM scratch > Dockerfile && python3 /app/entrypoint.py; echo code=$?"
    run = ["run", "--rm", "--network", "none", "--entrypoint", "sh", project_image, "-c", script]
    shown = docker(engine, *run)
    assert "no container engine answers" in shown
    assert shown.endswith("code=3\n")


def test_it_has_ssh_to_reach_engines_with(engine: EngineHandle, project_image: str) -> None:
    script = "mkdir /w && cd /w && echo FROM scratch > Dockerfile && python3 /app/entrypoint.py; echo code=$?"
    run = [
        "run",
        "--rm",
        "--network",
        "none",
        "--env",
        "DOCKER_HOST=ssh://builder.invalid",
        "--entrypoint",
        "sh",
    ]
    shown = docker(engine, *run, project_image, "-c", script)
    assert "ssh://builder.invalid: ssh gets no connection: ssh: Could not resolve hostname" in shown
    assert shown.endswith("code=3\n")


def test_it_fetches_contexts_that_are_git_repositories(
    engine: EngineHandle, project_image: str, tmp_path: Path
) -> None:
    """Of git only a part is in the image: that part has to do, submodules included."""
    inner, outer = tmp_path / "inner", tmp_path / "outer"
    for folder in (inner, outer):
        folder.mkdir()
        (folder / "file").write_text(f"{folder.name}\n")
        commit_all(folder)
        git(tmp_path, "clone", "--quiet", "--bare", str(folder), f"{folder}.git")
    with serve(tmp_path) as (address, _):
        git(outer, "submodule", "--quiet", "add", f"{address}/inner.git", "sub")
        (outer / "Dockerfile").write_text("FROM scratch\nCOPY file sub/file /\n")
        git(outer, "add", "--all")
        git(outer, "commit", "--quiet", "--message", "more")
        git(outer, "push", "--quiet", f"{outer}.git", "main")
        environ = ["--env", f"INCUBATOR_CONTEXT={address}/outer.git", "--env", "INCUBATOR_CALL=check"]
        checked = docker(engine, "run", "--rm", "--network", "host", *environ, project_image)
        assert "fails" not in checked
        environ[-1] = "INCUBATOR_NETWORK=none"
        mount = ["--volume", engine.socket_volume, "--network", "host"]
        built = docker(engine, "run", "--rm", *mount, *environ, project_image)
    assert "built sha256:" in built
