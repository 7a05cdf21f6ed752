"""MaintainerDeprecated: an image's author is a label."""

from __future__ import annotations

from typing import TYPE_CHECKING

from incubator.dockerfile.instructions import MaintainerInstruction
from incubator.dockerfile.lint.rule import Finding, Rule

if TYPE_CHECKING:
    from collections.abc import Iterator

    from incubator.dockerfile.lint.subject import Subject


def check(subject: Subject) -> Iterator[Finding]:
    """Fires at MAINTAINER."""
    for instruction in subject.document.instructions:
        if isinstance(instruction, MaintainerInstruction):
            yield Finding(
                message="Maintainer instruction is deprecated in favor of using label",
                instruction=instruction,
            )


RULE = Rule(
    name="MaintainerDeprecated",
    summary="The MAINTAINER instruction is deprecated, use a label instead to define an image author",
    check=check,
)
