"""Cache keys: what changes them, and what does not."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from incubator.core.plan.keys import base_key, group_key
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
    return group_key(below, made, files=read, surroundings=surroundings or {})


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
