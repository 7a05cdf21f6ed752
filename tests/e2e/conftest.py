"""Fixtures of the end-to-end tests: one engine with the images that jobs run in."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import pytest

import lab
from tests.conftest import need
from tests.e2e.checkout import copy_project
from tests.e2e.engine import docker, nothing_left

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from lab import EngineHandle

PROJECT_IMAGE = "incubator-e2e:local"
IMAGES = ["busybox:latest", "python:3.12-slim", "debian:bookworm-slim", "gcl-helper:local"]


@pytest.fixture(scope="session")
def engine() -> EngineHandle:
    """This machine's engine, or the lab's with a bridge: the action's image is built on it, which needs the network."""
    if not os.environ.get("DOCKER_HOST"):
        need("docker20")
    for image in IMAGES:
        need(image)
    handle = lab.default_engine()
    lab.ensure_images(handle, IMAGES)
    return handle


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    """A copy of this project in a repository of its own."""
    folder = tmp_path / "incubator"
    folder.mkdir()
    return copy_project(folder)


@pytest.fixture(scope="session")
def project_image(engine: EngineHandle, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The project's own image, built by the engine's classic builder, as act builds it."""
    folder = copy_project(tmp_path_factory.mktemp("image"))
    docker(engine, "build", "--quiet", "--tag", PROJECT_IMAGE, str(folder), classic=True)
    yield PROJECT_IMAGE
    docker(engine, "image", "rm", "--no-prune", PROJECT_IMAGE)


@pytest.fixture
def component_jobs(engine: EngineHandle, project_image: str) -> Iterator[None]:
    """The jobs' image is there; nothing of a build is left, whatever became of it."""
    need("gitlab-ci-local")
    assert project_image == "incubator-e2e:local", "the pipelines name it"
    with nothing_left(engine):
        yield
