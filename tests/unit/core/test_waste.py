"""Bytes that layers store in vain."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from incubator.core import waste
from incubator.core.engine import Changes
from incubator.core.waste import Footprint, LayerFiles, Waste, describe_waste, find_waste
from incubator.dockerfile import Source
from incubator.dockerfile.source import Span
from incubator.events import StepRef

if TYPE_CHECKING:
    from collections.abc import Callable

MB = 1_000_000


def layer(*touched: str, removed: tuple[str, ...] = (), big: bool = True, **sizes: int) -> LayerFiles:
    changes = Changes(touched=frozenset(touched), removed=frozenset(removed))
    return LayerFiles(changes=changes, big=big, sizes={f"/{name}": size for name, size in sizes.items()})


def sized(**sizes: int) -> Callable[[int, str], int | None]:
    return lambda _, path: sizes.get(path.rpartition("/")[2])


def never(index: int, path: str) -> int | None:
    raise AssertionError((index, path))


def test_a_file_that_a_later_layer_deletes() -> None:
    layers = [
        layer("/", "/big", "/small"),
        layer("/other", big=False),
        layer(removed=("/big", "/small", "/etc")),
    ]
    found = find_waste(layers, sized(big=35 * MB, small=5))
    assert found == [
        Waste(left_by=0, undone_by=2, size_bytes=35 * MB + 5, deleted=35 * MB + 5, is_least=False)
    ]


def test_a_file_that_is_stored_again_counts_where_it_was_last() -> None:
    layers = [layer("/big"), layer("/big"), layer(removed=("/big",))]
    found = find_waste(layers, lambda index, _: index * MB)
    assert [(w.left_by, w.undone_by, w.size_bytes, w.deleted) for w in found] == [
        (0, 1, MB, 0),
        (1, 2, 2 * MB, 2 * MB),
    ]


def test_a_folder_that_is_removed_as_a_whole_counts_what_is_known_below_it() -> None:
    first = layer("/d", "/d/e", "/d/one", "/d/e/two", "/dd")
    found = find_waste([first, layer(removed=("/d",))], sized(one=MB, two=2 * MB, dd=9 * MB, e=7 * MB))
    assert [w.size_bytes for w in found] == [3 * MB]


def test_a_file_that_replaces_a_folder_removed_before_is_stored_again() -> None:
    found = find_waste([layer("/d", "/d/f"), layer("/d", "/d/f", removed=("/d",))], sized(f=MB))
    assert [(w.size_bytes, w.deleted) for w in found] == [(MB, 0)]


def test_little_and_what_no_layer_of_this_build_made_is_not_worth_a_word() -> None:
    assert find_waste([layer("/a"), layer(removed=("/a",))], sized(a=MB - 1)) == []
    assert find_waste([layer("/a", big=False), layer(removed=("/a",))], never) == []
    assert find_waste([layer("/etc", "/etc/a"), layer("/etc", "/etc/b", removed=("/bin",))], never) == []


def test_known_sizes_are_not_asked_for_and_questions_are_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    assert find_waste([layer("/a", a=MB), layer(removed=("/a",))], never)[0].size_bytes == MB
    monkeypatch.setattr(waste, "MOST_MEASURED", 3)
    names = [f"/{number}" for number in range(9)]
    [found] = find_waste([layer(*names), layer(removed=tuple(names))], lambda *_: MB)
    assert (found.size_bytes, found.is_least) == (3 * MB, True)


def step(line: int, text: str) -> StepRef:
    source = Source("Dockerfile", "x\n" * 9)
    return StepRef(number=line, total=9, stage="s", text=text, span=Span(source, line, line))


@pytest.mark.parametrize(
    ("deleted", "is_least", "text"),
    [
        (35 * MB, False, "RUN at line 4 left 35 MB that the layer of lines 6 to 7 deletes"),
        (0, True, "RUN at line 4 left at least 35 MB that the layer of lines 6 to 7 stores again"),
        (MB, False, "RUN at line 4 left 35 MB that the layer of lines 6 to 7 deletes or stores again"),
    ],
)
def test_in_words(deleted: int, is_least: bool, text: str) -> None:
    found = Waste(left_by=0, undone_by=1, size_bytes=35 * MB, deleted=deleted, is_least=is_least)
    steps = [[step(4, "RUN a")], [step(6, "COPY x y"), step(7, "run b")]]
    hint = ": let them share a layer (option `layers`, or one RUN)"
    assert describe_waste(found, steps) == text + hint


def test_only_layers_that_may_matter_are_wanted() -> None:
    small = Footprint(steps=(), below="image")
    assert not small.want((), MB - 1)
    big = Footprint(steps=(), below="image")
    assert big.want((), MB)
    assert small.want((big,), 0)
    assert not small.big
