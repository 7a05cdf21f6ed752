"""DuplicateStageName: no two stages have one name."""

from __future__ import annotations

from typing import TYPE_CHECKING

from incubator.dockerfile.lint.rule import Finding, Rule

if TYPE_CHECKING:
    from collections.abc import Iterator

    from incubator.dockerfile.lint.subject import Subject


def check(subject: Subject) -> Iterator[Finding]:
    """Fires at a FROM whose stage name was used before, in any case."""
    seen: set[str] = set()
    for stage in subject.stages:
        if stage.name and stage.name in seen:
            yield Finding(
                message=f'Duplicate stage name "{stage.name}", stage names should be unique',
                instruction=stage.start,
                span=stage.start.place_of(stage.start.alias or ""),
            )
        seen.add(stage.name)


RULE = Rule(name="DuplicateStageName", summary="Stage names should be unique", check=check)
