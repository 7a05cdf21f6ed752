"""A pipeline step on this machine: the container's command as a process, in surroundings as GitHub gives them."""

from __future__ import annotations

import os
import subprocess
import sys
from dataclasses import dataclass
from typing import TYPE_CHECKING

from tests.e2e.checkout import ROOT

if TYPE_CHECKING:
    from pathlib import Path

    from lab import EngineHandle


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """A pipeline step on this machine, in surroundings as GitHub gives them."""

    workspace: Path
    environ: dict[str, str]

    def run(self) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            self.command, env=self.environ, capture_output=True, text=True, check=False, timeout=120
        )

    @property
    def command(self) -> list[str]:
        return [sys.executable, str(ROOT / "entrypoint.py")]

    @property
    def output(self) -> str:
        path = self.workspace.parent / "output"
        return path.read_text() if path.exists() else ""


def make_step(tmp_path: Path, engine: EngineHandle, dockerfile: str, **inputs: str) -> Step:
    workspace = tmp_path / "workspace"
    workspace.mkdir()
    (workspace / "Dockerfile").write_text(dockerfile)
    environ = {
        "PATH": os.environ["PATH"],
        "HOME": str(tmp_path / "home"),
        "GITHUB_ACTIONS": "true",
        "GITHUB_WORKSPACE": str(workspace),
        "GITHUB_OUTPUT": str(tmp_path / "output"),
        "GITHUB_STEP_SUMMARY": str(tmp_path / "summary"),
        **engine.env,
    }
    environ |= {f"INPUT_{name.upper().replace('_', '-')}": value for name, value in inputs.items()}
    return Step(workspace=workspace, environ=environ)
