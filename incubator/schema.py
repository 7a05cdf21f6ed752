"""The project's JSON Schemas (draft 2020-12): where they are, and faults of a value in our words."""

from __future__ import annotations

import json
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

from incubator.faults import did_you_mean

if TYPE_CHECKING:
    from collections.abc import Iterator

    from jsonschema import ValidationError

_PACKAGE = Path(__file__).resolve().parent

_TYPES = {
    "object": "a mapping",
    "array": "a list",
    "string": "a text",
    "integer": "a whole number",
    "number": "a number",
    "boolean": "true or false",
    "null": "null",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class SchemaFault:
    """One fault: `path` are the keys and indexes that lead to it.

    `of_key`: the last key itself is the fault. `quote`: a text is wanted where there is a number or a boolean.
    """

    path: tuple[str | int, ...]
    message: str
    hint: str | None = None
    of_key: bool = False
    quote: bool = False


def schema_path(name: str) -> Path:
    """File of the schema `name` (as in `config`): in an installed package, else in the checkout."""
    installed = _PACKAGE / "schemas" / f"{name}.schema.json"
    return installed if installed.is_file() else _PACKAGE.parent / "schemas" / f"{name}.schema.json"


@cache
def load_schema(name: str) -> dict[str, Any]:
    """The schema `name` as a dict, which callers share and must not change."""
    schema: dict[str, Any] = json.loads(schema_path(name).read_text(encoding="utf-8"))
    return schema


def find_faults(name: str, value: object) -> list[SchemaFault]:
    """All faults of `value` by the schema `name`, in the order of the value."""
    from jsonschema import Draft202012Validator  # late: takes a tenth of a second to import

    validator = Draft202012Validator(load_schema(name))
    faults = [fault for error in validator.iter_errors(value) for fault in _faults_of(error)]
    return sorted(faults, key=lambda fault: _position(value, fault.path))


def _position(value: Any, path: tuple[str | int, ...]) -> list[int]:
    """Where `path` lies in `value`, in an order that can be compared."""
    position = []
    for key in path:
        keys = list(value if isinstance(value, dict) else range(len(value)))
        if key not in keys:
            break
        position.append(keys.index(key))
        value = value[key]
    return position


def show_path(path: tuple[str | int, ...]) -> str:
    """`labels.a` or `tags[0]`; empty for the value itself."""
    parts = "".join(f"[{key}]" if isinstance(key, int) else f".{key}" for key in path)
    return parts.removeprefix(".")


def _faults_of(error: ValidationError) -> Iterator[SchemaFault]:
    path = tuple(error.absolute_path)
    schema = cast("dict[str, Any]", error.schema)  # our schemas have no boolean ones
    value: Any = error.instance
    where, keyword = show_path(path), str(error.validator)
    if keyword == "additionalProperties" and isinstance(value, dict):
        known = list(schema["properties"])
        for key in value:
            if key not in known:
                hint = did_you_mean(str(key), known) or f"known keys are {', '.join(sorted(known))}"
                yield SchemaFault(
                    path=(*path, key),
                    message=f"unknown key {show_path((*path, key))!r}",
                    hint=hint,
                    of_key=True,
                )
        return
    if error.parent is None and "propertyNames" in error.absolute_schema_path:
        yield SchemaFault(path=(*path, value), message=f"{where} has an empty name", of_key=True)
        return
    deeper = [inner for inner in error.context or () if len(inner.path) > 0]
    if deeper:  # of the choices, the one that is right but for a part of it
        for inner in deeper:
            yield from _faults_of(inner)
        return
    quote = schema.get("type") == "string" and isinstance(value, bool | int | float)
    yield SchemaFault(
        path=path,
        message=f"{where or 'the value'}: expected {_expected(schema, keyword)}, found {show_value(value)}",
        hint=f"put it in quotes: {json.dumps(json.dumps(value))}" if quote else None,
        quote=quote,
    )


def _expected(schema: dict[str, Any], keyword: str) -> str:
    part = schema.get(keyword)
    match keyword:
        case "enum":
            text = " or ".join(json.dumps(choice) for choice in schema["enum"])
        case "const":
            text = json.dumps(part)
        case "anyOf" | "oneOf":
            choices = [
                _expected(choice, "const" if "const" in choice else "type") for choice in schema[keyword]
            ]
            text = " or ".join(choices)
        case "minimum":
            text = f"at least {part}"
        case "maximum":
            text = f"at most {part}"
        case "minLength":
            text = "a text that is not empty"
        case "pattern":
            text = f"a text like {' or '.join(schema.get('examples', [part]))}"
        case _:
            types = schema["type"] if isinstance(schema["type"], list) else [schema["type"]]
            text = " or ".join(_TYPES[name] for name in types)
            if types == ["array"] and "integer" in schema.get("items", {}).get("type", ()):
                text += " of whole numbers"
    return text


def show_value(value: object) -> str:
    """A value in messages: JSON's own words, cut where long."""
    kinds: dict[type, str] = {bool: "", int: "the number ", float: "the number ", str: "the text "}
    if value is None:
        return "nothing"
    if isinstance(value, dict):
        return "a mapping"
    if isinstance(value, list | tuple):
        return "a list"
    try:
        text = json.dumps(value)
    except TypeError:
        return f"a {type(value).__name__}"
    return kinds.get(type(value), "") + (text if len(text) <= 60 else f"{text[:57]}...")
