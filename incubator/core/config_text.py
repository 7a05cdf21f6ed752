"""Configuration texts, JSON or YAML, to plain values that know their places.

The texts may come from a checkout and are hostile: YAML tags make no objects, aliases cannot blow up, size and
nesting are bounded, and a key that comes twice is an error.
"""

from __future__ import annotations

import json
import re
from bisect import bisect_right
from dataclasses import dataclass, field
from typing import Any

import yaml

from incubator.dockerfile.source import Source, Span
from incubator.errors import InputError
from incubator.faults import Faults

LARGEST_BYTES = 1024**2
"""Of a configuration file."""

_MOST_VALUES = 20_000

KeyPath = tuple[str | int, ...]
"""Keys and indexes that lead to an entry."""

_YAML = "tag:yaml.org,2002:"
_CONVERTED = {f"{_YAML}int", f"{_YAML}float", f"{_YAML}bool", f"{_YAML}null"}
_AS_WRITTEN = {f"{_YAML}str", f"{_YAML}timestamp", f"{_YAML}value"}
_JSON = json.JSONDecoder()
_SPACE = re.compile(r"[ \t\r\n]*")


@dataclass(frozen=True, slots=True, kw_only=True)
class ConfigText:
    """A parsed text: its values, and line and column (from 1) of each entry.

    `written` has the text of each YAML scalar that became a number, a boolean or null.
    """

    source: Source
    values: dict[str, Any]
    places: dict[KeyPath, tuple[int, int]] = field(repr=False)
    written: dict[KeyPath, str] = field(repr=False, default_factory=dict)

    def span(self, path: KeyPath) -> Span | None:
        """Where the entry at `path` is written, or the nearest one around it; None for the whole text."""
        while path and path not in self.places:
            path = path[:-1]
        if not path:
            return None
        line, column = self.places[path]
        return Span(self.source, line, line, column)


def parse_config_text(name: str, text: str) -> ConfigText:
    """Read JSON or YAML. Raises InputError or InputErrors with place and reason.

    A text that starts with `{` is read as JSON first; what is no JSON may still be YAML, unless `name` ends in
    `.json`.
    """
    source = Source(name, text)
    if len(text) > LARGEST_BYTES:
        raise InputError(f"{name}: a configuration has at most {LARGEST_BYTES} bytes")
    try:
        if name.endswith(".json") or text.lstrip().startswith("{"):
            return _parse_json(source)
        return _parse_yaml(source)
    except RecursionError:
        raise InputError(f"{name}: nested too deeply for a configuration") from None


def _parse_json(source: Source) -> ConfigText:
    try:
        values = json.loads(source.text, parse_constant=_refuse_constant)
    except json.JSONDecodeError as error:
        if not source.name.endswith(".json"):
            try:
                return _parse_yaml(source)
            except InputError:
                pass  # it starts as JSON does: the JSON parser's words fit better
        span = Span(source, error.lineno, error.lineno, error.colno)
        raise InputError(f"not valid JSON: {error.msg}", span=span) from None
    except ValueError as error:  # NaN and its like, numbers of thousands of digits
        raise InputError(f"{source.name}: not valid JSON: {error}") from None
    places = _Places(source)
    _walk_json(source.text, _skip_space(source.text, 0), (), places)
    return places.config_text(values)


def _refuse_constant(word: str) -> None:
    raise ValueError(f"{word} is not a JSON value")


class _Places:
    """Places of the entries met so far; an entry met twice is a fault."""

    def __init__(self, source: Source) -> None:
        self.source = source
        self.places: dict[KeyPath, tuple[int, int]] = {}
        self.written: dict[KeyPath, str] = {}
        self.faults = Faults()
        self._line_starts = [0, *(match.end() for match in re.finditer("\n", source.text))]

    def note_offset(self, path: KeyPath, offset: int) -> None:
        line = bisect_right(self._line_starts, offset)
        self.note(path, line, offset - self._line_starts[line - 1] + 1)

    def note(self, path: KeyPath, line: int, column: int) -> None:
        if path in self.places:
            self.fault(f"the key {path[-1]!r} was already given in line {self.places[path][0]}", line, column)
        else:
            self.places[path] = line, column

    def fault(self, message: str, line: int, column: int, hint: str | None = None) -> None:
        span = Span(self.source, line, line, column)
        self.faults.errors.append(InputError(message, span=span, hint=hint))

    def config_text(self, values: object) -> ConfigText:
        self.faults.check()
        if values is None:
            values = {}
        if not isinstance(values, dict):
            raise InputError(
                f"{self.source.name}: expected a mapping of keys to values, found "
                + ("a list" if isinstance(values, list) else "a single value"),
                hint="as in `labels: {maintainer: me}`",
            )
        return ConfigText(source=self.source, values=values, places=self.places, written=self.written)


def _walk_json(text: str, offset: int, path: KeyPath, places: _Places) -> int:
    """Note all entries of the valid JSON value at `offset`; the offset behind it."""
    opening = text[offset]
    if opening not in "{[":
        return _JSON.raw_decode(text, offset)[1]
    closing = "}" if opening == "{" else "]"
    offset, index = _skip_space(text, offset + 1), 0
    while text[offset] != closing:
        if text[offset] == ",":
            offset = _skip_space(text, offset + 1)
        key: str | int = index
        start = offset
        if opening == "{":
            key, offset = _JSON.raw_decode(text, offset)
            offset = _skip_space(text, _skip_space(text, offset) + 1)
        places.note_offset((*path, key), start)
        offset = _skip_space(text, _walk_json(text, offset, (*path, key), places))
        index += 1
    return offset + 1


def _skip_space(text: str, offset: int) -> int:
    match = _SPACE.match(text, offset)
    return match.end() if match else offset


def _parse_yaml(source: Source) -> ConfigText:
    places = _Places(source)
    try:
        loader = yaml.SafeLoader(source.text)
        try:
            node = loader.get_single_node()
            values = None if node is None else _YamlReader(loader, places).value(node, (), ())
        finally:
            loader.dispose()
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        words = ", ".join(filter(None, (error.context, error.problem)))
        span = Span(source, mark.line + 1, mark.line + 1, mark.column + 1) if mark else None
        raise InputError(f"not valid YAML: {words}", span=span, hint=_tab_hint(words)) from None
    except yaml.YAMLError as error:
        raise InputError(f"{source.name}: not valid YAML: {' '.join(str(error).split())}") from None
    return places.config_text(values)


def _tab_hint(words: str) -> str | None:
    return "indent with spaces: YAML allows no tabs there" if r"'\t'" in words else None


class _YamlReader:
    """Plain values of YAML nodes: mappings, lists, texts, numbers, booleans, null, and nothing else."""

    def __init__(self, loader: yaml.SafeLoader, places: _Places) -> None:
        self._loader = loader
        self._places = places
        self._values = 0

    def value(self, node: yaml.Node, path: KeyPath, above: tuple[int, ...]) -> Any:
        """The value of `node`; `above` are the nodes it lies in, to see an alias that holds itself."""
        self._values += 1
        if self._values > _MOST_VALUES or id(node) in above:
            line, column = _place(node)
            span = Span(self._places.source, line, line, column)
            raise InputError("the aliases of this configuration make it too large", span=span)
        above = (*above, id(node))
        if isinstance(node, yaml.MappingNode) and node.tag == f"{_YAML}map":
            return self._mapping(node, path, above)
        if isinstance(node, yaml.SequenceNode) and node.tag == f"{_YAML}seq":
            values = []
            for index, item in enumerate(node.value):
                self._places.note((*path, index), *_place(item))
                values.append(self.value(item, (*path, index), above))
            return values
        if isinstance(node, yaml.ScalarNode) and node.tag in _AS_WRITTEN:
            return node.value
        if isinstance(node, yaml.ScalarNode) and node.tag in _CONVERTED:
            self._places.written[path] = node.value
            try:
                return self._loader.construct_object(node)
            except ValueError as error:
                self._places.fault(f"not valid YAML: {error}", *_place(node))
                return None
        self._places.fault(f"the YAML tag {node.tag.replace(_YAML, '!!')!r} is not allowed", *_place(node))
        return None

    def _mapping(self, node: yaml.MappingNode, path: KeyPath, above: tuple[int, ...]) -> dict[str, Any]:
        values = {}
        for key_node, value_node in node.value:
            line, column = _place(key_node)
            if key_node.tag == f"{_YAML}merge":
                self._places.fault("merge keys (<<) are not supported here", line, column)
                continue
            key = self.value(key_node, path, above)
            if not isinstance(key, str):
                hint = (
                    f'put it in quotes: "{key_node.value}"' if isinstance(key_node, yaml.ScalarNode) else None
                )
                self._places.fault("a key must be a text", line, column, hint)
                continue
            self._places.note((*path, key), line, column)
            values[key] = self.value(value_node, (*path, key), above)
        return values


def _place(node: yaml.Node) -> tuple[int, int]:
    return node.start_mark.line + 1, node.start_mark.column + 1
