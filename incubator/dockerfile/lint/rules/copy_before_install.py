"""CopyBeforeInstall: lists of dependencies are copied and installed before the rest of the source."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from incubator.dockerfile.instructions import CopyInstruction, RunInstruction
from incubator.dockerfile.lint.rule import Finding, Rule
from incubator.dockerfile.lint.shell import ShellCommand, commands_of, mentions

if TYPE_CHECKING:
    from collections.abc import Iterator

    from incubator.dockerfile.lint.subject import Subject

_PIP = re.compile(r"pip[0-9.]*")
_VERBS = {
    "npm": {"ci", "i", "install"},
    "pnpm": {"i", "install"},
    "yarn": {"", "install"},
    "bun": {"i", "install"},
    "poetry": {"install"},
    "pipenv": {"install", "sync"},
    "pdm": {"install", "sync"},
    "uv": {"sync"},
    "bundle": {"", "install"},
    "composer": {"install"},
    "mix": {"deps.get"},
    "cargo": {"fetch"},
    "dotnet": {"restore"},
}
_NAMES = re.compile("|".join(("pip", "go", "mvn", *_VERBS)))
_OTHERWISE = frozenset(("-g", "--global", "-v", "--version", "-h", "--help"))
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
                if whole is None and not instruction.from_ and _WHOLE.intersection(instruction.sources):
                    whole = instruction
            elif isinstance(instruction, RunInstruction) and mentions(instruction, _NAMES):
                found = next((command for command in commands_of(instruction) if installs(command)), None)
                if found is None:
                    continue
                if whole is not None:
                    yield Finding(
                        message=f"Any change of the context repeats '{found}' (line {instruction.span.first_line}): "
                        "copy the list of dependencies and install them before copying the rest",
                        instruction=whole,
                    )
                break


def installs(command: ShellCommand) -> bool:
    """Whether it installs what a file of the project lists."""
    if _PIP.fullmatch(command.program):
        listed = any(arg.startswith(("-r", "--requirement")) for arg in command.args)
        return command.verb == "install" and listed
    if command.program == "go":
        return command.args[:2] == ("mod", "download")
    if command.program == "mvn":
        return any(arg.startswith("dependency:") for arg in command.args)
    return command.verb in _VERBS.get(command.program, ()) and _OTHERWISE.isdisjoint(command.args)


RULE = Rule(
    name="CopyBeforeInstall",
    summary="Dependencies should be installed before the whole source is copied",
    check=check,
    own=True,
)
