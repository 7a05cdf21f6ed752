"""How many files a context has, as far as it is counted."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from incubator.console.plain import describe
from incubator.context.directory import DirectoryContext, load_ignore
from incubator.core.context import count_files
from incubator.events import MOST_COUNTED, BuildStarted
from incubator.sources import EmptyContext

if TYPE_CHECKING:
    from pathlib import Path


def test_files_are_counted_without_folders_and_what_is_ignored(tmp_path: Path) -> None:
    (tmp_path / "src").mkdir()
    for name in ("Dockerfile", ".dockerignore", "a.log", "src/one", "src/two"):
        (tmp_path / name).write_text("*.log\n")
    with DirectoryContext(tmp_path) as context:
        assert count_files(context) == 5
    with DirectoryContext(tmp_path, load_ignore(tmp_path, None)) as context:
        assert count_files(context) == 4
    assert count_files(EmptyContext()) == 0


def test_a_large_context_is_not_walked_to_its_end(tmp_path: Path) -> None:
    for number in range(MOST_COUNTED + 20):
        (tmp_path / f"{number:05}").touch()
    with DirectoryContext(tmp_path) as context:
        assert count_files(context) == MOST_COUNTED


@pytest.mark.parametrize(
    ("files", "words"),
    [
        (0, "(context web, 0 files)"),
        (1, "(context web, 1 file)"),
        (MOST_COUNTED, "(context web, 1000 files or more)"),
        (None, "(context web)"),
    ],
)
def test_the_log_says_what_the_context_is(files: int | None, words: str) -> None:
    event = BuildStarted(
        build_id="1",
        dockerfile="web/Dockerfile",
        context="web",
        engine="Docker Engine",
        stages=("a",),
        steps=1,
        layers=1,
        context_files=files,
    )
    assert words in str(describe(event))
