"""Named contexts: what their values open, and what they must not."""

from __future__ import annotations

from contextlib import ExitStack
from typing import TYPE_CHECKING

import pytest

from incubator.errors import InputErrors
from incubator.faults import Faults
from incubator.named_contexts import open_contexts, read_pairs
from incubator.options import make_request
from incubator.sources import Place

if TYPE_CHECKING:
    from pathlib import Path

    from incubator.request import NamedContexts


def opened(values: dict[str, str], folder: Path, workspace: Path | None = None) -> NamedContexts:
    faults = Faults()
    with ExitStack() as stack:
        found = open_contexts(values, folder, stack, workspace=workspace, secrets={}, faults=faults)
        faults.check()
        return found


def fault(values: dict[str, str], folder: Path, workspace: Path | None = None) -> str:
    with pytest.raises(InputErrors) as caught:
        opened(values, folder, workspace)
    return str(caught.value)


@pytest.fixture
def workspace(tmp_path: Path) -> Path:
    """A checkout whose folder `link` leads out of it."""
    folder = tmp_path / "workspace"
    (folder / "inside").mkdir(parents=True)
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "secret").write_text("of the runner")
    (folder / "link").symlink_to("../out")
    (folder / "round").symlink_to("inside")
    return folder


@pytest.mark.parametrize(
    "value", ["link", "./link/", "inside/../link", "oci-layout://link", "oci-layout://./link:x"]
)
def test_a_link_of_the_checkout_does_not_lead_out_of_the_workspace(workspace: Path, value: str) -> None:
    assert "leads out of the workspace" in fault({"n": value}, workspace, workspace)


def test_the_pipeline_checks_that_too(workspace: Path) -> None:
    (workspace / "Dockerfile").write_text("FROM scratch\n")
    place = Place(path=workspace, workspace=workspace)
    with pytest.raises(InputErrors, match="leads out of the workspace"):
        make_request(place, contexts={"n": "link"})


def test_links_inside_and_folders_that_the_caller_names_outside_are_fine(workspace: Path) -> None:
    found = opened({"a": "inside", "b": "round", "c": str(workspace.parent / "out")}, workspace, workspace)
    assert sorted(found.files) == ["a", "b", "c"]


def test_images_and_names(tmp_path: Path) -> None:
    found = opened({"docker.io/library/alpine:latest": "docker-image://img", "X": "."}, tmp_path)
    assert found.names == {"alpine": "img:latest", "x": None}


@pytest.mark.parametrize("name", ["bad name!", "", "-x", "a=b"])
def test_names_that_are_none_are_refused_wherever_they_come_from(tmp_path: Path, name: str) -> None:
    assert "is no name of a context" in fault({name: "."}, tmp_path)


@pytest.mark.parametrize("other", ["docker-image://img", "."])
def test_a_name_that_comes_twice(tmp_path: Path, other: str) -> None:
    assert "is given twice" in fault({"n": ".", "N": other}, tmp_path)


def test_all_faults_come_together(tmp_path: Path) -> None:
    values = {
        "a": "missing",
        "b": "oci-layout://x",
        "c": "docker-image://X",
        "d": "target:base",
        "e": "oci-layout://.",
    }
    text = fault(values, tmp_path)
    for words in (
        "is no folder",
        "x' is no folder",
        "invalid reference",
        "buildx bake",
        "context e: the layout has no",
    ):
        assert words in text


def test_pairs() -> None:
    faults = Faults()
    assert read_pairs(["a=b=c", "x", "=y"], faults) == {"a": "b=c"}
    assert len(faults.errors) == 2
