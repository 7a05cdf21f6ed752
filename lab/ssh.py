"""An ssh server for root on loopback, by a key, and the client that goes with it: OpenSSH's from Debian's package."""

from __future__ import annotations

import contextlib
import os
import shlex
import socket
import subprocess
import time
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from .apt import Bundle, bundle_root, library_path
from .errors import LabError
from .machine import OWN_SUITE
from .network import free_port
from .wrappers import write_wrapper

if TYPE_CHECKING:
    from collections.abc import Iterator

NAME = "ssh"
OPENSSH = Bundle(
    name="openssh", suite=OWN_SUITE, packages=("openssh-server", "openssh-client"), with_dependencies=True
)
HOST = "engine.lab"
"""What the client's configuration calls the server."""
_USER = "sshd"
"""Whom the server is before a login; Debian makes that user when the package is installed."""
_EMPTY = Path("/run/sshd")
_SERVER = """\
ListenAddress 127.0.0.1
Port {port}
HostKey {folder}/host-key
AuthorizedKeysFile {folder}/authorized-keys
PidFile none
PermitRootLogin prohibit-password
PasswordAuthentication no
KbdInteractiveAuthentication no
UsePAM no
StrictModes no
"""
_CLIENT = """\
Host {host}
  HostName 127.0.0.1
  HostKeyAlias {host}
  Port {port}
  User root
  IdentityFile {folder}/key
  IdentitiesOnly yes
  UserKnownHostsFile {folder}/known-hosts
  GlobalKnownHostsFile /dev/null
  StrictHostKeyChecking yes
"""
_START_S = 20.0


@dataclass(frozen=True, slots=True, kw_only=True)
class SshServer:
    """A running server. `bin` has the client, which knows it as `HOST`; `folder` its keys and configuration."""

    bin: Path
    folder: Path
    port: int
    process: subprocess.Popen[bytes]

    def cut(self) -> None:
        """End it and all its connections at once."""
        os.killpg(self.process.pid, 9)
        self.process.wait()


@contextlib.contextmanager
def ssh_server(folder: Path) -> Iterator[SshServer]:
    """Start a server that keeps its files in `folder`, and end it. Raises `LabError` if it does not come up."""
    root = bundle_root(OPENSSH)
    libraries = {"LD_LIBRARY_PATH": library_path(root)}
    keygen = [str(root / "usr/bin/ssh-keygen"), "-q", "-t", "ed25519", "-N", ""]
    for name in ("host-key", "key"):
        subprocess.run([*keygen, "-f", str(folder / name)], check=True, env={**os.environ, **libraries})
    (folder / "authorized-keys").write_bytes((folder / "key.pub").read_bytes())
    (folder / "known-hosts").write_text(f"{HOST} {(folder / 'host-key.pub').read_text()}")
    port = free_port()
    (folder / "server.conf").write_text(_SERVER.format(port=port, folder=folder))
    (folder / "client.conf").write_text(_CLIENT.format(port=port, folder=folder, host=HOST))
    client = [str(root / "usr/bin/ssh"), "-F", str(folder / "client.conf")]
    write_wrapper(folder / "bin" / "ssh", client, env=libraries)
    # The user is added for this process alone, in a mount namespace of its own; that of processes ends its sessions.
    (folder / "passwd").write_text(
        f"{Path('/etc/passwd').read_text()}{_USER}:x:65533:65534::{_EMPTY}:/bin/false\n"
    )
    server = shlex.join([str(root / "usr/sbin/sshd"), "-D", "-e", "-f", str(folder / "server.conf")])
    mount = shlex.join(["mount", "--bind", str(folder / "passwd"), "/etc/passwd"])
    made = not _EMPTY.exists()
    _EMPTY.mkdir(mode=0o755, exist_ok=True)
    with (folder / "server.log").open("wb") as log:
        process = subprocess.Popen(
            [
                "unshare",
                "--mount",
                "--pid",
                "--fork",
                "--kill-child",
                "sh",
                "-c",
                f"{mount} && exec {server}",
            ],
            stderr=log,
            env={**os.environ, **libraries},
            start_new_session=True,
        )
    try:
        _wait(process, port, folder / "server.log")
        yield SshServer(bin=folder / "bin", folder=folder, port=port, process=process)
    finally:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, 9)
        process.wait()
        if made:
            with contextlib.suppress(OSError):  # another server may use it
                _EMPTY.rmdir()


def _wait(process: subprocess.Popen[bytes], port: int, log: Path) -> None:
    until = time.monotonic() + _START_S
    while process.poll() is None and time.monotonic() < until:
        with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), 1):
            return
        time.sleep(0.05)
    raise LabError(f"the ssh server does not come up:\n{log.read_text(errors='replace').strip()}")
