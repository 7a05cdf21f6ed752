"""Versions in names of Git tags: Semantic Versioning 2.0 and PEP 440, and the words that patterns have for them."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

from packaging.version import InvalidVersion
from packaging.version import Version as Pep440

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

SEMVER_NAMES = ("raw", "version", "major", "minor", "patch", "prerelease", "build")
PEP440_NAMES = ("raw", "version", "major", "minor", "patch")

LONGEST_VERSION = 256
"""Of what the model's parsers read; the text may be anybody's."""

_NUMBER = r"(0|[1-9][0-9]*)"
_IDENTIFIER = r"(?:0|[1-9][0-9]*|[0-9]*[A-Za-z-][0-9A-Za-z-]*)"
_SEMVER = re.compile(
    rf"[v=\s]*{_NUMBER}\.{_NUMBER}\.{_NUMBER}"
    rf"(?:-({_IDENTIFIER}(?:\.{_IDENTIFIER})*))?(?:\+([0-9A-Za-z-]+(?:\.[0-9A-Za-z-]+)*))?"
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Version:
    """A version: what a pattern's names stand for, and whether it is what users get who name no version."""

    names: Mapping[str, str]
    stable: bool

    @property
    def text(self) -> str:
        """The version in its plain form."""
        return self.names["version"]


def parse_semver(text: str) -> Version | None:
    """A semantic version, which `v` or `=` may precede; None where it is not one."""
    text = text.strip()
    match = _SEMVER.fullmatch(text) if len(text) <= LONGEST_VERSION else None
    if match is None:
        return None
    major, minor, patch, prerelease, build = match.groups()
    names = {
        "raw": text,
        "version": f"{major}.{minor}.{patch}" + (f"-{prerelease}" if prerelease else ""),
        "major": major,
        "minor": minor,
        "patch": patch,
        "prerelease": (prerelease or "").replace(".", ","),
        "build": (build or "").replace(".", ","),
    }
    return Version(names=names, stable=prerelease is None)


def parse_pep440(text: str) -> Version | None:
    """A version by PEP 440; None where it is not one."""
    try:
        version = Pep440(text) if len(text) <= LONGEST_VERSION else None
    except InvalidVersion:
        return None
    if version is None:
        return None
    names = {
        "raw": text,
        "version": str(version),
        "major": str(version.major),
        "minor": str(version.minor),
        "patch": str(version.micro),
    }
    return Version(names=names, stable=not (version.is_prerelease or version.is_postrelease))


PARSERS: dict[str, Callable[[str], Version | None]] = {"semver": parse_semver, "pep440": parse_pep440}
