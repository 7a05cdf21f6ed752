"""Dockerfiles over all rows of docs/reference/dockerfile.md: incubator makes of them what BuildKit makes."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

import pytest

from tests.engine.cases import GROUPS, load_cases
from tests.engine.differential import BuildKit, build_ours, differences

if TYPE_CHECKING:
    from pathlib import Path

    from tests.engine.conftest import Bench


@pytest.mark.parametrize("group", GROUPS)
def test_equal_to_buildkit(docker28: Bench, group: str, tmp_path: Path) -> None:
    cases = load_cases(group)
    (tmp_path / "theirs").mkdir()
    theirs = BuildKit(docker28.handle, docker28.api, tmp_path / "theirs").build(cases)
    with ThreadPoolExecutor(3) as pool:
        ours = list(
            pool.map(
                lambda case: build_ours(docker28.handle, docker28.api, case, tmp_path / "ours" / case.name),
                cases,
            )
        )
    found = {
        case.name: lines
        for case, our, their in zip(cases, ours, theirs, strict=True)
        if (lines := differences(case, our, their))
    }
    assert not found, "\n".join(f"{name}:\n  " + "\n  ".join(lines) for name, lines in found.items())
