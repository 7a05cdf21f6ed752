"""Ports of EXPOSE. Pure. Source: docker/go-connections, nat.ParsePortSpec, which BuildKit calls."""

from __future__ import annotations

import ipaddress
import re
from typing import TYPE_CHECKING

from incubator.errors import DockerfileError

if TYPE_CHECKING:
    from incubator.dockerfile.source import Span

_RANGE = re.compile(r"(?P<first>[0-9]{1,99})(?:-(?P<last>[0-9]{1,99}))?")
_PROTOCOLS = ("tcp", "udp", "sctp")
_HIGHEST_PORT = 65535


def parse_ports(word: str, span: Span) -> tuple[str, ...]:
    """`port/protocol` of each port that `[[address:]host-port:]port[-port][/protocol]` exposes.

    Only the container's side counts, but all of it has to be right. Raises DockerfileError at `span`.
    """
    ports, _, protocol = word.partition("/")
    protocol = protocol.lower() or "tcp"
    if protocol not in _PROTOCOLS:
        raise _fault(word, f"{protocol!r} is no protocol", span, hint=f"known are {', '.join(_PROTOCOLS)}")
    *front, container = ports.split(":")
    exposed = _range(word, container, span)
    if front and front[-1]:
        host = _range(word, front[-1], span)
        if len(host) != len(exposed) != 1:
            raise _fault(word, f"the ranges {front[-1]} and {container} differ in length", span)
    address = ":".join(front[:-1])
    if address and not _is_address(address):
        raise _fault(word, f"{address!r} is no IP address", span)
    return tuple(f"{port}/{protocol}" for port in exposed)


def _range(word: str, text: str, span: Span) -> range:
    match = _RANGE.fullmatch(text)
    if not match:
        raise _fault(word, f"{text!r} is not a port", span, hint="write 80, 80/udp or 8000-8010")
    first, last = int(match["first"]), int(match["last"] or match["first"])
    if not first <= last <= _HIGHEST_PORT:
        raise _fault(word, f"expected ports up to {_HIGHEST_PORT}, the lower one first, found {text!r}", span)
    return range(first, last + 1)


def _is_address(text: str) -> bool:
    if text.startswith("[") and text.endswith("]"):
        text = text[1:-1]
    try:
        ipaddress.ip_address(text)
    except ValueError:
        return False
    return "%" not in text


def _fault(word: str, message: str, span: Span, *, hint: str | None = None) -> DockerfileError:
    return DockerfileError(f"EXPOSE {word!r}: {message}", rule="expose-port", span=span, hint=hint)
