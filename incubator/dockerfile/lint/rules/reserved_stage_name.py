"""ReservedStageName: no stage is called `scratch` or `context`."""

from __future__ import annotations

from typing import TYPE_CHECKING

from incubator.dockerfile.lint.rule import Finding, Rule

if TYPE_CHECKING:
    from collections.abc import Iterator

    from incubator.dockerfile.lint.subject import Subject

_RESERVED = frozenset(("scratch", "context"))


def check(subject: Subject) -> Iterator[Finding]:
    """Fires at a FROM with a reserved stage name."""
    for stage in subject.stages:
        if stage.name in _RESERVED:
            yield Finding(
                message=f'Stage name should not use the same name as reserved stage "{stage.name}"',
                instruction=stage.start,
                span=stage.start.place_of(f" {stage.start.alias}"),
            )


RULE = Rule(name="ReservedStageName", summary="Reserved words should not be used as stage names", check=check)
