"""WorkdirRelativePath: the first WORKDIR is absolute, so that it does not hang on the base image."""

from __future__ import annotations

from typing import TYPE_CHECKING

from incubator.dockerfile.instructions import WorkdirInstruction
from incubator.dockerfile.lint.rule import Finding, Rule

if TYPE_CHECKING:
    from collections.abc import Iterator

    from incubator.dockerfile.lint.subject import Subject


def check(subject: Subject) -> Iterator[Finding]:
    """Fires at the first WORKDIR of a stage if it is relative and no stage below has one."""
    for stage in subject.reached:
        if stage.parent is not None and stage.parent.has_workdir:
            continue
        for step in stage.steps:
            if isinstance(step.instruction, WorkdirInstruction):
                if not step.texts[0].startswith("/"):
                    yield Finding(
                        message=f'Relative workdir "{step.texts[0]}" can have unexpected results if the base '
                        "image changes",
                        instruction=step.instruction,
                    )
                break


RULE = Rule(
    name="WorkdirRelativePath",
    summary="Relative workdir without an absolute workdir declared within the build can have unexpected results "
    "if the base image changes",
    check=check,
)
