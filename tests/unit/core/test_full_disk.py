"""What is said of a full disk."""

from __future__ import annotations

from typing import cast

import pytest

from incubator.core.docker_types import disk_usage
from incubator.core.engine import DiskUsage, Engine
from incubator.core.full_disk import advise_on_full_disk
from incubator.errors import BuilderError, EngineError, StepFailed


class Full:
    """An engine that tells what it could give back, or fails to."""

    def __init__(self, usage: DiskUsage | None) -> None:
        self._usage = usage

    def disk_usage(self) -> DiskUsage:
        if self._usage is None:
            raise EngineError("cannot ask")
        return self._usage


USAGE = DiskUsage(images=3_100_000_000, builder=0, volumes=2_000_000)


def advised(error: BuilderError, usage: DiskUsage | None = USAGE) -> str:
    advise_on_full_disk(error, cast("Engine", Full(usage)))
    return error.hint or ""


@pytest.mark.parametrize(
    "error",
    [
        EngineError("cannot commit a layer: write /x: no space left on device"),
        StepFailed(
            "RUN failed with exit status 1",
            exit_status=1,
            log_tail=["dd: writing 'x': No space left on device", "1+0 records out"],
            span=None,
        ),
    ],
)
def test_it_says_what_to_free(error: BuilderError) -> None:
    hint = advised(error)
    assert "3.1 GB in images that no container uses (docker image prune --all)" in hint
    assert "2.0 MB in volumes that no container uses (docker volume prune)" in hint
    assert "builder prune" not in hint
    assert "incubator cache prune" in hint


def test_an_engine_that_tells_nothing_takes_no_advice_away() -> None:
    assert advised(EngineError("no space left on device"), None).startswith(
        "a disk is full: that of the engine, or"
    )


def test_other_errors_keep_their_hint() -> None:
    assert advised(EngineError("something else")) == ""


def test_what_docker_tells() -> None:
    reply = {
        "LayersSize": 1000,
        "Images": [
            {"Size": 800, "Containers": 0},
            {"Size": 700, "Containers": 0},
            {"Size": 500, "Containers": 2},
        ],
        "Volumes": [
            {"UsageData": {"RefCount": 0, "Size": 7}},
            {"UsageData": {"RefCount": 1, "Size": 70}},
            {"UsageData": {"RefCount": 0, "Size": -1}},
            {},
        ],
        "BuildCache": [{"Size": 5, "InUse": True}, {"Size": 6, "InUse": False}],
    }
    assert disk_usage(reply) == DiskUsage(images=1000, builder=6, volumes=7)
    assert disk_usage({"Images": None}) == DiskUsage(images=0, builder=0, volumes=0)
