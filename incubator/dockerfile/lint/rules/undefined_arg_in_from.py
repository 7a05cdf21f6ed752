"""UndefinedArgInFrom: FROM uses only ARGs that are declared before the first FROM."""

from __future__ import annotations

from typing import TYPE_CHECKING

from incubator.dockerfile.lint.rule import Finding, Rule

if TYPE_CHECKING:
    from collections.abc import Iterator

    from incubator.dockerfile.lint.subject import Subject


def check(subject: Subject) -> Iterator[Finding]:
    """Fires at a FROM that names an ARG which is neither declared nor predefined."""
    for stage in subject.stages:
        for expansion in (stage.base, stage.platform):
            for name in expansion.unset if expansion else ():
                if name in subject.global_names:
                    continue
                near = subject.guesses.nearest(name, subject.global_names)
                suggestion = f" (did you mean {near}?)" if near else ""
                yield Finding(
                    message=f"FROM argument '{name}' is not declared{suggestion}",
                    instruction=stage.start,
                    span=stage.start.place_of(name),
                )


RULE = Rule(name="UndefinedArgInFrom", summary="FROM command must use declared ARGs", check=check)
