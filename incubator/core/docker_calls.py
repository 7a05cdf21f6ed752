"""What all calls of the engine client share: requests of docker-py's client, and who answers them."""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING, Any

from incubator.core.docker_types import (
    auth_config,
    disk_usage,
    engine_errors,
    insecure_registries,
    raise_for,
    registry_errors,
)
from incubator.core.engine import EngineInfo
from incubator.oci.platform import make_platform
from incubator.registry.credentials import login_of

if TYPE_CHECKING:
    from collections.abc import Generator, Mapping

    import requests
    from docker import APIClient

    from incubator.core.engine import DiskUsage
    from incubator.core.ssh_tunnel import SshTunnel
    from incubator.registry.credentials import Credentials
    from incubator.request import Credential

TIMEOUT_S = 600
"""How long one call may stay silent: commits and loads of large layers take their time."""

LIBPOD = "/v4.0.0/libpod"
"""Where Podman's own API begins, which has a version of its own."""

ATTEMPTS = 5
"""How often Podman is asked what it has failed to tell or do."""

_SOCKETS = ("http+docker://localhost", "http+docker://localnpipe")
"""What docker-py calls a socket and a named pipe of this machine."""


class EngineCalls:
    """The part of `Engine` that is about the engine itself, and what the other parts stand on."""

    _tunnel: SshTunnel | None = None
    """What brings the engine's socket here, where that is on another machine."""

    def __init__(self, api: APIClient, credentials: Credentials) -> None:
        self._api = api
        self._credentials = credentials
        self._info: EngineInfo | None = None
        self._parts: dict[str, tuple[str, str]] = {}
        """Indexes and platforms of images that have an id to this client only."""

    def info(self) -> EngineInfo:
        """Name, versions, store, platform; asked once."""
        if self._info is None:
            with engine_errors("ask the engine for its version"):
                version = self._api.version()
                info = self._api.info()
            podman = any("Podman" in part.get("Name", "") for part in version.get("Components") or ())
            containerd = ["driver-type", "io.containerd.snapshotter.v1"] in (info.get("DriverStatus") or [])
            self._info = EngineInfo(
                name="Podman" if podman else "Docker Engine",
                version=version["Version"],
                api_version=version["ApiVersion"],
                store="podman" if podman else "oci" if containerd else "docker",
                platform=make_platform(version["Os"], version["Arch"]),
                over_network=self._tunnel is not None or self._api.base_url not in _SOCKETS,
                insecure_registries=insecure_registries(info),
            )
        return self._info

    def disk_usage(self) -> DiskUsage:
        """What uses the engine's disk and could go. It takes its time."""
        with engine_errors("ask what uses the disk"):
            return disk_usage(self._json("/system/df"))

    def login(self, credential: Credential) -> None:
        """Check a login with its registry. Raises RegistryError where it is refused."""
        with registry_errors(f"log in to {credential.registry}"):
            self._call("POST", "/auth", json=auth_config(credential.registry, login_of(credential)))

    def _place(self, image: str) -> tuple[str, dict[str, str]]:
        """How the engine names an image: path and parameters."""
        if image in self._parts:
            index, platform = self._parts[image]
            return index, {"platform": platform}
        return image, {}

    def _speaks(self, lowest: tuple[int, int]) -> bool:
        return tuple(int(part) for part in self.info().api_version.split(".")) >= lowest

    def _stream(self, url: str, params: Mapping[str, str | list[str]], what: str) -> Generator[bytes]:
        with engine_errors(what):
            reply = self._call("GET", url, params=params, stream=True)
            with contextlib.closing(reply):
                yield from reply.iter_content(1 << 18)

    def _json(self, path: str, params: Mapping[str, str] | None = None) -> Any:
        return self._call("GET", path, params=params).json()

    def _call(self, method: str, path: str, **options: Any) -> requests.Response:
        """One request of the engine's API that docker-py has no fitting method for. Raises APIError."""
        options.setdefault("timeout", TIMEOUT_S)
        reply = self._api.request(method, self._url(path), **options)
        raise_for(reply)
        return reply

    def _url(self, path: str) -> str:
        version = "" if path.startswith(LIBPOD) else f"/v{self._api.api_version}"
        return f"{self._api.base_url}{version}{path}"
