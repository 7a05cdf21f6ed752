"""The engine client: docker-py behind our own types. Only this and its two helpers import docker."""

from __future__ import annotations

import base64
import contextlib
import json
import os
import tarfile
import time
from functools import partial
from pathlib import Path
from posixpath import dirname
from typing import TYPE_CHECKING, Any, Self, TypeVar, cast

import requests
from docker import APIClient
from docker import errors as docker_errors
from docker.utils import kwargs_from_env
from docker.utils.json_stream import json_stream

from incubator.core.archive import docker_archive, oci_archive, stored_docker_archive, stored_oci_archive
from incubator.core.blob import gzip
from incubator.core.docker_types import (
    auth_config,
    auth_header,
    engine_errors,
    find_config,
    find_manifest,
    followed,
    host_options,
    image_info,
    innermost,
    make_bind,
    make_mount,
    path_stat,
    raise_for,
    registry_errors,
    relabels,
    seconds,
    told_error,
)
from incubator.core.engine import Changes, ContainerInfo, ContainerState, EngineInfo, Mounted
from incubator.core.history import mark_layers
from incubator.core.podman_export import part_of_export
from incubator.core.streams import AttachedSocket, RunningCommand
from incubator.errors import EngineError, EngineUnreachable, RegistryError
from incubator.oci.platform import make_platform
from incubator.oci.reference import parse_reference
from incubator.registry.credentials import Credentials, login_of

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence

    from incubator.core.blob import Blob
    from incubator.core.engine import Attached, ContainerSpec, ImageInfo, PathStat, Running
    from incubator.core.stored import StoredImage
    from incubator.oci.image_config import HistoryEntry, ImageConfig
    from incubator.oci.platform import Platform
    from incubator.oci.reference import Reference
    from incubator.registry.credentials import Login
    from incubator.request import Credential

_REMOVED = 2
"""Kind of a change, as the engine's API numbers them."""

DEFAULT_SOCKETS = ("/var/run/docker.sock", "/run/podman/podman.sock")
TIMEOUT_S = 600
"""How long one call may stay silent: commits and loads of large layers take their time."""

_POOL_SIZE = 64
"""Connections that are kept: stages run in parallel, and each has several in use while it copies."""

_SOCKETS = ("http+docker://localhost", "http+docker://localnpipe")
"""What docker-py calls a socket and a named pipe of this machine."""

_LOWEST_API = (1, 40)
_API_OF_PLATFORMS = (1, 49)
"""From which on an engine tells the platforms of one name apart."""
_ATTEMPTS = 5


_Answer = TypeVar("_Answer")


def _again(doing: str, ask: Callable[[], _Answer]) -> _Answer:
    """The answer to a question about images; Podman fails (500) where any image goes while it looks through all."""
    for attempt in range(_ATTEMPTS - 1):
        try:
            with engine_errors(doing):
                return ask()
        except EngineError as error:
            if error.status != 500:
                raise
            time.sleep(0.05 * 2**attempt)
    with engine_errors(doing):
        return ask()


class DockerClient:
    """`Engine` over docker-py, for Docker and for Podman's compatible API. Safe to use from several threads."""

    def __init__(self, api: APIClient, credentials: Credentials | None = None) -> None:
        self._api = api
        self._credentials = credentials or Credentials(environ=os.environ)
        self._info: EngineInfo | None = None
        self._descriptors: dict[str, list[dict[str, Any]]] = {}
        self._configs: dict[str, dict[str, Any]] = {}
        self._parts: dict[str, tuple[str, str]] = {}

    @classmethod
    def from_env(cls, environ: Mapping[str, str] | None = None) -> Self:
        """Connect as the docker CLI does: DOCKER_HOST and its companions, else a local socket.

        Raises EngineUnreachable when nothing answers, EngineError when the API is too old.
        """
        environ = dict(os.environ if environ is None else environ)
        options = cast("dict[str, Any]", kwargs_from_env(environment=environ))
        if "base_url" not in options:
            found = next((path for path in DEFAULT_SOCKETS if Path(path).exists()), DEFAULT_SOCKETS[0])
            options["base_url"] = f"unix://{found}"
        try:
            api = APIClient(version="auto", timeout=TIMEOUT_S, max_pool_size=_POOL_SIZE, **options)
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

    # -- engine -------------------------------------------------------------------------------------------

    def info(self) -> EngineInfo:
        """Name, versions, store, platform; asked once."""
        if self._info is None:
            with engine_errors("ask the engine for its version"):
                version = self._api.version()
                info = self._api.info()
            podman = any("Podman" in part.get("Name", "") for part in version.get("Components") or ())
            containerd = ["driver-type", "io.containerd.snapshotter.v1"] in (info.get("DriverStatus") or [])
            self._info = EngineInfo(
                name="Podman" if podman else "Docker Engine",
                version=version["Version"],
                api_version=version["ApiVersion"],
                store="podman" if podman else "oci" if containerd else "docker",
                platform=make_platform(version["Os"], version["Arch"]),
                over_network=self._api.base_url not in _SOCKETS,
            )
        return self._info

    def login(self, credential: Credential) -> None:
        """Check a login with its registry. Raises RegistryError where it is refused."""
        with registry_errors(f"log in to {credential.registry}"):
            self._call("POST", "/auth", json=auth_config(credential.registry, login_of(credential)))

    # -- images -------------------------------------------------------------------------------------------

    def image(self, reference: str, platform: Platform | None = None) -> ImageInfo | None:
        """An image by reference or id; None where the engine has none of that name.

        A name may stand for images of several platforms with the containerd store: `platform` is the one meant.
        """
        data = self._inspect(reference)
        if data is not None and platform is not None and self._is_index(data):
            data = self._part(data["Id"], platform)
        if data is None or not data.get("Os"):  # containerd has the name, but not the content
            return None
        if self.info().store == "podman":
            self._complete(data)
        return image_info(data)

    def _inspect(self, reference: str) -> dict[str, Any] | None:
        try:
            path, params = self._place(reference)
            doing = f"inspect the image {reference}"
            data: dict[str, Any] = _again(doing, partial(self._json, f"/images/{path}/json", params))
        except EngineError as error:
            if error.status == 404:
                return None
            raise
        return data

    def _is_index(self, data: Mapping[str, Any]) -> bool:
        media_type = str((data.get("Descriptor") or {}).get("mediaType"))
        return self._speaks(_API_OF_PLATFORMS) and ("index" in media_type or "manifest.list" in media_type)

    def _part(self, index: str, platform: Platform) -> dict[str, Any] | None:
        """The image for one platform in an index. Its id is a name to this client only, not to the engine."""
        parts = {"os": platform.os, "architecture": platform.architecture, "variant": platform.variant}
        wanted = json.dumps({key: value for key, value in parts.items() if value})
        self._parts[wanted + index] = (index, wanted)
        data = self._inspect(wanted + index)
        if data is not None:
            self._parts[data["Id"]] = (index, wanted)
        return data

    def _place(self, image: str) -> tuple[str, dict[str, str]]:
        """How the engine names an image: path and parameters."""
        if image in self._parts:
            index, platform = self._parts[image]
            return index, {"platform": platform}
        return image, {}

    def _speaks(self, lowest: tuple[int, int]) -> bool:
        return tuple(int(part) for part in self.info().api_version.split(".")) >= lowest

    def _complete(self, data: dict[str, Any]) -> None:
        """Add what Podman leaves out of a config (OnBuild, Healthcheck, Shell), from the image's export."""
        image_id = data["Id"].removeprefix("sha256:")
        if image_id not in self._configs:
            with engine_errors("read the config of an image"):
                reply = self._call("GET", f"/images/{image_id}/get", stream=True)
                with contextlib.closing(reply), tarfile.open(fileobj=reply.raw, mode="r|") as tar:
                    self._configs[image_id] = find_config(tar, image_id)
        data["Config"] = self._configs[image_id].get("config") or {}

    def pull(
        self,
        reference: str,
        *,
        platform: Platform | None,
        credential: Credential | None,
        progress: Callable[[int, int | None], None],
    ) -> ImageInfo:
        """Fetch an image from its registry. Raises RegistryError where the registry refuses."""
        parsed = parse_reference(reference)
        params = {"fromImage": parsed.name, "tag": parsed.digest or str(parsed.tag)}
        if platform:
            params["platform"] = str(platform)
        with registry_errors(f"pull {reference}"):
            for _ in self._followed(
                "/images/create", params, self._auth_header(parsed, credential), progress
            ):
                pass
        image = self.image(reference, platform or self.info().platform)
        if image is None:
            raise RegistryError(f"pulled {reference}, but the engine does not have it now")
        return image

    def commit(self, container: str, reference: str) -> ImageInfo:
        """Make an image of a container's file system under `reference`; its config does not matter."""
        repository, _, tag = reference.rpartition(":")
        with engine_errors("commit a layer"):
            # The steps are done and the shell idles, so the freezer would only cost time.
            params = {"container": container, "repo": repository, "tag": tag, "pause": "0"}
            image_id = self._call("POST", "/commit", params=params, json={}).json()["Id"]
            return image_info(self._json(f"/images/{image_id}/json"))

    def compose(self, layers_of: str, config: ImageConfig, *, top: Blob | None = None) -> str:
        """A new image with the layers of the image `layers_of` (empty: none) and exactly `config`; its id.

        `top` is one more layer, an uncompressed tar; `config` already counts it.
        """
        if self.info().store != "oci":
            data, image_id = docker_archive(config, top=top, placeholders=self.info().store == "podman")
            return self._load(data, image_id)
        layers = self._layer_descriptors(layers_of) if layers_of else []
        with gzip(top) if top else contextlib.nullcontext() as packed:
            data, image_id, descriptors = oci_archive(config, layers=layers, top=packed)
            self._descriptors[image_id] = descriptors
            return self._load(data, image_id)

    def load(self, image: StoredImage) -> str:
        """Give the engine an image that it may not have; its id. Raises what reading the layers raises."""
        store = self.info().store
        archive = stored_oci_archive(image) if store == "oci" else stored_docker_archive(image)
        return self._load(archive, image.id_in(store))

    def _load(self, archive: Iterable[bytes], image_id: str) -> str:
        """Give the engine an archive that makes the image `image_id`, which is returned."""
        with engine_errors("load an image"):
            reply = self._call(
                "POST",
                "/images/load",
                params={"quiet": "1"},
                data=iter(archive),
                headers={"Content-Type": "application/x-tar"},
            )
        if self.image(image_id) is None:
            told = told_error(reply.text)
            full = "no space left" in told
            raise EngineError(
                f"the engine did not keep a layer or config that it was given: {told}",
                hint="the engine's disk is full: docker system df tells what uses it" if full else None,
            )
        return image_id

    def _layer_descriptors(self, image: str) -> list[dict[str, Any]]:
        """Descriptors of an image's layers, from the manifest in its export; read until that is found."""
        if image not in self._descriptors:
            with engine_errors("read the manifest of an image"):
                path, params = self._place(image)
                reply = self._call("GET", f"/images/{path}/get", params=params, stream=True)
                with contextlib.closing(reply), tarfile.open(fileobj=reply.raw, mode="r|") as tar:
                    self._descriptors[image] = find_manifest(tar)["layers"]
        return self._descriptors[image]

    def history(self, image: str) -> tuple[HistoryEntry, ...]:
        """History of an image, oldest first; as many entries that are not empty as it has layers."""
        entries = self._history(image)
        path, params = self._place(image)
        with engine_errors("read the history of an image"):
            layers = self._json(f"/images/{path}/json", params)["RootFS"].get("Layers") or []
        return mark_layers(entries, len(layers))

    def layer_sizes(self, image: str) -> list[int]:
        """Bytes of each entry of the image's history, oldest first."""
        return [int(entry["Size"]) for entry in self._history(image)]

    def _history(self, image: str) -> list[Any]:
        """Entries, oldest first. The containerd store has null instead of none."""
        path, params = self._place(image)
        with engine_errors("read the history of an image"):
            return list(reversed(self._json(f"/images/{path}/history", params) or []))

    def tagged_at_s(self, reference: str) -> float:
        """Seconds since 1970 when an image got its last reference; where the engine does not say, when it was made."""
        with engine_errors("inspect an image"):
            data = self._json(f"/images/{reference}/json")
        tagged = str((data.get("Metadata") or {}).get("LastTagTime") or "0001")
        return seconds(str(data["Created"]) if tagged.startswith("0001") else tagged)

    def tag(self, image: str, reference: str) -> None:
        """Give an image a reference, which leaves the image that had it."""
        parsed = parse_reference(reference)
        with engine_errors(f"tag the image as {reference}"):
            self._api.tag(image, parsed.name, parsed.tag, force=True)

    def export(self, references: Sequence[str]) -> Iterator[bytes]:
        """A tar that `docker load` takes, of one image under all of these references, or of one id."""
        return self._stream("/images/get", {"names": list(references)}, "export the image")

    def remove_image(self, reference: str) -> None:
        """Take a reference (or an untagged image) away; one that is missing or in use is fine."""
        try:
            with engine_errors(f"remove the image {reference}"):
                self._api.remove_image(reference, noprune=True)
        except EngineError as error:
            if error.status not in (404, 409):
                raise

    def references(self, repository: str) -> list[str]:
        """All `repository:tag` of a repository."""
        images = _again("list images", partial(self._api.images, filters={"reference": repository}))
        tags = [tag for image in images for tag in image.get("RepoTags") or ()]
        # Podman writes names in full: with `docker.io/library/`, or `localhost/` if it made them itself.
        names = [str(parse_reference(tag.removeprefix("localhost/"))) for tag in tags if "<none>" not in tag]
        return [name for name in names if name.startswith(f"{repository}:")]

    def push(
        self, reference: str, *, credential: Credential | None, progress: Callable[[int, int | None], None]
    ) -> str:
        """Upload a tagged image; the manifest digest that the registry confirmed. Raises RegistryError.

        Empty with Podman, which neither tells it nor can ask.
        """
        parsed = parse_reference(reference)
        digest = ""
        with registry_errors(f"push {reference}"):
            path, headers = f"/images/{parsed.name}/push", self._auth_header(parsed, credential)
            for line in self._followed(path, {"tag": str(parsed.tag)}, headers, progress):
                digest = (line.get("aux") or {}).get("Digest") or digest
        if self.info().store == "podman":
            return ""
        with registry_errors(f"ask the registry for {reference}"):
            confirmed = str(self._distribution(parsed, credential)["Descriptor"]["digest"])
        if digest and digest != confirmed:
            raise RegistryError(f"pushed {reference} as {digest}, but the registry serves {confirmed}")
        return confirmed

    def _followed(
        self,
        path: str,
        params: dict[str, str],
        headers: dict[str, str],
        progress: Callable[[int, int | None], None],
    ) -> Iterator[dict[str, Any]]:
        """Lines of a pull or push. docker-py would leave its connection open where one tells of an error."""
        reply = self._call("POST", path, params=params, headers=headers, stream=True, timeout=None)
        with contextlib.closing(reply):
            yield from followed(
                cast("Iterator[dict[str, Any]]", json_stream(reply.iter_content(1 << 14))), progress
            )

    def _distribution(self, reference: Reference, credential: Credential | None) -> Any:
        ask = cast("Any", self._api).inspect_distribution
        return ask(
            str(reference), auth_config=auth_config(reference.registry, self._login(reference, credential))
        )

    def _auth_header(self, reference: Reference, credential: Credential | None) -> dict[str, str]:
        return auth_header(reference.registry, self._login(reference, credential))

    def _login(self, reference: Reference, credential: Credential | None) -> Login | None:
        """The login that is given, else the one that docker or Podman keeps for the user."""
        if credential is not None:
            return login_of(credential)
        return self._credentials.find(reference.registry, reference.repository)

    # -- containers ---------------------------------------------------------------------------------------

    def create(self, spec: ContainerSpec) -> str:
        """Make a container; its id."""
        host = self._api.create_host_config(
            network_mode=spec.network,
            mounts=[
                *(make_mount(volume) for volume in spec.volumes if not relabels(volume)),
                *map(make_bind, spec.binds),
            ],
            tmpfs=dict(spec.tmpfs),
            privileged=spec.privileged,
            binds=[str(volume) for volume in spec.volumes if relabels(volume)],
            **host_options(spec),
        )
        # Output is read as it comes: an engine need not write it to its disk as well.
        host["LogConfig"] = {"Type": "none", "Config": {}}
        config = {
            "Image": self._place(spec.image)[0],
            "Entrypoint": list(spec.entrypoint),
            "Cmd": list(spec.command),
            "Env": [f"{name}={value}" for name, value in spec.env.items()],
            "User": spec.user,
            "WorkingDir": spec.working_dir,
            "Labels": dict(spec.labels),
            "Healthcheck": {"Test": ["NONE"]},
            "OpenStdin": spec.stdin,
            "StdinOnce": spec.stdin,
            "AttachStdin": spec.stdin,
            "AttachStdout": True,
            "AttachStderr": True,
            "HostConfig": host,
        }
        params = {"platform": str(spec.platform)} if spec.platform and self.info().store != "podman" else {}
        if spec.name:
            params["name"] = spec.name
        with engine_errors("create a build container"):
            return str(self._call("POST", "/containers/create", params=params, json=config).json()["Id"])

    def attach(self, container: str) -> Attached:
        """Standard streams of a container made with `stdin`; call before `start`."""
        params = {"stdin": 1, "stdout": 1, "stderr": 1, "stream": 1}
        with engine_errors("attach to a build container"):
            return AttachedSocket(self._api.attach_socket(container, params=params))

    def start(self, container: str) -> None:
        """Start a container."""
        with engine_errors("start a build container"):
            self._api.start(container)

    def wait(self, container: str) -> int:
        """Block until the container ends; its exit code."""
        with engine_errors("wait for a build container"):
            # A command may be silent for as long as it likes.
            reply = self._call("POST", f"/containers/{container}/wait", timeout=None)
            return int(reply.json()["StatusCode"])

    def state(self, container: str) -> ContainerState:
        """How the container is."""
        with engine_errors("inspect a build container"):
            state = self._api.inspect_container(container)["State"]
        return ContainerState(
            running=bool(state.get("Running")),
            exit_code=int(state.get("ExitCode") or 0),
            oom_killed=bool(state.get("OOMKilled")),
            error=str(state.get("Error") or ""),
        )

    def run(
        self, container: str, command: Sequence[str], *, env: Mapping[str, str], user: str, working_dir: str
    ) -> Running:
        """Start a command in a running container (`exec`); its environment adds to the container's."""
        with engine_errors("start a command in a build container"):
            created = self._api.exec_create(
                container, list(command), environment=dict(env), user=user, workdir=working_dir
            )
        return RunningCommand(self._api, str(created["Id"]))

    def stat(self, container: str, path: str) -> PathStat | None:
        """What is at the absolute `path`; parents that are links are followed, the last part is not.

        The target of a link comes resolved, as an absolute path.
        """
        with engine_errors(f"look at {path} in a build container"):
            url = self._url(f"/containers/{container}/archive")
            reply = self._api.request("HEAD", url, params={"path": path}, timeout=TIMEOUT_S)
            told = reply.headers.get("X-Docker-Container-Path-Stat")
            if told:  # Podman tells even with status 404, for a link that leads nowhere
                return path_stat(json.loads(base64.b64decode(told)))
            # A path below a file is an internal error to some engines.
            if reply.status_code == 404 or not self._is_folder(container, dirname(path)):
                return None
            raise_for(reply)
        return None

    def _is_folder(self, container: str, path: str) -> bool:
        if path == "/":
            return True
        found = self.stat(container, path)
        if found and found.kind == "symlink":
            found = self.stat(container, found.link_target)
        return found is not None and found.kind == "dir"

    def read_tar(self, container: str, path: str) -> Iterator[bytes]:
        """The tar of a path: entries are named from the path's last part on."""
        if self.info().store != "podman":
            return self._archive(container, path)
        export = self._stream(f"/containers/{container}/export", {}, f"read {path} of a build container")
        return part_of_export(export, path, lambda file: self._archive(container, file))

    def _archive(self, container: str, path: str) -> Iterator[bytes]:
        return self._stream(
            f"/containers/{container}/archive", {"path": path}, f"read {path} of a build container"
        )

    def _stream(self, url: str, params: Mapping[str, str | list[str]], what: str) -> Iterator[bytes]:
        with engine_errors(what):
            reply = self._call("GET", url, params=params, stream=True)
            with contextlib.closing(reply):
                yield from reply.iter_content(1 << 18)

    def write_tar(self, container: str, path: str, chunks: Iterable[bytes]) -> None:
        """Unpack a tar below the folder `path`, replacing what is in the way."""
        with engine_errors("copy files into a build container"):
            headers = {"Content-Type": "application/x-tar"}
            self._call(
                "PUT",
                f"/containers/{container}/archive",
                params={"path": path},
                data=iter(chunks),
                headers=headers,
            )

    def changes(self, container: str) -> Changes:
        """What differs in a container's files from those of its image."""
        with engine_errors("ask for the changes in a build container"):
            found = self._json(f"/containers/{container}/changes") or []
        removed = frozenset(change["Path"] for change in found if change["Kind"] == _REMOVED)
        return Changes(touched=frozenset(change["Path"] for change in found) - removed, removed=removed)

    def remove_container(self, container: str) -> None:
        """Kill and remove a container with its anonymous volumes; a missing one is fine."""
        for attempt in range(_ATTEMPTS):
            try:
                with engine_errors("remove a build container"):
                    self._api.remove_container(container, v=True, force=True)
            except EngineError as error:
                if error.status in (404, 409):  # 409: its removal is already under way
                    return
                # Podman refuses to kill a container that ends at this very moment.
                if error.status != 500 or attempt == _ATTEMPTS - 1:
                    raise
                time.sleep(0.05 * 2**attempt)
            else:
                return

    def create_volume(self, name: str, *, labels: Mapping[str, str], in_memory: bool = False) -> str:
        """Make a volume; its path on the engine's host.

        What is `in_memory` lives as long as a running container uses it.
        """
        options = {"type": "tmpfs", "device": "tmpfs", "o": "mode=0700"} if in_memory else {}
        with engine_errors("create a volume"):
            made = self._api.create_volume(name, driver="local", driver_opts=options, labels=dict(labels))
            return str(made["Mountpoint"])

    def volume(self, name: str) -> str | None:
        """The path of a volume on the engine's host; None where there is none of that name."""
        try:
            with engine_errors("look for a volume"):
                return str(self._api.inspect_volume(name)["Mountpoint"])
        except EngineError as error:
            if error.status != 404:
                raise
            return None

    def remove_volume(self, name: str) -> None:
        """Remove a volume; one that is missing or in use is fine."""
        try:
            with engine_errors(f"remove the volume {name}"):
                self._api.remove_volume(name, force=True)
        except EngineError as error:
            if error.status not in (404, 409):
                raise

    def volumes(self, label: str) -> dict[str, dict[str, str]]:
        """Names of all volumes that have a label, and all labels of each."""
        with engine_errors("list volumes"):
            found = self._api.volumes(filters={"label": label})["Volumes"] or []
        return {entry["Name"]: entry.get("Labels") or {} for entry in found}

    def containers(self, label: str | None = None) -> list[str]:
        """Ids of containers: the running ones, or with a `label` (`key` or `key=value`) all that have it."""
        with engine_errors("list containers"):
            filters = {"label": label} if label else None
            return [entry["Id"] for entry in self._api.containers(all=label is not None, filters=filters)]

    def labels(self, label: str) -> dict[str, dict[str, str]]:
        """Ids of all containers that have a label, and all labels of each."""
        with engine_errors("list containers"):
            found = self._api.containers(all=True, filters={"label": label})
        return {entry["Id"]: entry.get("Labels") or {} for entry in found}

    def container_info(self, container: str) -> ContainerInfo:
        """Identity and mounts."""
        with engine_errors("inspect a container"):
            data = self._api.inspect_container(container)
        return ContainerInfo(
            id=data["Id"],
            created_s=seconds(data["Created"]),
            labels=(data.get("Config") or {}).get("Labels") or {},
            upper_dir=((data.get("GraphDriver") or {}).get("Data") or {}).get("UpperDir") or "",
            mounts=tuple(
                Mounted(
                    kind=mount.get("Type") or "",
                    name=mount.get("Name") or "",
                    source=mount.get("Source") or "",
                    destination=mount.get("Destination") or "",
                    writable=bool(mount.get("RW", True)),
                )
                for mount in data.get("Mounts") or ()
            ),
        )

    def _json(self, path: str, params: Mapping[str, str] | None = None) -> Any:
        return self._call("GET", path, params=params).json()

    def _call(self, method: str, path: str, **options: Any) -> requests.Response:
        """One request of the engine's API that docker-py has no fitting method for. Raises APIError."""
        options.setdefault("timeout", TIMEOUT_S)
        reply = self._api.request(method, self._url(path), **options)
        raise_for(reply)
        return reply

    def _url(self, path: str) -> str:
        return f"{self._api.base_url}/v{self._api.api_version}{path}"
