"""NoEmptyContinuation: there are no empty lines inside a continued instruction."""

from __future__ import annotations

from typing import TYPE_CHECKING

from incubator.dockerfile.lint.rule import Finding, Rule

if TYPE_CHECKING:
    from collections.abc import Iterator

    from incubator.dockerfile.lint.subject import Subject


def check(subject: Subject) -> Iterator[Finding]:
    """Fires at the first empty line of an instruction; the lexer noted it."""
    # Both are in order of their lines.
    instructions = iter(subject.document.instructions)
    instruction = next(instructions)
    for warning in subject.document.warnings:
        if warning.rule == RULE.name:
            while instruction.span.last_line < warning.span.first_line:
                instruction = next(instructions)
            yield Finding(message=warning.message, instruction=instruction, span=warning.span)


RULE = Rule(
    name="NoEmptyContinuation",
    summary="Empty continuation lines will become errors in a future release",
    check=check,
)
