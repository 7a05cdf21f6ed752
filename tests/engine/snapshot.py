"""An image as a value to compare: its config, and its files as a container of it exports them."""

from __future__ import annotations

import hashlib
import json
import tarfile
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, BinaryIO, cast

from incubator.core.streams import ChunkReader

if TYPE_CHECKING:
    import docker

CONFIG_KEYS = (
    "User", "ExposedPorts", "Env", "Entrypoint", "Cmd", "Healthcheck", "Volumes", "WorkingDir", "OnBuild", "Labels",
    "StopSignal", "Shell",
)  # fmt: skip

ENGINE_PATHS = {
    ".dockerenv",
    "etc/hosts",
    "etc/hostname",
    "etc/resolv.conf",
    "etc/mtab",
    "dev",
    "proc",
    "sys",
    "run",
}
"""What engines make in each container."""

THIS_YEAR = datetime.now(UTC).timestamp() - 365 * 86400
"""Where long ago ends."""

ENGINE_FOLDERS = ("dev/", "proc/", "sys/", "run/secrets")


@dataclass(frozen=True)
class Snapshot:
    """`config` without unset keys; `files`: path to kind, mode, owner, content, link target, device, time, xattrs.

    Only times of long ago are there: a later one is that of the build itself.
    """

    config: dict[str, Any]
    files: dict[str, tuple[Any, ...]]

    def without(self, *paths: str) -> Snapshot:
        """The same but for some files."""
        return Snapshot(self.config, {path: seen for path, seen in self.files.items() if path not in paths})

    def differences(self, other: Snapshot) -> list[str]:
        """What differs, a line each; empty for equal images."""
        lines = [
            f"config {key}: {self.config.get(key)!r} and {other.config.get(key)!r}"
            for key in CONFIG_KEYS
            if self.config.get(key) != other.config.get(key)
        ]
        paths = sorted(set(self.files) | set(other.files))
        return lines + [
            f"/{path}: {self.files.get(path)} and {other.files.get(path)}"
            for path in paths
            if self.files.get(path) != other.files.get(path)
        ]


def take_snapshot(api: docker.APIClient, image: str) -> Snapshot:
    """Look at an image through the engine, without running it."""
    config = image_config(api, image)
    host = api.create_host_config(network_mode="none")
    container = api.create_container(image, ["none"], entrypoint=["none"], host_config=host)["Id"]
    try:
        reader = ChunkReader(api.export(container))
        with reader, tarfile.open(fileobj=cast("BinaryIO", reader), mode="r|") as tar:
            files = {
                path: seen for path, seen in (_look(tar, member) for member in tar) if not _is_engines(path)
            }
    finally:
        api.remove_container(container, v=True, force=True)
    return Snapshot(config={key: config[key] for key in CONFIG_KEYS if config.get(key)}, files=files)


def image_config(api: docker.APIClient, image: str) -> dict[str, Any]:
    """The `config` object of an image; Podman leaves keys out of it, so there it is read from the export."""
    found = cast("Any", api).inspect_image(image)
    if "Podman" not in str(api.version()["Components"]):
        return found["Config"] or {}
    reader = ChunkReader(api.get_image(image))
    name = found["Id"].removeprefix("sha256:") + ".json"
    with reader, tarfile.open(fileobj=cast("BinaryIO", reader), mode="r|") as tar:
        blobs = [
            content.read() for member in tar if member.name == name and (content := tar.extractfile(member))
        ]
    config: dict[str, Any] = json.loads(blobs[0])["config"]
    return config


def _look(tar: tarfile.TarFile, member: tarfile.TarInfo) -> tuple[str, tuple[Any, ...]]:
    path = member.name.removeprefix("./").strip("/")
    content = tar.extractfile(member) if member.isreg() else None
    digest = hashlib.sha256(content.read()).hexdigest() if content else ""
    xattrs = tuple(sorted((k, v) for k, v in member.pax_headers.items() if k.startswith("SCHILY.xattr.")))
    mode = 0o777 if member.issym() else member.mode & 0o7777
    device = (member.devmajor, member.devminor) if member.isdev() and not member.isfifo() else ()
    mtime = int(member.mtime) if member.mtime < THIS_YEAR else None
    link = member.linkname
    return path, (member.type, oct(mode), member.uid, member.gid, digest, link, device, mtime, xattrs)


def _is_engines(path: str) -> bool:
    return path in ENGINE_PATHS or path.startswith(ENGINE_FOLDERS) or path == ""
