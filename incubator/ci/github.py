"""Events to the log of a GitHub job: groups, annotations, masks. Spec: GitHub's workflow commands.

Everything a build prints, and everything that is taken from its files, is foreign text that may try to be a command.
Output of steps stands between `::stop-commands::` and a token that is new each time; foreign words on our own lines
are kept off the line's start. `##[name]`, the runner's older form that it finds anywhere in a line, is broken up.
"""

from __future__ import annotations

import secrets
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from actions_toolkit.command import Command

from incubator.ci.narrate import describe, error_lines, title
from incubator.ci.text import LineCutter, plain_line
from incubator.errors import DockerfileErrors, InputErrors, StepFailed
from incubator.events import BuildFailed, StepFinished, StepOutput, StepStarted, Transfer, WarningRaised

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from pathlib import Path
    from typing import TextIO

    from incubator.dockerfile.source import Span
    from incubator.errors import BuilderError
    from incubator.events import Event, StepRef

MOST_ANNOTATIONS = 10
"""Of one kind in one step; the runner drops the rest without a word."""

LONGEST_MESSAGE = 4000
"""Of an annotation, in characters: about what GitHub shows."""

_TRANSFER_EVERY_S = 5.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Annotation:
    """One message for a place in a file of the repository, or for none."""

    title: str
    message: str
    span: Span | None = None


class GitHubLog:
    """A listener that writes to the job's log. `workspace` is what annotated paths are relative to."""

    def __init__(self, out: TextIO, workspace: Path, *, clock: Callable[[], float] = time.monotonic) -> None:
        self._out = out
        self._workspace = workspace
        self._clock = clock
        self._step: StepRef | None = None
        self._fence: str | None = None
        self._cutters: dict[str, LineCutter] = {}
        self._warnings: list[Annotation] = []
        self._last_transfer = -_TRANSFER_EVERY_S

    def __call__(self, event: Event) -> None:
        """Write what `event` has to say."""
        match event:
            case StepStarted():
                self._open(event.step)
            case StepOutput():
                self._foreign(event)
            case StepFinished():
                self._finish(event)
            case BuildFailed():
                self._close()
            case Transfer():
                if self._clock() - self._last_transfer >= _TRANSFER_EVERY_S:
                    self._last_transfer = self._clock()
                    self._line(describe(event))
            case WarningRaised():
                self._warnings.append(
                    Annotation(title=event.rule or "build check", message=event.message, span=event.span)
                )
                self._line(describe(event))
            case _:
                self._close()
                self._line(describe(event))
        self._out.flush()

    def mask(self, secret: str) -> None:
        """Have the runner hide `secret` in all that follows, each line of it."""
        for line in secret.splitlines():
            if line.strip():
                self._command("add-mask", line)
        self._out.flush()

    def failed(self, error: BuilderError) -> None:
        """Write an error to the log and annotate the places it is about."""
        self.foreign_text(error_lines(error))
        self._annotate("error", _error_annotations(error))
        self.close()

    def foreign_text(self, lines: Iterable[str]) -> None:
        """Write lines that may hold anything."""
        self._close()
        self._begin_fence()
        for line in lines:
            self._out.write(f"{_harmless(plain_line(line))}\n")
        self._unfence()
        self._out.flush()

    def close(self) -> None:
        """Write what was kept for the end: annotations of warnings."""
        self._close()
        self._annotate("warning", self._warnings)
        self._warnings = []
        self._out.flush()

    # -- one step's group ---------------------------------------------------------------------------------

    def _open(self, step: StepRef) -> None:
        self._close()
        self._step = step
        self._command("group", _harmless(title(step)))

    def _foreign(self, event: StepOutput) -> None:
        if self._step != event.step:
            self._open(event.step)
        self._begin_fence()
        cutter = self._cutters.setdefault(event.stream, LineCutter())
        for line in cutter.feed(event.data):
            self._out.write(f"{_harmless(line)}\n")

    def _finish(self, event: StepFinished) -> None:
        if self._step != event.step:
            self._close()
        self._unfence()
        self._line(describe(event))
        self._close()

    def _begin_fence(self) -> None:
        """From here on the runner takes no commands, until `_unfence`."""
        if self._fence is None:
            self._fence = secrets.token_hex(16)
            self._command("stop-commands", self._fence)

    def _unfence(self) -> None:
        for cutter in self._cutters.values():
            for line in cutter.end():
                self._out.write(f"{_harmless(line)}\n")
        self._cutters = {}
        if self._fence is not None:
            self._command(self._fence, "")
            self._fence = None

    def _close(self) -> None:
        self._unfence()
        if self._step is not None:
            self._command("endgroup", "")
            self._step = None

    # -- lines --------------------------------------------------------------------------------------------

    def _line(self, text: str | None) -> None:
        """One line of our own, whose foreign parts start no command: it never starts with blanks and `::`."""
        if text is not None:
            text = _harmless(text)
            if text.lstrip().startswith("::"):
                text = f"- {text}"
            self._out.write(f"{text}\n")

    def _command(self, name: str, message: str, properties: dict[str, str | int] | None = None) -> None:
        self._out.write(f"{Command(name, properties or {}, message)}\n")

    def _annotate(self, kind: Literal["error", "warning"], annotations: Iterable[Annotation]) -> None:
        annotations = list(annotations)
        if len(annotations) > MOST_ANNOTATIONS:
            rest = annotations[MOST_ANNOTATIONS - 1 :]
            message = "\n".join(f"{entry.span or ''} {entry.message}".strip() for entry in rest)
            summary = Annotation(title=f"{len(rest)} more of this kind", message=message)
            annotations = [*annotations[: MOST_ANNOTATIONS - 1], summary]
        for entry in annotations:
            properties: dict[str, str | int] = {"title": _harmless(plain_line(entry.title))}
            if entry.span is not None:
                properties |= {
                    "file": self._relative(entry.span.source.name),
                    "line": entry.span.first_line,
                    "endLine": entry.span.last_line,
                }
            lines = [_harmless(plain_line(line)) for line in entry.message.splitlines()]
            self._command(kind, _cut("\n".join(lines)), properties)

    def _relative(self, name: str) -> str:
        workspace = f"{self._workspace}/"
        return plain_line(name.removeprefix(workspace).removeprefix("./"))


def _harmless(line: str) -> str:
    """Break up `##[`, which starts a command anywhere in a line."""
    return line.replace("##[", "# #[")


def _cut(message: str) -> str:
    if len(message) <= LONGEST_MESSAGE:
        return message
    half = LONGEST_MESSAGE // 2 - 3
    return f"{message[:half]}\n...\n{message[-half:]}"


def _error_annotations(error: BuilderError) -> list[Annotation]:
    if isinstance(error, DockerfileErrors | InputErrors):
        return [entry for part in error.errors for entry in _error_annotations(part)]
    lines = [error.message]
    if isinstance(error, StepFailed):
        lines += error.log_tail
    if error.hint:
        lines.append(f"hint: {error.hint}")
    return [Annotation(title=_title(error), message="\n".join(lines), span=error.span)]


def _title(error: BuilderError) -> str:
    """The class's name as words: `StepFailed` is `step failed`."""
    name = type(error).__name__
    return "".join(f" {char.lower()}" if char.isupper() else char for char in name).strip()
