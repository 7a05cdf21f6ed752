"""Entries of attributes, `type=local,dest=out`: one record of CSV, as docker's options have them. Pure."""

from __future__ import annotations

import csv
from typing import TYPE_CHECKING

from incubator.errors import InputError
from incubator.neighbours import FALSE, TRUE

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping


def split_fields(text: str, *, what: str, form: str) -> list[str]:
    """The fields of an entry, at least one that is not blank. `form` is the hint. Raises InputError."""
    try:
        fields = next(csv.reader([text.strip()], strict=True), [])
    except csv.Error as error:
        raise InputError(
            f"invalid {what}: its quotes or lines are not those of one record of CSV", hint=form
        ) from error
    if not any(field.strip() for field in fields):
        raise InputError(f"invalid {what}: it is empty", hint=form)
    return [field.strip() for field in fields]


def read_pairs(fields: Iterable[str], *, what: str, form: str) -> dict[str, str]:
    """`key=value` each, by their keys in small letters. Raises InputError."""
    values: dict[str, str] = {}
    for field in fields:
        key, equals, value = field.partition("=")
        key = key.strip().lower()
        if not equals:
            raise InputError(f"invalid {what}: {field!r} has no value", hint=form)
        if key in values:
            raise InputError(f"invalid {what}: {key} is given twice")
        values[key] = value.strip()
    return values


def read_boolean(values: Mapping[str, str], key: str, *, what: str, default: bool = False) -> bool:
    """A boolean in Go's spellings. Raises InputError."""
    value = values.get(key)
    if value is None:
        return default
    if value not in TRUE + FALSE:
        raise InputError(f"{what}: {key}={value} is neither true nor false")
    return value in TRUE
