from __future__ import annotations

import io
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from incubator.ci import sections
from incubator.ci.github import LONGEST_MESSAGE, GitHubLog
from incubator.ci.gitlab import GitLabLog
from incubator.dockerfile.source import Source, Span
from incubator.errors import DockerfileError, DockerfileErrors, InputError, InputErrors, StepFailed
from incubator.events import (
    BuildFailed,
    BuildStarted,
    ImagePushed,
    LayerCommitted,
    StepFinished,
    StepOutput,
    StepRef,
    StepStarted,
    Transfer,
    WarningRaised,
)
from tests.unit.ci import runner

if TYPE_CHECKING:
    from incubator.events import Event


WORKSPACE = Path("/home/ci/web")
HOSTILE = (
    "::error file=a::forged\n",
    "  ::set-output name=digest::sha256:forged\n",
    "text ##[error]forged\n",
    "####[[error]forged\n",
    "progress\r::add-mask::a\n",
    "::stop-commands::x\n",
    "::endgroup::\n",
    "\x1b[0Ksection_end:1:incubator_step_1\r\x1b[0K",
    "\x1b[0Ksection_start:1:evil\r\x1b[0KTitle\n",
    "no line end ::warning::forged",
    "\u2028::error::forged\u0085::error::forged\x0b::error::forged\n",
)
hostile_texts = st.lists(st.sampled_from(HOSTILE), max_size=6).map("".join)
steps = st.builds(
    StepRef,
    number=st.integers(1, 9),
    total=st.just(9),
    stage=st.sampled_from(["build", "::error::x"]),
    text=hostile_texts.map("RUN {}".format),
)


def github(*events: Event) -> tuple[list[runner.Command], list[str]]:
    out = io.StringIO()
    log = GitHubLog(out, WORKSPACE)
    for event in events:
        log(event)
    log.close()
    commands, shown = runner.github_reads(out.getvalue())
    return commands, shown


@given(steps, hostile_texts, st.integers(0, 80))
def test_build_output_cannot_issue_commands(step: StepRef, text: str, cut: int) -> None:
    data = text.encode()
    commands, _ = github(
        StepStarted(step=step),
        StepOutput(step=step, stream="stdout", data=data[:cut]),
        StepOutput(step=step, stream="stderr", data=data),
        StepOutput(step=step, stream="stdout", data=data[cut:]),
        StepFinished(step=step, duration_s=1.0),
    )
    assert [command.name for command in commands] == ["group", "endgroup"]


@given(hostile_texts)
def test_nothing_else_that_is_foreign_issues_commands(text: str) -> None:
    source = Source(text or "Dockerfile", f"FROM x\n{text}\n")
    span = Span(source, 2, 2)
    step = StepRef(number=1, total=1, stage=text, text=text, span=span)
    out = io.StringIO()
    log = GitHubLog(out, WORKSPACE)
    for event in (
        BuildStarted(
            build_id=text, dockerfile=text, context=text, engine=text, stages=(text,), steps=1, layers=1
        ),
        LayerCommitted(stage=text, steps=(step,), diff_id=text, size_bytes=1, duration_s=0.1),
        WarningRaised(message=text, rule=text, span=span),
        ImagePushed(reference=text, digest=text, duration_s=1),
        BuildFailed(error=InputError(text)),
    ):
        log(event)
    log.foreign_text(text.splitlines())
    log.failed(StepFailed(text, exit_status=1, log_tail=text.splitlines(), span=span, hint=text))
    commands, _ = runner.github_reads(out.getvalue())
    assert [command.name for command in commands] == ["error", "warning"]


def test_fences_use_a_new_token_each_time(step: StepRef) -> None:
    out = io.StringIO()
    log = GitHubLog(out, WORKSPACE)
    for _ in range(3):
        log(StepStarted(step=step))
        log(StepOutput(step=step, stream="stdout", data=b"x\n"))
        log(StepFinished(step=step, duration_s=1))
    tokens = [
        line.removeprefix("::stop-commands::")
        for line in out.getvalue().splitlines()
        if "stop-commands" in line
    ]
    assert len(set(tokens)) == 3
    assert all(len(token) == 32 for token in tokens)


def test_a_step_is_a_group_with_its_output(step: StepRef) -> None:
    commands, shown = github(
        StepStarted(step=step),
        StepOutput(step=step, stream="stdout", data=b"one\ntw"),
        StepOutput(step=step, stream="stdout", data=b"o\nthree"),
        StepFinished(step=step, duration_s=1.25),
    )
    assert [(c.name, c.message) for c in commands] == [
        ("group", "[build 2/3] RUN true && false"),
        ("endgroup", ""),
    ]
    assert shown == ["one", "two", "three", "[build 2/3] RUN true && false: 1.2 s", ""]


def test_a_failing_step_is_annotated_at_its_lines(step: StepRef) -> None:
    out = io.StringIO()
    log = GitHubLog(out, WORKSPACE)
    log(StepStarted(step=step))
    error = StepFailed(
        "RUN ended with 2",
        exit_status=2,
        log_tail=("make: *** no rule", "100% lost"),
        span=step.span,
        hint="look up",
    )
    log(BuildFailed(error=error, step=step))
    log.failed(error)
    commands, shown = runner.github_reads(out.getvalue())
    assert [command.name for command in commands] == ["group", "endgroup", "error"]
    assert commands[-1].properties == {
        "title": "step failed",
        "file": "docker/Dockerfile",
        "line": "2",
        "endLine": "3",
    }
    assert commands[-1].message == "RUN ended with 2\nmake: *** no rule\n100% lost\nhint: look up"
    assert ">> 2 | RUN true \\" in shown


def test_all_faults_are_annotated_and_the_runners_limit_is_kept(source: Source) -> None:
    out = io.StringIO()
    faults = [DockerfileError(f"fault {n}", span=Span(source, n, n)) for n in range(1, 4)]
    GitHubLog(out, WORKSPACE).failed(DockerfileErrors(faults))
    commands, _ = runner.github_reads(out.getvalue())
    assert [command.properties["line"] for command in commands] == ["1", "2", "3"]

    out = io.StringIO()
    GitHubLog(out, WORKSPACE).failed(InputErrors([InputError(f"fault {n}") for n in range(15)]))
    commands, _ = runner.github_reads(out.getvalue())
    assert len(commands) == 10
    assert commands[-1].properties["title"] == "6 more of this kind"
    assert all(f"fault {n}" in commands[-1].message for n in range(9, 15))


def test_warnings_become_annotations_at_the_end(source: Source) -> None:
    commands, shown = github(
        WarningRaised(message="use lower case", rule="StageNameCasing", span=Span(source, 1, 1, 6)),
        ImagePushed(reference="a/b:1", digest="sha256:" + "0" * 64, duration_s=1),
    )
    [command] = commands
    assert (command.name, command.message) == ("warning", "use lower case")
    assert command.properties == {
        "title": "StageNameCasing",
        "file": "docker/Dockerfile",
        "line": "1",
        "endLine": "1",
        "col": "6",
    }
    # The runner writes an annotation to the log as well: it is not there twice.
    assert not [line for line in shown if "use lower case" in line]


def test_a_warning_that_is_of_no_build_check_is_not_called_one() -> None:
    [command], _ = github(WarningRaised(message="the cache is not used"))
    assert command.properties == {"title": "image build"}


def test_many_warnings_are_all_in_the_log(source: Source) -> None:
    message = "m" * 600
    warnings = [
        WarningRaised(message=f"{message} {n}.", rule="Rule", span=Span(source, 1, 1)) for n in range(30)
    ]
    commands, shown = github(*warnings)
    assert [command.name for command in commands] == ["warning"] * 10
    assert commands[-1].properties["title"] == "21 more of this kind"
    assert len(commands[-1].message) <= LONGEST_MESSAGE
    for n in range(9, 30):
        assert sum(f"{message} {n}." in line for line in shown) == 1


def test_long_messages_are_cut_in_the_middle() -> None:
    out = io.StringIO()
    GitHubLog(out, WORKSPACE).failed(InputError("a" * 5000 + "\n" + "z" * 5000))
    commands, _ = runner.github_reads(out.getvalue())
    assert len(commands[0].message) <= LONGEST_MESSAGE
    assert commands[0].message.startswith("aaa")
    assert commands[0].message.endswith("zzz")


def test_masks_are_set_line_by_line() -> None:
    out = io.StringIO()
    GitHubLog(out, WORKSPACE).mask("first\n\n100%")
    commands, _ = runner.github_reads(out.getvalue())
    assert [(c.name, c.message) for c in commands] == [("add-mask", "first"), ("add-mask", "100%")]


@pytest.mark.parametrize("kind", [GitHubLog, GitLabLog])
def test_progress_is_shown_every_few_seconds_only(
    kind: type[GitHubLog | GitLabLog],
) -> None:
    out = io.StringIO()
    now = iter([0.0, 0.0, 1.0, 2.0, 7.0, 7.0, 7.0, 8.0, 8.0, 9.0, 9.0])
    ticks = [10.0]

    def clock() -> float:
        return ticks[0]

    log: GitHubLog | GitLabLog
    log = GitHubLog(out, WORKSPACE, clock=clock) if kind is GitHubLog else GitLabLog(out, now=clock)
    for tick in now:
        ticks[0] = 10.0 + tick
        log(Transfer(reference="a/b", direction="push", current_bytes=1_500_000, total_bytes=None))
    assert out.getvalue() == "pushing a/b: 1.5 MB\n" * 2


@given(steps, hostile_texts, st.integers(0, 80))
def test_build_output_cannot_make_gitlab_sections(step: StepRef, text: str, cut: int) -> None:
    out = io.StringIO()
    log = GitLabLog(out)
    data = text.encode()
    log(StepStarted(step=step))
    log(StepOutput(step=step, stream="stdout", data=data[:cut]))
    log(StepOutput(step=step, stream="stdout", data=data[cut:]))
    log(StepFinished(step=step, duration_s=1))
    log.failed(StepFailed(text, exit_status=1, log_tail=text.splitlines()))
    assert runner.gitlab_sections(out.getvalue()) == [
        ("start", "incubator_step_1"),
        ("end", "incubator_step_1"),
    ]


def test_gitlab_sections_are_as_documented(step: StepRef) -> None:
    out = io.StringIO()
    log = GitLabLog(out, now=lambda: 1700000000.5)
    log(StepStarted(step=step))
    log(StepOutput(step=step, stream="stderr", data=b"hello"))
    log(StepFinished(step=step, duration_s=2, cached=True))
    assert out.getvalue() == (
        "\x1b[0Ksection_start:1700000000:incubator_step_1\r\x1b[0K[build 2/3] RUN true && false\n"
        "hello\n"
        "\x1b[0Ksection_end:1700000000:incubator_step_1\r\x1b[0K\n[build 2/3] RUN true && false: cached\n"
    )


def test_steps_that_speak_at_once_keep_their_lines_apart(step: StepRef) -> None:
    other = replace(step, number=3, text="RUN other")
    commands, shown = github(
        StepStarted(step=step),
        StepStarted(step=other),
        StepOutput(step=step, stream="stdout", data=b"one and "),
        StepOutput(step=other, stream="stdout", data=b"two\n"),
        StepOutput(step=step, stream="stdout", data=b"a half\n"),
        StepFinished(step=other, duration_s=1),
        StepFinished(step=step, duration_s=1),
    )
    assert [line for line in shown if ":" not in line] == ["one and a half", "two", ""]
    assert [c.name for c in commands] == ["group", "endgroup"] * 2


def named(stage: str) -> StepRef:
    return StepRef(number=1, total=1, stage=stage, text=f"RUN {stage}")


def said(stage: str, text: str) -> StepOutput:
    return StepOutput(step=named(stage), stream="stdout", data=text.encode())


def test_steps_that_run_at_the_same_time_have_a_section_each() -> None:
    layer = LayerCommitted(stage="b", steps=(named("b"),), diff_id=None, size_bytes=1, duration_s=1)
    commands, shown = github(
        StepStarted(step=named("a")),
        StepStarted(step=named("b")),
        said("b", "b1\n"),
        said("a", "a1\n"),
        StepStarted(step=named("c")),
        said("c", "c1\n"),
        said("b", "b2\nb3"),
        StepFinished(step=named("b"), duration_s=1),
        layer,
        said("a", "a2"),
        StepFinished(step=named("a"), duration_s=2),
        said("c", "c2\n"),
        StepFinished(step=named("c"), duration_s=3),
    )
    assert [command.name for command in commands] == ["group", "endgroup"] * 3
    assert shown == [
        "a1", "a2", "[a 1/1] RUN a: 2.0 s",
        "b1", "b2", "b3", "[b 1/1] RUN b: 1.0 s", "layer of b: 1 B in 1.0 s, 1 step",
        "c1", "c2", "[c 1/1] RUN c: 3.0 s", "",
    ]  # fmt: skip


def test_what_was_held_back_is_shown_when_the_build_fails() -> None:
    commands, shown = github(
        StepStarted(step=named("a")),
        StepStarted(step=named("b")),
        said("b", "b1\n"),
        said("a", "a1\n"),
        BuildFailed(error=InputError("x"), step=named("b")),
    )
    assert [command.name for command in commands] == ["group", "endgroup"] * 2
    assert shown == ["a1", "b1", ""]


def test_no_flood_is_held_back_for_a_step_that_takes_long(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sections, "_MOST_HELD", 100)
    events: list[Event] = [StepStarted(step=named("slow"))]
    for number in range(9):
        events += [
            StepStarted(step=named(f"s{number}")),
            said(f"s{number}", f"{number} says\n" * 8),
            StepFinished(step=named(f"s{number}"), duration_s=1),
        ]
    commands, shown = github(
        *events, said("slow", "at last\n"), StepFinished(step=named("slow"), duration_s=9)
    )
    assert [line for line in shown if "says" in line] == [f"{n} says" for n in range(9) for _ in range(8)]
    assert shown.index("at last") > shown.index("6 says")
    titles = [command.message for command in commands if command.name == "group"]
    assert titles.count("[slow 1/1] RUN slow") > 2
    assert {titles.count(f"[s{number} 1/1] RUN s{number}") for number in range(9)} == {1}
