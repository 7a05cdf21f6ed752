"""The few calls the lab itself makes to an engine's API, over its unix socket, by the standard library alone."""

from __future__ import annotations

import http.client
import json
import socket
from contextlib import contextmanager
from typing import IO, TYPE_CHECKING, Any
from urllib.parse import quote, urlencode

from .errors import LabError

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

CHUNK_BYTES = 1 << 20
BAD_STATUS = 400


class _UnixConnection(http.client.HTTPConnection):
    def __init__(self, path: Path, timeout_s: float) -> None:
        super().__init__("localhost", timeout=timeout_s)
        self._path = str(path)

    def connect(self) -> None:
        self.sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.sock.settimeout(self.timeout)
        self.sock.connect(self._path)


def answers(path: Path) -> bool:
    """Whether an engine answers a ping at this socket."""
    try:
        with _call(path, "GET", "/_ping", timeout_s=5.0) as answer:
            return answer.status == http.client.OK
    except (OSError, LabError, http.client.HTTPException):
        return False


def version(path: Path) -> str:
    """The engine's version text, such as `20.10.24+dfsg1`."""
    return str(_json(path, "GET", "/version")["Version"])


def image_id(path: Path, reference: str) -> str | None:
    """ID of a local image, None if the engine has none of that name."""
    with _call(path, "GET", f"/images/{quote(reference, safe='/:')}/json", good=(404,)) as answer:
        return str(json.load(answer)["Id"]) if answer.status == http.client.OK else None


def load(path: Path, archive: IO[bytes]) -> None:
    """Load a `docker save` archive. Raises `LabError` with the engine's words if it refuses."""
    with _call(
        path, "POST", "/images/load?quiet=1", body=archive, content_type="application/x-tar"
    ) as answer:
        said = answer.read().decode(errors="replace")
    if '"error"' in said:
        raise LabError(f"the engine at {path} did not load the image: {said.strip()}")


def tag(path: Path, image: str, repository: str, name: str) -> None:
    """Give a local image another name."""
    query = urlencode({"repo": repository, "tag": name})
    with _call(path, "POST", f"/images/{quote(image, safe='/:')}/tag?{query}"):
        pass


def remove_image(path: Path, reference: str) -> None:
    """Remove a name (and the image with its last one); fine if there is none."""
    with _call(path, "DELETE", f"/images/{quote(reference, safe='/:')}?force=1", good=(404,)):
        pass


def transfer(path: Path, verb: str, reference: str, auth: str) -> None:
    """`push` or `pull` the image `reference` (`host:port/name:tag`) with an `X-Registry-Auth` value.

    Raises `LabError` with what the engine reports in its progress stream.
    """
    name, _, tag_name = reference.rpartition(":")
    if verb == "push":
        url = f"/images/{quote(name, safe='/:')}/push?{urlencode({'tag': tag_name})}"
    else:
        url = f"/images/create?{urlencode({'fromImage': name, 'tag': tag_name})}"
    with _call(path, "POST", url, headers={"X-Registry-Auth": auth}) as answer:
        for line in answer:
            if b'"error' in line:
                raise LabError(f"{verb} of {reference} failed: {line.decode(errors='replace').strip()}")


def run(path: Path, image: str, command: list[str], **host_config: object) -> tuple[int, str]:
    """Exit code and combined output of `command` in a container that is removed afterwards.

    `host_config` goes to the engine as it is (`NetworkMode="none"`, `Memory=...`).
    """
    config = {"Image": image, "Cmd": command, "Tty": True, "HostConfig": host_config}
    name = str(_json(path, "POST", "/containers/create", config)["Id"])
    try:
        with _call(path, "POST", f"/containers/{name}/start"):
            pass
        code = int(_json(path, "POST", f"/containers/{name}/wait")["StatusCode"])
        with _call(path, "GET", f"/containers/{name}/logs?stdout=1&stderr=1") as answer:
            return code, answer.read().decode(errors="replace").replace("\r\n", "\n")
    finally:
        with _call(path, "DELETE", f"/containers/{name}?force=1&v=1", good=(404,)):
            pass


def kill_containers(path: Path) -> None:
    """Kill every running container of the engine."""
    for container in _json(path, "GET", "/containers/json"):
        with _call(path, "POST", f"/containers/{container['Id']}/kill", good=(404, 409)):
            pass


def remove_containers(path: Path) -> None:
    """Remove every container of the engine, running or not."""
    for container in _json(path, "GET", "/containers/json?all=1"):
        with _call(path, "DELETE", f"/containers/{container['Id']}?force=1&v=1", good=(404, 409)):
            pass


def _json(path: Path, method: str, url: str, body: object = None) -> Any:
    encoded = None if body is None else json.dumps(body).encode()
    with _call(path, method, url, body=encoded, content_type="application/json") as answer:
        return json.load(answer)


@contextmanager
def _call(
    path: Path,
    method: str,
    url: str,
    *,
    body: bytes | IO[bytes] | None = None,
    content_type: str = "application/json",
    headers: dict[str, str] | None = None,
    good: tuple[int, ...] = (),
    timeout_s: float = 300.0,
) -> Iterator[http.client.HTTPResponse]:
    """The answer to one request; a status of 400 or above raises `LabError`, save those in `good`."""
    connection = _UnixConnection(path, timeout_s)
    try:
        connection.request(method, url, body=body, headers={"Content-Type": content_type, **(headers or {})})
        answer = connection.getresponse()
        if answer.status >= BAD_STATUS and answer.status not in good:
            said = answer.read().decode(errors="replace").strip()
            raise LabError(f"{method} {url} at {path}: status {answer.status}: {said}")
        yield answer
    finally:
        connection.close()
