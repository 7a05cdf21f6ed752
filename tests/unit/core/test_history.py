"""Which history entries made layers."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from incubator.core.history import mark_layers


def entry(text: str, size: int = 0, created: int = 0) -> dict[str, Any]:
    return {
        "CreatedBy": text,
        "Size": size,
        "Created": created,
        "Comment": "",
        "Id": "<missing>",
        "Tags": None,
    }


def makers(entries: list[dict[str, Any]], layers: int) -> list[str]:
    return [marked.created_by for marked in mark_layers(entries, layers) if not marked.empty_layer]


def test_entries_with_bytes_made_the_layers() -> None:
    entries = [entry("ADD rootfs /", 9), entry('CMD ["sh"]'), entry("RUN touch /x"), entry("RUN echo", 3)]
    assert makers(entries, 2) == ["ADD rootfs /", "RUN echo"]
    assert [marked.empty_layer for marked in mark_layers(entries, 2)] == [False, True, True, False]


def test_of_entries_without_bytes_those_that_make_files_come_first() -> None:
    entries = [
        entry('/bin/sh -c #(nop)  CMD ["sh"]'), entry("ENV A=1"), entry("RUN touch /empty"), entry("WORKDIR /w"),
        entry("COPY a /b"),
    ]  # fmt: skip
    assert makers(entries, 2) == ["RUN touch /empty", "WORKDIR /w"]
    assert makers(entries, 4) == [
        '/bin/sh -c #(nop)  CMD ["sh"]',
        "RUN touch /empty",
        "WORKDIR /w",
        "COPY a /b",
    ]


@pytest.mark.parametrize(
    "keyword",
    ["ARG", "CMD", "ENTRYPOINT", "ENV", "EXPOSE", "HEALTHCHECK", "LABEL", "MAINTAINER", "ONBUILD", "SHELL",
     "STOPSIGNAL", "USER", "VOLUME"],
)  # fmt: skip
@pytest.mark.parametrize("style", ["{} x", "/bin/sh -c #(nop) {} x", "/bin/sh -c #(nop)  {} [x]"])
def test_metadata_is_known_in_the_texts_of_both_builders(keyword: str, style: str) -> None:
    assert makers([entry(style.format(keyword)), entry("/bin/sh -c touch x")], 1) == ["/bin/sh -c touch x"]
    assert makers([entry(style.format(f"{keyword}X")), entry("RUN b")], 1) == [style.format(f"{keyword}X")]


def test_more_layers_than_entries_get_nameless_ones_in_front() -> None:
    marked = mark_layers([entry("ENV A=1"), entry("RUN b", 1)], 4)
    assert [(m.created_by, m.empty_layer) for m in marked] == [
        ("", False), ("", False), ("ENV A=1", False), ("RUN b", False),
    ]  # fmt: skip
    assert mark_layers([], 1)[0].created == "1970-01-01T00:00:00Z"
    assert mark_layers([], 0) == ()


def test_what_an_entry_says_is_kept() -> None:
    raw = {"CreatedBy": "RUN x", "Created": 1700000000, "Size": 1, "Comment": "buildkit.dockerfile.v0"}
    [marked] = mark_layers([raw], 1)
    assert (marked.created, marked.comment, marked.author) == (
        "2023-11-14T22:13:20Z",
        "buildkit.dockerfile.v0",
        "",
    )


@pytest.mark.parametrize("raw", [{}, {"CreatedBy": None, "Created": None, "Size": None, "Comment": None}])
def test_an_entry_may_say_nothing(raw: dict[str, Any]) -> None:
    [marked] = mark_layers([raw], 0)
    assert (marked.created_by, marked.created, marked.empty_layer) == ("", "1970-01-01T00:00:00Z", True)


ENTRIES = st.lists(
    st.builds(
        entry,
        st.sampled_from(["", "RUN a", "ENV A=1", "COPY b /", "/bin/sh -c #(nop) CMD"]),
        st.integers(0, 2),
    ),
    max_size=12,
)


@settings(max_examples=60)
@given(ENTRIES, st.integers(0, 15))
def test_exactly_as_many_entries_as_layers_are_not_empty(entries: list[dict[str, Any]], layers: int) -> None:
    marked = mark_layers(entries, layers)
    assert sum(not m.empty_layer for m in marked) == layers
    texts = [e["CreatedBy"] for e in entries]
    assert [m.created_by for m in marked][len(marked) - len(entries) :] == texts
    assert len(marked) == max(len(entries), layers)
    with_bytes = sum(e["Size"] > 0 for e in entries)
    chosen = [
        e for e, m in zip(entries, marked[len(marked) - len(entries) :], strict=True) if not m.empty_layer
    ]
    assert sum(e["Size"] > 0 for e in chosen) == min(with_bytes, layers)
