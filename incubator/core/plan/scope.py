"""Variables as an instruction sees them: global ARGs, a stage's ARGs, its ENV. Pure.

Source: Dockerfile reference, "Scope of ARG" and "Predefined ARGs", and BuildKit's dockerfile2llb, which is followed
where the two differ: the reference says that ENV always wins over ARG, in fact an ARG behind an ENV wins over it.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from incubator.dockerfile.expand import Budget, ExpandError, Expansion, expand, expand_raw
from incubator.errors import DockerfileError

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from incubator.dockerfile.source import Span
    from incubator.oci.platform import Platform

_ENTRY = 8
"""Characters that an entry of a mapping counts for."""

PROXY_ARGS = frozenset(
    name
    for upper in ("HTTP_PROXY", "HTTPS_PROXY", "FTP_PROXY", "NO_PROXY", "ALL_PROXY")
    for name in (upper, upper.lower())
)
"""Usable in RUN without an ARG, and then in no history."""

BUILDER_ARGS = frozenset({
    "SOURCE_DATE_EPOCH", "BUILDKIT_CONTEXT_KEEP_GIT_DIR", "BUILDKIT_INLINE_CACHE", "BUILDKIT_MULTI_PLATFORM",
    "BUILDKIT_SANDBOX_HOSTNAME", "BUILDKIT_SYNTAX", "BUILDKIT_CACHE_MOUNT_NS", "BUILDKIT_BUILD_NAME",
    "BUILDKIT_DOCKERFILE_CHECK",
})  # fmt: skip
"""Build arguments that speak to a builder; giving one that no ARG declares is no mistake."""


def platform_args(*, build: Platform, target: Platform, stage: str) -> dict[str, str]:
    """The predefined global arguments; `stage` is the target as the caller names it."""
    return {
        f"{prefix}{name}": value
        for prefix, platform in (("BUILD", build), ("TARGET", target))
        for name, value in (
            ("PLATFORM", str(platform)),
            ("OS", platform.os),
            ("ARCH", platform.architecture),
            ("VARIANT", platform.variant),
        )
    } | {"TARGETSTAGE": stage}


@dataclass(slots=True, kw_only=True)
class BuildArgs:
    """What the caller gave, and which of it some ARG asked for."""

    given: Mapping[str, str]
    consumed: set[str] = field(default_factory=set)

    def take(self, name: str) -> str | None:
        """The given value of an argument that an ARG declares; None if not given."""
        if name not in self.given:
            return None
        self.consumed.add(name)
        return self.given[name]

    def unused(self) -> list[str]:
        """Given arguments that nothing declared, sorted."""
        return sorted(set(self.given) - self.consumed - PROXY_ARGS - BUILDER_ARGS)


@dataclass(slots=True, kw_only=True)
class Scope:
    """Variables at one point of a stage, or before the first FROM.

    `values` holds those of ARG and ENV alike: of a name that both set the later one counts. `declared` are the
    ARGs in order of their first declaration, with or without a value. `budget` is common to all scopes of a file.
    """

    escape: str = "\\"
    values: dict[str, str] = field(default_factory=dict)
    declared: dict[str, None] = field(default_factory=dict)
    budget: Budget = field(default_factory=Budget)

    def declare(self, name: str, value: str | None) -> None:
        """An ARG; one without a value changes none."""
        if value is not None:
            self.values[name] = value
        self.declared[name] = None

    def spend(self, amount: int, span: Span) -> None:
        """Take off the file's budget what an instruction comes to. Raises DockerfileError at `span`."""
        if not self.budget.spend(amount):
            raise DockerfileError(
                "what this file's instructions come to is out of all proportion",
                rule="out-of-proportion",
                span=span,
                hint="variables, labels, ports and triggers go from each instruction and stage to the next, paths and "
                "arguments into the history: is there one that grows and grows?",
            )

    def carry(self, entries: int, span: Span) -> None:
        """Spend for entries of lists and mappings that are copied."""
        self.spend(entries * _ENTRY, span)

    def expand(self, word: str, span: Span) -> str:
        """A word with its variables' values and without its quotes. Raises DockerfileError at `span`."""
        return self._expanded(word, span).text

    def expand_all(self, words: Iterable[str], span: Span) -> tuple[str, ...]:
        """Each word by itself."""
        return tuple(self.expand(word, span) for word in words)

    def split(self, words: Iterable[str], span: Span) -> tuple[str, ...]:
        """Words of which each may become several."""
        return tuple(part for word in words for part in self._expanded(word, span).words)

    def expand_body(self, text: str, span: Span) -> str:
        """A heredoc's body: variables only, quotes stay."""
        try:
            return expand_raw(text, self.values, budget=self.budget).text
        except ExpandError as error:
            raise error.at(span) from error

    def _expanded(self, word: str, span: Span) -> Expansion:
        try:
            return expand(word, self.values, escape=self.escape, budget=self.budget)
        except ExpandError as error:
            raise error.at(span) from error

    def run_args(self) -> tuple[tuple[str, str], ...]:
        """Declared arguments as the history shows them: with the value they have now, empty where unset."""
        return tuple((name, self.values.get(name, "")) for name in self.declared)

    def run_env(self, given: Mapping[str, str]) -> tuple[tuple[str, str], ...]:
        """Environment of a RUN: all variables, and over them the proxies among the `given` arguments.

        A proxy comes under its name in capitals and in small letters; an empty one counts as not given.
        """
        return tuple((self.values | proxies(given)).items())


def proxies(given: Mapping[str, str]) -> dict[str, str]:
    """The proxies among `given` arguments, under both spellings of their names."""
    named = {name: value for name, value in given.items() if name in PROXY_ARGS and value}
    return {name.swapcase(): value for name, value in named.items()} | named
