"""The engines of a build: those that its nodes name, and the default one for all other platforms."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextlib import ExitStack
from typing import TYPE_CHECKING, Self

from incubator.core.engine import Client
from incubator.errors import EngineError
from incubator.ssh_address import SCHEME

if TYPE_CHECKING:
    from incubator.core.engine import Engine
    from incubator.oci.platform import Platform
    from incubator.request import BuildRequest

Connect = Callable[[Mapping[str, str]], Client]
"""Makes a client by an environment with DOCKER_HOST and its companions."""


class Engines:
    """Each engine is connected once, on entering, before anything is built; leaving closes those clients."""

    def __init__(
        self,
        request: BuildRequest,
        connect: Connect,
        environ: Mapping[str, str],
        *,
        default: Engine | None = None,
    ) -> None:
        self._request = request
        self._connect = connect
        self._environ = environ
        self._default = default
        self._stack = ExitStack()
        self._of: dict[Platform | None, Engine] = {}

    def __enter__(self) -> Self:
        """Connect. Raises EngineUnreachable and EngineError, which name the node."""
        with ExitStack() as stack:
            for node in self._request.nodes:
                try:
                    engine = self._open(stack, {**self._environ, "DOCKER_HOST": node.host})
                except EngineError as error:
                    error.message = f"node {node}: {error.message}"
                    if not node.host.startswith(SCHEME):  # whose hints say more
                        error.hint = f"see whether it answers to this machine: docker -H {node.host} version"
                    raise
                self._of |= dict.fromkeys(node.platforms, engine)
            wanted = self._request.platforms or (self._request.platform,)
            others = [platform for platform in wanted if platform not in self._of]
            if others:
                default = self._default or self._open(stack, self._environ)
                self._of |= dict.fromkeys(others, default)
            self._stack = stack.pop_all()
        return self

    def __exit__(self, *_: object) -> None:
        self._stack.close()

    def of(self, platform: Platform | None) -> Engine:
        """The engine that builds for a platform of the request; None: for that of the engine itself."""
        return self._of[platform]

    def _open(self, stack: ExitStack, environ: Mapping[str, str]) -> Client:
        client = self._connect(environ)
        stack.callback(client.close)
        return client
