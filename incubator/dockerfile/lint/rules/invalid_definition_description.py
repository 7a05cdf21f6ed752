"""InvalidDefinitionDescription: the comment above a stage or an argument begins with its name."""

from __future__ import annotations

from typing import TYPE_CHECKING

from incubator.dockerfile.instructions import ArgInstruction, FromInstruction
from incubator.dockerfile.lint.rule import Finding, Rule

if TYPE_CHECKING:
    from collections.abc import Iterator

    from incubator.dockerfile.lint.subject import Subject


def check(subject: Subject) -> Iterator[Finding]:
    """Fires at a named FROM or an ARG whose comment right above begins with another word."""
    for instruction in subject.document.instructions:
        names: tuple[str, ...] = ()
        if isinstance(instruction, FromInstruction) and instruction.alias:
            names = (instruction.alias.lower(),)
        elif isinstance(instruction, ArgInstruction):
            names = tuple(name for name, _ in instruction.pairs)
        if not names or not instruction.comments:
            continue
        if instruction.comments[-1].split(" ")[0] not in names:
            shown = names[0] if len(names) == 1 else "<arg_key>"
            yield Finding(
                message=f"Comment for {instruction.keyword} should follow the format: `# {shown} <description>`",
                instruction=instruction,
            )


RULE = Rule(
    name="InvalidDefinitionDescription",
    summary="Comment for build stage or argument should follow the format: `# <arg/stage name> <description>`",
    check=check,
    experimental=True,
)
