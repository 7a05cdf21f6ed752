"""SecretsUsedInArgOrEnv: secrets are mounted, not put into ARG or ENV, where the image keeps them."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from incubator.dockerfile.instructions import ArgInstruction, EnvInstruction
from incubator.dockerfile.lint.rule import Finding, Rule

if TYPE_CHECKING:
    from collections.abc import Iterator

    from incubator.dockerfile.lint.subject import Subject

_SECRET = re.compile(
    r"(?:_|^)(?:apikey|auth|credentials?|key|password|pword|passwd|secret|token)(?:_|$)", re.IGNORECASE
)
_HARMLESS = re.compile(r"(?:_|^)(?:public|file|version)(?:_|$)", re.IGNORECASE)


def check(subject: Subject) -> Iterator[Finding]:
    """Fires at an ARG or ENV whose name has a word like `password` or `token` in it, once a name."""
    for stage in subject.reached:
        for step in stage.steps:
            instruction = step.instruction
            if not isinstance(instruction, ArgInstruction | EnvInstruction):
                continue
            for name in step.texts:
                if _SECRET.search(name) and not _HARMLESS.search(name):
                    yield Finding(
                        message="Do not use ARG or ENV instructions for sensitive data "
                        f'({instruction.keyword} "{name}")',
                        instruction=instruction,
                        word=name,
                    )


RULE = Rule(
    name="SecretsUsedInArgOrEnv",
    summary="Sensitive data should not be used in the ARG or ENV commands",
    check=check,
)
