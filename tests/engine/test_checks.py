"""Build checks in a build: warnings, each once, and strict files, which run nothing."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from incubator.errors import DockerfileErrors
from incubator.events import BaseResolved, StepStarted, WarningRaised

if TYPE_CHECKING:
    from tests.engine.conftest import Bench

DOCKERFILE = """\
FROM busybox as tools
ENV a=$PATH b=$UNKNOWN
RUN echo \\

  $HOME
MAINTAINER me
"""


def test_warnings_come_once_and_the_base_defines_its_variables(bench: Bench) -> None:
    bench.build(DOCKERFILE)
    warnings = [event for event in bench.events if isinstance(event, WarningRaised)]
    assert [(event.span.first_line, event.rule) for event in warnings if event.span] == [
        (1, "FromAsCasing"),
        (4, "NoEmptyContinuation"),
        (6, "MaintainerDeprecated"),
        (2, "UndefinedVar"),
    ]
    assert "'$UNKNOWN'" in warnings[-1].message


def test_a_strict_file_runs_nothing(bench: Bench) -> None:
    with pytest.raises(DockerfileErrors) as raised:
        bench.build(f"# check=error=true\n{DOCKERFILE}")
    assert raised.value.exit_code == 2
    assert [error.rule for error in raised.value.errors] == [
        "FromAsCasing",
        "NoEmptyContinuation",
        "MaintainerDeprecated",
    ]
    assert not [
        event for event in bench.events if isinstance(event, BaseResolved | StepStarted | WarningRaised)
    ]
