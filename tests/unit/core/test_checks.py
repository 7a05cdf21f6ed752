"""The build checks of one build: each warning once and in order, faults and strictness before anything runs."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from incubator.context.patterns import PatternMatcher
from incubator.core.checks import BuildChecks, base_environments
from incubator.dockerfile import Source, parse
from incubator.errors import DockerfileError, DockerfileErrors
from incubator.events import WarningRaised
from incubator.request import BuildRequest
from incubator.sources import EmptyContext
from tests.unit.core.planning import AMD64, base, plan

if TYPE_CHECKING:
    from incubator.events import Event


class Ignoring(EmptyContext):
    """An empty context whose ignore file has `secret`."""

    ignore = PatternMatcher(["secret"])


class Run:
    """The checks of a text, with what they emitted as `line rule`."""

    def __init__(self, text: str, **request: Any) -> None:
        source = Source("Dockerfile", text)
        fields: dict[str, Any] = {"dockerfile": source, "context": EmptyContext()} | request
        self.events: list[WarningRaised] = []
        self.checks = BuildChecks(parse(source), BuildRequest(**fields), platform=AMD64, emit=self._take)

    def _take(self, event: Event) -> None:
        assert isinstance(event, WarningRaised)
        assert event.span
        self.events.append(event)

    @property
    def found(self) -> list[str]:
        return [f"{event.span.first_line} {event.rule}" for event in self.events if event.span]


TEXT = "FROM busybox as b\nRUN x \\\n\n  y\nENV a=$UNKNOWN\nCOPY .env /\nCMD x\n"
ALL = ["1 FromAsCasing", "3 NoEmptyContinuation", "6 SecretFileCopied", "7 JSONArgsRecommended"]


def test_each_warning_comes_once_in_order_of_lines() -> None:
    run = Run(TEXT)
    run.checks.before()
    assert run.found == ALL
    run.checks.after(plan(TEXT))
    # What a base defines is known only now.
    assert run.found == [*ALL, "5 UndefinedVar"]
    run.checks.after(plan(TEXT))
    assert len(run.found) == 5


def test_what_the_base_defines_is_defined() -> None:
    run = Run(TEXT)
    run.checks.before()
    run.checks.after(plan(TEXT, base("busybox", env=("UNKNOWN=1",))))
    assert run.found == ALL


def test_what_triggers_of_a_base_define_is_not_known() -> None:
    bases = base("a", env=("X=1",)), base("b", env=("Y=1",), on_build=("ENV UNKNOWN=1",))
    text = "FROM a AS c\nFROM b\nENV z=$UNKNOWN\nCOPY --from=c x /\n"
    made = plan(text, *bases)
    assert base_environments(made) == {"a": {"X": "1"}}
    run = Run(text)
    run.checks.after(made)
    assert run.found == []


def test_only_what_is_built_is_checked() -> None:
    text = "FROM a AS one\nCMD x\nFROM a AS two\nCMD y\n"
    run = Run(text)
    run.checks.before()
    assert run.found == ["4 JSONArgsRecommended"]
    run = Run(text, target="one")
    run.checks.before()
    assert run.found == ["2 JSONArgsRecommended"]


def test_the_context_says_what_is_ignored() -> None:
    text = "FROM a\nCOPY secret /\n"
    run = Run(text, context=Ignoring())
    run.checks.before()
    assert run.found == ["2 CopyIgnoredFile"]
    run = Run(text)
    run.checks.before()
    assert run.found == []


def test_strict_files_fail_with_all_findings_at_once() -> None:
    run = Run(f"# check=error=true\n{TEXT}")
    with pytest.raises(DockerfileErrors) as caught:
        run.checks.before()
    assert [error.rule for error in caught.value.errors] == [
        "FromAsCasing", "NoEmptyContinuation", "JSONArgsRecommended",
    ]  # fmt: skip
    assert caught.value.exit_code == 2
    # The reference would build a file that only a rule of our own finds fault with.
    assert run.found == ["7 SecretFileCopied"]
    run = Run("# check=error=true\nFROM a\nCOPY .env /\n")
    run.checks.before()
    assert run.found == ["3 SecretFileCopied"]


def test_what_is_known_late_fails_a_strict_file_too() -> None:
    text = "# check=error=true\nFROM busybox\nENV a=$UNKNOWN\n"
    run = Run(text)
    run.checks.before()
    with pytest.raises(DockerfileErrors, match="UndefinedVar"):
        run.checks.after(plan(text))
    assert run.found == []


def test_the_build_argument_replaces_what_the_file_says() -> None:
    run = Run(f"# check=error=true\n{TEXT}", build_args={"BUILDKIT_DOCKERFILE_CHECK": "skip=all"})
    run.checks.before()
    assert run.found == []
    run = Run(TEXT, build_args={"BUILDKIT_DOCKERFILE_CHECK": "error=true"})
    with pytest.raises(DockerfileErrors):
        run.checks.before()
    run = Run(TEXT, build_args={"BUILDKIT_DOCKERFILE_CHECK": None})
    run.checks.before()
    assert run.found == ALL


def test_faults_come_before_any_base_is_asked_for() -> None:
    run = Run("FROM a as b\nENV x=${y!} z='\n")
    with pytest.raises(DockerfileErrors) as caught:
        run.checks.before()
    assert [str(error.span) for error in caught.value.errors] == ["Dockerfile:2:7", "Dockerfile:2:15"]
    assert run.found == ["1 FromAsCasing"]


def test_a_malformed_check_is_a_fault() -> None:
    with pytest.raises(DockerfileError, match="no option of check"):
        Run("# check=skp=x\nFROM a\n").checks.before()
