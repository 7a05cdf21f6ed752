"""Cache keys: what changes them, and what does not."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from incubator.core.plan.keys import KeyParts, base_key, key_parts
from incubator.core.plan.model import CopyStep
from tests.unit.core.planning import AMD64, ARM64, base, plan

if TYPE_CHECKING:
    from incubator.core.plan.model import Group

RUN = "FROM busybox\nENV E=1\nARG A=1\nRUN make"
COPY = "FROM busybox\nWORKDIR /w\nCOPY a b"


def group(text: str, *bases: Any, **options: Any) -> Group:
    [only] = plan(text, *bases, layers=(0,), **options).target.groups
    return only


def key(
    text: str,
    *bases: Any,
    below: str = "b",
    files: str = "f",
    surroundings: dict[str, Any] | None = None,
    **options: Any,
) -> str:
    made = group(text, *bases, **options)
    read = {step.ref: [files] for step in made.steps if isinstance(step, CopyStep)}
    return key_parts(below, made, files=read, surroundings=surroundings or {}).key


def test_equal_groups_have_equal_keys() -> None:
    assert key(RUN) == key(RUN)
    assert len(key(RUN)) == 64
    assert key(COPY) == key(COPY)
    assert key(RUN) != key(COPY)


@pytest.mark.parametrize(
    "other",
    [
        "FROM busybox\nENV E=1\nARG A=1\nRUN make ", "FROM busybox\n# c\nENV E=1\nLABEL l=1\nARG A=1\nRUN make\nCMD x",
        "FROM busybox AS n\nENV  E='1'\nARG A=1\nUSER x\nUSER $N\nRUN make",
    ],
)  # fmt: skip
def test_what_is_written_otherwise_and_means_the_same_has_the_same_key(other: str) -> None:
    assert key(other) == key(RUN)


@pytest.mark.parametrize(
    "other",
    [
        "FROM busybox\nENV E=2\nARG A=1\nRUN make", "FROM busybox\nENV E=1\nARG A=2\nRUN make",
        "FROM busybox\nENV E=1\nRUN make",
        "FROM busybox\nENV E=1\nARG A=1\nRUN make x", 'FROM busybox\nENV E=1\nARG A=1\nRUN ["make"]',
        "FROM busybox\nENV E=1\nARG A=1\nUSER 5\nRUN make", "FROM busybox\nENV E=1\nARG A=1\nWORKDIR /w\nRUN make",
        'FROM busybox\nENV E=1\nARG A=1\nSHELL ["/bin/sh"]\nRUN make',
        "FROM busybox\nENV E=1\nARG A=1\nRUN make\nRUN make",
    ],
)  # fmt: skip
def test_what_a_run_sees_is_in_its_key(other: str) -> None:
    assert key(other) != key(RUN)


def test_scripts_of_heredocs_are_in_the_key() -> None:
    text = "FROM busybox\nRUN <<E\n#!/bin/sh\n{}\nE"
    assert key(text.format("a")) != key(text.format("b"))


def test_arguments_count_where_they_are_seen_and_proxies_never() -> None:
    assert key(RUN, build_args={"A": "2"}) != key(RUN)
    assert key(RUN, build_args={"UNSEEN": "2"}) == key(RUN)
    assert key(RUN, build_args={"HTTP_PROXY": "http://user:secret@proxy"}) == key(RUN)
    assert key(COPY, build_args={"A": "2"}) == key(COPY)


def test_a_proxy_that_the_file_itself_sets_is_no_argument() -> None:
    text = "FROM busybox\nENV HTTP_PROXY={}\nRUN make"
    assert key(text.format("a")) != key(text.format("b"))


@pytest.mark.parametrize(
    "other",
    [
        "COPY a c", "COPY a d b", "COPY --chown=1 a b", "COPY --chmod=644 a b", "COPY --exclude=x a b",
        "COPY --parents a b",
        "COPY --link a b", "ADD a b", "COPY a <<H b\nx\nH", "WORKDIR /v\nCOPY a b",
    ],
)  # fmt: skip
def test_what_a_copy_does_is_in_its_key(other: str) -> None:
    assert key(f"FROM busybox\nWORKDIR /w\n{other}") != key(COPY)


def test_heredocs_of_a_copy_are_in_its_key_expanded() -> None:
    text = "FROM busybox\nARG A=1\nCOPY <<H /x\n$A\nH"
    assert key(text) != key(text, build_args={"A": "2"})
    assert key(text.replace("<<H", "<<'H'")) == key(text.replace("<<H", "<<'H'"), build_args={"A": "2"})


def test_files_and_what_is_below_and_around_are_in_it() -> None:
    assert key(COPY, files="g") != key(COPY)
    assert key(RUN, below="c") != key(RUN)
    assert key(RUN, surroundings={"network": "none"}) != key(RUN)


def test_the_owner_of_a_working_folder_is_in_it() -> None:
    assert key("FROM busybox\nUSER 5\nWORKDIR /w") != key("FROM busybox\nWORKDIR /w")


def test_bytes_that_are_no_text_have_a_key() -> None:
    image = base("img", env=("A=\udcff",))
    assert key("FROM img\nRUN x", image) != key("FROM img\nRUN x", base("img", env=("A=\udcfe",)))


def test_keys_of_bases() -> None:
    assert base_key(["a", "b"], AMD64) == base_key(("a", "b"), AMD64)
    assert len({base_key(ids, p) for ids in ([], ["a"], ["a", "b"], ["b", "a"]) for p in (AMD64, ARM64)}) == 8


def parts(
    text: str, *bases: Any, files: dict[str, str] | None = None, around: Any = None, **options: Any
) -> KeyParts:
    made = group(text, *bases, **options)
    read = {
        step.ref: [(files or {}).get(source, "f") for source in step.sources]
        for step in made.steps
        if isinstance(step, CopyStep)
    }
    return key_parts(options.pop("below", "b" * 64), made, files=read, surroundings=around or {})


BASE = "FROM busybox\nARG A=1\nENV E=1\nCOPY one two /d/\nRUN make"


@pytest.mark.parametrize(
    ("changed", "why"),
    [
        ({"text": BASE.replace("make", "make all")}, "an instruction changed"),
        ({"text": BASE.replace("COPY", "COPY --chown=5")}, "an instruction changed"),
        ({"text": BASE.replace("COPY", "COPY --chmod=700")}, "an instruction changed"),
        ({"text": BASE.replace("COPY one two", "COPY one")}, "an instruction changed"),
        ({"text": BASE.replace("E=1", "E=2")}, "the environment or a build argument changed"),
        ({"build_args": {"A": "2"}}, "the environment or a build argument changed"),
        ({"build_args": {"UNUSED": "2"}}, None),
        ({"build_args": {"HTTP_PROXY": "http://user:secret@proxy"}}, None),
        ({"text": BASE.replace("RUN", "USER 5\nRUN")}, "the user or the working folder changed"),
        ({"files": {"one": "x"}}, "COPY one changed"),
        ({"files": {"two": "x"}}, "COPY two changed"),
        ({"files": {"one": "x", "two": "x"}}, "COPY one changed"),
        (
            {"around": {"network": "host"}},
            "network, hosts, volumes, security options or the time stamp changed",
        ),
        ({"text": BASE.replace("FROM busybox", "FROM  busybox AS x\n# c\nLABEL l=1")}, None),
    ],
)
def test_one_input_at_a_time_changes_the_key_and_is_told(changed: dict[str, Any], why: str | None) -> None:
    before = parts(BASE)
    now = parts(changed.pop("text", BASE), **changed)
    assert now.changed_since(before.short) == why
    assert (now.key != before.key) == (why is not None)


def test_what_is_below_is_told_first() -> None:
    made = group(BASE)
    read = {step.ref: ["f", "f"] for step in made.steps if isinstance(step, CopyStep)}
    one, other = (key_parts(below * 64, made, files=read, surroundings={}) for below in "ab")
    assert other.changed_since(one.short) == "what is below changed"


@pytest.mark.parametrize("count", [0, 1, 7, 8, 40])
def test_parts_fit_a_tag_and_many_files_share_its_last_place(count: int) -> None:
    names = [f"f{number}" for number in range(max(count, 1))]
    text = f"FROM busybox\nCOPY {' '.join(names)} /d/" if count else "FROM busybox\nRUN x"
    before = parts(text)
    assert len(f"{'p' * 16}.{before.short}") <= 128
    for name in names if count else ():
        why = parts(text, files={name: "other"}).changed_since(before.short)
        assert why is not None
        assert name in why


def test_no_value_can_be_read_from_the_parts() -> None:
    made = parts("FROM busybox\nARG TOKEN\nRUN curl -H $TOKEN", build_args={"TOKEN": "hunter2"})
    assert "hunter2" not in repr(made)
    assert "curl" not in repr(made)
