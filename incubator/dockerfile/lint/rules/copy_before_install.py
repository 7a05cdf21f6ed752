"""CopyBeforeInstall: lists of dependencies are copied and installed before the rest of the source."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from incubator.dockerfile.instructions import CopyInstruction, RunInstruction
from incubator.dockerfile.lint.rule import Finding, Rule

if TYPE_CHECKING:
    from collections.abc import Iterator

    from incubator.dockerfile.lint.subject import Subject

_INSTALL = re.compile(
    r"\bpip[0-9.]*\s+(?:\S+\s+)*?install\s[^;&|\n]*(?:-r\s*|--requirement[= ])\S+"
    r"|\b(?:npm|pnpm)\s+(?:ci|i|install)\b(?!\s+-g)"
    r"|\byarn(?:\s+install)?\s*(?:$|[;&|\n]|--)"
    r"|\b(?:poetry|pipenv|bundle|composer|pdm|mix\s+deps\.get|bun)\s+install\b"
    r"|\buv\s+(?:sync|pip\s+sync)\b"
    r"|\bgo\s+mod\s+download\b"
    r"|\bcargo\s+(?:fetch|chef\s+cook)\b"
    r"|\bdotnet\s+restore\b"
    r"|\bmvn\b[^;&|\n]*\bdependency:\S+"
)
_WHOLE = frozenset((".", "./", "/", "*", "./*"))


def check(subject: Subject) -> Iterator[Finding]:
    """Fires at a COPY of the whole context before a RUN that installs from a list of dependencies.

    Then any change of any file repeats the installation. It does not fire where an installation came before it:
    that one is cached already.
    """
    for stage in subject.reached:
        whole: CopyInstruction | None = None
        for instruction in stage.instructions:
            if isinstance(instruction, CopyInstruction):
                if whole is None and not instruction.from_ and any(s in _WHOLE for s in instruction.sources):
                    whole = instruction
            elif isinstance(instruction, RunInstruction):
                text = "\n".join(
                    (*instruction.command.words, *(heredoc.content for heredoc in instruction.heredocs))
                )
                found = _INSTALL.search(text)
                if not found:
                    continue
                if whole is not None:
                    command = " ".join(found[0].split()).rstrip(";&|- ")
                    yield Finding(
                        message=f"Any change of the context repeats '{command}' (line {instruction.span.first_line}): "
                        "copy the list of dependencies and install them before copying the rest",
                        instruction=whole,
                    )
                break


RULE = Rule(
    name="CopyBeforeInstall",
    summary="Dependencies should be installed before the whole source is copied",
    check=check,
    own=True,
)
