"""JSONArgsRecommended: CMD and ENTRYPOINT are written in JSON form, so that signals reach the program."""

from __future__ import annotations

from typing import TYPE_CHECKING

from incubator.dockerfile.instructions import CmdInstruction, EntrypointInstruction, ShellInstruction
from incubator.dockerfile.lint.rule import Finding, Rule

if TYPE_CHECKING:
    from collections.abc import Iterator

    from incubator.dockerfile.lint.subject import Subject


def check(subject: Subject) -> Iterator[Finding]:
    """Fires at CMD and ENTRYPOINT in shell form, unless SHELL was set: then a shell is meant."""
    for stage in subject.reached:
        has_shell = stage.parent is not None and stage.parent.has_shell
        for instruction in stage.instructions:
            if isinstance(instruction, ShellInstruction):
                has_shell = True
            elif (
                isinstance(instruction, CmdInstruction | EntrypointInstruction)
                and instruction.command.shell_form
                and not has_shell
            ):
                yield Finding(
                    message=f"JSON arguments recommended for {instruction.written} to prevent unintended "
                    "behavior related to OS signals",
                    instruction=instruction,
                )


RULE = Rule(
    name="JSONArgsRecommended",
    summary="JSON arguments recommended for ENTRYPOINT/CMD to prevent unintended behavior related to OS signals",
    check=check,
)
