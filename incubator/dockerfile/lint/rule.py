"""What a rule is, and what it finds. Pure."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from incubator.errors import DOCS_URL

if TYPE_CHECKING:
    from incubator.dockerfile.instructions import Instruction
    from incubator.dockerfile.lint.subject import Subject
    from incubator.dockerfile.source import Span

_WORD = re.compile(r"(?<=[a-z])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])")


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """One place where a rule fires. `span`: a narrower place than the whole instruction.

    So is the first of `word` in it, or of `other_word` where it has none: it is looked for only if the finding is told,
    as a line can be long and have many.
    """

    message: str
    instruction: Instruction
    span: Span | None = None
    word: str = ""
    other_word: str = ""

    def place(self) -> Span:
        """The narrowest place that is known."""
        if self.span:
            return self.span
        has_word = not self.other_word or self.word in self.instruction.original
        return self.instruction.place_of(self.word if has_word else self.other_word)


Check = Callable[["Subject"], Iterable[Finding]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Rule:
    """A build check. `summary` says what is right; `own`: not one of the Dockerfile reference's.

    An experimental rule runs only where the file or the caller asks for it by name.
    """

    name: str
    summary: str
    check: Check
    experimental: bool = False
    own: bool = False

    @property
    def slug(self) -> str:
        """The name as in `stage-name-casing`: the docs page, and the end of the reference's address."""
        return _WORD.sub("-", self.name).lower()

    @property
    def url(self) -> str:
        """The reference's page on this check, or this project's for a rule of its own."""
        if self.own:
            return f"{DOCS_URL}/rules/{self.slug}.md"
        return f"https://docs.docker.com/go/dockerfile/rule/{self.slug}/"
