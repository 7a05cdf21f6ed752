from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from incubator.errors import DockerfileError, DockerfileErrors, InputError, StepFailed
from incubator.events import BuildFailed
from incubator.report.model import ALL_CHARACTERS, STEP_CHARACTERS
from tests.unit.report.conftest import COPY, MAKE, OTHER, RUN, SOURCE, Story, step

if TYPE_CHECKING:
    from incubator.core.result import ResultImage


def test_steps_have_their_times_states_and_output(built: Story, result: ResultImage) -> None:
    report = built.recorder.report(result)
    assert [(s.ref, s.start_s, s.duration_s, s.state) for s in report.steps] == [
        (COPY, 0.5, 0.0, "cached"),
        (OTHER, 0.5, 2.5, "made"),
        (RUN, 1.0, 2.5, "made"),
        (MAKE, 4.0, 1.0, "made"),
    ]
    assert report.steps[2].lines == ("one", "two </pre><img src=x onerror=alert(1)>", "no end")
    assert report.steps[2].peak_memory_bytes == 5_000_000
    assert (report.duration_s, report.engine, report.stages) == (
        6.0,
        "Docker Engine 28.5.2",
        ("tools", "app"),
    )
    assert [(base.reference, base.pulled) for base in report.bases] == [("busybox", True)]
    assert [(f.rule, f.place) for f in report.findings] == [("maintainer-deprecated", "docker/Dockerfile:4")]


def test_layers_of_the_image_come_in_order_and_those_of_other_stages_after(
    built: Story, result: ResultImage
) -> None:
    layers = built.recorder.report(result).layers
    assert [(la.number, la.stage, la.commands, la.size_bytes, la.cached, la.line) for la in layers] == [
        (2, "app", (COPY.text,), 7, True, 2),
        (3, "app", (RUN.text,), 2_000_000, False, 3),
        (None, "tools", ("RUN build",), 8, False, 2),
    ]
    assert layers[1].not_cached == "RUN changed"


def test_the_image_is_compared_with_the_last_one_of_its_tags(built: Story, result: ResultImage) -> None:
    image = built.recorder.report(result).image
    assert image
    assert (image.base_layers, image.base_size_bytes, image.size_bytes) == (1, 3_000_000, 5_000_007)
    (change,) = image.changes
    assert (change.layers_kept, change.layers_new, change.layers_gone) == (2, 1, 2)
    assert change.config == ("Env NEW added", "Env OLD gone", "Env PATH changed")
    same = replace(result, replaced=(replace(result.replaced[0], id=result.id),))
    again = built.recorder.report(same).image
    assert again
    assert again.changes[0].is_same


def test_a_failure_has_its_place_and_last_lines(begun: Story) -> None:
    error = StepFailed("RUN failed", exit_status=2, log_tail=["a", "b"], span=MAKE.span, hint="look")
    error.step = MAKE
    begun.at(4.75, BuildFailed(error=error, step=MAKE))
    report = begun.recorder.report(error)
    assert report.image is None
    (failure,) = report.failures
    assert (failure.message, failure.place, failure.log_tail) == (
        "RUN failed", "docker/Dockerfile:4", ("a", "b"),
    )  # fmt: skip
    assert ">> 4 | RUN make \\" in failure.snippet
    assert failure.advice == ("hint: look",)
    assert (report.steps[-1].state, report.steps[-1].duration_s) == ("failed", 0.75)
    assert [la.number for la in report.layers] == [None, None, None]


def test_what_ran_beside_a_failure_was_stopped(begun: Story) -> None:
    begun.now += 1
    assert begun.recorder.report(InputError("no")).steps[-1].state == "stopped"


def test_all_faults_of_a_file_are_failures() -> None:
    faults = [DockerfileError(f"fault {number}", rule="syntax", span=MAKE.span) for number in range(3)]
    report = Story().recorder.report(DockerfileErrors(faults))
    assert [f.message for f in report.failures] == [f"error[syntax]: fault {number}" for number in range(3)]
    assert report.failures[0].span
    assert report.failures[0].span.source is SOURCE


def test_long_output_loses_its_beginning(built: Story, result: ResultImage) -> None:
    refs = [step(number, f"RUN {number}") for number in range(100, 150)]
    line = "x" * 99 + "\n"
    for ref in refs:
        built.print(ref, line * (STEP_CHARACTERS // 50) + "last\n")
    steps = {s.ref: s for s in built.recorder.report(result).steps}
    sizes = {ref: sum(len(text) + 1 for text in steps[ref].lines) for ref in refs}
    assert max(sizes.values()) <= STEP_CHARACTERS
    assert ALL_CHARACTERS // 2 < sum(sizes.values()) <= ALL_CHARACTERS
    assert all(steps[ref].lines[-1] == "last" and steps[ref].left_out for ref in refs)
    assert not steps[RUN].left_out


def test_bytes_that_were_skipped_before_are_told(built: Story, result: ResultImage) -> None:
    built.print(MAKE, "end\n", skipped=5)
    assert built.recorder.report(result).steps[-1].left_out
