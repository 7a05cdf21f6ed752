"""Events to the log of a GitHub job: groups, annotations, masks. Spec: GitHub's workflow commands.

Everything a build prints, and everything that is taken from its files, is foreign text that may try to be a command.
Foreign lines stand between `::stop-commands::` and a token that is new each time; foreign words on our own lines are
kept off the line's start. `##[name]`, the runner's older form that it finds anywhere in a line, is broken up.
"""

from __future__ import annotations

import secrets
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from actions_toolkit.command import Command

from incubator.ci.sections import SectionLog
from incubator.console.text import clean_text
from incubator.errors import DockerfileErrors, InputErrors, StepFailed
from incubator.events import WarningRaised

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence
    from pathlib import Path
    from typing import TextIO

    from incubator.dockerfile.source import Span
    from incubator.errors import BuilderError
    from incubator.events import Event

MOST_ANNOTATIONS = 10
"""Of one kind in one step; the runner drops the rest without a word."""

LONGEST_MESSAGE = 4000
"""Of an annotation, in characters: about what GitHub shows."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Annotation:
    """One message for a place in a file of the repository, or for none."""

    title: str
    message: str
    span: Span | None = None


class GitHubLog(SectionLog):
    """A listener that writes to the job's log. `workspace` is what annotated paths are relative to."""

    def __init__(self, out: TextIO, workspace: Path, *, clock: Callable[[], float] = time.monotonic) -> None:
        super().__init__(out, clock)
        self._workspace = workspace
        self._fence: str | None = None
        self._warnings: list[Annotation] = []

    def __call__(self, event: Event) -> None:
        """Write what `event` has to say; warnings are annotated at the end, which writes them to the log too."""
        if isinstance(event, WarningRaised):
            title = event.rule or "image build"
            self._warnings.append(Annotation(title=title, message=event.message, span=event.span))
        else:
            super().__call__(event)

    def close(self) -> None:
        """End what is open, and write the annotations that were kept for the end."""
        super().close()
        warnings, self._warnings = self._warnings, []
        if len(warnings) > MOST_ANNOTATIONS:  # one annotation stands for many then, and may have to be cut
            self.foreign_text(_line(entry) for entry in warnings[MOST_ANNOTATIONS - 1 :])
        self._annotate("warning", warnings)

    def mask(self, secret: str) -> None:
        """Have the runner hide `secret` in all that follows, each line of it."""
        for line in secret.splitlines():
            if line.strip():
                self._command("add-mask", line)

    def debug(self, lines: Iterable[str]) -> None:
        """Write lines that GitHub shows where a step's debug log is on; the section that is open stays open."""
        with self._lock:
            self._end_foreign()
            for line in lines:
                self._command("debug", _harmless(clean_text(line)))

    def failed(self, error: BuilderError) -> None:
        """Write an error to the log and annotate the places it is about."""
        self.foreign_text(str(error).splitlines())
        self._annotate("error", _annotations(error))
        self.close()

    # -- hooks --------------------------------------------------------------------------------------------

    def _begin_section(self, title: str) -> None:
        self._command("group", _harmless(title))

    def _end_section(self) -> None:
        self._command("endgroup", "")

    def _foreign_line(self, line: str) -> None:
        if self._fence is None:
            self._fence = secrets.token_hex(16)
            self._command("stop-commands", self._fence)
        self._out.write(f"{_harmless(line)}\n")

    def _end_foreign(self) -> None:
        if self._fence is not None:
            self._command(self._fence, "")
            self._fence = None

    def _own_line(self, line: str) -> None:
        self._end_foreign()
        line = _harmless(line)
        self._out.write(f"- {line}\n" if line.lstrip().startswith("::") else f"{line}\n")

    # -- commands -----------------------------------------------------------------------------------------

    def _command(self, name: str, message: str, properties: dict[str, str | int] | None = None) -> None:
        self._out.write(f"{Command(name, properties or {}, message)}\n")

    def _annotate(self, kind: Literal["error", "warning"], annotations: Sequence[Annotation]) -> None:
        if len(annotations) > MOST_ANNOTATIONS:
            annotations = [*annotations[: MOST_ANNOTATIONS - 1], _rest(annotations[MOST_ANNOTATIONS - 1 :])]
        for entry in annotations:
            properties: dict[str, str | int] = {"title": _harmless(clean_text(entry.title))}
            if entry.span is not None:
                properties |= {
                    "file": self._relative(entry.span.source.name),
                    "line": entry.span.first_line,
                    "endLine": entry.span.last_line,
                }
                if entry.span.first_line == entry.span.last_line:  # columns are of one line only
                    properties["col"] = entry.span.column
            lines = [_harmless(clean_text(line)) for line in entry.message.splitlines()]
            self._command(kind, _cut("\n".join(lines)), properties)

    def _relative(self, name: str) -> str:
        return clean_text(name.removeprefix(f"{self._workspace}/").removeprefix("./"))


def _harmless(line: str) -> str:
    """Break up `##[`, which starts a command anywhere in a line."""
    return line.replace("##[", "# #[")


def _cut(message: str) -> str:
    if len(message) <= LONGEST_MESSAGE:
        return message
    half = LONGEST_MESSAGE // 2 - 3
    return f"{message[:half]}\n...\n{message[-half:]}"


def _line(entry: Annotation) -> str:
    """An annotation on one line, with its place."""
    return f"{entry.span or ''} {' '.join(entry.message.splitlines())} [{entry.title}]".strip()


def _rest(annotations: Sequence[Annotation]) -> Annotation:
    """One annotation for many."""
    message = "\n".join(map(_line, annotations))
    return Annotation(title=f"{len(annotations)} more of this kind", message=message)


def _annotations(error: BuilderError) -> list[Annotation]:
    if isinstance(error, DockerfileErrors | InputErrors):
        return [entry for part in error.errors for entry in _annotations(part)]
    lines = [error.message]
    if isinstance(error, StepFailed):
        lines += error.log_tail
        lines += error.kept_lines if error.kept_image else []
    lines += error.advice
    return [Annotation(title=_title(error), message="\n".join(lines), span=error.span)]


def _title(error: BuilderError) -> str:
    """The class's name as words: `StepFailed` is `step failed`."""
    name = type(error).__name__
    return "".join(f" {char.lower()}" if char.isupper() else char for char in name).strip()
