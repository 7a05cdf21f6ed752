"""The engine of a job: one that starts beside it is given time to come up."""

from __future__ import annotations

import time
from pathlib import Path
from typing import TYPE_CHECKING, Final, TypeVar

from incubator.errors import EngineUnreachable

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

T = TypeVar("T")

PATIENCE_S: Final = 60.0
_PAUSE_S: Final = 0.5


def connect_patiently(
    connect: Callable[[Mapping[str, str]], T],
    environ: Mapping[str, str],
    *,
    sleep: Callable[[float], None] = time.sleep,
    clock: Callable[[], float] = time.monotonic,
) -> T:
    """What `connect` gives. An engine behind `tcp://` is waited for, `PATIENCE_S` at most: as a `docker:dind` service.

    So are the certificates that such a service makes first. Raises what `connect` raises last.
    """
    if not environ.get("DOCKER_HOST", "").startswith("tcp://"):
        return connect(environ)
    until = clock() + PATIENCE_S
    while True:
        try:
            _check_certificates(environ)
            return connect(environ)
        except EngineUnreachable:
            if clock() >= until:
                raise
        sleep(_PAUSE_S)


def _check_certificates(environ: Mapping[str, str]) -> None:
    folder = environ.get("DOCKER_CERT_PATH")
    if not folder or not environ.get("DOCKER_TLS_VERIFY"):
        return
    missing = [name for name in ("ca.pem", "cert.pem", "key.pem") if not Path(folder, name).is_file()]
    if missing:
        raise EngineUnreachable(
            f"no container engine can be reached: {folder} has no {' and no '.join(missing)}",
            hint="a docker:dind service writes them with DOCKER_TLS_CERTDIR=/certs, where the runner has "
            "/certs/client as a volume",
        )
