"""ConsistentInstructionCasing: all instructions are written in upper case, or all in lower case."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

from incubator.dockerfile.lint.rule import Finding, Rule

if TYPE_CHECKING:
    from collections.abc import Iterator

    from incubator.dockerfile.lint.subject import Subject


def check(subject: Subject) -> Iterator[Finding]:
    """Fires at an instruction that is not written as most are; upper case wins a tie."""
    instructions = [item for stage in subject.stages for item in (stage.start, *stage.instructions)]
    counts = Counter(instruction.node.name for instruction in instructions)
    lower = sum(count for written, count in counts.items() if written.islower())
    upper = sum(count for written, count in counts.items() if written.isupper())
    lowercase = lower > upper
    odd = {written for written in counts if written != (written.lower() if lowercase else written.upper())}
    for instruction in instructions if odd else ():
        if instruction.node.name in odd:
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
