"""Which registries are spoken to over plain HTTP. Pure."""

from __future__ import annotations

import ipaddress
from contextlib import suppress
from typing import TYPE_CHECKING

from incubator.oci.reference import is_loopback

if TYPE_CHECKING:
    from collections.abc import Collection


def is_plain(registry: str, insecure: Collection[str]) -> bool:
    """Whether `HOST[:PORT]` is on this very machine, or among the `insecure`.

    These are registries as `HOST[:PORT]`, and networks as `10.0.0.0/8`, which hold registries that are named by
    address: the grammar of `insecure-registries` in the Docker daemon's configuration. Unlike the daemon, names are not
    resolved: what a name server answers gives nobody a login in plain text.
    """
    if is_loopback(registry) or registry in insecure:
        return True
    with suppress(ValueError):
        address = ipaddress.ip_address(_host(registry))
        return any(address in network for network in map(_network, insecure) if network)
    return False


def _host(registry: str) -> str:
    if registry.startswith("["):  # an IPv6 address
        return registry[1:].partition("]")[0]
    return registry.partition(":")[0]


def _network(text: str) -> ipaddress.IPv4Network | ipaddress.IPv6Network | None:
    with suppress(ValueError):
        return ipaddress.ip_network(text, strict=False) if "/" in text else None
    return None
