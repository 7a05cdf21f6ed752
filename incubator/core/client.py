"""The engine client: docker-py behind our own types. Only this, its parts and its two helpers import docker."""

from __future__ import annotations

import contextlib
import os
import socket
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self, cast

import requests
from docker import APIClient
from docker import errors as docker_errors
from docker.transport.unixconn import UnixHTTPAdapter, UnixHTTPConnection
from docker.utils import kwargs_from_env, parse_host

from incubator.core.docker_calls import TIMEOUT_S
from incubator.core.docker_containers import ContainerCalls
from incubator.core.docker_images import ImageCalls
from incubator.core.docker_types import innermost
from incubator.core.ssh_tunnel import SshTunnel
from incubator.errors import EngineError, EngineUnreachable, InputError
from incubator.registry.credentials import Credentials
from incubator.ssh_address import SCHEME, SshAddress, parse_ssh_address

if TYPE_CHECKING:
    from collections.abc import Mapping

DEFAULT_SOCKETS = ("/var/run/docker.sock", "/run/podman/podman.sock")

_POOL_SIZE = 64
"""Connections that are kept: stages run in parallel, and each has several in use while it copies."""

_LOSS_S = 1.0
"""How long `ssh` may take to end when it no longer takes connections."""

_LOWEST_API = (1, 40)

_NO_ANSWER = (docker_errors.DockerException, requests.exceptions.RequestException)


class _Connection(UnixHTTPConnection):
    def connect(self) -> None:
        """Connect; where that fails the socket is known to who closes the connection then, unlike docker-py's."""
        self.sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.sock.settimeout(self.timeout)
        self.sock.connect(self.unix_socket)


class _Adapter(UnixHTTPAdapter):
    def get_connection(self, url: Any, proxies: Any = None) -> Any:
        """The pool of connections."""
        pool: Any = super().get_connection(url, proxies)
        pool._new_conn = partial(_Connection, pool.base_url, pool.socket_path, pool.timeout)  # noqa: SLF001
        return pool


class _Api(APIClient):
    """An engine's certificate is checked against DOCKER_CERT_PATH; requests would let REQUESTS_CA_BUNDLE go first.

    A lost connection of `ssh` is told as such.
    """

    tunnel: SshTunnel | None = None

    def mount(self, prefix: Any, adapter: Any) -> None:
        """Use an adapter for addresses of a scheme."""
        if isinstance(adapter, UnixHTTPAdapter):
            adapter = _Adapter(
                adapter.socket_path, timeout=adapter.timeout, max_pool_size=adapter.max_pool_size
            )
        super().mount(prefix, adapter)

    def send(self, *args: Any, **options: Any) -> requests.Response:
        """One request."""
        try:
            return super().send(*args, **options)
        except requests.exceptions.ConnectionError:
            if self.tunnel is None or not self.tunnel.is_lost(_LOSS_S):
                raise
            self.close()
            lost = f"the connection to {self.tunnel.address} is lost: {self.tunnel.said() or 'ssh has ended'}"
            raise requests.exceptions.ConnectionError(lost) from None

    def merge_environment_settings(self, url: Any, proxies: Any, stream: Any, verify: Any, cert: Any) -> Any:
        """What a request is made with."""
        verify = self.verify if verify is None else verify
        return super().merge_environment_settings(url, proxies, stream, verify, cert)


class DockerClient(ImageCalls, ContainerCalls):
    """`Engine` over docker-py, for Docker and for Podman's compatible API. Safe to use from several threads."""

    def __init__(
        self, api: APIClient, credentials: Credentials | None = None, tunnel: SshTunnel | None = None
    ) -> None:
        """`tunnel`: what brings the engine's socket here; it ends with `close`."""
        super().__init__(api, credentials or Credentials(environ=os.environ))
        self._tunnel = tunnel

    @classmethod
    def from_env(cls, environ: Mapping[str, str] | None = None) -> Self:
        """Connect as the docker CLI does: DOCKER_HOST and its companions, else a local socket.

        Raises EngineUnreachable when nothing answers, EngineError when the API is too old, InputError for an address
        by ssh:// that is none.
        """
        environ = dict(os.environ if environ is None else environ)
        host = environ.get("DOCKER_HOST", "")
        if host.startswith(SCHEME):
            try:
                address = parse_ssh_address(host)
            except InputError as error:
                error.message = f"DOCKER_HOST: {error.message}"
                raise
            return cls._by_ssh(address, environ)
        try:
            options = cast("dict[str, Any]", kwargs_from_env(environment=environ))
        except docker_errors.TLSParameterError as error:
            folder = environ.get("DOCKER_CERT_PATH") or "~/.docker"
            raise EngineUnreachable(
                f"no certificates for the engine at {host} in {folder}",
                hint="ca.pem, cert.pem and key.pem are needed there; DOCKER_CERT_PATH names the folder, "
                "and without DOCKER_TLS_VERIFY no TLS is used",
            ) from error
        if "base_url" not in options:
            found = next((path for path in DEFAULT_SOCKETS if Path(path).exists()), DEFAULT_SOCKETS[0])
            options["base_url"] = f"unix://{found}"
        try:
            parse_host(options["base_url"])
        except docker_errors.DockerException as error:
            raise EngineUnreachable(
                f"{host!r} is no address of an engine: {innermost(error)}",
                hint="it begins with unix://, tcp:// or ssh://; DOCKER_HOST has it, or a node",
            ) from error
        try:
            api = _api(options)
        except _NO_ANSWER as error:
            raise EngineUnreachable(
                f"no container engine answers at {options['base_url']}: {innermost(error)}",
                hint="start Docker or Podman, or name the engine in DOCKER_HOST; in a pipeline mount "
                "/var/run/docker.sock into the job, or use a docker:dind service with DOCKER_HOST",
            ) from error
        _check_version(api)
        return cls(api, Credentials(environ=environ))

    @classmethod
    def _by_ssh(cls, address: SshAddress, environ: Mapping[str, str]) -> Self:
        tunnel = SshTunnel(address, environ)
        with contextlib.ExitStack() as stack:
            stack.callback(tunnel.close)
            try:
                api = _api({"base_url": f"unix://{tunnel.socket}"})
            except _NO_ANSWER as error:
                tunnel.close()  # only then has all been heard that ssh said
                raise EngineUnreachable(
                    f"no container engine answers at {address}: {tunnel.said() or innermost(error)}",
                    hint=f"one must run there with its socket at {address.path}, which this user may use; "
                    "another place is named as in ssh://HOST/run/user/1000/docker.sock",
                ) from error
            api.tunnel = tunnel
            _check_version(api)
            stack.pop_all()
        return cls(api, Credentials(environ=environ), tunnel)

    def close(self) -> None:
        """Close idle connections; a later call opens new ones, but not through ssh, which ends."""
        self._api.close()
        if self._tunnel:
            self._tunnel.close()


def _api(options: Mapping[str, Any]) -> _Api:
    """Raises `_NO_ANSWER`."""
    return _Api(version="auto", timeout=TIMEOUT_S, max_pool_size=_POOL_SIZE, **options)


def _check_version(api: APIClient) -> None:
    found = tuple(int(part) for part in str(api.api_version).split("."))
    if found < _LOWEST_API:
        lowest = ".".join(map(str, _LOWEST_API))
        raise EngineError(
            f"the engine speaks API {api.api_version}, needed is {lowest}",
            hint="use Docker Engine 19.03 or later, or Podman 4 or later",
        )
