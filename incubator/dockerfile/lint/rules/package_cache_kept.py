"""PackageCacheKept: the instruction that installs packages also drops what the package manager leaves behind."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

from incubator.dockerfile.instructions import RunInstruction
from incubator.dockerfile.lint.rule import Finding, Rule
from incubator.dockerfile.lint.shell import ShellCommand, commands_of, mentions

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from incubator.dockerfile.lint.subject import Subject

_PIP_VARIABLE = "PIP_NO_CACHE_DIR"


@dataclass(frozen=True, slots=True, kw_only=True)
class _Manager:
    """A package manager: the verbs that fill its cache, the option and the verbs that keep it empty, its folders."""

    name: str
    programs: re.Pattern[str]
    fills: frozenset[str]
    folders: tuple[str, ...]
    advice: str
    option: str = ""
    clears: frozenset[str] = frozenset()


_INSTALLING = frozenset(
    ("install", "update", "upgrade", "groupinstall", "in", "up", "patch", "dup", "reinstall")
)
_MANAGERS = (
    _Manager(
        name="apt",
        programs=re.compile(r"apt|apt-get"),
        fills=frozenset(("update",)),
        folders=("/var/lib/apt", "/var/lib/apt/lists"),
        advice="end the instruction with rm -rf /var/lib/apt/lists/*",
    ),
    _Manager(
        name="apk",
        programs=re.compile("apk"),
        fills=frozenset(("add", "update", "upgrade")),
        folders=("/var/cache/apk", "/etc/apk/cache"),
        advice="add --no-cache",
        option="--no-cache",
    ),
    _Manager(
        name="dnf",
        programs=re.compile("dnf5?|yum|microdnf"),
        fills=_INSTALLING,
        folders=("/var/cache/dnf", "/var/cache/yum", "/var/cache/libdnf5"),
        advice="end the instruction with dnf clean all",
        clears=frozenset(("clean",)),
    ),
    _Manager(
        name="zypper",
        programs=re.compile("zypper"),
        fills=_INSTALLING,
        folders=("/var/cache/zypp",),
        advice="end the instruction with zypper clean --all",
        clears=frozenset(("clean", "cc")),
    ),
    _Manager(
        name="pip",
        programs=re.compile(r"pip[0-9.]*"),
        fills=frozenset(("install", "download", "wheel")),
        folders=("/root/.cache", "/root/.cache/pip", "~/.cache", "$HOME/.cache"),
        advice="add --no-cache-dir",
        option="--no-cache-dir",
        clears=frozenset(("cache",)),
    ),
)
_NAMES = re.compile("apt|apk|dnf|yum|zypper|pip")


def check(subject: Subject) -> Iterator[Finding]:
    """Fires at a RUN that fills a package manager's cache and neither clears nor mounts it."""
    for stage in subject.reached:
        for step in stage.steps:
            instruction = step.instruction
            if not isinstance(instruction, RunInstruction) or not mentions(instruction, _NAMES):
                continue
            commands = tuple(commands_of(instruction))
            kept_off = _mounted(instruction)
            for manager in _MANAGERS:
                if manager.name == "pip" and step.watched.get(_PIP_VARIABLE):
                    continue
                if _keeps(manager, commands, kept_off):
                    yield Finding(
                        message=f"The layer keeps the cache of {manager.name}: {manager.advice}, "
                        "or mount it with --mount=type=cache",
                        instruction=instruction,
                    )


def _keeps(manager: _Manager, commands: Sequence[ShellCommand], kept_off: tuple[str, ...]) -> bool:
    filled = False
    for command in commands:
        if _PIP_VARIABLE in "".join(command.assignments) and manager.name == "pip":
            return False
        if command.program == "rm" and any(_is_below(arg, manager.folders) for arg in command.args):
            return False
        if manager.programs.fullmatch(command.program):
            if command.verb in manager.clears:
                return False
            filled = filled or (command.verb in manager.fills and manager.option not in command.args)
    return filled and not any(_is_below(target, manager.folders) for target in kept_off)


def _is_below(path: str, folders: tuple[str, ...]) -> bool:
    """Whether `path` is one of the folders, or what is in it."""
    return path.strip("\"'").removesuffix("*").rstrip("/") in folders


def _mounted(instruction: RunInstruction) -> tuple[str, ...]:
    """Targets of the mounts that keep files out of the layer."""
    return tuple(
        value
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
