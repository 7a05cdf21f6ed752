"""Registries of the lab: Debian's docker-registry on loopback, open or with a user and a password."""

from __future__ import annotations

import base64
import http.client
import json
from dataclasses import dataclass
from typing import TYPE_CHECKING

from . import daemons
from .apt import Bundle, bundle_root
from .errors import LabError
from .machine import OWN_SUITE
from .mounts import data_root, drop_data_root, remove_tree
from .network import free_port
from .paths import locked, state_dir, step

if TYPE_CHECKING:
    from pathlib import Path

REGISTRY = Bundle(name="registry", suite=OWN_SUITE, packages=("docker-registry",), with_dependencies=False)
USER = "lab"
PASSWORD = "correct horse: battery"
# `htpasswd -Bbn` of the pair above: bcrypt, the only kind the registry takes. The pair guards nothing but tests.
HTPASSWD = "$2b$04$RQU5.XL4T8Fiu2j0HtqSSOT.klSv6ZOG8UY4hqrv.hjSsyrTwuvaS"
CONFIG = """\
version: 0.1
log: {{level: info, formatter: json, accesslog: {{disabled: false}}}}
storage:
  filesystem: {{rootdirectory: {data}}}
  delete: {{enabled: true}}
  cache: {{blobdescriptor: inmemory}}
http:
  addr: 127.0.0.1:{port}
  headers: {{X-Content-Type-Options: [nosniff]}}
"""
CONFIG_AUTH = """\
auth:
  htpasswd: {{realm: lab, path: {htpasswd}}}
"""
NAMES = {False: "registry", True: "registry-auth"}


@dataclass(frozen=True, slots=True, kw_only=True)
class RegistryHandle:
    """A running registry: plain HTTP at `address` (`127.0.0.1:PORT`), which engines take without any setting."""

    name: str
    address: str
    username: str | None
    password: str | None
    access_log_path: Path
    """The log: JSON lines for what the registry does, lines in Apache's combined format for each request."""

    def auth_header(self) -> str:
        """Value of `X-Registry-Auth` for an engine's push and pull; of no user for an open registry."""
        pair = {
            "username": self.username or "",
            "password": self.password or "",
            "serveraddress": self.address,
        }
        return base64.urlsafe_b64encode(json.dumps(pair).encode()).decode()


def up(*, auth: bool) -> RegistryHandle:
    """Start the registry if it does not run. Raises `LabError` with the end of the log if it does not come up."""
    name = NAMES[auth]
    root, folder = bundle_root(REGISTRY), state_dir() / name
    with locked(state_dir(), name):
        running = handle(auth=auth)
        if running:
            return running
        with step(f"start {name}"):
            folder.mkdir(exist_ok=True)
            port = free_port()
            config = CONFIG.format(data=data_root(name), port=port)
            if auth:
                (folder / "htpasswd").write_text(f"{USER}:{HTPASSWD}\n")
                config += CONFIG_AUTH.format(htpasswd=folder / "htpasswd")
            (folder / "config.yml").write_text(config)
            (folder / "port").write_text(str(port))
            daemons.start(
                folder,
                name,
                [str(root / "usr/bin/docker-registry"), "serve", str(folder / "config.yml")],
                ready=lambda: _answers(port),
                # Without a secret of its own each start would warn; it only has to be the same for one registry.
                env={"REGISTRY_HTTP_SECRET": name, "OTEL_TRACES_EXPORTER": "none"},
            )
    started = handle(auth=auth)
    if started is None:
        raise LabError(
            f"{name} ended right after its start; the end of its log:\n{daemons.log_tail(folder, name)}"
        )
    return started


def handle(*, auth: bool) -> RegistryHandle | None:
    """The registry if it runs and answers."""
    name = NAMES[auth]
    folder = state_dir() / name
    if not daemons.is_running(folder, name):
        return None
    port = int((folder / "port").read_text())
    if not _answers(port):
        return None
    return RegistryHandle(
        name=name,
        address=f"127.0.0.1:{port}",
        username=USER if auth else None,
        password=PASSWORD if auth else None,
        access_log_path=folder / f"{name}.log",
    )


def down(*, auth: bool) -> None:
    """Stop the registry and remove what it stores; nothing to do if it was not started."""
    name = NAMES[auth]
    folder = state_dir() / name
    with locked(state_dir(), name):
        if folder.exists():
            with step(f"stop {name}"):
                daemons.stop(folder, name, patience_s=5.0)
                remove_tree(folder)
                drop_data_root(name)


def _answers(port: int) -> bool:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=5)
    try:
        connection.request("GET", "/v2/")
        return connection.getresponse().status in (http.client.OK, http.client.UNAUTHORIZED)
    except (OSError, http.client.HTTPException):
        return False
    finally:
        connection.close()
