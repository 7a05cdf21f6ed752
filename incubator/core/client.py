"""The engine client: docker-py behind our own types. Only this, its parts and its two helpers import docker."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self, cast

import requests
from docker import APIClient
from docker import errors as docker_errors
from docker.utils import kwargs_from_env

from incubator.core.docker_calls import TIMEOUT_S
from incubator.core.docker_containers import ContainerCalls
from incubator.core.docker_images import ImageCalls
from incubator.core.docker_types import innermost
from incubator.errors import EngineError, EngineUnreachable
from incubator.registry.credentials import Credentials

if TYPE_CHECKING:
    from collections.abc import Mapping

DEFAULT_SOCKETS = ("/var/run/docker.sock", "/run/podman/podman.sock")

_POOL_SIZE = 64
"""Connections that are kept: stages run in parallel, and each has several in use while it copies."""

_LOWEST_API = (1, 40)


class _Api(APIClient):
    """An engine's certificate is checked against DOCKER_CERT_PATH; requests would let REQUESTS_CA_BUNDLE go first."""

    def merge_environment_settings(self, url: Any, proxies: Any, stream: Any, verify: Any, cert: Any) -> Any:
        """What a request is made with."""
        verify = self.verify if verify is None else verify
        return super().merge_environment_settings(url, proxies, stream, verify, cert)


class DockerClient(ImageCalls, ContainerCalls):
    """`Engine` over docker-py, for Docker and for Podman's compatible API. Safe to use from several threads."""

    def __init__(self, api: APIClient, credentials: Credentials | None = None) -> None:
        super().__init__(api, credentials or Credentials(environ=os.environ))

    @classmethod
    def from_env(cls, environ: Mapping[str, str] | None = None) -> Self:
        """Connect as the docker CLI does: DOCKER_HOST and its companions, else a local socket.

        Raises EngineUnreachable when nothing answers, EngineError when the API is too old.
        """
        environ = dict(os.environ if environ is None else environ)
        host = environ.get("DOCKER_HOST", "")
        if host.startswith("ssh:"):
            raise EngineUnreachable(
                "DOCKER_HOST: an engine is not reached by ssh://",
                hint="bring its socket here with ssh -N -L /tmp/engine.sock:/var/run/docker.sock HOST, "
                "and set DOCKER_HOST=unix:///tmp/engine.sock",
            )
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
            api = _Api(version="auto", timeout=TIMEOUT_S, max_pool_size=_POOL_SIZE, **options)
        except (docker_errors.DockerException, requests.exceptions.RequestException) as error:
            raise EngineUnreachable(
                f"no container engine answers at {options['base_url']}: {innermost(error)}",
                hint="start Docker or Podman, or name the engine in DOCKER_HOST; in a pipeline mount "
                "/var/run/docker.sock into the job, or use a docker:dind service with DOCKER_HOST",
            ) from error
        return cls._checked(api, Credentials(environ=environ))

    @classmethod
    def _checked(cls, api: APIClient, credentials: Credentials) -> Self:
        found = tuple(int(part) for part in str(api.api_version).split("."))
        if found < _LOWEST_API:
            lowest = ".".join(map(str, _LOWEST_API))
            raise EngineError(
                f"the engine speaks API {api.api_version}, needed is {lowest}",
                hint="use Docker Engine 19.03 or later, or Podman 4 or later",
            )
        return cls(api, credentials)

    def close(self) -> None:
        """Close idle connections; a later call opens new ones."""
        self._api.close()
