"""PackageCacheKept: the instruction that installs packages also drops what the package manager leaves behind."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

from incubator.dockerfile.instructions import RunInstruction
from incubator.dockerfile.lint.rule import Finding, Rule

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from incubator.dockerfile.lint.subject import Subject


@dataclass(frozen=True, slots=True, kw_only=True)
class _Manager:
    """`fills` finds commands that leave a cache, `clears` what keeps the layer free of it."""

    name: str
    fills: re.Pattern[str]
    clears: re.Pattern[str]
    folders: tuple[str, ...]
    advice: str
    variable: str = ""


_FLAGS = r"(?:\s+-\S+)*"
_MANAGERS = (
    _Manager(
        name="apt",
        fills=re.compile(rf"\bapt(?:-get)?{_FLAGS}\s+update\b"),
        clears=re.compile(r"rm\s[^;&|\n]*/var/lib/apt(?:/lists)?\b"),
        folders=("/var/lib/apt",),
        advice="end the instruction with rm -rf /var/lib/apt/lists/*",
    ),
    _Manager(
        name="apk",
        fills=re.compile(
            r"\bapk\b(?![^;&|\n]*--no-cache)[^;&|\n]*\s(?:add|update|upgrade)\b(?![^;&|\n]*--no-cache)"
        ),
        clears=re.compile(r"rm\s[^;&|\n]*/var/cache/apk\b"),
        folders=("/var/cache/apk", "/etc/apk/cache"),
        advice="add --no-cache",
    ),
    _Manager(
        name="dnf",
        fills=re.compile(rf"\b(?:dnf|yum|microdnf){_FLAGS}\s+(?:install|update|upgrade|groupinstall)\b"),
        clears=re.compile(
            r"\b(?:dnf|yum|microdnf)\s[^;&|\n]*clean\s+all\b|rm\s[^;&|\n]*/var/cache/(?:dnf|yum|libdnf5)\b"
        ),
        folders=("/var/cache/dnf", "/var/cache/yum", "/var/cache/libdnf5"),
        advice="end the instruction with dnf clean all",
    ),
    _Manager(
        name="zypper",
        fills=re.compile(rf"\bzypper{_FLAGS}\s+(?:install|in|update|up|patch|dup)\b"),
        clears=re.compile(r"\bzypper\s[^;&|\n]*(?:clean|cc)\b|rm\s[^;&|\n]*/var/cache/zypp\b"),
        folders=("/var/cache/zypp",),
        advice="end the instruction with zypper clean --all",
    ),
    _Manager(
        name="pip",
        fills=re.compile(
            r"\bpip[0-9.]*\b(?![^;&|\n]*--no-cache-dir)[^;&|\n]*\sinstall\b(?![^;&|\n]*--no-cache-dir)"
        ),
        clears=re.compile(
            r"\bpip[0-9.]*\s+cache\s+purge\b|rm\s[^;&|\n]*\.cache\b|\bPIP_NO_CACHE_DIR=[1-9a-z]"
        ),
        folders=("/root/.cache", "/.cache"),
        advice="add --no-cache-dir",
        variable="PIP_NO_CACHE_DIR",
    ),
)


def check(subject: Subject) -> Iterator[Finding]:
    """Fires at a RUN that fills a package manager's cache and neither clears nor mounts it."""
    for stage in subject.reached:
        for step in stage.steps:
            instruction = step.instruction
            if not isinstance(instruction, RunInstruction):
                continue
            text = " ".join(
                (*instruction.command.words, *(heredoc.content for heredoc in instruction.heredocs))
            )
            targets = _mounted(instruction)
            for manager in _MANAGERS:
                if _keeps(manager, text, targets, step.env):
                    yield Finding(
                        message=f"The layer keeps the cache of {manager.name}: {manager.advice}, "
                        "or mount it with --mount=type=cache",
                        instruction=instruction,
                    )


def _keeps(manager: _Manager, text: str, targets: tuple[str, ...], env: Mapping[str, str]) -> bool:
    if not manager.fills.search(text) or manager.clears.search(text) or env.get(manager.variable):
        return False
    return not any(
        target.endswith(folder) or f"{folder}/" in f"{target}/"
        for target in targets
        for folder in manager.folders
    )


def _mounted(instruction: RunInstruction) -> tuple[str, ...]:
    """Targets of the mounts that keep files out of the layer."""
    return tuple(
        value.rstrip("/")
        for mount in instruction.mounts
        if ("type", "cache") in mount.options or ("type", "tmpfs") in mount.options
        for key, value in mount.options
        if key in ("target", "dst", "destination") and value
    )


RULE = Rule(
    name="PackageCacheKept",
    summary="Caches of package managers should not stay in a layer",
    check=check,
    own=True,
)
