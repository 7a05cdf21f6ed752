"""Every exception that is raised on purpose, in one tree.

BuilderError                       exit code 1: the build failed
├── InputError                     2: bad input (options, pipeline inputs, configuration, paths)
│   ├── InputErrors                2: several of them, reported together
│   ├── OtherCache                 2: a cache of a type that is not used here
│   └── DockerfileError            2: a fault at a place in a Dockerfile
│       ├── DockerfileErrors       2: several of them, reported together
│       └── ExpandError            2: a word that cannot be expanded
├── StepFailed                     1: a step exited non-zero
├── TimedOut                       1: the build took longer than it may
├── EngineError                    1: the engine refused a call
│   └── EngineUnreachable          3: no engine answers
├── RegistryError                  4: a registry refused
│   ├── RegistrySilent             4: a registry gave no answer
│   └── PushFailed                 4: a push failed; says which references made it
└── Cancelled                      130 or 143: SIGINT or SIGTERM

An Interrupt, which a signal raises, is none of these until it has come to where the build ends.

Data lives in attributes and the text is made from them. Secrets never enter a message.
"""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from incubator.dockerfile.source import Span
    from incubator.events import StepRef

DOCS_URL: Final = "https://github.com/org/incubator/blob/v1/docs"
"""Where the pages of `docs/` are read; a fork that moves the project changes it here."""

LONGEST_FAULT: Final = 500
"""Characters of a fault's message, which may quote words of the file."""


def shortened(text: str, most: int = LONGEST_FAULT) -> str:
    """`text`, with its middle left out where it has more than `most` characters."""
    if len(text) <= most:
        return text
    tail = most // 3
    return f"{text[: most - tail - 5]} ... {text[-tail:]}"


class BuilderError(Exception):
    """Root: `except BuilderError` catches all that is raised on purpose."""

    exit_code = 1
    step: StepRef | None = None
    """The step that failed, once it is known that one did."""
    platform: str = ""
    """The one that it is about, of a build for several; the message says so too."""

    def __init__(self, message: str, *, span: Span | None = None, hint: str | None = None) -> None:
        super().__init__(message)
        self.message = message
        self.span = span
        self.hint = hint

    @property
    def docs(self) -> str | None:
        """Address of a page about errors of this kind; None where there is none."""
        return None

    @property
    def advice(self) -> tuple[str, ...]:
        """Lines that go below the message: the hint, and where to read more."""
        lines = (("hint", self.hint), ("docs", self.docs))
        return tuple(f"{name}: {text}" for name, text in lines if text)

    def __str__(self) -> str:
        """`file:line:column: message`, the source lines where known, the hint and a link."""
        place = f"{self.span}: " if self.span else ""
        lines = [f"{place}{self.message}"]
        if self.span:
            lines += self.span.snippet()
        return "\n".join((*lines, *self.advice))


class InputError(BuilderError):
    """Something the caller gave is wrong; nothing has been changed anywhere."""

    exit_code = 2


class OtherCache(InputError):
    """A cache of a type that others have; a build is the same without it, and takes longer."""


class InputErrors(InputError):
    """Several input errors, reported together; `errors` is never empty."""

    def __init__(self, errors: Sequence[BuilderError]) -> None:
        super().__init__("\n".join(str(error) for error in errors))
        self.errors = tuple(errors)


class DockerfileError(InputError):
    """A fault in a Dockerfile.

    `rule` is its stable kebab-case name, as in `unknown-instruction`; `text` is the bare message, shortened.
    """

    def __init__(
        self,
        message: str,
        *,
        rule: str = "syntax",
        span: Span | None = None,
        hint: str | None = None,
    ) -> None:
        self.rule = rule
        self.text = shortened(message)
        super().__init__(f"error[{rule}]: {self.text}", span=span, hint=hint and shortened(hint))

    @property
    def docs(self) -> str | None:
        """The rule's section of the page on faults; build checks name their own page in the hint."""
        return f"{DOCS_URL}/rules/faults.md#{self.rule}" if self.rule.islower() else None


class DockerfileErrors(DockerfileError):
    """All faults of one Dockerfile, in order of their lines; `errors` is never empty."""

    def __init__(self, errors: Sequence[DockerfileError]) -> None:
        super().__init__("", rule=errors[0].rule, span=errors[0].span)
        self.errors = tuple(errors)

    def __str__(self) -> str:
        return "\n".join(str(error) for error in self.errors)


class ExpandError(DockerfileError):
    """A word that cannot be expanded; `reason` says why. It is made without a span: `at` adds one.

    `by_value`: other values of variables would do, the word itself is sound.
    """

    def __init__(
        self, reason: str, *, by_value: bool = False, span: Span | None = None, hint: str | None = None
    ) -> None:
        super().__init__(reason, rule="expansion", span=span, hint=hint)
        self.reason = reason
        self.by_value = by_value

    def at(self, span: Span) -> ExpandError:
        """The same error at a place."""
        return ExpandError(self.reason, by_value=self.by_value, span=span, hint=self.hint)


class StepFailed(BuilderError):
    """A step exited non-zero: `exit_status`, and `log_tail`, the last lines of its output.

    `peak_memory_bytes` is the most memory its container used, where that is known. `kept_image` holds the files that
    it left, if they were to be kept.
    """

    peak_memory_bytes: int | None = None
    kept_image: str | None = None

    def __init__(
        self,
        message: str,
        *,
        exit_status: int,
        log_tail: Sequence[str] = (),
        span: Span | None = None,
        hint: str | None = None,
    ) -> None:
        super().__init__(message, span=span, hint=hint)
        self.exit_status = exit_status
        self.log_tail = tuple(log_tail)

    def __str__(self) -> str:
        tail = "".join(f"\n   | {line}" for line in self.log_tail)
        lines = [super().__str__()]
        if tail:
            lines.append(f"last lines of output:{tail}")
        if self.kept_image:
            lines += self.kept_lines
        return "\n".join(lines)

    @property
    def kept_lines(self) -> list[str]:
        """How to look at what the step left, and to take it away."""
        image = self.kept_image
        return [f"look inside: docker run --rm -it {image} sh", f"remove it: docker image rm {image}"]


class TimedOut(BuilderError):
    """The build took longer than `timeout_s`; everything it had made is removed."""

    def __init__(self, timeout_s: float) -> None:
        super().__init__(
            f"the build took longer than its timeout of {timeout_s:g} s",
            hint="the steps that were running are above: find what hangs, or give the build more time",
        )
        self.timeout_s = timeout_s


class EngineError(BuilderError):
    """The engine refused a call. `status` is its HTTP status, None where there was none."""

    def __init__(
        self,
        message: str,
        *,
        status: int | None = None,
        span: Span | None = None,
        hint: str | None = None,
    ) -> None:
        super().__init__(message, span=span, hint=hint)
        self.status = status


class EngineUnreachable(EngineError):
    """No engine answers at the address."""

    exit_code = 3


class RegistryError(BuilderError):
    """A registry refused, or gave an answer that cannot be right. `status` is its HTTP status, None for others."""

    exit_code = 4

    def __init__(
        self, message: str, *, status: int | None = None, span: Span | None = None, hint: str | None = None
    ) -> None:
        super().__init__(message, span=span, hint=hint)
        self.status = status


class RegistrySilent(RegistryError):
    """No answer came from `registry`, though it was waited for."""

    def __init__(self, message: str, *, registry: str, hint: str | None = None) -> None:
        super().__init__(message, hint=hint)
        self.registry = registry


class PushFailed(RegistryError):
    """A push failed. `pushed` lists the references that made it, `failed` those that did not."""

    def __init__(
        self,
        message: str,
        *,
        pushed: Sequence[str],
        failed: Sequence[str],
        hint: str | None = None,
    ) -> None:
        super().__init__(message, hint=hint)
        self.pushed = tuple(pushed)
        self.failed = tuple(failed)


class Cancelled(BuilderError):
    """The build was cancelled by a signal; everything it had made is removed."""

    def __init__(self, signal_number: int) -> None:
        super().__init__(f"cancelled by signal {signal_number}")
        self.exit_code = 128 + signal_number


class Interrupt(BaseException):
    """What a signal raises in the main thread: no `except Exception` on its way can take it for a fault of its own."""

    def __init__(self, signal_number: int) -> None:
        super().__init__(signal_number)
        self.signal_number = signal_number


@contextmanager
def interrupts_are_errors() -> Iterator[None]:
    """Raise Cancelled for an Interrupt: where a build ends, and all that it might be taken for is behind it."""
    try:
        yield
    except Interrupt as interrupt:
        raise Cancelled(interrupt.signal_number) from None
