"""The rooms dockerfile/ and oci/ do no I/O: what they import, and what they pull in when they are imported."""

from __future__ import annotations

import ast
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[3]
FORBIDDEN = {
    "asyncio", "docker", "http", "io", "logging", "os", "pathlib", "requests", "shutil", "socket", "ssl",
    "subprocess", "sys", "tempfile", "threading", "time", "urllib", "urllib3",
}  # fmt: skip
FORBIDDEN_CALLS = {"open", "print", "input", "exec", "eval", "__import__"}
ROOMS = ("dockerfile", "oci")
MODULES = sorted(path for room in ROOMS for path in (ROOT / "incubator" / room).rglob("*.py"))


@pytest.mark.parametrize("path", MODULES, ids=lambda path: str(path.relative_to(ROOT)))
def test_imports_and_calls(path: Path) -> None:
    tree = ast.parse(path.read_text())
    imported = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            imported |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0
            imported.add(node.module or "")
        elif isinstance(node, ast.Call) and isinstance(node.func, ast.Name):
            assert node.func.id not in FORBIDDEN_CALLS, f"{path}:{node.lineno}"
    assert not {name.partition(".")[0] for name in imported} & FORBIDDEN
    room = path.relative_to(ROOT / "incubator").parts[0]
    own = {name for name in imported if name.startswith("incubator")}
    others = {name for name in own if not name.startswith((f"incubator.{room}", "incubator.errors"))}
    if room == "dockerfile":
        assert others <= {"incubator.oci.reference", "incubator.oci.platform"}
    else:
        assert not others


@pytest.mark.parametrize("room", ROOMS)
def test_nothing_is_pulled_in(room: str) -> None:
    code = (
        f"import sys, importlib, pkgutil; import incubator.{room} as room\n"
        "for module in pkgutil.walk_packages(room.__path__, room.__name__ + '.'):\n"
        "    importlib.import_module(module.name)\n"
        "print(*sorted(set(sys.modules) & {'docker', 'requests', 'subprocess', 'socket', 'urllib3', 'http.client'}))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.split() == []
