"""PackageCacheKept: the instruction that installs packages also drops what the package manager leaves behind."""

from __future__ import annotations

import re
from dataclasses import dataclass
from fnmatch import fnmatchcase
from typing import TYPE_CHECKING

from incubator.dockerfile.instructions import RunInstruction
from incubator.dockerfile.lint.rule import Finding, Rule
from incubator.dockerfile.lint.shell import ShellCommand, commands_of, mentions

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from incubator.dockerfile.lint.subject import Subject

_PIP_OFF = "PIP_NO_CACHE_DIR"
_PIP_FOLDER = "PIP_CACHE_DIR"
_BRACES = re.compile(r"(.*)(?<!\$)\{([^{}]*)\}(.*)")
_GLOB = re.compile(r"[*?\[]")
_MAX_PATTERN = 200


@dataclass(frozen=True, slots=True, kw_only=True)
class _Manager:
    """A package manager: the verbs that fill its cache, options and verbs that keep it empty, its folders."""

    name: str
    programs: re.Pattern[str]
    fills: frozenset[str]
    folders: tuple[str, ...]
    advice: str
    options: frozenset[str] = frozenset()
    clears: frozenset[str] = frozenset()


_INSTALLING = frozenset(
    ("install", "update", "upgrade", "groupinstall", "in", "up", "patch", "dup", "reinstall")
)
_MANAGERS = (
    _Manager(
        name="apt",
        programs=re.compile(r"apt|apt-get"),
        fills=frozenset(("update",)),
        folders=("/var/lib/apt/lists",),
        advice="end the instruction with rm -rf /var/lib/apt/lists/*",
        clears=frozenset(("dist-clean", "distclean")),
    ),
    _Manager(
        name="apk",
        programs=re.compile("apk"),
        fills=frozenset(("add", "update", "upgrade")),
        folders=("/var/cache/apk", "/etc/apk/cache"),
        advice="add --no-cache",
        options=frozenset(("--no-cache",)),
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
        folders=("~/.cache/pip",),
        advice="add --no-cache-dir",
        options=frozenset(("--no-cache", "--no-cache-dir")),  # pip takes what is short of one option alone
        clears=frozenset(("cache",)),
    ),
)
_NAMES = re.compile("apt|apk|dnf|yum|zypper|pip")


def check(subject: Subject) -> Iterator[Finding]:
    """Fires at a RUN that fills a package manager's cache and neither clears nor mounts it.

    In a stage that only lends files to others nothing stays, whatever its layers hold.
    """
    for stage in subject.reached:
        if stage.index not in subject.kept:
            continue
        for step in stage.steps:
            instruction = step.instruction
            if not isinstance(instruction, RunInstruction) or not mentions(instruction, _NAMES):
                continue
            commands = tuple(commands_of(instruction))
            kept_off = _mounted(instruction)
            for manager in _MANAGERS:
                if manager.name == "pip" and (
                    step.watched.get(_PIP_OFF) or (kept_off and step.watched.get(_PIP_FOLDER) in step.texts)
                ):
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
        if _PIP_OFF in "".join(command.assignments) and manager.name == "pip":
            return False
        if _removes(command) and any(_empties(arg, manager.folders) for arg in command.args):
            return False
        if manager.programs.fullmatch(command.program):
            if command.verb in manager.clears:
                return False
            filled = filled or (command.verb in manager.fills and manager.options.isdisjoint(command.args))
    return filled and not any(_empties(target, manager.folders) for target in kept_off)


def _removes(command: ShellCommand) -> bool:
    return command.program == "rm" or (command.program == "find" and "-delete" in command.args)


def _empties(written: str, folders: tuple[str, ...]) -> bool:
    """Whether `written` names one of the folders or one above it, or by a pattern what is in it."""
    return any(_holds(path, folder) for path in _paths(written) for folder in folders)


def _holds(path: str, folder: str) -> bool:
    if not _GLOB.search(path):
        return f"{folder}/".startswith(f"{path.rstrip('/')}/")
    if len(path) > _MAX_PATTERN:
        return False
    parts = folder.split("/")
    above = ("/".join(parts[:end]) for end in range(len(parts), 1, -1))
    return path.startswith(f"{folder}/") or any(fnmatchcase(name, path.rstrip("/")) for name in above)


def _paths(written: str) -> tuple[str, ...]:
    """The paths that a word of a shell, or a mount's target, stands for; home folders are all `~`."""
    plain = re.sub("[\"']", "", written).rstrip(");")
    braces = _BRACES.fullmatch(plain)
    if braces:
        before, choices, after = braces.groups()
        return tuple(f"{before}{choice}{after}" for choice in choices.split(",") if choice)
    return (re.sub(r"^(/root|/home/[^/]+|\$HOME|\$\{HOME\})(?=/)", "~", plain),)


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
