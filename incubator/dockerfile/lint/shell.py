"""A rough look at what a RUN runs: its simple commands. Pure.

This is no shell: it cuts at `;`, `&`, `|` and line ends and splits at blanks, in time that grows with the text. It
serves rules that look for well-known commands, not ones that must be exact.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Iterator

    from incubator.dockerfile.instructions import RunInstruction

_ENDS: Final = re.compile(r"[;&|\n]+")
_ASSIGNMENT: Final = re.compile(r"[A-Za-z_][A-Za-z0-9_]*=")
_LEADERS: Final = frozenset((
    "!", "(", "{", "do", "else", "env", "exec", "export", "if", "nice", "sudo", "then", "time", "until", "while",
))  # fmt: skip
_MODULES: Final = re.compile(r"python[0-9.]*|py")


@dataclass(frozen=True, slots=True, kw_only=True)
class ShellCommand:
    """A program's name without its folder, its arguments, and the assignments before it."""

    program: str
    args: tuple[str, ...]
    assignments: tuple[str, ...] = ()

    @property
    def verb(self) -> str:
        """The first argument that is no option, empty where there is none."""
        return next((arg for arg in self.args if not arg.startswith("-")), "")

    def __str__(self) -> str:
        return " ".join((self.program, *self.args))


def mentions(instruction: RunInstruction, names: re.Pattern[str]) -> bool:
    """Whether `names` is in the text of a RUN: if not, none of its commands need be looked at."""
    search, node = names.search, instruction.node
    for text in node.args:
        if search(text):
            return True
    return any(search(heredoc.content) for heredoc in node.heredocs) if node.heredocs else False


def commands_of(instruction: RunInstruction) -> Iterator[ShellCommand]:
    """The simple commands of a RUN, in shell form, exec form or a heredoc, in order."""
    written = instruction.command
    if not written.shell_form:
        command = _command(list(written.words))
        if command:
            yield command
        return
    for text in (*written.words, *(heredoc.content for heredoc in instruction.heredocs)):
        for part in _ENDS.split(text):
            command = _command(part.split())
            if command:
                yield command


def _command(words: list[str]) -> ShellCommand | None:
    """The command that `words` write; None for none."""
    assignments: list[str] = []
    for position, word in enumerate(words):
        if _ASSIGNMENT.match(word):
            assignments.append(word)
        elif word not in _LEADERS and (position == 0 or not word.startswith("-")):
            program, args = word.lstrip("({").rpartition("/")[2], words[position + 1 :]
            if _MODULES.fullmatch(program) and args[:1] == ["-m"] and len(args) > 1:
                program, args = args[1], args[2:]
            return ShellCommand(program=program, args=tuple(args), assignments=tuple(assignments))
    return ShellCommand(program="", args=(), assignments=tuple(assignments)) if assignments else None
