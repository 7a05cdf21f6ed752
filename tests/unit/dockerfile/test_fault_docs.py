"""The page of faults names every one that the room can report, and no other."""

from __future__ import annotations

import re
from pathlib import Path

ROOT = Path(__file__).parents[3]


def test_every_fault_is_described() -> None:
    sources = [*(ROOT / "incubator" / "dockerfile").rglob("*.py"), ROOT / "incubator" / "errors.py"]
    text = "".join(path.read_text() for path in sources)
    reported = set(re.findall(r'rule="([a-z-]+)"', text))
    # `Reader.fault` takes the name as its second argument.
    reported |= set(re.findall(r'fault\(\s*(?:self\.position|number),\s*"([a-z-]+)"', text))
    page = (ROOT / "docs" / "rules" / "faults.md").read_text()
    described = re.findall(r"^\| `([a-z-]+)` \|", page, re.MULTILINE)
    assert described == sorted(described)
    assert set(described) == reported
