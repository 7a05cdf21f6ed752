"""Runs workflows with act and reads its log."""

from __future__ import annotations

import json
import subprocess
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import lab
from lab.paths import locked, state_dir

if TYPE_CHECKING:
    from pathlib import Path

    from lab import EngineHandle

RUNNER_IMAGE = "python:3.12-slim"
TIMEOUT_S = 300


@dataclass(frozen=True, slots=True, kw_only=True)
class ActRun:
    """What act said: one record a line, its exit code, and all of it as text."""

    exit_code: int
    records: list[dict[str, Any]]
    text: str

    def commands(self, name: str) -> list[dict[str, Any]]:
        """Workflow commands that the runner obeyed, in order."""
        return [record for record in self.records if record.get("command") == name]

    def outputs(self, step_id: str) -> dict[str, str]:
        """Outputs that a step set."""
        return {
            record["name"]: record["arg"]
            for record in self.commands("set-output")
            if step_id in record.get("stepID", [])
        }

    @property
    def lines(self) -> str:
        """Lines that steps printed."""
        return "\n".join(
            str(record.get("msg", "")).rstrip("\n") for record in self.records if record.get("raw_output")
        )


def run_act(
    engine: EngineHandle, checkout: Path, workflow: Path, *options: str, event: str = "push"
) -> ActRun:
    """Run all jobs of a workflow in `checkout`, for `event`.

    One run at a time: act's names on an engine do not tell runs apart.
    """
    command = [str(lab.tool("act")), event, "--json", "--rm", "--pull=false"]
    command += ["-P", f"ubuntu-latest={RUNNER_IMAGE}", "-W", str(workflow), *options]
    environ = {"PATH": "/usr/bin:/bin:/usr/sbin:/sbin", **engine.env}
    with locked(state_dir(), "act"):
        done = subprocess.run(
            command, cwd=checkout, env=environ, capture_output=True, text=True, check=False, timeout=TIMEOUT_S
        )
    records = [_record(line) for line in done.stdout.splitlines()]
    return ActRun(exit_code=done.returncode, records=records, text=done.stdout + done.stderr)


def _record(line: str) -> dict[str, Any]:
    try:
        record = json.loads(line)
    except ValueError:
        return {"msg": line}
    return record if isinstance(record, dict) else {"msg": line}
