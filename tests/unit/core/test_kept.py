"""What may go of the results on an engine, and what is said of them."""

from __future__ import annotations

from itertools import pairwise
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from incubator.commands.cache import parse_age, show_age
from incubator.core.constants import LABEL_BUILD
from incubator.core.engine import HeldImage
from incubator.core.kept import KeptResult, choose, kept_results, leftovers, own_layer, total_bytes
from incubator.core.layer_maker import TIDYING
from incubator.core.leftovers import LABEL_STARTED
from incubator.errors import InputError
from incubator.oci.image_config import HistoryEntry

if TYPE_CHECKING:
    from collections.abc import Iterable


def kept(name: str, layers: str, *, used_s: float, size_bytes: int = 10) -> KeptResult:
    """A result of the image whose layers have one letter each."""
    return KeptResult(
        reference=f"incubator-cache:{name}",
        image=name,
        layers=tuple(layers),
        made_s=used_s,
        used_s=used_s,
        size_bytes=size_bytes,
    )


APART = [kept(str(number), str(number), used_s=1000.0 * number) for number in range(1, 6)]
CHAIN = [kept(str(len(layers)), layers, used_s=1000.0 * len(layers)) for layers in ("a", "ab", "abc")]
FORK = [*CHAIN, kept("4", "ax", used_s=900.0), kept("5", "axy", used_s=800.0)]


@pytest.mark.parametrize(
    ("results", "older_than_s", "keep_bytes", "gone"),
    [
        (APART, None, None, "12345"),
        (APART, 3500, None, "12"),
        (APART, 0, None, "12345"),
        (APART, 99999, None, ""),
        (APART, None, 50, ""),
        (APART, None, 49, "1"),
        (APART, None, 20, "123"),
        (APART, None, 0, "12345"),
        (APART, 3500, 20, "123"),
        (APART, 1500, 40, "1234"),
        # What others stand on goes after them, however long ago it was made.
        (CHAIN, None, None, "321"),
        (CHAIN, None, 20, "3"),
        (CHAIN, None, 10, "32"),
        (CHAIN, 3500, None, ""),
        (CHAIN, 2999, None, "321"),
        # Of what nothing stands on, what was not used for longest.
        (FORK, None, 40, "5"),
        (FORK, None, 30, "54"),
        (FORK, None, 20, "543"),
        (FORK, 4000, None, "54"),
    ],
)
def test_what_may_go(
    results: list[KeptResult], older_than_s: float | None, keep_bytes: int | None, gone: str
) -> None:
    for given_as in (results, results[::-1]):
        chosen = choose(given_as, now_s=6000.0, older_than_s=older_than_s, keep_bytes=keep_bytes)
        assert "".join(result.image for result in chosen) == gone


def test_results_of_the_same_layers_are_one() -> None:
    results = [
        kept("1", "a", used_s=1),
        kept("2", "a", used_s=5000, size_bytes=0),
        kept("3", "b", used_s=2000),
    ]
    assert total_bytes(results) == 20
    assert [r.image for r in choose(results, now_s=6000, older_than_s=None, keep_bytes=10)] == ["3"]
    assert [r.image for r in choose(results, now_s=6000, older_than_s=None, keep_bytes=9)] == ["3", "2", "1"]
    assert [r.image for r in choose(results, now_s=6000, older_than_s=3000, keep_bytes=None)] == ["3"]


@st.composite
def some_results(draw: st.DrawFn) -> list[KeptResult]:
    """Results that stand on each other, on what is not kept, or have the same layers."""
    chains = draw(st.lists(st.text("abc", max_size=5), max_size=12))
    return [
        kept(str(i), chain, used_s=draw(st.integers(0, 9)), size_bytes=draw(st.integers(0, 9)))
        for i, chain in enumerate(chains)
    ]


LIMIT = st.none() | st.integers(0, 40)


@given(results=some_results(), older_than_s=LIMIT, keep_bytes=LIMIT, data=st.data())
def test_what_stays_stands_and_fits(
    results: list[KeptResult], older_than_s: int | None, keep_bytes: int | None, data: st.DataObject
) -> None:
    chosen = choose(results, now_s=10, older_than_s=older_than_s, keep_bytes=keep_bytes)
    stays = [result for result in results if result not in chosen]
    assert len(chosen) + len(stays) == len(results)

    def needed(result: KeptResult) -> bool:
        return any(other.layers[: len(result.layers)] == result.layers for other in stays)

    assert not any(needed(result) for result in chosen), "what stays needs none of what goes"
    for earlier, later in pairwise(chosen):
        assert earlier.layers == later.layers or later.layers[: len(earlier.layers)] != earlier.layers
    if keep_bytes is not None:
        assert total_bytes(stays) <= keep_bytes
    if older_than_s is not None:
        old = [result for result in stays if 10 - result.used_s > older_than_s]
        # What was made on a result used it, even where that does not stay.
        young = [result for result in results if 10 - result.used_s <= older_than_s]
        assert all(
            any(other.layers[: len(result.layers)] == result.layers for other in young) for result in old
        )
    if (older_than_s, keep_bytes) == (None, None):
        assert not stays
    elif chosen and keep_bytes is not None and older_than_s is None:
        last = [result for result in chosen if result.layers == chosen[-1].layers]
        assert total_bytes([*stays, *last]) > keep_bytes, "no more goes than has to"
    shuffled = data.draw(st.permutations(results))
    again = choose(shuffled, now_s=10, older_than_s=older_than_s, keep_bytes=keep_bytes)
    assert {result.reference for result in again} == {result.reference for result in chosen}


class Images:
    """Of an engine, what it tells of its images."""

    def __init__(self, *images: HeldImage) -> None:
        self.images = images
        self.asked: list[str] = []
        self.histories: dict[str, list[tuple[HistoryEntry, int]]] = {}

    def held_images(self) -> list[HeldImage]:
        return list(self.images)

    def sized_histories(self, images: Iterable[HeldImage]) -> list[list[tuple[HistoryEntry, int]]]:
        return [self._history(image) for image in images]

    def _history(self, image: HeldImage) -> list[tuple[HistoryEntry, int]]:
        self.asked.append(image.id)
        copied = [(entry(f"COPY {layer} /"), ord(layer)) for layer in image.layers]
        return self.histories.get(image.id, copied)


def entry(created_by: str, *, comment: str = "incubator", empty: bool = False) -> HistoryEntry:
    return HistoryEntry(created_by=created_by, created="", comment=comment, empty_layer=empty)


def test_an_image_that_is_named_again_uses_what_it_stands_on() -> None:
    images = Images(
        HeldImage(id="1", layers=("a",), made_s=10, references=("incubator-cache:k1",)),
        HeldImage(
            id="2",
            layers=("a", "b"),
            made_s=20,
            references=("incubator-latest:p.2", "incubator-cache:k2"),
            comment="incubator: RUN make",
        ),
        HeldImage(id="3", layers=("a", "c"), made_s=15, tagged_s=99, references=("web:latest",)),
        HeldImage(
            id="4", layers=("d",), made_s=1, references=("incubator-latest:p.4",), labels={LABEL_STARTED: "5"}
        ),
        HeldImage(id="5", layers=("e",), made_s=1),
    )
    found = {result.image: result for result in kept_results(images)}  # type: ignore[arg-type]
    assert {image: result.used_s for image, result in found.items()} == {"1": 99, "2": 20, "4": 5}
    assert [found[image].reference for image in "124"] == [
        "incubator-cache:k1",
        "incubator-cache:k2",
        "incubator-latest:p.4",
    ]
    assert [found[image].instruction for image in "12"] == ["COPY a /", "RUN make"]
    assert found["2"].records == ("incubator-latest:p.2",)
    assert (found["2"].size_bytes, found["2"].layer_bytes) == (98, (97, 98))


def results(*stacks: str) -> Images:
    """Results with a letter for each layer; their ids are these letters."""
    return Images(
        *(
            HeldImage(
                id=stack, layers=tuple(stack.strip()), made_s=1, references=(f"incubator-cache:{number}",)
            )
            for number, stack in enumerate(stacks)
        )
    )


def test_what_stands_on_others_tells_of_them() -> None:
    images = results("a", "ab", "abc", "abd", "x")
    found = {result.image: result for result in kept_results(images)}  # type: ignore[arg-type]
    assert images.asked == ["abc", "abd", "x"]
    assert {image: (result.size_bytes, result.instruction) for image, result in found.items()} == {
        image: (ord(image[-1]), f"COPY {image[-1]} /") for image in ("a", "ab", "abc", "abd", "x")
    }
    assert [found[image].layer_bytes for image in ("a", "ab")] == [(97,), (97, 98)]


@pytest.mark.parametrize(
    ("between", "comment"),
    [([(entry("-s", comment="", empty=True), 0)], "incubator"), ([], "")],
    ids=["a step without a layer", "a layer of somebody else"],
)
def test_where_it_does_not_surely_tell_each_is_asked(
    between: list[tuple[HistoryEntry, int]], comment: str
) -> None:
    images = results("a", "ab")
    first = (entry("COPY a /", comment=comment), 97)
    images.histories["ab"] = [first, *between, (entry("COPY b /"), 98)]
    kept_results(images)  # type: ignore[arg-type]
    assert images.asked == ["ab", "a"]


def test_results_with_the_same_layers_are_asked_each() -> None:
    images = results("a", "a ", "ab")
    kept_results(images)  # type: ignore[arg-type]
    assert images.asked == ["ab", "a", "a "]


def test_one_that_goes_meanwhile_leaves_the_others_to_be_asked() -> None:
    images = results("a", "ab")
    images.histories["ab"] = []
    found = {result.image: result for result in kept_results(images)}  # type: ignore[arg-type]
    assert images.asked == ["ab", "a", "ab"]
    assert (found["a"].instruction, found["ab"].instruction) == ("COPY a /", "")


@pytest.mark.parametrize(
    ("history", "size_bytes", "instruction"),
    [
        ([], 0, ""),
        ([(entry("RUN /bin/sh -c make"), 7)], 7, "RUN make"),
        ([(entry("RUN |1 A=b /bin/sh -c make"), 7)], 7, "RUN |1 A=b /bin/sh -c make"),
        ([(entry("-s", comment=""), 7)], 7, ""),
        ([(entry("COPY a /"), 7), (entry("-s", comment="", empty=True), 0)], 0, ""),
        ([(entry("COPY a /"), 7), (entry("COPY b /"), 3), (entry("ENV a=b", empty=True), 0)], 3, "COPY b /"),
        ([(entry("RUN a"), 7), (entry(TIDYING, comment=""), 1)], 8, "RUN a"),
    ],
)
def test_what_an_image_ends_with(
    history: list[tuple[HistoryEntry, int]], size_bytes: int, instruction: str
) -> None:
    assert own_layer(history) == (size_bytes, instruction)


def test_images_of_builds_that_have_lost_all_names() -> None:
    def image(name: str, *, build: str = "over", **more: object) -> HeldImage:
        return HeldImage(id=name, labels={LABEL_BUILD: build}, **{"layers": ("a",), "made_s": 1.0, **more})  # type: ignore[arg-type]

    held = [
        image("below"),
        image("above", layers=("a", "b")),
        image("named", references=("web:1",)),
        image("at work", build="running"),
        image("young", made_s=100.0),
        image("named lately", tagged_s=100.0),
        HeldImage(id="somebody else's", layers=("a",), made_s=1.0),
    ]
    found = leftovers(held, building={"running"}, before_s=50.0)
    assert [image.id for image in found] == ["above", "below"]


def test_ages() -> None:
    assert [parse_age(text) for text in ("5s", "2m", "12h", "7d", " 2w ")] == [5, 120, 43200, 604800, 1209600]
    assert [show_age(age) for age in (-1, 5, 119, 7200, 200000, 1300000)] == [
        "0s",
        "5s",
        "1m",
        "2h",
        "2d",
        "2w",
    ]
    for text in ("", "5", "d", "1.5h", "1h30m", "٣d"):
        with pytest.raises(InputError, match="invalid --older-than"):
            parse_age(text)
