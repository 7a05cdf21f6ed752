"""ARG and ENV: who sees which value. What BuildKit makes of more of them is in test_plan_recorded.py."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from incubator.core.plan.scope import BUILDER_ARGS, PROXY_ARGS, BuildArgs, Scope, platform_args
from incubator.dockerfile import Source, Span
from incubator.errors import DockerfileError
from incubator.oci.platform import Platform
from tests.unit.core.planning import PATH, base, env, plan, step

SPAN = Span(Source("Dockerfile", "X"), 1, 1)


def run_env(text: str, **options: Any) -> dict[str, str]:
    variables = dict(step(text, **options).env)
    assert variables.pop("PATH", None) in (PATH.removeprefix("PATH="), None)
    return variables


# -- ARG --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "given", "value"),
    [
        ("FROM busybox\nARG A", {}, None),
        ("FROM busybox\nARG A=d", {}, "d"),
        ("FROM busybox\nARG A=d", {"A": "g"}, "g"),
        ("FROM busybox\nARG A=d", {"A": ""}, ""),
        ("FROM busybox\nARG A", {"A": "g"}, "g"),
        ("FROM busybox\nARG A=", {}, ""),
        ("ARG A=g\nFROM busybox\nARG A", {}, "g"),
        ("ARG A=g\nFROM busybox\nARG A=own", {}, "own"),
        ("ARG A=g\nFROM busybox", {}, None),
        ("ARG A\nFROM busybox\nARG A", {"A": "given"}, "given"),
        ("ARG B=1\nARG A=$B$B\nFROM busybox\nARG A", {}, "11"),
        ("ARG B=1\nARG A=$B$B\nFROM busybox\nARG A", {"B": "x"}, "xx"),
        ("FROM busybox\nARG A='q $B' B=1", {}, "q $B"),
        ('FROM busybox\nARG B=1\nARG A="q $B"', {}, "q 1"),
        ("FROM busybox\nENV B=e\nARG A=$B", {}, "e"),
        ("FROM busybox\nARG A=1\nARG A", {}, "1"),
        ("FROM busybox\nARG A", {"A": "$B 'raw'"}, "$B 'raw'"),
    ],
)
def test_values_in_a_run(text: str, given: dict[str, str], value: str | None) -> None:
    assert run_env(f"{text}\nRUN true", build_args=given).get("A") == value


def test_an_argument_counts_from_its_line_on() -> None:
    assert env("FROM busybox\nENV X=x$A\nARG A=1\nENV Y=y$A", build_args={"A": "2"}) == {"X": "x", "Y": "y2"}


def test_the_later_of_arg_and_env_counts() -> None:
    text = "FROM busybox\nENV A=env\nARG A=arg\nENV B=$A\n"
    assert env(text) == {"A": "env", "B": "arg"}
    assert run_env(f"{text}RUN true") == {"A": "arg", "B": "arg"}
    assert run_env(f"{text}ENV A=env\nRUN true") == {"A": "env", "B": "arg"}
    assert run_env("FROM busybox\nENV A=env\nARG A\nRUN true") == {"A": "env"}


def test_one_instruction_does_not_see_what_it_sets_itself() -> None:
    assert env("FROM busybox\nENV A=1\nENV A=2 B=$A C=$B") == {"A": "2", "B": "1", "C": ""}
    assert run_env("FROM busybox\nARG A=1 B=$A\nRUN true") == {"A": "1", "B": "1"}


def test_a_stage_on_a_stage_inherits_arguments_a_sibling_does_not() -> None:
    text = "FROM busybox AS a\nARG A=1\nENV E=2\nFROM {} AS b\nRUN true"
    assert run_env(text.format("a")) == {"A": "1", "E": "2"}
    assert run_env(text.format("busybox")) == {}


def test_what_a_stage_adds_does_not_reach_back() -> None:
    text = "FROM busybox AS a\nARG A=1\nRUN one\nFROM a AS b\nARG A=2 B=3\nRUN two\n"
    text += "FROM a\nCOPY --from=b x /\nRUN three"
    made = plan(text)
    runs = [dict(s.env) for s in made.steps if hasattr(s, "env")]
    assert [(variables["A"], variables.get("B")) for variables in runs] == [
        ("1", None),
        ("2", "3"),
        ("1", None),
    ]


def test_variables_of_the_base() -> None:
    image = base("img", env=("A=1", "NOVALUE", "EQ=a=b"))
    values = dict(step("FROM img\nRUN true", image).env)
    assert values["A"] == "1"
    assert values["NOVALUE"] == ""
    assert values["EQ"] == "a=b"


def test_history_names_declared_arguments_with_the_values_they_have() -> None:
    text = "FROM busybox\nARG B=1\nARG A\nARG B=2\nENV B=3\nARG PATHLESS\nRUN true"
    assert step(text, build_args={"A": "a b"}).created_by == "RUN |3 B=3 A=a b PATHLESS= /bin/sh -c true"
    assert step("FROM busybox\nENV B=1\nRUN true").created_by == "RUN /bin/sh -c true"


# -- proxies ----------------------------------------------------------------------------------------------


def test_proxies_reach_a_run_undeclared_and_no_history() -> None:
    given = {"HTTP_PROXY": "http://user:secret@proxy", "no_proxy": "localhost"}
    run = step("FROM busybox\nRUN true", build_args=given)
    assert dict(run.env) == {
        "PATH": PATH.removeprefix("PATH="),
        "HTTP_PROXY": given["HTTP_PROXY"], "http_proxy": given["HTTP_PROXY"],
        "NO_PROXY": "localhost", "no_proxy": "localhost",
    }  # fmt: skip
    assert run.created_by == "RUN /bin/sh -c true"
    assert "secret" not in str(plan("FROM busybox\nENV A=x$HTTP_PROXY", build_args=given).target.config)


def test_proxies_win_over_env() -> None:
    run = run_env("FROM busybox\nENV http_proxy=e ftp_proxy=f\nRUN true", build_args={"HTTP_PROXY": "p"})
    assert run == {"HTTP_PROXY": "p", "http_proxy": "p", "ftp_proxy": "f"}


def test_both_spellings_of_a_proxy_given() -> None:
    run = run_env("FROM busybox\nRUN true", build_args={"http_proxy": "small", "HTTP_PROXY": "BIG"})
    assert run == {"HTTP_PROXY": "BIG", "http_proxy": "small"}


def test_an_empty_proxy_is_none() -> None:
    assert run_env("FROM busybox\nRUN true", build_args={"HTTP_PROXY": ""}) == {}


def test_other_given_arguments_reach_no_run() -> None:
    assert run_env("FROM busybox\nRUN true", build_args={"SECRET": "s", "SOURCE_DATE_EPOCH": "0"}) == {}


# -- platform arguments -----------------------------------------------------------------------------------


def test_platform_arguments() -> None:
    build = Platform(os="linux", architecture="amd64")
    target = Platform(os="linux", architecture="arm", variant="v7")
    assert platform_args(build=build, target=target, stage="s") == {
        "BUILDPLATFORM": "linux/amd64", "BUILDOS": "linux", "BUILDARCH": "amd64", "BUILDVARIANT": "",
        "TARGETPLATFORM": "linux/arm/v7", "TARGETOS": "linux", "TARGETARCH": "arm", "TARGETVARIANT": "v7",
        "TARGETSTAGE": "s",
    }  # fmt: skip


@pytest.mark.parametrize(
    ("text", "target", "value"),
    [
        ("FROM busybox", None, "default"), ("FROM busybox AS Last", None, "Last"),
        ("FROM busybox AS Last", "LAST", "LAST"),
    ],
)  # fmt: skip
def test_target_stage_is_called_as_the_caller_does(text: str, target: str | None, value: str) -> None:
    assert env(f"{text}\nARG TARGETSTAGE\nENV T=$TARGETSTAGE", target=target) == {"T": value}


# -- the pieces -------------------------------------------------------------------------------------------


def test_build_args_note_what_was_asked_for() -> None:
    args = BuildArgs(given={"A": "1", "B": "", "Z": "2", "HTTPS_PROXY": "p", "BUILDKIT_SYNTAX": "x"})
    assert args.take("A") == "1"
    assert args.take("B") == ""
    assert args.take("nope") is None
    assert args.unused() == ["Z"]
    assert not PROXY_ARGS & BUILDER_ARGS


def test_words_and_bodies() -> None:
    scope = Scope(values={"A": "1 2", "Q": '"'})
    assert scope.expand("'$A'$A", SPAN) == "$A1 2"
    assert scope.split(["x$A", '"$A"'], SPAN) == ("x1", "2", "1 2")
    assert scope.expand_all(["$A", "b"], SPAN) == ("1 2", "b")
    assert scope.expand_body("'$A' \"$Q\" \\$A", SPAN) == '\'1 2\' """ $A'


@pytest.mark.parametrize("word", ["${", "'", "${A:?no}", "${A|x}"])
@pytest.mark.parametrize("how", ["expand", "split", "expand_all"])
def test_faults_are_at_the_span(word: str, how: str) -> None:
    scope = Scope()
    with pytest.raises(DockerfileError) as caught:
        getattr(scope, how)(word if how == "expand" else [word], SPAN)
    assert caught.value.span is SPAN
    assert str(caught.value).count("error[expansion]") == 1


def test_a_fault_in_a_body_is_at_the_span() -> None:
    with pytest.raises(DockerfileError) as caught:
        Scope().expand_body("${", SPAN)
    assert caught.value.span is SPAN


def test_the_escape_character_is_the_files() -> None:
    assert Scope(escape="`").expand("a\\b`$A", SPAN) == "a\\b$A"


NAMES = st.sampled_from(["A", "B", "C"])
LINES = st.lists(
    st.tuples(st.sampled_from(["ARG", "ENV"]), NAMES, st.sampled_from(["1", "2", "", "$A", "x$B"])),
    max_size=10,
)


@settings(max_examples=60)
@given(LINES, st.dictionaries(NAMES, st.sampled_from(["g", ""])))
def test_any_sequence_is_last_one_wins(lines: list[tuple[str, str, str]], given_args: dict[str, str]) -> None:
    values: dict[str, str] = {}
    kept: dict[str, str] = {}
    for keyword, name, word in lines:
        value = word.replace("$A", values.get("A", "")).replace("$B", values.get("B", ""))
        if keyword == "ENV":
            kept[name] = value
        values[name] = given_args.get(name, value) if keyword == "ARG" else value
    text = "\n".join(["FROM busybox", *(f"{k} {n}={w}" for k, n, w in lines)])
    assert env(text, build_args=given_args) == kept
    assert run_env(f"{text}\nRUN true", build_args=given_args) == values
