"""ExposeInvalidFormat: EXPOSE names ports of the container, without an address or a port of the host."""

from __future__ import annotations

from typing import TYPE_CHECKING

from incubator.dockerfile.instructions import ExposeInstruction
from incubator.dockerfile.lint.rule import Finding, Rule

if TYPE_CHECKING:
    from collections.abc import Iterator

    from incubator.dockerfile.lint.subject import Subject


def check(subject: Subject) -> Iterator[Finding]:
    """Fires at a port such as `127.0.0.1:80:80` or `8080:80`."""
    for stage in subject.reached:
        for step in stage.steps:
            if not isinstance(step.instruction, ExposeInstruction):
                continue
            for port in step.texts:
                if port.rpartition(":")[0].strip(":"):
                    yield Finding(
                        message="EXPOSE instruction should not define an IP address or host-port mapping, "
                        f"found '{port}'",
                        instruction=step.instruction,
                        word=port,
                    )


RULE = Rule(
    name="ExposeInvalidFormat",
    summary="IP address and host-port mapping should not be used in EXPOSE instruction",
    check=check,
)
