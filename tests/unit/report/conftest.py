"""A build as its events tell it, with a clock that the tests set."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import UTC, datetime

import pytest

from incubator.core.result import LayerResult, ReplacedImage, ResultImage
from incubator.dockerfile.source import Source, Span
from incubator.events import (
    BaseResolved,
    BuildStarted,
    Event,
    LayerCommitted,
    StepFinished,
    StepOutput,
    StepRef,
    StepStarted,
    WarningRaised,
)
from incubator.oci.image_config import RuntimeConfig
from incubator.oci.platform import Platform
from incubator.report.model import Recorder

BASE, TOOL, APP, STATIC = (f"sha256:{letter * 64}" for letter in "abcd")
HOSTILE = "RUN echo '|' <script>alert(1)</script> ``` ]]> `tick` \"x\" {{csp}} <!-- [x](http://evil) %%{init}%%; :crit"
SOURCE = Source("docker/Dockerfile", f"FROM busybox\nCOPY tool /\n{HOSTILE}\nRUN make \\\n  all\n")


def step(number: int, text: str, stage: str = "app", line: int = 2, last: int | None = None) -> StepRef:
    return StepRef(number=number, total=4, stage=stage, text=text, span=Span(SOURCE, line, last or line))


COPY = step(2, "COPY tool /")
RUN = step(3, HOSTILE, line=3)
MAKE = step(4, "RUN make   all", line=4, last=5)
OTHER = step(2, "RUN build", stage="tools")


@dataclass
class Story:
    """Feeds a recorder at given times."""

    now: float = 100.0
    recorder: Recorder = field(init=False)

    def __post_init__(self) -> None:
        begin = datetime(2026, 3, 4, 5, 6, 7, tzinfo=UTC)
        self.recorder = Recorder(clock=lambda: self.now, now=lambda: begin)

    def at(self, second: float, *events: Event) -> None:
        self.now = 100.0 + second
        for event in events:
            self.recorder(event)

    def print(self, ref: StepRef, text: str, skipped: int = 0) -> None:
        self.recorder(StepOutput(step=ref, stream="stdout", data=text.encode(), skipped_bytes=skipped))


@pytest.fixture
def begun() -> Story:
    """A build of two stages up to its last step, which runs."""
    story = Story()
    story.at(
        0,
        BuildStarted(
            build_id="ab", dockerfile="docker/Dockerfile", context="web", engine="Docker Engine 28.5.2",
            stages=("tools", "app"), steps=4, layers=4,
        ),
        BaseResolved(reference="busybox", image_id=BASE, pulled=True, duration_s=0.5),
        WarningRaised(message="<b>old</b> | form", rule="maintainer-deprecated", span=MAKE.span),
    )  # fmt: skip
    story.at(0.5, StepStarted(step=COPY), StepFinished(step=COPY, duration_s=0.0, cached=True))
    story.at(0.5, StepStarted(step=OTHER))
    story.at(1, StepStarted(step=RUN))
    story.print(RUN, "one\n\x1b[31mtw")
    story.print(RUN, "o\x1b[0m </pre><img src=x onerror=alert(1)>\nno end")
    story.at(3, StepFinished(step=OTHER, duration_s=2.5))
    story.at(3.5, StepFinished(step=RUN, duration_s=2.5, peak_memory_bytes=5_000_000))
    story.at(
        3.6,
        LayerCommitted(stage="app", steps=(COPY,), diff_id=TOOL, size_bytes=7, duration_s=0, cached=True),
        LayerCommitted(stage="tools", steps=(OTHER,), diff_id=TOOL, size_bytes=8, duration_s=2.5),
        LayerCommitted(
            stage="app", steps=(RUN,), diff_id=APP, size_bytes=2_000_000, duration_s=2.5,
            not_cached="RUN changed",
        ),
    )  # fmt: skip
    story.at(4, StepStarted(step=MAKE))
    return story


@pytest.fixture
def built(begun: Story) -> Story:
    """The same, ended well."""
    begun.at(5, StepFinished(step=MAKE, duration_s=1.0))
    begun.at(
        5,
        LayerCommitted(stage="app", steps=(MAKE,), diff_id=None, size_bytes=0, duration_s=1.0, cached=False),
    )
    begun.now = 106.0
    return begun


def layer(diff_id: str, size: int, *commands: str, base: bool = False, cached: bool = False) -> LayerResult:
    return LayerResult(
        diff_id=diff_id, size_bytes=size, commands=commands, duration_s=2.5, cached=cached, base=base
    )


@pytest.fixture
def result() -> ResultImage:
    return ResultImage(
        id="sha256:" + "1" * 64,
        config_digest="sha256:" + "2" * 64,
        tags=("localhost:5000/acme/web:1.2", "localhost:5000/acme/web:latest"),
        digests={"localhost:5000/acme/web:1.2": "sha256:" + "3" * 64},
        layers=(
            layer(BASE, 3_000_000, base=True),
            layer(TOOL, 7, COPY.text, cached=True),
            layer(APP, 2_000_000, RUN.text),
        ),
        logs=(),
        config=RuntimeConfig(env=("PATH=/bin", "NEW=1"), labels=(("v", "2"),), cmd=("sh",)),
        platform=Platform(os="linux", architecture="amd64"),
        duration_s=5.9,
        replaced=(
            ReplacedImage(
                reference="localhost:5000/acme/web:latest",
                id="sha256:" + "9" * 64,
                size_bytes=3_800_007,
                diff_ids=(BASE, TOOL, STATIC, STATIC),
                config=RuntimeConfig(env=("PATH=/usr/bin", "OLD=1"), labels=(("v", "2"),), cmd=("sh",)),
            ),
        ),
    )
