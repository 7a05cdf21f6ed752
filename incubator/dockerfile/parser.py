"""Dockerfile text to a document of typed instructions, or all faults of the file at once. Pure."""

from __future__ import annotations

import re
from dataclasses import replace
from typing import TYPE_CHECKING, Final

from incubator.dockerfile.instructions import Document, Instruction
from incubator.dockerfile.lexer import Reader, lex
from incubator.dockerfile.maker import Maker
from incubator.dockerfile.rules import MAKERS, make_instruction
from incubator.dockerfile.source import Source, Span
from incubator.errors import DockerfileError, DockerfileErrors

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from incubator.dockerfile.line import Node

MAX_FAULTS: Final = 100
_FRONTEND: Final = re.compile(
    r"(?:.+/)?docker/dockerfile(?:-upstream(?::[^@]*)?|:(?:1(?:[.\-][^@]*)?|latest|labs|experimental|master))?(?:@.+)?"
)


def parse(source: Source) -> Document:
    """The typed instructions of a Dockerfile, its directives, and the warnings of its syntax.

    Raises `DockerfileErrors` with all faults of the file, in order of their places (the first `MAX_FAULTS`, and
    one that says so, where there are more).
    """
    document, faults = parse_faulty(source)
    if faults:
        raise DockerfileErrors(faults)
    return document


def parse_faulty(source: Source) -> tuple[Document, tuple[DockerfileError, ...]]:
    """What `parse` gives and what it raises. With faults, the instructions are the sound ones, at times none."""
    reader = Reader(source)
    instructions: list[Instruction] = []
    heads: list[Node] = []
    faults: list[DockerfileError] = []
    for node in reader.nodes():
        if not heads or heads[-1].keyword != "from":
            heads.append(node)
        maker = Maker(node)
        instruction = make_instruction(maker)
        if instruction:
            instructions.append(instruction)
        else:
            faults += maker.faults
            if len(faults) > MAX_FAULTS:
                break
    faults += reader.faults
    syntax = reader.directives.syntax
    if syntax is not None and not _FRONTEND.fullmatch(syntax):
        faults.append(_foreign_frontend(source, syntax))
    if not reader.faults:
        faults += _order_faults(source, heads)
    document = Document(
        source=source,
        directives=reader.directives,
        instructions=tuple(instructions),
        warnings=tuple(reader.warnings),
        markers=tuple(reader.markers),
    )
    return document, tuple(in_order(faults))


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
    if not faults and (len(lexed.nodes) != 1 or lexed.nodes[0].keyword == "from"):
        faults.append(
            DockerfileError(
                f"ONBUILD trigger {text!r}: one instruction other than FROM is expected",
                rule="invalid-trigger",
                span=span,
            )
        )
    if not faults:
        node = replace(
            lexed.nodes[0],
            source=span.source,
            first_line=span.first_line,
            last_line=span.last_line,
            column=span.column,
            number=number,
            placed=False,
        )
        maker = Maker(node)
        instruction = make_instruction(maker)
        faults = maker.faults
    if instruction is None or faults:
        raise DockerfileErrors(faults)
    return instruction


def in_order(found: Iterable[DockerfileError]) -> list[DockerfileError]:
    """Faults by their places; of very many the first ones, and a word about the others."""
    faults = sorted(
        found, key=lambda fault: (fault.span.first_line, fault.span.column) if fault.span else (0, 0)
    )
    if len(faults) > MAX_FAULTS:
        span = faults[MAX_FAULTS].span
        faults[MAX_FAULTS:] = [
            DockerfileError("there are more faults from here on", rule="many-faults", span=span)
        ]
    return faults


def _foreign_frontend(source: Source, syntax: str) -> DockerfileError:
    line = next((n for n, text in enumerate(source.lines, 1) if syntax in text), 1)
    column = source.lines[line - 1].find(syntax) + 1
    return DockerfileError(
        f"the frontend {syntax} is not supported",
        rule="unsupported-frontend",
        span=Span(source, line, line, column),
        hint="docker/dockerfile:1 and its versions are built in; leave the line out or name one of them",
    )


def _order_faults(source: Source, heads: Sequence[Node]) -> list[DockerfileError]:
    """What is wrong with the file as a whole: nothing in it, no FROM, or something but ARG before it.

    `heads` are the instructions up to the first FROM and with it.
    """
    if not heads:
        message = "the Dockerfile has no instructions" if source.text else "the Dockerfile is empty"
        return [DockerfileError(message, rule="empty", span=Span(source, 1, 1), hint="begin with FROM image")]
    if not all(node.keyword in MAKERS for node in heads):
        return []  # one of these lines may be meant to be the FROM
    has_from = heads[-1].keyword == "from"
    for node in heads:
        if node.keyword not in ("arg", "from"):
            hint = "only ARG may come before FROM" + ("" if has_from else ", and there is no FROM")
            message = f"{node.keyword.upper()} stands before the first FROM"
            return [DockerfileError(message, rule="no-stage", span=node.span, hint=hint)]
    if not has_from:
        message = "the Dockerfile has no FROM, so there is nothing to build"
        return [
            DockerfileError(
                message, rule="no-stage", span=heads[-1].span, hint="begin a stage with FROM image"
            )
        ]
    return []
