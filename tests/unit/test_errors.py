"""The tree of errors: exit codes, texts, places, hints; and events."""

from __future__ import annotations

import inspect
import signal
from typing import Any

import pytest

from incubator import errors, events
from incubator.dockerfile import Source, Span
from incubator.errors import (
    DOCS_URL,
    BuilderError,
    Cancelled,
    DockerfileError,
    DockerfileErrors,
    EngineError,
    EngineUnreachable,
    ExpandError,
    InputError,
    InputErrors,
    PushFailed,
    RegistryError,
    RegistrySilent,
    StepFailed,
)

SPAN = Span(Source("Dockerfile", "FROM a\nRUN b \\\n  c\nRUN d\n"), 2, 3, 5)
TREE: dict[str, Any] = {
    name: cls
    for name, cls in inspect.getmembers(errors, inspect.isclass)
    if cls.__module__ == errors.__name__ and issubclass(cls, Exception)
}


@pytest.mark.parametrize(
    ("cls", "code"),
    [
        (BuilderError, 1), (InputError, 2), (InputErrors, 2), (DockerfileError, 2), (DockerfileErrors, 2),
        (ExpandError, 2), (StepFailed, 1), (EngineError, 1), (EngineUnreachable, 3), (RegistryError, 4),
        (PushFailed, 4), (RegistrySilent, 4),
    ],
)  # fmt: skip
def test_exit_codes(cls: type[BuilderError], code: int) -> None:
    assert cls.exit_code == code


def test_the_tree_at_the_head_of_the_module_names_every_class_at_its_place() -> None:
    lines = (errors.__doc__ or "").splitlines()
    drawn: dict[str, tuple[str, int]] = {}
    parents: list[str] = []
    for line in lines:
        words = line.replace("│", " ").replace("├── ", "    ").replace("└── ", "    ")
        name, _, meaning = words.strip().partition(" ")
        if name in TREE:
            depth = (len(words) - len(words.lstrip())) // 4
            parents[depth:] = [name]
            code = int(meaning.replace("exit code", "").strip().partition(":")[0].partition(" ")[0])
            drawn[name] = (parents[depth - 1] if depth else "Exception", code)
    assert drawn == {
        name: (cls.__bases__[0].__name__, cls.exit_code if cls is not Cancelled else 130)
        for name, cls in TREE.items()
    }


@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_a_cancelled_build_exits_as_a_shell_would(number: int, code: int) -> None:
    error = Cancelled(number)
    assert error.exit_code == code
    assert str(error) == f"cancelled by signal {number}"


def test_place_cause_and_hint() -> None:
    error = DockerfileError("RUNX is no instruction", rule="unknown", span=SPAN, hint="did you mean RUN?")
    assert str(error).splitlines() == [
        "Dockerfile:2:5: error[unknown]: RUNX is no instruction",
        "   1 | FROM a",
        ">> 2 | RUN b \\",
        ">> 3 |   c",
        "   4 | RUN d",
        "hint: did you mean RUN?",
        f"docs: {DOCS_URL}/rules/faults.md#unknown",
    ]
    assert (error.text, error.rule, error.message) == (
        "RUNX is no instruction",
        "unknown",
        "error[unknown]: RUNX is no instruction",
    )


def test_without_place_and_hint() -> None:
    assert str(BuilderError("no")) == "no"
    assert str(InputError("no", hint="yes")) == "no\nhint: yes"


def test_a_place_may_be_added_later() -> None:
    error = EngineError("no", status=500)
    error.span = SPAN
    assert str(error).startswith("Dockerfile:2:5: no\n")
    assert error.status == 500


def test_several_are_told_together() -> None:
    one, two = DockerfileError("one", span=SPAN), DockerfileError("two", rule="r")
    several = DockerfileErrors([one, two])
    assert str(several) == f"{one}\n{two}"
    assert (several.errors, several.span, several.rule) == ((one, two), SPAN, "syntax")
    inputs = InputErrors([InputError("a", hint="h"), several])
    assert str(inputs) == f"a\nhint: h\n{several}"
    assert len(inputs.errors) == 2


def test_an_expansion_gets_its_place() -> None:
    bare = ExpandError("why", hint="h")
    placed = bare.at(SPAN)
    assert isinstance(placed, DockerfileError)
    assert (placed.reason, placed.rule, placed.hint, placed.span) == ("why", "expansion", "h", SPAN)
    assert bare.span is None
    assert str(placed).count("error[") == 1


def test_a_failed_step_shows_the_end_of_its_output() -> None:
    error = StepFailed(
        "RUN failed with exit status 3", exit_status=3, log_tail=["a", "b"], span=SPAN, hint="h"
    )
    assert str(error).splitlines()[-4:] == ["hint: h", "last lines of output:", "   | a", "   | b"]
    assert (error.exit_status, error.log_tail) == (3, ("a", "b"))
    assert str(StepFailed("x", exit_status=1)) == "x"


def test_a_failed_push_knows_what_was_pushed() -> None:
    error = PushFailed("no", pushed=["a:1"], failed=["a:2"], hint="h")
    assert (error.pushed, error.failed) == (("a:1",), ("a:2",))


# -- events -----------------------------------------------------------------------------------------------


EVENTS: list[Any] = [
    cls for _, cls in inspect.getmembers(events, inspect.isclass) if cls.__module__ == events.__name__
]


@pytest.mark.parametrize("cls", EVENTS)
def test_events_are_frozen_values(cls: type[Any]) -> None:
    assert vars(cls)["__dataclass_params__"].frozen
    assert "__slots__" in vars(cls)
    assert cls.__doc__
    assert cls is events.StepRef or issubclass(cls, events.Event)


def test_a_step_has_a_short_name() -> None:
    assert str(events.StepRef(number=2, total=9, stage="build", text="RUN x")) == "[build 2/9]"


def test_every_listener_hears_every_event_in_order() -> None:
    heard: list[tuple[int, events.Event]] = []
    emit = events.broadcast(lambda event: heard.append((1, event)), lambda event: heard.append((2, event)))
    one, two = events.ImageTagged(reference="a"), events.ImageTagged(reference="b")
    emit(one)
    emit(two)
    assert heard == [(1, one), (2, one), (1, two), (2, two)]
    events.broadcast()(one)
