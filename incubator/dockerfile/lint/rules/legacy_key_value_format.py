"""LegacyKeyValueFormat: ENV and LABEL are written `NAME=VALUE`."""

from __future__ import annotations

from typing import TYPE_CHECKING

from incubator.dockerfile.instructions import EnvInstruction, LabelInstruction
from incubator.dockerfile.lint.rule import Finding, Rule

if TYPE_CHECKING:
    from collections.abc import Iterator

    from incubator.dockerfile.lint.subject import Subject


def check(subject: Subject) -> Iterator[Finding]:
    """Fires at `ENV name value` and `LABEL name value`."""
    for stage in subject.reached:
        for instruction in stage.instructions:
            if isinstance(instruction, EnvInstruction | LabelInstruction) and instruction.legacy:
                keyword = instruction.written
                yield Finding(
                    message=f'"{keyword} key=value" should be used instead of legacy "{keyword} key value" format',
                    instruction=instruction,
                )


RULE = Rule(
    name="LegacyKeyValueFormat",
    summary="Legacy key/value format with whitespace separator should not be used",
    check=check,
)
