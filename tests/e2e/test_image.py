"""The image that jobs run in: small, nothing in it that only building needs, and it starts."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

from tests.e2e.engine import docker

if TYPE_CHECKING:
    from lab import EngineHandle

pytestmark = pytest.mark.e2e

MOST_BYTES = 20_000_000
"""On top of the base image."""


def test_it_adds_little_to_its_base(engine: EngineHandle, project_image: str) -> None:
    sizes = [
        int(docker(engine, "image", "inspect", "--format", "{{.Size}}", name))
        for name in (project_image, "python:3.12-slim")
    ]
    assert sizes[0] - sizes[1] < MOST_BYTES


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
