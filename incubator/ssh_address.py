"""Addresses of engines that are reached by ssh. Pure."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Final

from incubator.errors import InputError

SCHEME: Final = "ssh://"
DEFAULT_PATH: Final = "/var/run/docker.sock"

_ADDRESS: Final = re.compile(
    r"ssh://(?:(?P<user>[A-Za-z0-9._][A-Za-z0-9._-]*)@)?"
    r"(?P<host>[A-Za-z0-9._][A-Za-z0-9._-]*|\[[0-9A-Fa-f:.]+(?:%[A-Za-z0-9]+)?\])"
    r"(?::(?P<port>[0-9]{1,5}))?(?P<path>/[A-Za-z0-9._/@+-]*)?"
)
"""Nothing that ssh would read as an option, and in the path nothing that it would expand."""


@dataclass(frozen=True, slots=True)
class SshAddress:
    """`ssh://[USER@]HOST[:PORT][/PATH]`; `path` is that of the engine's socket there."""

    host: str
    user: str | None = None
    port: int | None = None
    path: str = DEFAULT_PATH

    def __str__(self) -> str:
        user = f"{self.user}@" if self.user else ""
        host = f"[{self.host}]" if ":" in self.host else self.host
        port = f":{self.port}" if self.port else ""
        return f"{SCHEME}{user}{host}{port}{'' if self.path == DEFAULT_PATH else self.path}"


def parse_ssh_address(text: str) -> SshAddress:
    """Raises InputError, which does not repeat a password."""
    found = _ADDRESS.fullmatch(text)
    if not found:
        before, at, _ = text.removeprefix(SCHEME).rpartition("@")
        if at and ":" in before:
            raise InputError(
                "the address of an engine by ssh:// has a password in it",
                hint="ssh takes keys: from its agent (SSH_AUTH_SOCK) or from ~/.ssh",
            )
        raise InputError(
            f"invalid address of an engine: {text!r}",
            hint="write ssh://[USER@]HOST[:PORT][/path/to/docker.sock]",
        )
    port = int(found["port"]) if found["port"] else None
    if port is not None and not 0 < port < 1 << 16:
        raise InputError(f"invalid address of an engine: {text!r}: there is no port {port}")
    path = found["path"]
    return SshAddress(
        found["host"].strip("[]"), found["user"], port, DEFAULT_PATH if path in (None, "/") else path
    )
