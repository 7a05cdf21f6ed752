"""Build cases of the conformance data on an engine of the lab, held against their recorded images.

The folder's own `run.py` builds and compares; here an engine is started for it, which is stopped again, and its
report is held against `conformance_differences.toml`: what an engine's API cannot do, with the reason. The stand-in
bases take names such as `busybox`, so the engine is one of its own, in a state folder of its own.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
import tomllib
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

import lab  # noqa: E402
from lab.apt import bundle_root  # noqa: E402
from lab.images import BUSYBOX  # noqa: E402
from lab.paths import state_dir  # noqa: E402

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

DIFFERENCES = Path(__file__).parent / "conformance_differences.toml"
BUILDER = (
    "incubator build --progress plain --no-cache --network none -t {tag} -f {file} {args} {target} {context}"
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """What one case came to; `expected` are differences that are known, with a reason."""

    name: str
    found: tuple[str, ...]
    expected: tuple[str, ...]


def outcomes(folder: Path, engine: str, only: str) -> Iterator[Outcome]:
    """The outcome of each case whose name matches the glob `only`. Raises LabError, CalledProcessError."""
    os.environ["INCUBATOR_LAB_STATE"] = f"{state_dir()}-conformance"
    if reason := lab.reason_not_here(engine):
        raise lab.LabError(reason)
    try:
        report = _run(folder, lab.engine(engine), only)
    finally:
        lab.down()
    known = known_differences(engine)
    for case in report["cases"]:
        expected = known.pop(case["name"], ())
        yield Outcome(name=case["name"], found=_stable(case["differences"]), expected=expected)
    if only == "*":
        for name, expected in known.items():
            yield Outcome(name=name, found=("no such case",), expected=expected)


def known_differences(engine: str) -> dict[str, tuple[str, ...]]:
    """What is known to differ on an engine, by case."""
    table = tomllib.loads(DIFFERENCES.read_text())
    return {
        name: tuple(sorted(line for group in entry for line in group["differences"]))
        for name, entry in _by_case(table.get(engine, [])).items()
    }


def _by_case(groups: Sequence[Mapping[str, Any]]) -> dict[str, list[Mapping[str, Any]]]:
    cases: dict[str, list[Mapping[str, Any]]] = {}
    for group in groups:
        for name in group["cases"]:
            cases.setdefault(name, []).append(group)
    return cases


def _run(folder: Path, handle: lab.EngineHandle, only: str) -> Any:
    """The report of the folder's own runner; what it prints goes to stderr."""
    paths = [str(Path(sys.executable).parent), str(bundle_root(BUSYBOX) / "bin"), os.environ["PATH"]]
    environment = {
        **os.environ,
        **handle.env,
        "PATH": os.pathsep.join(paths),
        "PYTHONDONTWRITEBYTECODE": "1",
    }
    with tempfile.TemporaryDirectory() as name:
        report = Path(name, "report.json")
        command = [sys.executable, str(folder / "run.py"), "--host", handle.host, "--builder", BUILDER]
        command += ["--only", only, "--json", str(report), "--jobs", str(os.cpu_count() or 1)]
        done = subprocess.run(command, env=environment, stdout=sys.stderr, check=False)
        if not report.exists():
            raise subprocess.CalledProcessError(done.returncode, command)
        return json.loads(report.read_text())


def _stable(lines: Sequence[str]) -> tuple[str, ...]:
    """Differences in order, and without what a builder says when it fails."""
    return tuple(
        sorted(
            "expected ok, got fail" if line.startswith("expected ok, got fail") else line for line in lines
        )
    )
