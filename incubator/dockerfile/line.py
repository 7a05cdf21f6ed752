"""One logical line to a node: name, flags, and arguments split as the instruction has it. Pure.

Source: BuildKit, frontend/dockerfile/parser/line_parsers.go and split_command.go.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

from incubator.dockerfile.flags import cut_flags
from incubator.dockerfile.json_form import NotStringsError, parse_json_form
from incubator.dockerfile.source import Source, Span
from incubator.dockerfile.text import ASCII_SPACES, SPACES, lower

if TYPE_CHECKING:
    from collections.abc import Callable

    from incubator.dockerfile.instructions import Heredoc
    from incubator.dockerfile.source import Piece

_NOWHERE: Final = Source("", "")
_BLANKS: Final = re.compile(r"[\t\v\f\r ]+")
_ASCII_BLANKS: Final = re.compile(rf"[{ASCII_SPACES}]+")
_WORD: Final = {
    # One word of ENV, LABEL or ARG: quotes keep blanks in, an escape keeps the character behind it.
    escape: re.compile(
        rf"(?:[^'\"{e}{SPACES}]++|{e}(?s:.)"
        rf"|\"(?:[^\"{e}]++|{e}(?s:.))*+(?:\"|{e}?\Z)|'[^']*+(?:'|\Z))++"
    )
    for escape, e in (("\\", r"\\"), ("`", "`"))
}


@dataclass(slots=True)  # not frozen, which would cost: a large file has many
class Node:
    """One instruction as the lexer sees it. Not changed once it is handed out.

    `name` is as written, `keyword` the same in lower case. `args` are the words: for ENV and LABEL name, value
    and `=` (or nothing) in turn. `json`: they were given as a JSON array. `original` is the logical line,
    `comments` stand right above it, `pieces` are where its continued lines begin. `number` counts the nodes of a
    file from 1. Only one that stands in a file is `placed`; a base image brings others.
    """

    name: str
    keyword: str
    flags: tuple[str, ...]
    args: tuple[str, ...]
    json: bool
    original: str
    child: Node | None = None
    heredocs: tuple[Heredoc, ...] = ()
    source: Source = field(default=_NOWHERE, repr=False, compare=False)
    first_line: int = 0
    last_line: int = 0
    column: int = 1
    number: int = 0
    comments: tuple[str, ...] = ()
    pieces: tuple[Piece, ...] = field(default=(), repr=False, compare=False)
    placed: bool = field(default=True, repr=False, compare=False)

    @property
    def span(self) -> Span:
        """Its place."""
        return Span(self.source, self.first_line, self.last_line, self.column)


class LexError(Exception):
    """A logical line that cannot be split. `word`, where given, is the text to point at."""

    def __init__(self, message: str, *, rule: str, hint: str | None = None, word: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.rule = rule
        self.hint = hint
        self.word = word


def split_line(line: str, escape: str, *, nested: bool = False) -> Node:
    """The node of one logical line; `nested`: behind ONBUILD, where another ONBUILD is not split further.

    Where it stands is not told yet. Raises `LexError`.
    """
    text = line.strip(SPACES)
    name, _, rest = text.partition(" ")
    if not name.isalpha():  # another blank may end the name
        name, rest = (*_BLANKS.split(text, maxsplit=1), "")[:2]
    flags: tuple[str, ...] = ()
    args = ""
    if rest:
        flags, args = cut_flags(rest)
        args = args.strip(SPACES)
    keyword = lower(name)
    child = None
    words: tuple[str, ...] = ("",)  # an unknown instruction has one empty argument
    is_json = False
    if keyword == "onbuild":
        words = ()
        child = split_line(args, escape, nested=True) if args and not nested else None
    elif split := _SPLITTERS.get(keyword):
        words, is_json = split(args, escape)
    return Node(name, keyword, flags, words, is_json, line, child)


def _text(rest: str, _escape: str) -> tuple[tuple[str, ...], bool]:
    return ((rest,) if rest else ()), False


def _words(rest: str, _escape: str) -> tuple[tuple[str, ...], bool]:
    return (tuple(_BLANKS.split(rest)) if rest else ()), False


def _json(rest: str) -> tuple[str, ...] | None:
    try:
        return parse_json_form(rest)
    except NotStringsError:
        raise LexError(
            "an array in JSON form may hold strings only",
            rule="json-not-strings",
            hint='write every element in double quotes, as in ["echo", "1"]',
            word=rest,
        ) from None


def _json_or_text(rest: str, escape: str) -> tuple[tuple[str, ...], bool]:
    strings = _json(rest)
    return _text(rest, escape) if strings is None else (strings, True)


def _json_or_words(rest: str, escape: str) -> tuple[tuple[str, ...], bool]:
    strings = _json(rest)
    return _words(rest, escape) if strings is None else (strings, True)


def _healthcheck(rest: str, escape: str) -> tuple[tuple[str, ...], bool]:
    """The kind of check (CMD, NONE), then the command in either form."""
    kind = _ASCII_BLANKS.split(rest, maxsplit=1)
    if not kind[0]:
        return (), False
    words, is_json = _json_or_text(kind[1] if len(kind) > 1 else "", escape)
    return (kind[0], *words), is_json


def quoted_words(rest: str, escape: str) -> list[str]:
    """`rest` split at blanks outside quotes; quotes and escapes stay, but an escape at the very end is dropped."""
    words = _WORD[escape].findall(rest)
    if words and words[-1].endswith(escape):
        words[-1] = _drop_last_escape(words[-1], escape)
        if not words[-1]:
            words.pop()
    return words


def _drop_last_escape(word: str, escape: str) -> str:
    """`word` without its last character if that is an escape that escapes nothing."""
    quote = ""
    position = 0
    while position < len(word):
        character = word[position]
        if character == escape and quote != "'":
            if position == len(word) - 1:
                return word[:-1]
            position += 1
        elif character == quote:
            quote = ""
        elif not quote and character in "'\"":
            quote = character
        position += 1
    return word


def _arg_words(rest: str, escape: str) -> tuple[tuple[str, ...], bool]:
    return tuple(quoted_words(rest, escape)), False


def _name_values(rest: str, escape: str, keyword: str) -> tuple[tuple[str, ...], bool]:
    """Name, value and `=` in turn; or name, rest of the line and nothing, the old form without `=`."""
    words = quoted_words(rest, escape)
    if not words:
        return (), False
    if "=" not in words[0]:
        name, *value = _BLANKS.split(rest, maxsplit=1)
        if not value:
            raise LexError(
                f"{keyword} needs a name and a value",
                rule="missing-value",
                hint=f"write {keyword} {name}=VALUE",
                word=name,
            )
        return (name, value[0], ""), False
    triples: list[str] = []
    for word in words:
        name, equals, text = word.partition("=")
        if not equals:
            raise LexError(
                f"{keyword}: there is no = in {word!r}",
                rule="missing-equals",
                hint=f'write NAME=VALUE, and quote a value with blanks: {keyword} NAME="one two"',
                word=word,
            )
        triples += (name, text, "=")
    return tuple(triples), False


_SPLITTERS: Final[dict[str, Callable[[str, str], tuple[tuple[str, ...], bool]]]] = {
    "add": _json_or_words,
    "arg": _arg_words,
    "cmd": _json_or_text,
    "copy": _json_or_words,
    "entrypoint": _json_or_text,
    "env": lambda rest, escape: _name_values(rest, escape, "ENV"),
    "expose": _words,
    "from": _words,
    "healthcheck": _healthcheck,
    "label": lambda rest, escape: _name_values(rest, escape, "LABEL"),
    "maintainer": _text,
    "run": _json_or_text,
    "shell": _json_or_text,
    "stopsignal": _text,
    "user": _text,
    "volume": _json_or_words,
    "workdir": _text,
}
