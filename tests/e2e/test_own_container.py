"""A job's container finds itself on every engine, by each of the ways, and its paths as the engine has them."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

import lab
from tests.conftest import need
from tests.e2e.engine import docker

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from lab import EngineHandle

pytestmark = pytest.mark.e2e

ENGINES = ("docker20", "docker28", "containerd28", "podman")
PROGRAM = """
import dataclasses, json
from incubator.ci.workspace import engine_source, find_own_container, process_view
from incubator.core.client import DockerClient

engine = DockerClient.from_env()
view = process_view()
no_cgroup = dataclasses.replace(view, cgroup="0::/")
lines = view.mountinfo.splitlines(keepends=True)
no_root = "".join(line for line in lines if line.split(" ")[4] != "/")
views = {
    "all": view,
    "no cgroup": no_cgroup,
    "no cgroup, no upper folder": dataclasses.replace(no_cgroup, mountinfo=no_root),
}
found = {name: find_own_container(engine, view) for name, view in views.items()}
mounts = found["all"].mounts
paths = ["/builds/acme", "/builds/acme/sub", "/host/a", "/elsewhere"]
print(json.dumps({
    "ids": {name: info and info.id for name, info in found.items()},
    "paths": {path: engine_source(path, mounts) for path in paths},
}))
"""


@pytest.mark.parametrize("name", ENGINES)
def test_a_job_finds_itself_and_its_paths(
    name: str, start_engine: Callable[[str], EngineHandle], package: Path, tmp_path: Path
) -> None:
    need("python:3.12-slim")
    engine = start_engine(name)
    lab.ensure_images(engine, ["python:3.12-slim"])
    volume = f"incubator-e2e-{tmp_path.name}"
    # Another container with the same host name and the same volume: neither may be taken for an identity.
    shared = ["--network", "host", "--volume", f"{volume}:/builds/acme", "--volume", f"{tmp_path}:/host"]
    containers = [docker(engine, "run", "--detach", *shared, "busybox", "sleep", "300").strip()]
    try:
        sibling = docker(
            engine, "create", *shared, "--volume", engine.socket_volume, "--volume", f"{package}:/app:ro",
            "--env", "PYTHONPATH=/app", "python:3.12-slim", "python3", "-c", PROGRAM,
        ).strip()  # fmt: skip
        containers.append(sibling)
        shown = docker(engine, "start", "--attach", sibling)
        answer = json.loads(shown)
        assert answer["ids"] == dict.fromkeys(answer["ids"], sibling)
        paths = answer["paths"]
        assert paths["/builds/acme"] == volume
        assert paths["/host/a"] == f"{tmp_path}/a"
        assert paths["/elsewhere"] == "/elsewhere"

        # A folder within the volume is mounted by its path on the engine's host.
        docker(
            engine,
            "exec",
            containers[0],
            "sh",
            "-c",
            "mkdir /builds/acme/sub && echo found > /builds/acme/sub/file",
        )
        mount = f"type=bind,source={paths['/builds/acme/sub']},destination=/mnt,readonly"
        read = ["run", "--rm", "--network", "none", "--mount", mount, "busybox", "cat", "/mnt/file"]
        assert docker(engine, *read) == "found\n"
    finally:
        docker(engine, "rm", "--force", *containers)
        docker(engine, "volume", "rm", "--force", volume)


@pytest.fixture(scope="module")
def package(engine: EngineHandle, project_image: str, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The `/app` of the project's own image, which has all that the package needs."""
    folder = tmp_path_factory.mktemp("package")
    container = docker(engine, "create", project_image).strip()
    try:
        docker(engine, "cp", f"{container}:/app", str(folder / "app"))
    finally:
        docker(engine, "rm", container)
    return folder / "app"
