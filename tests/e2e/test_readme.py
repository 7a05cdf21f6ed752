"""The README's first steps, run as they stand there."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

import lab
from tests.e2e.checkout import ROOT
from tests.e2e.engine import docker, nothing_left, output_of

if TYPE_CHECKING:
    from lab import EngineHandle

pytestmark = pytest.mark.e2e

TAG = "acme/web:1.0"
DOCKERFILE = """\
FROM busybox
ARG VERSION
RUN echo "version $VERSION" > /version
CMD ["cat", "/version"]
"""


def snippet(language: str) -> str:
    """The README's first fenced block in a language."""
    found = re.search(
        rf"^```{language}\n(.*?)^```$", (ROOT / "README.md").read_text(), re.MULTILINE | re.DOTALL
    )
    assert found
    return found[1]


def run(command: list[str], folder: Path, engine: EngineHandle) -> str:
    path = f"{Path(sys.executable).parent}:{Path(lab.tool('docker')).parent}:{os.environ['PATH']}"
    environ = {"PATH": path, "HOME": str(folder), **engine.env}
    done = subprocess.run(
        command, cwd=folder, env=environ, capture_output=True, text=True, check=False, timeout=120
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def test_the_command_line(engine: EngineHandle, tmp_path: Path) -> None:
    (tmp_path / "Dockerfile").write_text(DOCKERFILE)
    install, *commands = snippet("sh").splitlines()
    assert install == "pip install ./incubator"  # this environment has it by `make venv`
    with nothing_left(engine):
        said = run(["sh", "-euc", "\n".join(commands)], tmp_path, engine)
    assert said.endswith("version 1.0\n")
    docker(engine, "image", "rm", TAG)


def test_python(engine: EngineHandle, tmp_path: Path) -> None:
    (tmp_path / "Dockerfile").write_text(DOCKERFILE)
    with nothing_left(engine):
        said = run([sys.executable, "-c", snippet("python")], tmp_path, engine)
    assert re.match(r"sha256:[0-9a-f]{64} 2\n", said), said
    assert output_of(engine, TAG) == "version 1.0\n"
    docker(engine, "image", "rm", TAG)
