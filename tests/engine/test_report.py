"""Reports of real builds: what the events of an engine make of them."""

from __future__ import annotations

from html import unescape
from typing import TYPE_CHECKING

import pytest

from incubator.api import build
from incubator.errors import StepFailed
from incubator.events import broadcast
from incubator.report.html import to_html
from incubator.report.markdown import to_markdown
from incubator.report.model import BuildReport, LayerReport, Recorder

if TYPE_CHECKING:
    from tests.engine.conftest import Bench

DOCKERFILE = """\
FROM busybox AS tools
RUN echo compiling && echo tool > /tool
FROM busybox
COPY --from=tools /tool /tool
RUN echo first > /word; echo 'said <b>first</b>'
"""
NAME = "incubator-report-test:1"


def reported(bench: Bench, dockerfile: str, *, no_cache: bool = False) -> BuildReport:
    bench.write({"Dockerfile": dockerfile})
    recorder = Recorder()
    result = build(
        path=bench.folder,
        tag=NAME,
        network="none",
        container_client=bench.client,
        emit=broadcast(bench.events.append, recorder),
        no_cache=no_cache,
    )
    return recorder.report(result)


def own(report: BuildReport) -> list[LayerReport]:
    """Layers of the image that instructions made; Podman adds one that tidies up."""
    return [layer for layer in report.layers if layer.number and layer.commands]


def test_a_report_names_steps_and_layers_and_what_changed(bench: Bench) -> None:
    try:
        report = reported(bench, DOCKERFILE, no_cache=True)
        assert [step.ref.text.split()[0] for step in report.steps] == ["RUN", "COPY", "RUN"]
        assert {step.state for step in report.steps} == {"made"}
        assert report.steps[-1].lines == ("said <b>first</b>",)
        assert report.steps[1].start_s >= report.steps[0].start_s + report.steps[0].duration_s
        assert [layer.commands[0].split()[0] for layer in own(report)] == ["COPY", "RUN"]
        assert [layer.stage for layer in report.layers if not layer.number] == ["tools"]
        image = report.image
        assert image
        assert image.tags == (NAME,)
        assert image.size_bytes
        assert image.base_layers == 1
        assert image.changes == ()

        again = reported(bench, DOCKERFILE.replace("first > /word", "second > /word"))
        assert again.image
        (change,) = again.image.changes
        assert (change.layers_kept, change.layers_new) == (2, change.layers_gone)
        assert change.size_bytes == image.size_bytes
        assert [layer.cached for layer in own(again)] == [True, False]
        page = unescape(to_html(again))
        for words in (
            NAME,
            "COPY --from=tools /tool /tool",
            "said <b>first</b>",
            "2 layers as before",
        ):
            assert words in page
        assert "<b>first" not in to_html(again)
        assert "cached |" in to_markdown(again)
    finally:
        bench.client.remove_image(NAME)


def test_a_report_of_a_failure_names_the_step(docker28: Bench) -> None:
    docker28.write({"Dockerfile": "FROM busybox\nRUN true\nRUN echo before; exit 3\n"})
    recorder = Recorder()
    with pytest.raises(StepFailed) as raised:
        build(path=docker28.folder, network="none", container_client=docker28.client, emit=recorder)
    report = recorder.report(raised.value)
    assert [step.state for step in report.steps][-1] == "failed"
    assert report.steps[-1].lines == ("before",)
    (failure,) = report.failures
    assert failure.place.endswith("Dockerfile:3")
    assert failure.log_tail == ("before",)
