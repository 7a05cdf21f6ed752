"""A merged configuration for people and programs: YAML with origins as comments, or JSON. Pure."""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING, Any

from incubator.console.text import clean_text
from incubator.core.config import Entry
from incubator.core.volume import Volume

if TYPE_CHECKING:
    from collections.abc import Iterator

    from incubator.core.config import ImageConfig

_COMMENT_COLUMN = 40
_WORDS = {"true", "false", "yes", "no", "on", "off", "null", "y", "n"}
"""Keys that YAML does not read as texts."""


def config_lines(config: ImageConfig) -> list[str]:
    """One line a value, with its origin as a comment; without values a comment that says so."""
    return list(_lines(config)) or ["# nothing is configured"]


def config_json(config: ImageConfig) -> dict[str, Any]:
    """Every value with its origin: an object for each, in lists and by name as the configuration has them."""
    return {key: _json(value) for key, value in config.entries()}


def _json(value: Entry | list[Entry] | dict[str, Entry]) -> Any:
    if isinstance(value, dict):
        return {name: _json(entry) for name, entry in value.items()}
    if isinstance(value, list):
        return [_json(entry) for entry in value]
    return {
        "value": str(value.value) if isinstance(value.value, Volume) else value.value,
        "origin": value.origin.name,
        "line": value.span.first_line if value.span else None,
        "column": value.span.column if value.span else None,
        "trusted": value.origin.trusted,
    }


def _lines(config: ImageConfig) -> Iterator[str]:
    for key, value in config.entries():
        if isinstance(value, Entry):
            yield _line(f"{key}: {_show(value.value)}", value)
        elif isinstance(value, dict):
            yield f"{key}:"
            for name, entry in value.items():
                yield _line(f"  {_key(name)}: {_show(entry.value)}", entry)
        elif not value:
            yield f"{key}: []"
        elif [entry.value for entry in value] == ["auto"]:
            yield _line(f"{key}: auto", value[0])
        else:
            yield f"{key}:"
            for entry in value:
                yield _line(f"  - {_show(entry.value)}", entry)


def _line(text: str, entry: Entry) -> str:
    trust = "" if entry.origin.trusted else " (not trusted)"
    return clean_text(f"{text:<{_COMMENT_COLUMN}}  # {entry.place}{trust}")


def _key(name: str) -> str:
    return (
        name
        if re.fullmatch(r"[A-Za-z_][A-Za-z0-9_.-]*", name) and name.lower() not in _WORDS
        else _show(name)
    )


def _show(value: object) -> str:
    return json.dumps(str(value) if isinstance(value, Volume) else value, ensure_ascii=False)
