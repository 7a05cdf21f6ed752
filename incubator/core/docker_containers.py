"""Containers and volumes of an engine, over docker-py."""

from __future__ import annotations

import base64
import json
import time
from posixpath import dirname
from typing import TYPE_CHECKING

from incubator.core.docker_calls import ATTEMPTS, TIMEOUT_S, EngineCalls
from incubator.core.docker_types import (
    engine_errors,
    host_options,
    make_bind,
    make_mount,
    path_stat,
    raise_for,
    relabels,
    seconds,
)
from incubator.core.engine import Changes, ContainerInfo, ContainerState, Mounted
from incubator.core.podman_export import part_of_export
from incubator.core.streams import AttachedSocket, RunningCommand
from incubator.errors import EngineError

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

    from incubator.core.engine import Attached, ContainerSpec, PathStat, Running

_REMOVED = 2
"""Kind of a change, as the engine's API numbers them."""


class ContainerCalls(EngineCalls):
    """The part of `Engine` that is about containers and volumes."""

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
        """Standard streams of a container, its input if it was made with `stdin`; call before `start`."""
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
            return self.read_volume(container, path)
        export = self._stream(f"/containers/{container}/export", {}, f"read {path} of a build container")
        return part_of_export(export, path, lambda file: self.read_volume(container, file))

    def read_volume(self, container: str, path: str) -> Iterator[bytes]:
        """The same of a path in a volume of the container; with Podman all seems to be root's."""
        return self._stream(
            f"/containers/{container}/archive", {"path": path}, f"read {path} of a build container"
        )

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
        for attempt in range(ATTEMPTS):
            try:
                with engine_errors("remove a build container"):
                    self._api.remove_container(container, v=True, force=True)
            except EngineError as error:
                if error.status in (404, 409):  # 409: its removal is already under way
                    return
                # Podman refuses to kill a container that ends at this very moment.
                if error.status != 500 or attempt == ATTEMPTS - 1:
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
