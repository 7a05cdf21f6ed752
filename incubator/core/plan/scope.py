"""Variables as an instruction sees them: global ARGs, a stage's ARGs, its ENV. Pure.

Source: Dockerfile reference, "Scope of ARG" and "Predefined ARGs"; BuildKit's dockerfile2llb where it is silent.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from incubator.dockerfile.expand import ExpandError, Expansion, expand, expand_raw
from incubator.errors import DockerfileError

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from incubator.dockerfile.source import Span
    from incubator.oci.platform import Platform

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
    """The predefined global arguments."""
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
    """Variables at one point of a stage (or before the first FROM, where `env` is empty).

    `args` are those declared so far that have a value; ENV of the same name wins wherever it stands.
    """

    escape: str = "\\"
    args: dict[str, str] = field(default_factory=dict)
    env: dict[str, str] = field(default_factory=dict)
    order: list[str] = field(default_factory=list)

    def variables(self) -> dict[str, str]:
        """All that can be used in a word."""
        return self.args | self.env

    def declare(self, name: str, value: str | None) -> None:
        """An ARG; one without a value is declared but stays unset."""
        if value is not None:
            self.args[name] = value
        if name in self.order:
            self.order.remove(name)
        self.order.append(name)

    def expand(self, word: str, span: Span) -> str:
        """A word with its variables' values and without its quotes. Raises DockerfileError at `span`."""
        return self._expanded(word, span).text

    def expand_all(self, words: Iterable[str], span: Span) -> tuple[str, ...]:
        """Each word by itself."""
        return tuple(self.expand(word, span) for word in words)

    def split(self, word: str, span: Span) -> tuple[str, ...]:
        """A word that may become several."""
        return self._expanded(word, span).words

    def expand_body(self, text: str, span: Span) -> str:
        """A heredoc's body: variables only, quotes stay."""
        try:
            return expand_raw(text, self.variables()).text
        except ExpandError as error:
            raise DockerfileError(error.message, rule="expansion", span=span, hint=error.hint) from error

    def _expanded(self, word: str, span: Span) -> Expansion:
        try:
            return expand(word, self.variables(), escape=self.escape)
        except ExpandError as error:
            raise DockerfileError(error.message, rule="expansion", span=span, hint=error.hint) from error

    def run_args(self) -> tuple[tuple[str, str], ...]:
        """Declared arguments with a value, in order of declaration, as the history shows them."""
        return tuple((name, self.args[name]) for name in self.order if name in self.args)

    def run_env(self, proxies: Mapping[str, str]) -> tuple[tuple[str, str], ...]:
        """Environment of a RUN: given proxies, ARGs, ENV, later ones win."""
        return tuple((dict(proxies) | dict(self.run_args()) | self.env).items())
