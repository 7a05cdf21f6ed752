"""Text for the shell that runs a layer's steps, and the marks by which its output is told apart. Pure.

One `sh -s` runs all RUNs of a layer and reads one piece of script a step from its standard input. ARG values
are therefore in no container's config. Each step is a child of that shell with the environment, the folder and
the empty standard input it would have in a container of its own.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable

SHELL = "/bin/sh"

CANNOT_ENTER = -1
"""Status that the mark bears when the shell's user may not enter the folder, and nothing ran."""

_ENGINE_VARIABLES = ("HOSTNAME", "container", "TERM", "SHLVL", "OLDPWD", "PWD")
"""What engines or the outer shell put into the environment and a build does not have.

With the outer shell's PWD, `pwd` in a working folder that is a link would not say where it leads.
"""

_PEAK_FILES = ("/sys/fs/cgroup/memory.peak", "/sys/fs/cgroup/memory/memory.max_usage_in_bytes")
"""Where kernels tell the most memory that a container has used: cgroups of version 2 and 1."""

_PLAIN_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*", re.ASCII)
_SHELLS_OWN = {
    "BASHOPTS", "BASHPID", "BASH_ARGC", "BASH_ARGV", "BASH_LINENO", "BASH_SOURCE", "BASH_VERSINFO", "DIRSTACK", "EUID",
    "FUNCNAME", "GROUPS", "LINENO", "OPTIND", "PPID", "PWD", "RANDOM", "SECONDS", "SHELLOPTS", "SHLVL", "UID", "_",
    "OLDPWD", "EPOCHSECONDS", "EPOCHREALTIME", "SRANDOM", "COMP_WORDBREAKS", "HISTCMD", "POSIXLY_CORRECT", "ENV",
}  # fmt: skip


def fits_shell(names: Iterable[str]) -> bool:
    """Whether a shell can export all these variables: plain names that no common shell treats as its own."""
    return all(_PLAIN_NAME.fullmatch(name) and name not in _SHELLS_OWN for name in names)


def quote(text: str) -> str:
    """`text` as one word of a POSIX shell."""
    return "'" + text.replace("'", "'\\''") + "'"


def step_script(argv: Iterable[str], *, env: Iterable[tuple[str, str]], cwd: str, mark: str) -> bytes:
    """Shell text that runs one command and then prints the mark with its exit status on both streams.

    `exec` keeps the shell's builtins out of exec-form commands. What the step left running is killed, as it
    would be with its own container; the mark on both streams tells that all output before it has arrived. Behind the
    status stands the most memory that the container has used so far, as far as its kernel tells.
    """
    given = dict(env)
    unset = " ".join(name for name in _ENGINE_VARIABLES if name not in given)
    exports = "".join(f" {name}={quote(value)}" for name, value in given.items())
    export = f"export{exports} && " if exports else ""
    command = " ".join(quote(word) for word in argv)
    text = (
        f"if cd {quote(cwd)} 2>/dev/null\n"
        f"then (unset {unset} && {export}exec {command}) </dev/null; set -- $?\n"
        f"else set -- {CANNOT_ENTER}; fi\n"
        f"cd /; kill -9 -1 2>/dev/null; _incubator_peak=\n"
        f"{{ {' || '.join(f'read -r _incubator_peak <{path}' for path in _PEAK_FILES)}; }} 2>/dev/null\n"
        f"echo {quote(mark)}$1:$_incubator_peak; echo {quote(mark)}$1 >&2\n"
    )
    return text.encode(errors="surrogateescape")


def without_engine_variables(argv: Iterable[str], env: Iterable[str]) -> tuple[str, ...]:
    """A command that starts `argv` without the variables that engines add to every environment."""
    given = set(env)
    unset = " ".join(name for name in _ENGINE_VARIABLES if name not in given)
    # Podman leaves HOME out for a user without an entry in /etc/passwd.
    return (SHELL, "-c", f'unset {unset}; export HOME="${{HOME:-/}}"; exec "$@"', SHELL, *argv)


@dataclass(slots=True)
class MarkFinder:
    """Takes one stream's bytes as they come and finds the mark in them.

    Bytes that may be the beginning of the mark are held back until it is clear.
    """

    mark: bytes
    _held: bytes = b""
    status: int | None = field(default=None, init=False)
    peak_bytes: int | None = field(default=None, init=False)

    def feed(self, data: bytes) -> bytes:
        """Bytes that are output for sure; `status` is set once the whole mark has been seen."""
        data = self._held + data
        at = data.find(self.mark)
        if at >= 0:
            end = data.find(b"\n", at)
            if end < 0:
                self._held = data[at:]
                return data[:at]
            status, _, peak = data[at + len(self.mark) : end].partition(b":")
            self.status, self.peak_bytes = int(status), int(peak) if peak.isdigit() else None
            self._held = data[end + 1 :]
            return data[:at]
        keep = _overlap(data, self.mark)
        self._held = data[len(data) - keep :]
        return data[: len(data) - keep]

    def rest(self) -> bytes:
        """What is held back when the stream ends without a mark."""
        held, self._held = self._held, b""
        return held


def _overlap(data: bytes, mark: bytes) -> int:
    """Length of the longest end of `data` that begins `mark`."""
    longest = min(len(data), len(mark) - 1)
    return next((size for size in range(longest, 0, -1) if data.endswith(mark[:size])), 0)
