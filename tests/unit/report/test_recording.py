"""A build for several platforms has a report with a part for each."""

from __future__ import annotations

import re
from dataclasses import replace
from typing import TYPE_CHECKING

from incubator.core.result import ResultIndex
from incubator.errors import StepFailed
from incubator.events import BuildFailed, StepFinished, StepStarted, WarningRaised, for_platform
from incubator.oci.platform import parse_platform
from incubator.report.html import to_html
from incubator.report.markdown import to_markdown
from incubator.report.recording import BuildRecorder
from tests.unit.report.conftest import step

if TYPE_CHECKING:
    from incubator.core.result import ResultImage

BOTH = ("linux/amd64", "linux/arm64")
MAKE = step(2, "RUN make")


def recorded() -> BuildRecorder:
    recorder = BuildRecorder()
    recorder(WarningRaised(message="of the file", rule="StageNameCasing"))
    for platform in BOTH:
        recorder(for_platform(StepStarted(step=MAKE), platform))
    recorder(for_platform(WarningRaised(message="of arm64"), "linux/arm64"))
    return recorder


def index_of(result: ResultImage) -> ResultIndex:
    fields = {name: getattr(result, name) for name in result.__dataclass_fields__}
    images = tuple(replace(result, platform=parse_platform(platform)) for platform in BOTH)
    return ResultIndex(**(fields | {"images": images, "replaced": ()}))


def test_each_platform_has_its_part(result: ResultImage) -> None:
    recorder = recorded()
    for platform in BOTH:
        recorder(for_platform(StepFinished(step=MAKE, duration_s=1), platform))
    report = recorder.report(index_of(result))
    assert [part.platform for part in report.parts] == list(BOTH)
    assert [[str(step.ref) for step in part.steps] for part in report.parts] == [
        [f"[{platform} {MAKE.stage} 2/4]"] for platform in BOTH
    ]
    assert [finding.message for finding in report.findings] == ["of the file"]
    assert [finding.message for finding in report.parts[1].findings] == ["of arm64"]
    assert (report.steps, report.layers) == ((), ())
    assert report.image
    assert report.image.platform == "linux/amd64, linux/arm64"

    text = to_markdown(report)
    assert re.findall(r"(?m)^#### (.*)$", text) == list(BOTH)
    assert text.count("```mermaid") == 2
    page = to_html(report)
    assert re.findall(r'<h2 class="part">(.*?)</h2>', page) == list(BOTH)
    assert page.count("<h2>Steps over time</h2>") == page.count("<h2>Layers by size</h2>") == 2


def test_a_failure_is_told_once_and_its_step_marked() -> None:
    recorder = recorded()
    error = StepFailed("linux/arm64: RUN failed", exit_status=1)
    error.step = replace(MAKE, platform="linux/arm64")
    recorder(BuildFailed(error=error, step=error.step))
    report = recorder.report(error)
    assert [failure.message for failure in report.failures] == ["linux/arm64: RUN failed"]
    assert [[step.state for step in part.steps] for part in report.parts] == [["stopped"], ["failed"]]
    assert to_markdown(report).count("linux/arm64: RUN failed".replace(":", "&#58;")) == 1
