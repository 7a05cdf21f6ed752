"""Values that several tests of this room build on."""

from __future__ import annotations

import pytest

from incubator.core.result import CommandLog, LayerResult, ResultImage
from incubator.dockerfile.source import Source, Span
from incubator.events import StepRef
from incubator.oci.image_config import RuntimeConfig
from incubator.oci.platform import Platform

DIGEST = "sha256:" + "d" * 64
CONFIG_DIGEST = "sha256:" + "c" * 64


@pytest.fixture
def source() -> Source:
    return Source("/home/ci/web/docker/Dockerfile", "FROM busybox\nRUN true \\\n && false\nCOPY . .\n")


@pytest.fixture
def step(source: Source) -> StepRef:
    return StepRef(number=2, total=3, stage="build", text="RUN true && false", span=Span(source, 2, 3))


@pytest.fixture
def result() -> ResultImage:
    return ResultImage(
        id="sha256:" + "1" * 64,
        config_digest=CONFIG_DIGEST,
        tags=("localhost:5000/acme/web:1.2", "localhost:5000/acme/web:latest"),
        digests={"localhost:5000/acme/web:1.2": DIGEST, "localhost:5000/acme/web:latest": DIGEST},
        layers=(
            LayerResult(
                diff_id="sha256:" + "a" * 64,
                size_bytes=3_765_430,
                commands=(),
                duration_s=0.0,
                cached=False,
                base=True,
            ),
            LayerResult(
                diff_id="sha256:" + "b" * 64,
                size_bytes=1_234_567,
                commands=("RUN echo '|' > /x && echo <b>&nbsp;", "RUN **bold** [x](http://evil) `tick`"),
                duration_s=1.26,
                cached=False,
            ),
            LayerResult(
                diff_id="sha256:" + "e" * 64,
                size_bytes=3,
                commands=("COPY . .",),
                duration_s=0.0,
                cached=True,
            ),
        ),
        logs=(CommandLog(command="RUN true", logs=""),),
        config=RuntimeConfig(labels=(("a", "1"), ("text", "first\nsecond\nIMAGE=forged"))),
        platform=Platform(os="linux", architecture="amd64"),
        duration_s=2.3456,
    )
