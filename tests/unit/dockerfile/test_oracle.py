"""The parser against BuildKit's own, on generated files; `scripts/oracle.py` is the long run."""

from __future__ import annotations

import importlib.util
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from types import ModuleType

ROOT = Path(__file__).parents[3]
TREES = ROOT / "tests" / "data" / "dockerfile" / "trees"

pytest.importorskip("dockerfile", reason="the package dockerfile is not installed")


def load() -> ModuleType:
    spec = importlib.util.spec_from_file_location("oracle", ROOT / "scripts" / "oracle.py")
    assert spec
    assert spec.loader
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


oracle = load()


def test_generated_files() -> None:
    compared = failing = 0
    for seed in range(500):
        text = oracle.Generator(seed).dockerfile()
        if oracle.comparable(text):
            compared += 1
            failing += oracle.theirs(text) == (oracle.FAILS,)
            assert oracle.differences(text) == [], f"seed {seed}: {text!r}"
    assert compared > 300
    assert 50 < failing < compared / 2


@pytest.mark.parametrize("name", sorted(path.name for path in TREES.iterdir()))
def test_own_files(name: str) -> None:
    text = (TREES / name / "Dockerfile").read_bytes().decode()
    if oracle.comparable(text):
        assert oracle.differences(text) == []
    else:
        assert name in {"heredoc-blanks", "heredoc-not", "json"}
