"""Whom a registry's connection trusts: the usual authorities, those of `SSL_CERT_FILE`, and docker's folders.

Source: docker's documentation, "Verify repository client with certificates".
"""

from __future__ import annotations

import ssl
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import certifi
from requests.adapters import HTTPAdapter

from incubator.errors import RegistryError

if TYPE_CHECKING:
    from urllib3 import ProxyManager

CERTIFICATES: Final = Path("/etc/docker/certs.d")
"""One folder a registry: `*.crt` are authorities, `*.cert` with `*.key` is who the client is."""
CONNECTIONS: Final = 32
"""That are kept to one host: layers are sent side by side."""


class Adapter(HTTPAdapter):
    """Connections with an SSL context of their own. What `REQUESTS_CA_BUNDLE` names is trusted besides."""

    def __init__(self, context: ssl.SSLContext) -> None:
        self._context = context
        super().__init__(pool_connections=CONNECTIONS, pool_maxsize=CONNECTIONS)

    def init_poolmanager(self, *args: Any, **options: Any) -> None:
        """Called by `requests`."""
        super().init_poolmanager(*args, ssl_context=self._context, **options)

    def proxy_manager_for(self, proxy: str, **options: Any) -> ProxyManager:
        """Called by `requests`."""
        manager: ProxyManager = super().proxy_manager_for(proxy, ssl_context=self._context, **options)
        return manager

    def cert_verify(self, conn: Any, url: Any, verify: Any, cert: Any) -> None:
        """Called by `requests`, which would read its own authorities anew for each connection."""
        super().cert_verify(conn, url, verify, cert)  # type: ignore[no-untyped-call]
        if verify is True:
            conn.ca_certs = None


def make_context(registry: str, folders: Path, *, itself: bool) -> ssl.SSLContext:
    """A context that verifies, with a registry's own authorities, for whatever the registry leads to.

    Only for the registry `itself` does it show the client's certificate. Raises RegistryError for files that are none.
    """
    context = ssl.create_default_context()  # honours SSL_CERT_FILE and SSL_CERT_DIR
    context.load_verify_locations(certifi.where())  # small images have no authorities of the system
    folder = folders / registry
    path = folder
    try:
        for path in sorted(folder.glob("*.crt")):
            context.load_verify_locations(path)
        for path in sorted(folder.glob("*.cert")) if itself else ():
            context.load_cert_chain(path, path.with_suffix(".key"))
    except OSError as error:  # ssl.SSLError is one
        raise RegistryError(f"cannot use the certificate in {path}: {error.strerror or error}") from error
    return context
