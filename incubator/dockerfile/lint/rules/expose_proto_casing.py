"""ExposeProtoCasing: the protocol of EXPOSE is written in lower case."""

from __future__ import annotations

from typing import TYPE_CHECKING

from incubator.dockerfile.instructions import ExposeInstruction
from incubator.dockerfile.lint.rule import Finding, Rule

if TYPE_CHECKING:
    from collections.abc import Iterator

    from incubator.dockerfile.lint.subject import Subject


def check(subject: Subject) -> Iterator[Finding]:
    """Fires at a port such as `80/TCP`."""
    for stage in subject.reached:
        for step in stage.steps:
            if not isinstance(step.instruction, ExposeInstruction):
                continue
            for port in step.texts:
                protocol = port.rpartition(":")[2].partition("/")[2]
                if protocol != protocol.lower():
                    yield Finding(
                        message=f"Defined protocol '{port}' in EXPOSE instruction should be lowercase",
                        instruction=step.instruction,
                        word=port,
                    )


RULE = Rule(
    name="ExposeProtoCasing",
    summary="Protocol in EXPOSE instruction should be lowercase",
    check=check,
)
