"""Platforms, as in `linux/arm64/v8`. Normalisation follows containerd's `platforms` package."""

from __future__ import annotations

import difflib
import re
from dataclasses import dataclass

from incubator.errors import InputError

_PART = re.compile(r"[A-Za-z0-9_.-]+")
_ARCHITECTURES = {
    "x86_64": ("amd64", ""),
    "x86-64": ("amd64", ""),
    "aarch64": ("arm64", ""),
    "i386": ("386", ""),
    "i686": ("386", ""),
    "armhf": ("arm", "v7"),
    "armel": ("arm", "v6"),
}
_KNOWN_ARCHITECTURES = {
    "386", "amd64", "arm", "arm64", "loong64", "mips", "mips64", "mips64le", "mipsle", "ppc64", "ppc64le",
    "riscv64", "s390x", "wasm",
}  # fmt: skip
_OS_NAMES = {"macos": "darwin"}
_KNOWN_SYSTEMS = {
    "aix", "android", "darwin", "dragonfly", "freebsd", "illumos", "ios", "js", "linux", "netbsd", "openbsd", "plan9",
    "solaris", "wasi", "windows",
}  # fmt: skip


@dataclass(frozen=True, slots=True, kw_only=True)
class Platform:
    """Operating system, architecture, variant (empty where the architecture has none)."""

    os: str
    architecture: str
    variant: str = ""

    def __str__(self) -> str:
        return "/".join(filter(None, (self.os, self.architecture, self.variant)))


def make_platform(os: str, architecture: str, variant: str = "") -> Platform:
    """A platform from its parts, spelt the one way (`aarch64` is `arm64`, `arm64/v8` is `arm64`)."""
    os = _OS_NAMES.get(os.lower(), os.lower())
    architecture, default = _ARCHITECTURES.get(architecture.lower(), (architecture.lower(), ""))
    variant = variant.lower() or default
    if architecture == "arm64" and variant in {"8", "v8"}:
        variant = ""
    if architecture == "arm":
        variant = {"5": "v5", "6": "v6", "7": "v7", "8": "v8", "": "v7"}.get(variant, variant)
    if architecture == "amd64" and variant == "v1":
        variant = ""
    return Platform(os=os, architecture=architecture, variant=variant)


def parse_platform(text: str) -> Platform:
    """`os[/architecture[/variant]]`, or an architecture alone, which means Linux. Raises InputError."""
    parts = text.split("/")
    if not 1 <= len(parts) <= 3 or not all(_PART.fullmatch(part) for part in parts):
        raise InputError(
            f"invalid platform {text!r}", hint="a platform looks like linux/amd64 or linux/arm/v7"
        )
    if len(parts) > 1:
        platform = make_platform(*parts)
        _check(text, platform.os, "operating system", _KNOWN_SYSTEMS)
        _check(text, platform.architecture, "architecture", _KNOWN_ARCHITECTURES)
        return platform
    name = parts[0].lower()
    if name in _KNOWN_SYSTEMS and name not in _KNOWN_ARCHITECTURES:
        raise InputError(f"invalid platform {text!r}", hint="name the architecture too, as in linux/amd64")
    _check(text, _ARCHITECTURES.get(name, (name, ""))[0], "architecture", _KNOWN_ARCHITECTURES)
    return make_platform("linux", name)


def parse_platforms(text: str) -> tuple[Platform, ...]:
    """Different platforms, separated by commas; there is at least one. Raises InputError."""
    parts = [part.strip() for part in text.split(",")]
    return tuple(dict.fromkeys(parse_platform(part) for part in parts if part or len(parts) == 1))


def _check(text: str, name: str, what: str, known: set[str]) -> None:
    if name in known:
        return
    spellings = known | _ARCHITECTURES.keys() if known is _KNOWN_ARCHITECTURES else known
    close = difflib.get_close_matches(name, sorted(spellings), n=1)
    raise InputError(
        f"invalid platform {text!r}: there is no {what} {name!r}",
        hint=f"did you mean {close[0]}?" if close else f"known are {', '.join(sorted(known))}",
    )
