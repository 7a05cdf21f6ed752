"""Syntax trees, lines and heredocs of the files in tests/data/dockerfile/trees."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from incubator.dockerfile import Source
from incubator.dockerfile.lexer import Node, lex

if TYPE_CHECKING:
    from incubator.dockerfile.instructions import Heredoc

CASES = Path(__file__).parents[2] / "data" / "dockerfile" / "trees"
ESCAPES = {
    "\a": "\\a", "\b": "\\b", "\f": "\\f", "\n": "\\n", "\r": "\\r", "\t": "\\t", "\v": "\\v",
    "\\": "\\\\", '"': '\\"',
}  # fmt: skip


def quote(text: str) -> str:
    escaped = (ESCAPES.get(c) or (c if c.isprintable() else f"\\u{ord(c):04x}") for c in text)
    return '"' + "".join(escaped) + '"'


def tree(node: Node) -> str:
    flags = ["[" + " ".join(map(quote, node.flags)) + "]"] if node.flags else []
    child = [f"({tree(node.child)})"] if node.child else []
    return " ".join([node.name.lower(), *flags, *child, *map(quote, node.args)])


def heredoc_line(heredoc: Heredoc) -> str:
    expansion = "expand" if heredoc.expand else "literal"
    tabs = "tabs" if heredoc.strip_tabs else "plain"
    return f"  <<{heredoc.file_descriptor} {quote(heredoc.name)} {expansion} {tabs} {quote(heredoc.content)}"


@pytest.mark.parametrize("name", sorted(path.name for path in CASES.iterdir()))
def test_tree(name: str) -> None:
    text = (CASES / name / "Dockerfile").read_bytes().decode()
    lexed = lex(Source("Dockerfile", text))
    assert lexed.faults == ()
    lines = []
    for node in lexed.nodes:
        lines.append(f"{node.first_line}-{node.last_line} ({tree(node)})")
        lines += map(heredoc_line, node.heredocs)
    assert "\n".join(lines) + "\n" == (CASES / name / "tree").read_text(encoding="utf-8")
