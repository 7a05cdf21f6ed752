"""Where groups are, so that a miss can be told."""

from __future__ import annotations

from types import SimpleNamespace
from typing import TYPE_CHECKING, Any, cast

from incubator.core.group_keys import GroupKeys
from incubator.core.plan.keys import FILE_LENGTH
from tests.unit.core.planning import plan

if TYPE_CHECKING:
    from pathlib import Path

    import pytest


def places(**request: Any) -> list[str]:
    made = plan("FROM scratch\nCOPY a /\nCOPY b /\n")
    values = {"context": ".", "dockerfile": SimpleNamespace(name="Dockerfile"), "platform": None} | request
    keys = GroupKeys(request=cast("Any", SimpleNamespace(**values)), sources=cast("Any", None), epoch=None)
    return [keys.place(made.target, group) for group in made.target.groups]


def test_places_of_a_file_begin_alike_and_differ() -> None:
    one, two = places()
    assert one != two
    assert one[:FILE_LENGTH] == two[:FILE_LENGTH]
    assert places() == [one, two]


def test_the_same_words_elsewhere_are_other_places(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    here = places()
    monkeypatch.chdir(tmp_path)
    assert not set(here) & set(places())
    assert not set(here) & set(places(context=str(tmp_path / "other")))
