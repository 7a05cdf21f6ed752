"""Heredoc words: `<<EOF`, `3<<-"EOF"`. Pure.

Source: BuildKit, frontend/dockerfile/parser/parser_heredoc.go.
"""

from __future__ import annotations

import re
from functools import lru_cache
from typing import Final

from incubator.dockerfile.expand import lex_words
from incubator.dockerfile.instructions import Heredoc
from incubator.dockerfile.line import LexError, Node
from incubator.dockerfile.text import SPACE_CLASS
from incubator.errors import ExpandError

_HEREDOC: Final = re.compile(r"([0-9]*)<<(-?)[\t\n\f\r ]*([^<]*)\Z")
_PLAIN_NAME: Final = re.compile(r"[A-Za-z0-9_.\-]+")
_NEEDS_LEXING: Final = re.compile(r"['\"\\$]|<<[ \t\r]")
_BLANKS: Final = re.compile(f"{SPACE_CLASS}+")
_HEREDOC_NAMES: Final = frozenset(("add", "copy", "run"))


@lru_cache(maxsize=64)
def parse_heredoc_word(word: str) -> Heredoc | None:
    """The heredoc that `word` announces (`<<EOF`, `3<<-"EOF"`), without content; None where it is none.

    Raises `LexError` where it begins like one and its quotes do not match.
    """
    match = _HEREDOC.match(word)
    if not match or not match[3]:
        return None
    descriptor, dash, rest = match.groups()
    number = int(descriptor) if descriptor and len(descriptor) < 20 else 0
    if _PLAIN_NAME.fullmatch(rest):  # nearly always
        return Heredoc(name=rest, content="", expand=True, strip_tabs=bool(dash), file_descriptor=number)
    try:
        plain = lex_words(rest, keep_escapes=False, keep_quotes=False)
        if len(plain) != 1:
            return None
        quoted = lex_words(rest, keep_escapes=False, keep_quotes=True)
    except ExpandError as error:
        raise LexError(
            f"malformed heredoc {word!r}: {error.reason}", rule="invalid-heredoc", hint=error.hint, word=word
        ) from None
    return Heredoc(
        name=plain[0],
        content="",
        expand=_quotes(plain[0]) == _quotes("".join(quoted)),
        strip_tabs=bool(dash),
        file_descriptor=number,
    )


def _quotes(text: str) -> int:
    return text.count("'") + text.count('"')


def find_heredocs(node: Node) -> tuple[Heredoc, ...]:
    """The heredocs that the instruction announces, still without content."""
    holder = node
    if node.keyword == "onbuild" and node.child:
        holder = node.child
    if holder.keyword not in _HEREDOC_NAMES or holder.json:
        return ()
    if not _NEEDS_LEXING.search(node.original):
        words = _BLANKS.split(node.original)
    else:
        try:
            words = lex_words(node.original, keep_escapes=True, keep_quotes=True)
        except ExpandError:
            return ()  # as the reference has it: quotes that do not match leave the line without heredocs
    found = [parse_heredoc_word(word) for word in words if "<<" in word]
    return tuple(heredoc for heredoc in found if heredoc)
