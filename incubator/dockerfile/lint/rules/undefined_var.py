"""UndefinedVar: variables are defined before they are used."""

from __future__ import annotations

from typing import TYPE_CHECKING

from incubator.dockerfile.lint.rule import Finding, Rule

if TYPE_CHECKING:
    from collections.abc import Iterator

    from incubator.dockerfile.lint.subject import Subject


def check(subject: Subject) -> Iterator[Finding]:
    """Fires at an instruction that uses a name which has no value and is not declared.

    Where the base image's environment is not known, the name may come from there: then it fires only if the name
    looks like a slip of the pen for one that is known, other than PATH, which GOPATH and its like are near to.
    """
    for stage in subject.reached:
        for step in stage.steps:
            for name, near in step.unset:
                if near in (None, "PATH") and not stage.env_known:
                    continue
                suggestion = f" (did you mean ${near}?)" if near else ""
                yield Finding(
                    message=f"Usage of undefined variable '${name}'{suggestion}",
                    instruction=step.instruction,
                    word=f"${name}",
                    other_word=f"${{{name}",
                )


RULE = Rule(name="UndefinedVar", summary="Variables should be defined before their use", check=check)
