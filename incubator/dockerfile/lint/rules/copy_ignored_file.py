"""CopyIgnoredFile: what COPY and ADD name is not excluded by the ignore file."""

from __future__ import annotations

import posixpath
from typing import TYPE_CHECKING, Final

from incubator.dockerfile.instructions import AddInstruction, CopyInstruction
from incubator.dockerfile.lint.rule import Finding, Rule

if TYPE_CHECKING:
    from collections.abc import Iterator

    from incubator.dockerfile.lint.subject import Subject

_MAX_PATH: Final = 4096
"""No longer path can be in a context; each folder of one is looked for in the ignore file."""


def check(subject: Subject) -> Iterator[Finding]:
    """Fires at a source of the context that the ignore file excludes.

    It says nothing of an ignore file with `!` lines: what it leaves cannot be told without the files.
    """
    matcher = subject.ignore_matcher
    if matcher is None or matcher.has_exclusions:
        return
    for stage in subject.reached:
        for step in stage.steps:
            instruction = step.instruction
            if isinstance(instruction, CopyInstruction):
                if instruction.from_:
                    continue
            elif not isinstance(instruction, AddInstruction):
                continue
            for source, written in zip(step.texts, instruction.sources, strict=True):
                path = posixpath.normpath("/" + source).lstrip("/")
                if not path or len(path) > _MAX_PATH or "://" in source:
                    continue
                if not matcher.matches_or_parent_matches(path):
                    continue
                verb = "Copy" if isinstance(instruction, CopyInstruction) else "Add"
                yield Finding(
                    message=f'Attempting to {verb} file "{source}" that is excluded by .dockerignore',
                    instruction=instruction,
                    word=written,
                )


RULE = Rule(
    name="CopyIgnoredFile",
    summary="Attempting to Copy file that is excluded by .dockerignore",
    check=check,
)
