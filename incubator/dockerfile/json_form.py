"""The JSON (exec) form of arguments: an array of strings, or not JSON at all. Pure.

The reference decodes with Go's `encoding/json`: what that refuses is taken in shell form, while a valid array
that holds anything but strings is a fault. Python's decoder differs in what it accepts (NaN, deep nesting), so
the form is recognised here.
"""

from __future__ import annotations

import math
import re
from typing import Final, Literal

from incubator.dockerfile.text import SPACES

_BLANK = r"[ \t\r\n]*"
_STRING = r'"(?:[^"\\\x00-\x1f]|\\(?:["\\/bfnrt]|u[0-9a-fA-F]{4}))*+"'
_STRING_ARRAY: Final = re.compile(
    rf"\[{_BLANK}(?:{_STRING}{_BLANK}(?:,{_BLANK}{_STRING}{_BLANK})*+)?\]{_BLANK}\Z"
)
_STRING_RE: Final = re.compile(_STRING)
_TOKEN: Final = re.compile(
    rf"{_BLANK}(?:(?P<mark>[\[\]{{}},:])|(?P<string>{_STRING})"
    r"|(?P<number>-?(?:0|[1-9][0-9]*)(?:\.[0-9]+)?(?:[eE][+-]?[0-9]+)?)|(?P<word>true|false|null))"
)
_ESCAPE: Final = re.compile(r'\\(?:(["\\/bfnrt])|u([0-9a-fA-F]{4}))')
_SURROGATE: Final = re.compile("[\ud800-\udbff][\udc00-\udfff]|[\ud800-\udfff]")
_SIMPLE: Final = {"b": "\b", "f": "\f", "n": "\n", "r": "\r", "t": "\t"}
_MAX_DEPTH: Final = 10_000

Expected = Literal["value", "value-or-end", "key", "key-or-end", "colon", "comma", "done"]


class NotStringsError(ValueError):
    """Valid JSON, an array, but not one of strings only."""


def parse_json_form(text: str) -> tuple[str, ...] | None:
    """The strings of a JSON array, or None where `text` is to be read in shell form.

    Raises `NotStringsError` for a valid array with other elements.
    """
    text = text.lstrip(SPACES)
    if not text.startswith("["):
        return None
    if _STRING_ARRAY.match(text):
        return tuple(_unquote(match) for match in _STRING_RE.findall(text))
    if is_json(text):
        raise NotStringsError
    return None


def _unquote(literal: str) -> str:
    body = literal[1:-1]
    if "\\" in body:
        body = _ESCAPE.sub(_unescape, body)
    if not body.isascii():
        # Halves of a pair that were written as two escapes belong together; a half alone is no character.
        body = _SURROGATE.sub(_join_surrogates, body)
    return body


def _unescape(match: re.Match[str]) -> str:
    simple, code = match.groups()
    return chr(int(code, 16)) if code else _SIMPLE.get(simple, simple)


def _join_surrogates(match: re.Match[str]) -> str:
    pair = match[0]
    if len(pair) == 1:
        return "\ufffd"
    return chr(0x10000 + ((ord(pair[0]) - 0xD800) << 10) + (ord(pair[1]) - 0xDC00))


def is_json(text: str) -> bool:
    """Whether Go would decode `text` into an interface: valid, not too deep, no number out of range."""
    closers: list[str] = []
    expected: Expected = "value"
    position = 0
    while match := _TOKEN.match(text, position):
        position = match.end()
        following = _step(match, expected, closers)
        if following is None:
            return False
        expected = following
    return expected == "done" and not text[position:].strip(" \t\r\n")


def _step(match: re.Match[str], expected: Expected, closers: list[str]) -> Expected | None:
    """What is expected after the token `match`; None where it may not stand here. Changes `closers`."""
    mark = match["mark"]
    after_value: Expected = "comma" if closers else "done"
    if expected in ("value", "value-or-end"):
        if mark in ("[", "{"):
            closers.append("]" if mark == "[" else "}")
            if len(closers) > _MAX_DEPTH:
                return None
            return "value-or-end" if mark == "[" else "key-or-end"
        if mark is None:
            number = match["number"]
            return after_value if number is None or math.isfinite(float(number)) else None
    elif expected in ("key", "key-or-end") and match["string"] is not None:
        return "colon"
    elif expected == "colon" and mark == ":":
        return "value"
    elif expected == "comma" and mark == ",":
        return "value" if closers[-1] == "]" else "key"
    if expected in ("value-or-end", "key-or-end", "comma") and mark is not None and mark == closers[-1]:
        closers.pop()
        return "comma" if closers else "done"
    return None
