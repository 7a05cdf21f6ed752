"""StageNameCasing: names of stages are written in lower case."""

from __future__ import annotations

from typing import TYPE_CHECKING

from incubator.dockerfile.lint.rule import Finding, Rule

if TYPE_CHECKING:
    from collections.abc import Iterator

    from incubator.dockerfile.lint.subject import Subject


def check(subject: Subject) -> Iterator[Finding]:
    """Fires at a FROM whose stage name has upper case letters."""
    for stage in subject.stages:
        alias = stage.start.alias
        if alias and alias != stage.name:
            yield Finding(
                message=f"Stage name '{alias}' should be lowercase",
                instruction=stage.start,
                span=stage.start.place_of(alias),
            )


RULE = Rule(name="StageNameCasing", summary="Stage names should be lowercase", check=check)
