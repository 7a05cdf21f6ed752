"""Options of build containers as users write them, to checked values: ulimits, hosts, security options. Pure."""

from __future__ import annotations

import ipaddress
import re
from typing import Any

from incubator.core.limits import parse_size
from incubator.errors import InputError
from incubator.faults import did_you_mean
from incubator.request import ExtraHost, Ulimit

ULIMITS = (
    "core", "cpu", "data", "fsize", "locks", "memlock", "msgqueue", "nice", "nofile", "nproc", "rss", "rtprio",
    "rttime", "sigpending", "stack",
)  # fmt: skip
"""Names that engines know. Source: docker's go-units."""

HOST_GATEWAY = "host-gateway"
"""An address that stands for the machine of the engine."""

_UNLIMITED = -1
_NUMBER = re.compile(r"-1|\d{1,18}", re.ASCII)
_ULIMIT_HINT = "as in nofile=1024:2048 (soft and hard limit) or nproc=512; -1 means unlimited"
_HOST_NAME = re.compile(r"[A-Za-z0-9_]([A-Za-z0-9_.-]*[A-Za-z0-9_])?", re.ASCII)
_HOST_HINT = (
    "as in db.local=10.0.0.7 or db.local:10.0.0.7; an IPv6 address may stand in [ ]; host-gateway is the host"
)
_CGROUP = re.compile(r"[A-Za-z0-9_.:@/-]+", re.ASCII)
_WORDS = re.compile(r"([a-z-]*)(?:[=:](.*))?", re.DOTALL)
_SECURITY = {
    "apparmor": "the name of a profile",
    "label": "disable, or as in type:NAME",
    "no-new-privileges": "true or false",
    "seccomp": "unconfined",
    "systempaths": "unconfined",
}


def parse_ulimit(text: str) -> Ulimit:
    """`name=soft[:hard]`; without a hard limit it is the soft one. Raises InputError."""
    name, equals, values = text.strip().partition("=")
    if not equals:
        raise InputError(f"invalid ulimit {text!r}: there is no =", hint=_ULIMIT_HINT)
    if name not in ULIMITS:
        raise InputError(
            f"invalid ulimit {text!r}: there is no limit {name!r}",
            hint=did_you_mean(name, ULIMITS) or f"limits are {', '.join(ULIMITS)}",
        )
    soft, colon, hard = values.partition(":")
    for number in (soft, hard) if colon else (soft,):
        if not _NUMBER.fullmatch(number):
            raise InputError(
                f"invalid ulimit {text!r}: {number!r} is not a number",
                hint=f"{_ULIMIT_HINT}; sizes are plain numbers here",
            )
    limit = Ulimit(name=name, soft=int(soft), hard=int(hard if colon else soft))
    if limit.hard != _UNLIMITED and (limit.soft == _UNLIMITED or limit.soft > limit.hard):
        raise InputError(
            f"invalid ulimit {text!r}: the soft limit is above the hard one",
            hint="the soft limit comes first, as in nofile=1024:2048",
        )
    return limit


def parse_host(text: str) -> ExtraHost:
    """`name=address` or `name:address`, where the address may be `host-gateway`. Raises InputError.

    The first `=`, or where there is none the first `:`, ends the name, as buildx has it.
    """
    name, separator, address = text.strip().partition("=" if "=" in text else ":")
    if not separator or not address:
        raise InputError(f"invalid host {text!r}: it has no address", hint=_HOST_HINT)
    if not _HOST_NAME.fullmatch(name):
        raise InputError(f"invalid host {text!r}: {name!r} is no name of a host", hint=_HOST_HINT)
    if address == HOST_GATEWAY:
        return ExtraHost(name=name, address=address)
    bare = address[1:-1] if address.startswith("[") and address.endswith("]") else address
    try:
        ipaddress.ip_address(bare)
    except ValueError:
        hint = did_you_mean(address, [HOST_GATEWAY]) or _HOST_HINT
        raise InputError(f"invalid host {text!r}: {address!r} is no IP address", hint=hint) from None
    return ExtraHost(name=name, address=bare)


def parse_shm_size(value: str | int) -> int | None:
    """Bytes of `/dev/shm`; None for 0, which is the engine's default. Raises InputError."""
    try:
        return parse_size(value) or None
    except InputError as error:
        raise InputError(f"shm size: {error.message}", hint=error.hint) from None


def parse_cgroup_parent(text: str) -> str:
    """A cgroup, by its path or as a systemd slice. Raises InputError; whether it fits is the engine's to say."""
    if not _CGROUP.fullmatch(text) or ".." in text.split("/"):
        raise InputError(
            f"invalid cgroup parent {text!r}",
            hint="it is the path of a cgroup, as in /ci/builds, or a slice of systemd, as in builds.slice",
        )
    return text


def parse_security_opt(text: str) -> str:
    """An engine's security option in the form that its API takes. Raises InputError.

    `seccomp` takes no file: the API wants its content, and a profile is the engine's own setting.
    """
    text = text.strip()
    match = _WORDS.fullmatch(text)
    name, value = match.groups() if match else (text, None)
    if name not in _SECURITY:
        raise InputError(
            f"invalid security option {text!r}: there is no {name!r}",
            hint=did_you_mean(name, _SECURITY) or f"options are {', '.join(_SECURITY)}",
        )
    if name == "no-new-privileges" and value is None:
        return name
    if not value or (name in ("seccomp", "systempaths") and value != "unconfined"):
        raise InputError(f"invalid security option {text!r}", hint=f"{name}= takes {_SECURITY[name]}")
    return f"{name}={value}"


def parse_filter(text: Any) -> list[str]:
    """Names of stages, separated by commas."""
    return [name.strip() for name in str(text).split(",") if name.strip()]
