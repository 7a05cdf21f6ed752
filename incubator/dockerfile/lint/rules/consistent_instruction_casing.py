"""ConsistentInstructionCasing: all instructions are written in upper case, or all in lower case."""

from __future__ import annotations

from typing import TYPE_CHECKING

from incubator.dockerfile.lint.rule import Finding, Rule

if TYPE_CHECKING:
    from collections.abc import Iterator

    from incubator.dockerfile.lint.subject import Subject


def check(subject: Subject) -> Iterator[Finding]:
    """Fires at an instruction that is not written as most are; upper case wins a tie."""
    instructions = [item for stage in subject.stages for item in (stage.start, *stage.instructions)]
    lower = sum(instruction.written.islower() for instruction in instructions)
    upper = sum(instruction.written.isupper() for instruction in instructions)
    lowercase = lower > upper
    for instruction in instructions:
        wanted = instruction.written.lower() if lowercase else instruction.written.upper()
        if instruction.written != wanted:
            yield Finding(
                message=f"Command '{instruction.written}' should match the case of the command majority "
                f"({'lowercase' if lowercase else 'uppercase'})",
                instruction=instruction,
            )


RULE = Rule(
    name="ConsistentInstructionCasing",
    summary="All commands within the Dockerfile should use the same casing (either upper or lower)",
    check=check,
)
