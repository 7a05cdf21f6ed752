"""docker-py's dicts and errors turned into our own types, for the engine client."""

from __future__ import annotations

import contextlib
import json
import re
import stat as stat_bits
import tarfile
from datetime import datetime
from typing import TYPE_CHECKING, Any, Literal

import docker
import requests
import urllib3
from docker import auth
from docker import errors as docker_errors

from incubator.core.engine import DiskUsage, HeldImage, ImageInfo, PathStat
from incubator.core.transfers import transfer_hint
from incubator.errors import EngineError, EngineUnreachable, RegistryError
from incubator.oci.image_config import ImageConfig, runtime_config_from_json
from incubator.oci.platform import make_platform
from incubator.oci.reference import DEFAULT_REGISTRY
from incubator.request import Limits

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping

    from incubator.core.engine import Bind, ContainerSpec
    from incubator.core.volume import Volume
    from incubator.registry.credentials import Login

_GO_DIRECTORY, _GO_SYMLINK = 1 << 31, 1 << 27
_GO_SPECIAL = {1 << 23: stat_bits.S_ISUID, 1 << 22: stat_bits.S_ISGID, 1 << 20: stat_bits.S_ISVTX}
_GO_OTHER = 1 << 26 | 1 << 25 | 1 << 24 | 1 << 21 | 1 << 19
_NO_ANSWER = (
    ConnectionError,
    requests.exceptions.ConnectionError,
    requests.exceptions.Timeout,
    urllib3.exceptions.ProtocolError,
    urllib3.exceptions.TimeoutError,
)
_FOREIGN = (
    docker_errors.DockerException,
    docker_errors.StreamParseError,
    requests.exceptions.RequestException,
    urllib3.exceptions.HTTPError,
    tarfile.TarError,
)
_REFUSALS = {401: ("unauthorized", "basic auth credentials", "401"), 403: ("denied", "forbidden", "403")}
"""The status of a registry by words of its refusal: engines hand on the words alone."""


def disk_usage(reply: Mapping[str, Any]) -> DiskUsage:
    """The answer of `/system/df`, of which every part may be missing."""

    def entries(key: str) -> Iterable[Mapping[str, Any]]:
        return reply.get(key) or ()

    unused = sum(max(0, image["Size"]) for image in entries("Images") if not image.get("Containers"))
    volumes = [volume.get("UsageData") or {} for volume in entries("Volumes")]
    return DiskUsage(
        # Layers that images share are in the size of each, so all layers together are the most.
        images=min(unused, reply.get("LayersSize") or unused),
        builder=sum(entry.get("Size") or 0 for entry in entries("BuildCache") if not entry.get("InUse")),
        volumes=sum(max(0, use.get("Size") or 0) for use in volumes if not use.get("RefCount")),
    )


@contextlib.contextmanager
def engine_errors(doing: str) -> Iterator[None]:
    """Turn what docker-py and what it stands on raise into EngineError, saying what was being done."""
    try:
        yield
    except docker_errors.APIError as error:
        raise EngineError(f"cannot {doing}: {_explanation(error)}", status=error.status_code) from error
    except _NO_ANSWER as error:
        raise EngineUnreachable(f"cannot {doing}: the engine does not answer: {innermost(error)}") from error
    except _FOREIGN as error:
        raise EngineError(f"cannot {doing}: {error}") from error


@contextlib.contextmanager
def registry_errors(doing: str) -> Iterator[None]:
    """The same for calls in which a registry is the one who refuses."""
    try:
        with engine_errors(doing):
            yield
    except EngineUnreachable:
        raise
    except EngineError as error:
        said = error.message.removeprefix(f"cannot {doing}: ")
        status = next(
            (status for status, words in _REFUSALS.items() if any(word in said.lower() for word in words)),
            None,
        )
        raise RegistryError(error.message, status=status, hint=transfer_hint(said)) from error


def innermost(error: BaseException) -> str:
    """The first cause of an error in a line: libraries wrap it in layers of their own names."""
    seen = error
    while below := seen.__cause__ or (None if seen.__suppress_context__ else seen.__context__):
        seen = below
    return str(getattr(seen, "strerror", None) or seen)


def _explanation(error: docker_errors.APIError) -> str:
    text = error.explanation or error
    return (text.decode(errors="replace") if isinstance(text, bytes) else str(text)).strip()


def followed(
    lines: Iterable[dict[str, Any]], progress: Callable[[int, int | None], None]
) -> Iterator[dict[str, Any]]:
    """Pass on the lines of a pull or push and report bytes over all layers; errors come as lines too."""
    layers: dict[str, tuple[int, int]] = {}
    told = (0, 0)
    for line in lines:
        if "error" in line:
            raise docker_errors.DockerException(str(line["error"]).strip())
        layer, detail = line.get("id", ""), line.get("progressDetail") or {}
        if detail.get("total"):
            total = int(detail["total"])
            # A push counts the headers of its tars, which are in no total.
            layers[layer] = (min(int(detail.get("current") or 0), total), total)
        elif line.get("status") == "Pushed" and layer in layers:
            layers[layer] = (layers[layer][1],) * 2  # what was told before is seldom all
        sums = sum(done for done, _ in layers.values()), sum(total for _, total in layers.values())
        if sums != told:
            told = sums
            progress(*sums)
        yield line


def auth_header(registry: str, login: Login | None) -> dict[str, str]:
    """The login of a pull or push. Docker Engine 20.10 pushes without one only where that is said."""
    return {"X-Registry-Auth": auth.encode_header(auth_config(registry, login)).decode()}


def auth_config(registry: str, login: Login | None) -> dict[str, str]:
    """What `X-Registry-Auth` holds; empty without a login, as docker-py would look for one where there is nothing."""
    if login is None:
        return {}
    server = "https://index.docker.io/v1/" if registry == DEFAULT_REGISTRY else registry
    if login.identity_token:
        return {"identitytoken": login.identity_token, "serveraddress": server}
    return {"username": login.username, "password": login.password, "serveraddress": server}


def insecure_registries(info: Mapping[str, Any]) -> frozenset[str]:
    """Registries and networks that the engine's configuration declares insecure, of what `GET /info` answers."""
    config = info.get("RegistryConfig") or {}
    registries = (config.get("IndexConfigs") or {}).items()
    return frozenset(
        [name for name, registry in registries if registry.get("Secure") is False]
        + list(config.get("InsecureRegistryCIDRs") or ())
    )


def image_info(data: Mapping[str, Any]) -> ImageInfo:
    """Read `GET /images/{id}/json`."""
    config = ImageConfig(
        platform=make_platform(data.get("Os") or "linux", data["Architecture"], data.get("Variant") or ""),
        config=runtime_config_from_json(data.get("Config")),
        diff_ids=tuple(data["RootFS"].get("Layers") or ()),
        created=data.get("Created") or "",
        author=data.get("Author") or "",
        os_version=data.get("OsVersion") or "",
    )
    image_id = str(data["Id"])
    return ImageInfo(
        id=image_id if ":" in image_id else f"sha256:{image_id}",
        config=config,
        size_bytes=int(data.get("Size") or 0),
        # Podman calls registry what it has itself.
        repo_digests=tuple(
            name for name in data.get("RepoDigests") or () if not name.startswith("localhost/")
        ),
    )


def path_stat(data: Mapping[str, Any]) -> PathStat:
    """Read `X-Docker-Container-Path-Stat`, whose mode is Go's `os.FileMode`."""
    mode = int(data["mode"])
    special = sum(bit for go_bit, bit in _GO_SPECIAL.items() if mode & go_bit)
    kind: Literal["dir", "symlink", "other", "file"] = (
        "dir" if mode & _GO_DIRECTORY
        else "symlink" if mode & _GO_SYMLINK
        else "other" if mode & _GO_OTHER
        else "file"
    )  # fmt: skip
    return PathStat(
        kind=kind,
        mode=(mode & 0o777) | special,
        size=int(data.get("size") or 0),
        link_target=data.get("linkTarget") or "",
    )


def relabels(volume: Volume) -> bool:
    """Modes that only the engine's `source:destination:mode` texts can say."""
    return bool({"z", "Z", "nocopy"} & set(volume.mode.split(",")))


def make_mount(volume: Volume) -> docker.types.Mount:
    """A mount that fails where the source is missing; a bind text would make an empty folder on the host."""
    words = volume.mode.split(",")
    propagation = [word for word in words if word not in ("ro", "rw")]
    return docker.types.Mount(
        target=volume.destination,
        source=volume.source,
        type="bind" if volume.is_path else "volume",
        read_only="ro" in words,
        propagation=propagation[0] if propagation and volume.is_path else None,
    )


def make_bind(bind: Bind) -> docker.types.Mount:
    """A mount of a path of the engine's host."""
    return docker.types.Mount(target=bind.target, source=bind.source, type="bind", read_only=bind.read_only)


def host_options(spec: ContainerSpec) -> dict[str, Any]:
    """What docker-py's `create_host_config` takes of a container's limits, hosts and security options."""
    limits = spec.limits or Limits()
    options = {
        "mem_limit": limits.memory_bytes,
        "memswap_limit": limits.memswap_bytes,
        "cpu_shares": limits.cpu_shares,
        "cpu_period": limits.cpu_period,
        "cpu_quota": limits.cpu_quota,
        "cpuset_cpus": limits.cpuset_cpus,
        "cpuset_mems": limits.cpuset_mems,
        "shm_size": limits.shm_size_bytes,
        "cgroup_parent": limits.cgroup_parent,
        "ulimits": [
            docker.types.Ulimit(name=limit.name, soft=limit.soft, hard=limit.hard) for limit in limits.ulimits
        ],
        # As a list: a name may have an address of each family.
        "extra_hosts": [f"{host.name}:{host.address}" for host in spec.add_hosts],
        "security_opt": list(spec.security_opts),
    }
    return {name: value for name, value in options.items() if value not in (None, [])}


def find_manifest(tar: tarfile.TarFile) -> dict[str, Any]:
    """The image manifest among the blobs of an export. Raises EngineError."""
    for member in tar:
        if not member.isfile() or not member.name.startswith("blobs/") or member.size > 1 << 20:
            continue
        content = tar.extractfile(member)
        data = content.read() if content else b""
        with contextlib.suppress(ValueError):
            blob = json.loads(data)
            if isinstance(blob, dict) and "layers" in blob and "config" in blob:
                return blob
    raise EngineError("the engine's export of an image holds no manifest")


def told_error(stream: str) -> str:
    """The error in an engine's stream of JSON lines, which comes with status 200; all of it where there is none."""
    for line in stream.splitlines():
        with contextlib.suppress(ValueError, TypeError, KeyError):
            return str(json.loads(line)["error"])
    return stream.strip()


def held_image(image_id: str, data: Mapping[str, Any]) -> HeldImage:
    """An image as `GET /images/{id}/json` tells of it, without its names."""
    tagged = str((data.get("Metadata") or {}).get("LastTagTime") or "0001")
    made = str(data.get("Created") or "0001")
    return HeldImage(
        id=image_id,
        layers=tuple((data.get("RootFS") or {}).get("Layers") or ()),
        made_s=0 if made.startswith("0001") else seconds(made),
        tagged_s=0 if tagged.startswith("0001") else seconds(tagged),
        labels=(data.get("Config") or {}).get("Labels") or {},
        comment=data.get("Comment") or "",
    )


def seconds(time: str) -> float:
    """Seconds since 1970 of an engine's RFC 3339 time, whose nanoseconds Python does not read."""
    return datetime.fromisoformat(re.sub(r"(\.\d{6})\d+", r"\1", time)).timestamp()


def find_config(tar: tarfile.TarFile, image_id: str) -> dict[str, Any]:
    """The image config in a docker archive or an OCI layout. Raises EngineError."""
    for member in tar:
        if member.name in {f"{image_id}.json", f"blobs/sha256/{image_id}"}:
            content = tar.extractfile(member)
            return dict(json.loads(content.read() if content else b"{}"))
    raise EngineError("the engine's export of an image holds no config")


def raise_for(reply: requests.Response) -> None:
    """Raise APIError, with what the engine says, for a status that is no success."""
    try:
        reply.raise_for_status()
    except requests.exceptions.HTTPError as error:
        raise docker_errors.create_api_error_from_http_exception(error) from error
