"""What a build needs of a container engine, in our own types.

`DockerClient` satisfies `Engine` for Docker and Podman; anything else that does may be given to
`incubator.api.build(container_client=...)`. All calls raise EngineError when the engine refuses and
EngineUnreachable when it does not answer. Containers are named by opaque ids.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Literal, Protocol

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence

    from incubator.core.blob import Blob
    from incubator.core.stored import StoredImage
    from incubator.core.volume import Volume
    from incubator.oci.image_config import HistoryEntry, ImageConfig
    from incubator.oci.platform import Platform
    from incubator.request import Credential, ExtraHost, Limits


Store = Literal["docker", "oci", "podman"]


@dataclass(frozen=True, slots=True, kw_only=True)
class EngineInfo:
    """Who answers.

    `store` decides how images are put together without moving layers: `docker` names layers by diff ID,
    `oci` (containerd) by descriptor, `podman` wants placeholders. `over_network`: not reached by a socket of this
    machine, so it may not see this machine's files. `insecure_registries`: registries, as `HOST[:PORT]`, and networks
    of them, as `10.0.0.0/8`, that whoever runs the engine lets it speak plain HTTP to.
    """

    name: str
    version: str
    api_version: str
    store: Store
    platform: Platform
    over_network: bool = False
    insecure_registries: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True, kw_only=True)
class ImageInfo:
    """An image. `config.history` is empty: ask `Engine.history`. `on_engine`: whether it is more than known there.

    `repo_digests`: names with digests under which registries have it, `name@digest`, as far as the engine knows.
    """

    id: str
    config: ImageConfig
    size_bytes: int
    on_engine: bool = True
    repo_digests: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class HeldImage:
    """An image as an engine keeps it, with or without names; `layers` are diff IDs, the base's first.

    `made_s` and `tagged_s` (when it got its last name): seconds since 1970, 0 where the engine does not say.
    `references` are digests by which it was pulled where it has no other names. `comment` is that of its commit.
    """

    id: str
    layers: tuple[str, ...]
    made_s: float
    tagged_s: float = 0
    references: tuple[str, ...] = ()
    labels: Mapping[str, str] = field(default_factory=dict)
    comment: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Changes:
    """Absolute paths that a container has changed: `touched` were made or changed, `removed` taken away.

    A folder that was taken away and made anew may be in both, or only in `removed`.
    """

    touched: frozenset[str] = frozenset()
    removed: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True, kw_only=True)
class Bind:
    """A path of the engine's own host that a container sees at `target`. It has to exist."""

    source: str
    target: str
    read_only: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class ContainerSpec:
    """A container to create. `entrypoint` and `command` replace the image's; the network is `network`.

    `tmpfs`: where folders in memory are mounted, with the options of that. `name`: one that no other container has.
    """

    image: str
    entrypoint: Sequence[str]
    command: Sequence[str]
    labels: Mapping[str, str]
    working_dir: str = "/"
    user: str = ""
    env: Mapping[str, str] = field(default_factory=dict)
    stdin: bool = False
    network: str | None = None
    volumes: Sequence[Volume] = ()
    binds: Sequence[Bind] = ()
    tmpfs: Sequence[tuple[str, str]] = ()
    privileged: bool = False
    name: str = ""
    limits: Limits | None = None
    add_hosts: Sequence[ExtraHost] = ()
    security_opts: Sequence[str] = ()
    platform: Platform | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class ContainerState:
    """A container that ended, or runs."""

    running: bool
    exit_code: int
    oom_killed: bool
    error: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class PathStat:
    """One path of a container's file system; links are not followed. `mode` holds the permission bits."""

    kind: Literal["file", "dir", "symlink", "other"]
    mode: int
    size: int
    link_target: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Mounted:
    """A mount of a running container, as `GET /containers/{id}/json` lists it."""

    kind: str
    name: str
    source: str
    destination: str
    writable: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class ContainerInfo:
    """What identifies a container and what it sees.

    `created_s`: seconds since 1970 by the engine's clock. `upper_dir` is empty where the store hides it.
    """

    id: str
    created_s: float
    labels: Mapping[str, str]
    upper_dir: str
    mounts: tuple[Mounted, ...]


StreamName = Literal["stdout", "stderr"]

Frame = tuple[StreamName, bytes]
"""A piece of a container's output."""


class Attached(Protocol):
    """Standard streams of a container."""

    def send(self, data: bytes) -> None:
        """Write to standard input."""

    def frames(self) -> Iterator[Frame]:
        """Output as it comes, until the container ends."""

    def close(self) -> None:
        """Let go; the container runs on."""


class Running(Protocol):
    """A command started in a running container."""

    def frames(self) -> Iterator[Frame]:
        """Output as it comes, until the command ends."""

    def exit_code(self) -> int:
        """Status of the command; known only after `frames` is exhausted."""


@dataclass(frozen=True, slots=True, kw_only=True)
class DiskUsage:
    """Bytes that an engine could give back: of images that no container uses, of its builder's cache, of volumes."""

    images: int
    builder: int
    volumes: int


class Engine(Protocol):
    """The calls of a build."""

    def info(self) -> EngineInfo:
        """Name, versions, store, platform."""

    def disk_usage(self) -> DiskUsage:
        """What uses the engine's disk and could go. It takes its time."""

    def login(self, credential: Credential) -> None:
        """Check a login with its registry. Raises RegistryError where it is refused."""

    def image(self, reference: str, platform: Platform | None = None) -> ImageInfo | None:
        """An image by reference or id; None where the engine has none of that name."""

    def pull(
        self,
        reference: str,
        *,
        platform: Platform | None,
        credential: Credential | None,
        progress: Callable[[int, int | None], None],
    ) -> ImageInfo:
        """Fetch an image from its registry. Raises RegistryError where the registry refuses."""

    def create(self, spec: ContainerSpec) -> str:
        """Make a container; its id."""

    def attach(self, container: str) -> Attached:
        """Standard streams of a container, its input if it was made with `stdin`; call before `start`."""

    def start(self, container: str) -> None:
        """Start a container."""

    def wait(self, container: str) -> int:
        """Block until the container ends; its exit code."""

    def state(self, container: str) -> ContainerState:
        """How the container is."""

    def run(
        self, container: str, command: Sequence[str], *, env: Mapping[str, str], user: str, working_dir: str
    ) -> Running:
        """Start a command in a running container (`exec`); its environment adds to the container's."""

    def stat(self, container: str, path: str) -> PathStat | None:
        """What is at the absolute `path`; parents that are links are followed, the last part is not."""

    def read_tar(self, container: str, path: str) -> Iterable[bytes]:
        """The tar of a path: entries are named from the path's last part on. Podman's is without volumes."""

    def read_volume(self, container: str, path: str) -> Iterable[bytes]:
        """The same of a path in a volume of the container; all may seem to be root's."""

    def write_tar(self, container: str, path: str, chunks: Iterable[bytes]) -> None:
        """Unpack a tar below the folder `path`, replacing what is in the way."""

    def changes(self, container: str) -> Changes:
        """What differs in a container's files from those of its image."""

    def commit(self, container: str, reference: str, *, comment: str = "") -> ImageInfo:
        """Make an image of a container's file system under `reference`; its config does not matter.

        `comment` is kept with the image, for who lists images.
        """

    def remove_container(self, container: str) -> None:
        """Kill and remove a container with its anonymous volumes; a missing one is fine."""

    def create_volume(self, name: str, *, labels: Mapping[str, str], in_memory: bool = False) -> str:
        """Make a volume; its path on the engine's host.

        What is `in_memory` lives as long as a running container uses it.
        """

    def volume(self, name: str) -> str | None:
        """The path of a volume on the engine's host; None where there is none of that name."""

    def remove_volume(self, name: str) -> None:
        """Remove a volume; one that is missing or in use is fine."""

    def volumes(self, label: str) -> dict[str, dict[str, str]]:
        """Names of all volumes that have a label, and all labels of each."""

    def compose(self, layers_of: str, config: ImageConfig, *, top: Blob | None = None) -> str:
        """A new image with the layers of the image `layers_of` (empty: none) and exactly `config`; its id.

        `top` is one more layer, an uncompressed tar; `config` already counts it.
        """

    def load(self, image: StoredImage) -> str:
        """Give the engine an image that it may not have; its id. Raises what reading the layers raises."""

    def history(self, image: str) -> tuple[HistoryEntry, ...]:
        """History of an image, oldest first; as many entries that are not empty as it has layers."""

    def layer_sizes(self, image: str) -> list[int]:
        """Bytes of each entry of the image's history, oldest first."""

    def tag(self, image: str, reference: str) -> None:
        """Give an image a reference, which leaves the image that had it."""

    def export(self, references: Sequence[str]) -> Iterable[bytes]:
        """A tar that `docker load` takes, of one image under all of these references, or of one id."""

    def archive(self, image: str) -> Iterable[bytes]:
        """A tar with the blobs of an image: a docker archive, an OCI layout, or both."""

    def remove_image(self, reference: str) -> None:
        """Take a reference (or an untagged image) away; one that is missing or in use is fine."""

    def references(self, repository: str, tags: str = "*") -> list[str]:
        """All `repository:tag` of a repository whose tags fit a pattern. The containerd store takes 10 ms for each."""

    def push(
        self, reference: str, *, credential: Credential | None, progress: Callable[[int, int | None], None]
    ) -> str:
        """Upload a tagged image; the manifest digest that the registry confirmed. Raises RegistryError.

        Empty where the engine tells none (Podman): then the registry is asked.
        """

    def containers(self, label: str | None = None) -> list[str]:
        """Ids of containers: the running ones, or with a `label` (`key` or `key=value`) all that have it."""

    def labels(self, label: str) -> dict[str, dict[str, str]]:
        """Ids of all containers that have a label, and all labels of each."""

    def container_info(self, container: str) -> ContainerInfo:
        """Identity and mounts."""


class Client(Engine, Protocol):
    """An engine with connections of its own."""

    def close(self) -> None:
        """Close them."""
