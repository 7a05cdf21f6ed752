import json
from pathlib import Path

import jsonschema
import pytest

import incubator.schema
from incubator.schema import find_faults, load_schema, schema_path, show_path, show_value

NAMES = [
    path.name.removesuffix(".schema.json") for path in schema_path("config").parent.glob("*.schema.json")
]


@pytest.mark.parametrize("name", NAMES)
def test_schemas_are_sound(name: str) -> None:
    jsonschema.Draft202012Validator.check_schema(load_schema(name))


def test_every_key_of_the_configuration_is_described() -> None:
    schema = load_schema("config")
    assert schema["additionalProperties"] is False
    for key, part in schema["properties"].items():
        assert part["description"].endswith("."), key


def test_an_installed_schema_comes_first(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    package = tmp_path / "site-packages/incubator"
    (tmp_path / "site-packages/schemas").mkdir(parents=True)
    (package / "schemas").mkdir(parents=True)
    monkeypatch.setattr(incubator.schema, "_PACKAGE", package)
    assert schema_path("x") == tmp_path / "site-packages/schemas/x.schema.json"
    (package / "schemas/x.schema.json").write_text(json.dumps({"a": 1}))
    assert schema_path("x") == package / "schemas/x.schema.json"
    assert load_schema("x") == {"a": 1}
    load_schema.cache_clear()


def test_paths_and_values_in_words() -> None:
    assert show_path(("a", "b", 0, "c")) == "a.b[0].c"
    assert show_path(()) == ""
    values: list[object] = [None, True, 1, "x", [], {}, 1.5, b""]
    assert [show_value(value) for value in values] == [
        "nothing", "true", "the number 1", 'the text "x"', "a list", "a mapping", "the number 1.5", "a bytes",
    ]  # fmt: skip


def test_faults_of_the_whole_value() -> None:
    assert find_faults("config", {}) == []
    assert [fault.message for fault in find_faults("config", [])] == [
        "the value: expected a mapping, found a list"
    ]
