"""Layer splits: which steps share a layer."""

from __future__ import annotations

import itertools
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from incubator.core.plan.layers import group_steps, resolve_splits
from incubator.core.plan.model import CopyStep, StagePlan
from incubator.dockerfile import Source, parse
from incubator.errors import InputError
from tests.unit.core.planning import base, plan, steps

if TYPE_CHECKING:
    from incubator.core.plan.layers import Boundaries
    from incubator.dockerfile.instructions import Document
    from incubator.request import LayerSplits

FILE = """\
FROM busybox AS one
ENV A=1
RUN a
RUN b
LABEL c=d
COPY d /d
RUN e
CMD f
FROM one
RUN g
COPY --from=one h /h
ADD i /i
COPY <<EOF /inline
text
EOF
WORKDIR /j
RUN k
"""


def layers(text: str, splits: LayerSplits, *bases: Any) -> list[list[str]]:
    """The groups of all stages, as the instructions' first words."""
    made = plan(text, *bases, layers=splits)
    return [group_of(group.steps) for stage in made.stages for group in stage.groups]


def group_of(group: Any) -> list[str]:
    return [" ".join(s.ref.text.split()[:2]) for s in group]


def test_a_boundary_after_every_instruction_that_changes_files() -> None:
    assert layers(FILE, ()) == [
        ["ENV A=1", "RUN a"], ["RUN b"], ["LABEL c=d", "COPY d"], ["RUN e"], ["CMD f"],
        ["RUN g"], ["COPY --from=one"], ["ADD i"], ["COPY <<EOF"], ["WORKDIR /j"], ["RUN k"],
    ]  # fmt: skip


def test_zero_gives_one_layer_a_stage() -> None:
    made = plan(FILE, layers=(0,))
    assert [[len(group.steps) for group in stage.groups] for stage in made.stages] == [[7], [6]]


@pytest.mark.parametrize(
    ("splits", "groups"),
    [
        ((3,), [["ENV A=1", "RUN a"], ["RUN b", "LABEL c=d", "COPY d", "RUN e", "CMD f"]]),
        ((1,), [["ENV A=1", "RUN a", "RUN b", "LABEL c=d", "COPY d", "RUN e", "CMD f"]]),
        ((8,), [["ENV A=1", "RUN a", "RUN b", "LABEL c=d", "COPY d", "RUN e", "CMD f"]]),
        ((2,), [["ENV A=1"], ["RUN a", "RUN b", "LABEL c=d", "COPY d", "RUN e", "CMD f"]]),
        ((6, 4), [["ENV A=1", "RUN a", "RUN b"], ["LABEL c=d", "COPY d"], ["RUN e", "CMD f"]]),
        ((4, 4, 0), [["ENV A=1", "RUN a", "RUN b"], ["LABEL c=d", "COPY d", "RUN e", "CMD f"]]),
    ],
)
def test_numbers_put_boundaries_after_those_instructions(
    splits: tuple[int, ...], groups: list[list[str]]
) -> None:
    second = ["RUN g", "COPY --from=one", "ADD i", "COPY <<EOF", "WORKDIR /j", "RUN k"]
    assert layers(FILE, splits) == [*groups, second]


def test_numbers_run_on_through_later_stages() -> None:
    assert layers(FILE, (10, 14)) == [
        ["ENV A=1", "RUN a", "RUN b", "LABEL c=d", "COPY d", "RUN e", "CMD f"],
        ["RUN g"], ["COPY --from=one", "ADD i", "COPY <<EOF", "WORKDIR /j"], ["RUN k"],
    ]  # fmt: skip


def test_numbers_count_arguments_before_the_first_from() -> None:
    assert layers("ARG A\nFROM busybox\nRUN a\nRUN b\nRUN c", (3,)) == [["RUN a"], ["RUN b", "RUN c"]]


def test_auto_begins_a_layer_only_where_context_or_another_stage_is_read() -> None:
    assert layers(FILE, "auto") == [
        ["ENV A=1", "RUN a", "RUN b", "LABEL c=d"], ["COPY d", "RUN e", "CMD f"],
        ["RUN g"], ["COPY --from=one"], ["ADD i", "COPY <<EOF", "WORKDIR /j", "RUN k"],
    ]  # fmt: skip


def test_auto_keeps_a_first_copy_in_the_first_layer() -> None:
    assert layers("FROM busybox\nCOPY a /\nRUN b", "auto") == [["COPY a", "RUN b"]]
    assert layers("FROM busybox\nRUN b\nCOPY a <<E /\nx\nE\n", "auto") == [["RUN b"], ["COPY a"]]


def test_a_stage_without_instructions_has_no_groups() -> None:
    for splits in ((), (0,), (1,), "auto"):
        assert layers("FROM busybox", splits) == []


def test_triggers_of_a_base_count_as_its_from() -> None:
    image = base("img", on_build=("RUN t1", "RUN t2", "ENV A=1"))
    text = "FROM img\nRUN a\nRUN b"
    assert layers(text, (), image) == [["RUN t1"], ["RUN t2"], ["ENV A=1", "RUN a"], ["RUN b"]]
    assert layers(text, (1,), image) == [["RUN t1", "RUN t2", "ENV A=1"], ["RUN a", "RUN b"]]
    assert layers(text, (2,), image) == [["RUN t1", "RUN t2", "ENV A=1", "RUN a"], ["RUN b"]]
    assert layers("FROM img", (1,), image) == [["RUN t1", "RUN t2", "ENV A=1"]]


@pytest.mark.parametrize("splits", [(5,), (1, 2, 99), (-1,), (0, 5)])
def test_numbers_beyond_the_file_are_bad_input(splits: tuple[int, ...]) -> None:
    with pytest.raises(InputError) as caught:
        plan("FROM busybox\nRUN a\nRUN b\nRUN c", layers=splits)
    wrong = next(number for number in splits if not 0 <= number <= 4)
    assert caught.value.message == f"layer split {wrong}: the Dockerfile has 4 instructions"
    assert "1 to 4" in (caught.value.hint or "")


def test_numbers_within_the_file_are_fine() -> None:
    for splits in ((), (0,), (4,), (1, 2, 3, 4), "auto"):
        assert resolve_splits(document("FROM busybox\nRUN a\nRUN b\nRUN c"), splits) == splits


def document(text: str) -> Document:
    return parse(Source("Dockerfile", text))


@pytest.mark.parametrize(
    ("splits", "numbers"),
    [
        (("L1",), (1,)),
        (("L2",), (1,)),
        (("L3",), (2,)),
        (("L4",), (2,)),
        (("L5",), (3,)),
        (("L9",), (4,)),
        ((2, "L7"), (2, 3)),
        (("L3", "L4"), (2,)),
    ],
)
def test_lines_mean_the_instruction_there_or_the_last_one_above(splits: LayerSplits, numbers: Any) -> None:
    text = "FROM busybox\n\nRUN a \\\n  b\nRUN <<E\nc\nE\n# comment\nRUN d\n"
    assert resolve_splits(document(text), splits) == numbers


def test_a_line_above_everything_ends_no_layer() -> None:
    assert resolve_splits(document("# c\nFROM busybox\nRUN a\nRUN b"), ("L1",)) == (0,)
    assert layers("# c\nFROM busybox\nRUN a\nRUN b", ("L1",)) == [["RUN a", "RUN b"]]


@pytest.mark.parametrize("line", ["L0", "L5", "L99"])
def test_lines_beyond_the_file_are_bad_input(line: str) -> None:
    with pytest.raises(InputError) as caught:
        plan("FROM busybox\nRUN a\nRUN b\nRUN c\n", layers=(1, line))
    assert caught.value.message == f"layer split {line}: the Dockerfile has 4 lines"
    assert "L1 to L4" in (caught.value.hint or "")


MARKED = """\
# incubator: layer
FROM busybox AS one
RUN a
RUN b
#incubator:layer
ENV A=1
RUN c && \\
# incubator: layer
    d
RUN <<E
# incubator: layer
E
FROM busybox
RUN e
WORKDIR /f
COPY --from=one g /
"""


def test_markers_end_layers_and_stages_without_one_stay_as_they_are() -> None:
    assert layers(MARKED, ()) == [
        ["RUN a", "RUN b"], ["ENV A=1", "RUN c", "RUN <<E"], ["RUN e"], ["WORKDIR /f"], ["COPY --from=one"],
    ]  # fmt: skip


@pytest.mark.parametrize("splits", [(0,), (3,), "auto", ("L4",)])
def test_what_a_caller_says_replaces_markers(splits: LayerSplits) -> None:
    plain = MARKED.replace("incubator", "other")
    assert layers(MARKED, splits) == layers(plain, splits)


@pytest.mark.parametrize(
    "comment",
    ["# incubator:layer", "#\tincubator:\tlayer \t", "  # Incubator: layer", "# incubator: layer\r"],
)
def test_spellings_of_a_marker(comment: str) -> None:
    text = f"FROM busybox\nRUN a\nRUN b\n{comment}\nRUN c\nRUN d"
    assert layers(text, ()) == [["RUN a", "RUN b"], ["RUN c", "RUN d"]]


@pytest.mark.parametrize(
    "comment", ["# incubator: layers", "# incubator layer", "# x incubator: layer", "# incubator:"]
)
def test_other_comments_are_comments(comment: str) -> None:
    text = f"FROM busybox\nRUN a\n{comment}\nRUN b\n"
    assert layers(text, ()) == [["RUN a"], ["RUN b"]]


def test_groups_tell_whether_they_change_files() -> None:
    made = plan("FROM busybox\nENV A=1\nRUN a\nENV B=1", layers=()).target
    assert [group.changes_files for group in made.groups] == [True, False]


INSTRUCTIONS = st.lists(
    st.sampled_from(
        ["RUN r", "COPY c /", "COPY <<E /h\nx\nE", "ENV A=1", "WORKDIR /w", "LABEL l=1", "FROM busybox"]
    ),
    max_size=12,
)


def flat(stage: StagePlan) -> list[Any]:
    return [s for group in stage.groups for s in group.steps]


@settings(max_examples=80)
@given(INSTRUCTIONS, st.data())
def test_groups_are_the_steps_cut_where_asked(lines: list[str], data: st.DataObject) -> None:
    text = "\n".join(["FROM busybox", *lines])
    count = 1 + len(lines)
    numbers = st.lists(st.integers(0, count), max_size=6).map(tuple)
    splits: Boundaries = data.draw(st.one_of(st.just("auto"), numbers))
    found = steps(text, layers=splits)
    groups = plan(text, layers=splits).target.groups
    assert flat(plan(text, layers=splits).target) == found == steps(text)
    assert all(group.steps for group in groups)
    assert group_steps(found, splits) == groups
    for before, after in itertools.pairwise(groups):
        last, first = before.steps[-1], after.steps[0]
        if splits == "auto":
            assert isinstance(first, CopyStep)
            assert first.sources
        elif splits == ():
            assert last.changes_files
        else:
            assert last.instruction.number in splits
    for group in groups:
        if splits == ():
            assert sum(s.changes_files for s in group.steps) <= 1
        elif splits != "auto":
            assert not {s.instruction.number for s in group.steps[:-1]} & set(splits)
        else:
            assert not any(isinstance(s, CopyStep) and s.sources for s in group.steps[1:])
