"""Dockerfile text to a document of typed instructions, or all faults of the file at once. Pure."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

from incubator.dockerfile.instructions import Document, Instruction
from incubator.dockerfile.lexer import Node, lex
from incubator.dockerfile.maker import Maker
from incubator.dockerfile.rules import MAKERS, make_instruction
from incubator.dockerfile.source import Source, Span
from incubator.dockerfile.text import lower
from incubator.errors import DockerfileError, DockerfileErrors

if TYPE_CHECKING:
    from collections.abc import Sequence

_FRONTEND: Final = re.compile(
    r"(?:.+/)?docker/dockerfile(?:-upstream(?::[^@]*)?|:(?:1(?:[.\-][^@]*)?|latest|labs|experimental|master))?(?:@.+)?"
)


def parse(source: Source) -> Document:
    """The typed instructions of a Dockerfile, its directives, and the warnings of its syntax.

    Raises `DockerfileErrors` with all faults of the file, in order of their places.
    """
    lexed = lex(source)
    faults = list(lexed.faults)
    syntax = lexed.directives.syntax
    if syntax is not None and not _FRONTEND.fullmatch(syntax):
        faults.append(_foreign_frontend(source, syntax))
    instructions: list[Instruction] = []
    for number, node in enumerate(lexed.nodes, 1):
        span = _span_of(source, node)
        maker = Maker(node, number, span)
        instruction = make_instruction(maker)
        faults += maker.faults
        if instruction:
            instructions.append(instruction)
    faults += _order_faults(source, lexed.nodes, has_faults=bool(lexed.faults))
    if faults:
        faults.sort(key=lambda fault: (fault.span.first_line, fault.span.column) if fault.span else (0, 0))
        raise DockerfileErrors(faults)
    return Document(
        source=source,
        directives=lexed.directives,
        instructions=tuple(instructions),
        warnings=lexed.warnings,
    )


def parse_trigger(text: str, *, span: Span, number: int) -> Instruction:
    """The instruction of an ONBUILD trigger that a base image carries.

    It is placed at `span` (the FROM that brings it) and has that instruction's `number`.
    Raises `DockerfileErrors` where `text` is not one instruction, or one that no trigger may be.
    """
    lexed = lex(Source("ONBUILD trigger", text))
    faults = [
        DockerfileError(
            f"ONBUILD trigger {text!r}: {fault.text}", rule=fault.rule, span=span, hint=fault.hint
        )
        for fault in lexed.faults
    ]
    instruction = None
    if not faults and (len(lexed.nodes) != 1 or lower(lexed.nodes[0].name) == "from"):
        faults.append(
            DockerfileError(
                f"ONBUILD trigger {text!r}: one instruction other than FROM is expected",
                rule="invalid-trigger",
                span=span,
            )
        )
    if not faults:
        maker = Maker(lexed.nodes[0], number, span, placed=False)
        instruction = make_instruction(maker)
        faults = maker.faults
    if instruction is None or faults:
        raise DockerfileErrors(faults)
    return instruction


def _span_of(source: Source, node: Node) -> Span:
    column = node.places.columns[0] if node.places else 1
    return Span(source, node.first_line, node.last_line, column)


def _foreign_frontend(source: Source, syntax: str) -> DockerfileError:
    line = next((n for n, text in enumerate(source.lines, 1) if syntax in text), 1)
    column = source.lines[line - 1].find(syntax) + 1
    return DockerfileError(
        f"the frontend {syntax} is not supported",
        rule="unsupported-frontend",
        span=Span(source, line, line, column),
        hint="docker/dockerfile:1 and its versions are built in; leave the line out or name one of them",
    )


def _order_faults(source: Source, nodes: Sequence[Node], *, has_faults: bool) -> list[DockerfileError]:
    """What is wrong with the file as a whole: nothing in it, no FROM, or something but ARG before it."""
    if not nodes:
        if has_faults:
            return []
        message = "the Dockerfile has no instructions" if source.text else "the Dockerfile is empty"
        return [DockerfileError(message, rule="empty", span=Span(source, 1, 1), hint="begin with FROM image")]
    names = [lower(node.name) for node in nodes]
    before = names.index("from") if "from" in names else len(names)
    if has_faults or not all(name in MAKERS for name in names[:before]):
        return []  # one of these lines may be meant to be the FROM
    for node, name in zip(nodes[:before], names, strict=False):
        if name != "arg":
            return [
                DockerfileError(
                    f"{node.name.upper()} stands before the first FROM",
                    rule="no-stage",
                    span=_span_of(source, node),
                    hint="only ARG may come before FROM"
                    + ("" if before < len(names) else ", and there is no FROM"),
                )
            ]
    if before == len(names):
        return [
            DockerfileError(
                "the Dockerfile has no FROM, so there is nothing to build",
                rule="no-stage",
                span=_span_of(source, nodes[-1]),
                hint="begin a stage with FROM image",
            )
        ]
    return []
