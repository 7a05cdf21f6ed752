"""Platforms, as in `linux/arm64/v8`. Normalisation follows containerd's `platforms` package."""

from __future__ import annotations

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
        return make_platform(*parts)
    name = parts[0].lower()
    if name in _KNOWN_ARCHITECTURES or name in _ARCHITECTURES:
        return make_platform("linux", name)
    raise InputError(f"invalid platform {text!r}", hint="name the architecture too, as in linux/amd64")
