"""MultipleInstructionsDisallowed: CMD, ENTRYPOINT and HEALTHCHECK stand once in a stage: only the last one counts."""

from __future__ import annotations

from typing import TYPE_CHECKING

from incubator.dockerfile.instructions import (
    CmdInstruction,
    EntrypointInstruction,
    HealthcheckInstruction,
    Instruction,
)
from incubator.dockerfile.lint.rule import Finding, Rule

if TYPE_CHECKING:
    from collections.abc import Iterator

    from incubator.dockerfile.lint.subject import Subject


def check(subject: Subject) -> Iterator[Finding]:
    """Fires at the earlier one, which has no effect."""
    for stage in subject.reached:
        seen: dict[str, Instruction] = {}
        for instruction in stage.instructions:
            if not isinstance(instruction, CmdInstruction | EntrypointInstruction | HealthcheckInstruction):
                continue
            keyword = instruction.keyword
            if keyword in seen:
                yield Finding(
                    message=f"Multiple {instruction.written} instructions should not be used in the same stage because "
                    "only the last one will be used",
                    instruction=seen[keyword],
                )
            seen[keyword] = instruction


RULE = Rule(
    name="MultipleInstructionsDisallowed",
    summary="Multiple instructions of the same type should not be used in the same stage",
    check=check,
)
