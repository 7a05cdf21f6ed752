"""The image config: what a container of the image runs, and how the image came to be.

Spec: OCI image-spec config.md, and the Docker image spec v1.2 for Healthcheck, OnBuild and Shell.
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from incubator.oci.cached_layers import FIELD
from incubator.oci.platform import Platform, make_platform

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from incubator.oci.cached_layers import CachedLayers


@dataclass(frozen=True, slots=True, kw_only=True)
class Healthcheck:
    """`test` is `("NONE",)`, `("CMD", ...)` or `("CMD-SHELL", text)`; durations in nanoseconds, 0: unset."""

    test: tuple[str, ...]
    interval_ns: int = 0
    timeout_ns: int = 0
    start_period_ns: int = 0
    start_interval_ns: int = 0
    retries: int = 0


_HEALTH_KEYS = (
    ("Interval", "interval_ns"),
    ("Timeout", "timeout_ns"),
    ("StartPeriod", "start_period_ns"),
    ("StartInterval", "start_interval_ns"),
    ("Retries", "retries"),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class RuntimeConfig:
    """The `config` object of an image config.

    `env` is `NAME=value` in order, names unique. `cmd`, `entrypoint` and `shell` are None where unset.
    `exposed_ports` (`80/tcp`) and `volumes` are sorted. `other` keeps keys of the base not named here.
    """

    env: tuple[str, ...] = ()
    cmd: tuple[str, ...] | None = None
    entrypoint: tuple[str, ...] | None = None
    working_dir: str = ""
    user: str = ""
    exposed_ports: tuple[str, ...] = ()
    volumes: tuple[str, ...] = ()
    labels: tuple[tuple[str, str], ...] = ()
    stop_signal: str = ""
    healthcheck: Healthcheck | None = None
    shell: tuple[str, ...] | None = None
    on_build: tuple[str, ...] = ()
    args_escaped: bool = False

    def env_map(self) -> dict[str, str]:
        """Name to value, in order; an entry without `=` has the empty value."""
        return {name: value for name, _, value in (entry.partition("=") for entry in self.env)}

    def to_json(self) -> dict[str, Any]:
        """The object as engines write it; unset and empty keys are left out."""
        data: dict[str, Any] = {
            "User": self.user,
            "ExposedPorts": {port: {} for port in self.exposed_ports},
            "Env": list(self.env),
            "Entrypoint": list(self.entrypoint or ()),
            "Cmd": list(self.cmd or ()),
            "Healthcheck": _health_json(self.healthcheck),
            "ArgsEscaped": self.args_escaped,
            "Volumes": {path: {} for path in self.volumes},
            "WorkingDir": self.working_dir,
            "OnBuild": list(self.on_build),
            "Labels": dict(self.labels),
            "StopSignal": self.stop_signal,
            "Shell": list(self.shell or ()),
        }
        return {key: value for key, value in data.items() if value}


def runtime_config_from_json(data: Mapping[str, Any] | None) -> RuntimeConfig:
    """Read the `config` object of an image config or of `GET /images/{id}/json`."""
    data = data or {}
    health = data.get("Healthcheck")
    return RuntimeConfig(
        env=tuple(data.get("Env") or ()),
        cmd=_words(data.get("Cmd")),
        entrypoint=_words(data.get("Entrypoint")),
        working_dir=data.get("WorkingDir") or "",
        user=data.get("User") or "",
        exposed_ports=tuple(sorted(data.get("ExposedPorts") or ())),
        volumes=tuple(sorted(data.get("Volumes") or ())),
        labels=tuple(sorted((data.get("Labels") or {}).items())),
        stop_signal=data.get("StopSignal") or "",
        healthcheck=Healthcheck(
            test=tuple(health.get("Test") or ()),
            **{name: int(health.get(key) or 0) for key, name in _HEALTH_KEYS},
        )
        if health
        else None,
        shell=_words(data.get("Shell")),
        on_build=tuple(data.get("OnBuild") or ()),
        args_escaped=bool(data.get("ArgsEscaped")),
    )


def _words(value: Sequence[str] | None) -> tuple[str, ...] | None:
    return None if value is None else tuple(value)


def _health_json(health: Healthcheck | None) -> dict[str, Any] | None:
    if health is None:
        return None
    values = {key: getattr(health, name) for key, name in _HEALTH_KEYS}
    return ({"Test": list(health.test)} if health.test else {}) | {
        key: value for key, value in values.items() if value
    }


@dataclass(frozen=True, slots=True, kw_only=True)
class HistoryEntry:
    """One line of `docker history`. `created` is RFC 3339; `empty_layer`: it made no layer."""

    created_by: str
    created: str
    empty_layer: bool = False
    comment: str = ""
    author: str = ""

    def to_json(self) -> dict[str, Any]:
        """The object as image configs have it; unset keys are left out."""
        data = {
            "created": self.created,
            "created_by": self.created_by,
            "empty_layer": self.empty_layer,
            "comment": self.comment,
            "author": self.author,
        }
        return {key: value for key, value in data.items() if value}


def history_from_json(data: Mapping[str, Any]) -> HistoryEntry:
    """Read one entry of an image config's `history`."""
    return HistoryEntry(
        created_by=data.get("created_by") or "",
        created=data.get("created") or "",
        empty_layer=bool(data.get("empty_layer")),
        comment=data.get("comment") or "",
        author=data.get("author") or "",
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class ImageConfig:
    """A whole image config. `diff_ids` base first; history entries that are not empty match them in order.

    `cached`: what later builds can take up, of this image alone: an image built on it says nothing of that.
    """

    platform: Platform
    config: RuntimeConfig
    diff_ids: tuple[str, ...] = ()
    history: tuple[HistoryEntry, ...] = ()
    created: str = ""
    author: str = ""
    os_version: str = field(default="")
    cached: tuple[CachedLayers, ...] = ()

    def to_json_bytes(self) -> bytes:
        """The config blob: compact JSON, keys in a fixed order, so equal configs have equal digests."""
        data: dict[str, Any] = {
            "architecture": self.platform.architecture,
            "config": self.config.to_json(),
            "history": [entry.to_json() for entry in self.history],
            "os": self.platform.os,
            "rootfs": {"type": "layers", "diff_ids": list(self.diff_ids)},
        }
        optional = {
            "created": self.created,
            "author": self.author,
            "os.version": self.os_version,
            "variant": self.platform.variant,
            FIELD: [layers.to_json() for layers in self.cached],
        }
        data |= {key: value for key, value in optional.items() if value}
        return json.dumps(data, separators=(",", ":"), sort_keys=True, ensure_ascii=False).encode()


def image_config_from_json(data: Mapping[str, Any]) -> ImageConfig:
    """Read a config blob, without what is said of a cache: see `read_cached_layers`."""
    return ImageConfig(
        platform=make_platform(
            data.get("os") or "linux", data.get("architecture") or "amd64", data.get("variant") or ""
        ),
        config=runtime_config_from_json(data.get("config")),
        diff_ids=tuple((data.get("rootfs") or {}).get("diff_ids") or ()),
        history=tuple(history_from_json(entry) for entry in data.get("history") or ()),
        created=data.get("created") or "",
        author=data.get("author") or "",
        os_version=data.get("os.version") or "",
    )


def digest_of(data: bytes) -> str:
    """`sha256:` and the hex digest of `data`."""
    return f"sha256:{hashlib.sha256(data).hexdigest()}"
