import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from incubator.core.config_text import LARGEST_BYTES, parse_config_text
from incubator.errors import InputError


def fault(text: str, name: str = "conf") -> str:
    with pytest.raises(InputError) as caught:
        parse_config_text(name, text)
    return str(caught.value)


def test_yaml_values_know_their_places() -> None:
    parsed = parse_config_text("c.yml", "# a comment\nlabels:\n  a: x\n\ntags: [one,\n       two]\n")
    assert parsed.values == {"labels": {"a": "x"}, "tags": ["one", "two"]}
    assert parsed.places == {
        ("labels",): (2, 1), ("labels", "a"): (3, 3), ("tags",): (5, 1), ("tags", 0): (5, 8), ("tags", 1): (6, 8),
    }  # fmt: skip


def test_json_values_know_their_places() -> None:
    parsed = parse_config_text(
        "c", '{"tags": ["a",\n\t"b"],\n "labels" : {"x\\"y": "\\ud83d\\ude00"}, "e": [], "f": {}}'
    )
    assert parsed.values == {"tags": ["a", "b"], "labels": {'x"y': "😀"}, "e": [], "f": {}}
    assert parsed.places == {
        ("tags",): (1, 2), ("tags", 0): (1, 11), ("tags", 1): (2, 2), ("labels",): (3, 2),
        ("labels", 'x"y'): (3, 14), ("e",): (3, 39), ("f",): (3, 48),
    }  # fmt: skip


def test_the_span_of_what_has_no_place_is_that_around_it() -> None:
    parsed = parse_config_text("c", "labels:\n  a: x\n")
    assert str(parsed.span(("labels", "b"))) == "c:1:1"
    assert parsed.span(("other",)) is None
    assert parsed.span(()) is None


@pytest.mark.parametrize("text", ["", "\n", "# nothing\n", "---\n", "{}", "null"])
def test_empty_texts_say_nothing(text: str) -> None:
    assert parse_config_text("c", text).values == {}


def test_yaml_scalars_are_plain() -> None:
    parsed = parse_config_text("c", "a: 1\nb: 1.10\nc: yes\nd: ~\ne: 2024-02-30\nf: '1'\ng: 12:30:45\nh: =\n")
    assert parsed.values == {
        "a": 1, "b": 1.1, "c": True, "d": None, "e": "2024-02-30", "f": "1", "g": 45045, "h": "=",
    }  # fmt: skip
    assert parsed.written == {("a",): "1", ("b",): "1.10", ("c",): "yes", ("d",): "~", ("g",): "12:30:45"}


def test_a_flow_mapping_that_is_no_json_is_yaml() -> None:
    assert parse_config_text("c", "{tags: [a,],}").values == {"tags": ["a"]}
    assert "c.json:1:2: not valid JSON" in fault("{tags: [a]}", "c.json")


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("a: 1\nb: 2\na: 3\n", ["conf:3:1: the key 'a' was already given in line 1", ">> 3 | a: 3"]),
        ('{"a": {"b": 1,\n "b": 2}}', ["conf:2:2: the key 'b' was already given in line 1"]),
        ("1: x", ["conf:1:1: a key must be a text", 'put it in quotes: "1"']),
        ("on: x", ["a key must be a text", '"on"']),
        ("[a, b]: x", ["a key must be a text"]),
        ("- a", ["conf: expected a mapping", "found a list"]),
        ("word", ["expected a mapping", "found a single value"]),
        ("a:\n\t- b", ["conf:2:1: not valid YAML", "indent with spaces"]),
        ("a: [1", ["conf:1:6: not valid YAML"]),
        ("a: 1\n---\nb: 2", ["not valid YAML", "another document"]),
        ("a: *nope", ["conf:1:4: not valid YAML", "undefined alias"]),
        ("a: \x07", ["conf: not valid YAML", "x0007"]),
        ("a: !!python/object/apply:os.system [ls]", ["conf:1:4: the YAML tag", "not allowed"]),
        ("a: !!binary aGk=", ["the YAML tag '!!binary' is not allowed"]),
        ("a: !!set {x}", ["the YAML tag '!!set' is not allowed"]),
        ("a: !mine x", ["the YAML tag '!mine' is not allowed"]),
        ("a: !!int x", ["conf:1:4: not valid YAML: invalid literal"]),
        ("a: &x {b: 1}\nc:\n  <<: *x", ["conf:3:3: merge keys"]),
        ('{"a": 1', ["conf:1:8: not valid JSON"]),
        ('{"a": NaN}', ["NaN is not a JSON value"]),
        ('{"a": ' + "1" * 5000 + "}", ["conf: not valid JSON"]),
    ],
)
def test_faults_name_place_and_reason(text: str, words: list[str]) -> None:
    message = fault(text)
    for word in words:
        assert word in message


def test_all_duplicates_are_reported_together() -> None:
    message = fault("a: 1\na: 2\nb: 1\nb: 2\n")
    assert "conf:2:1" in message
    assert "conf:4:1" in message


def test_aliases_are_plain_values_but_cannot_blow_up() -> None:
    assert parse_config_text("c", "a: &x [1]\nb: *x\n").values == {"a": [1], "b": [1]}
    bomb = "a: &a [x,x,x,x,x,x,x,x,x]\n" + "".join(
        f"{chr(98 + i)}: &{chr(98 + i)} [{','.join(['*' + chr(97 + i)] * 9)}]\n" for i in range(8)
    )
    assert "too large" in fault(bomb)
    assert "too large" in fault("a: &x [*x]")


@pytest.mark.parametrize("text", ["[" * 20_000, '{"a":' * 20_000, "a: " + "{b: " * 1500])
def test_deep_nesting_is_refused(text: str) -> None:
    assert "nested too deeply" in fault(text)


def test_large_texts_are_refused() -> None:
    assert str(LARGEST_BYTES) in fault("# " + "x" * LARGEST_BYTES)


_JSON: st.SearchStrategy[Any] = st.recursive(
    st.none() | st.booleans() | st.integers(-(10**9), 10**9) | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=8,
)


def at(value: Any, path: tuple[str | int, ...]) -> Any:
    for key in path:
        value = value[key]
    return value


@settings(max_examples=80)
@given(st.dictionaries(st.text(max_size=5), _JSON, max_size=4), st.sampled_from([None, 1]), st.booleans())
def test_places_of_json_point_at_the_entries(
    value: dict[str, Any], indent: int | None, ascii_only: bool
) -> None:
    text = json.dumps(value, indent=indent, ensure_ascii=ascii_only)
    parsed = parse_config_text("c.json", text)
    assert parsed.values == value
    lines = text.split("\n")
    for path, (line, column) in parsed.places.items():
        rest = lines[line - 1][column - 1 :]
        if isinstance(path[-1], str):
            assert rest.startswith(json.dumps(path[-1], ensure_ascii=ascii_only) + ":")
        else:
            first = json.dumps(at(value, path), indent=indent, ensure_ascii=ascii_only).split("\n", 1)[0]
            assert rest.startswith(first)
