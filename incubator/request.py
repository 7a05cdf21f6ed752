"""What a caller asks for: one frozen value that the CLI, the pipeline inputs and the Python API all make."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final, Literal, Protocol

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from incubator.context.source import Source as Files
    from incubator.core.context import BuildContext
    from incubator.core.stored import StoredImage
    from incubator.core.volume import Volume
    from incubator.dockerfile.source import Source
    from incubator.oci.annotations import Annotation
    from incubator.oci.attestation import Predicate
    from incubator.oci.media_types import Compression
    from incubator.oci.platform import Platform
    from incubator.oci.reference import Reference

LayerSplits = Literal["auto"] | tuple[int | str, ...]
"""`()`: where the file's markers say, else after every instruction that changes files; `(0,)`: one layer a stage;
`"auto"`: only before an instruction that reads the context or another stage; else after each of these instructions,
by number, or as `L12` by the line that it is on."""


DEFAULT_PARALLELISM: Final = 4
"""Layers that are made at the same time."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Ulimit:
    """A limit that the kernel keeps for each process, such as `nofile`; -1: unlimited."""

    name: str
    soft: int
    hard: int

    def __str__(self) -> str:
        return f"{self.name}={self.soft}:{self.hard}"


@dataclass(frozen=True, slots=True, kw_only=True)
class ExtraHost:
    """A name that build steps find in `/etc/hosts`; the address may be `host-gateway`, which the engine knows."""

    name: str
    address: str

    def __str__(self) -> str:
        return f"{self.name}={self.address}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """Limits of each container of a build: what it may use, not what it makes.

    `memswap_bytes` is memory and swap together, -1: unlimited. `cpu_period` and `cpu_quota` are microseconds.
    """

    memory_bytes: int | None = None
    memswap_bytes: int | None = None
    cpu_shares: int | None = None
    cpu_period: int | None = None
    cpu_quota: int | None = None
    cpuset_cpus: str | None = None
    cpuset_mems: str | None = None
    shm_size_bytes: int | None = None
    ulimits: tuple[Ulimit, ...] = ()
    cgroup_parent: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Credential:
    """A login. `registry` is a host with optional port, `docker.io` for Docker Hub."""

    registry: str
    username: str
    password: str = field(repr=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class Secret:
    """A secret of the caller, for `RUN --mount=type=secret`."""

    id: str
    value: bytes = field(repr=False)


Right = Literal["network.host", "security.insecure"]
"""What a Dockerfile may ask for, and gets only if the caller allows it."""


class ImageStore(Protocol):
    """One image, for one platform or several, that is in no registry."""

    def image(self, platform: Platform) -> StoredImage:
        """The image for a platform. Raises InputError."""


@dataclass(frozen=True, slots=True, kw_only=True)
class NamedContexts:
    """Contexts by their names, as `familiar_name` writes them: files, or references of images.

    `layouts`: images that are not from a registry, by the reference that stands for each in `images`. `materials`:
    what was fetched for `files`.
    """

    files: Mapping[str, Files] = field(default_factory=dict)
    images: Mapping[str, str] = field(default_factory=dict)
    layouts: Mapping[str, ImageStore] = field(default_factory=dict)
    materials: Mapping[str, Material] = field(default_factory=dict)

    @property
    def names(self) -> dict[str, str | None]:
        """All names, with the reference of each that is an image."""
        return dict.fromkeys(self.files) | dict(self.images)


@dataclass(frozen=True, slots=True, kw_only=True)
class CacheSource:
    """Where results of earlier builds may be: a registry, or a folder.

    In a registry tags of results begin with that of `place`, and `place` may be an image that is a cache itself.
    """

    place: Reference | Path


@dataclass(frozen=True, slots=True, kw_only=True)
class CacheTarget:
    """Where results are kept for later builds, as in `CacheSource`; `place` None: in the image that is pushed.

    `mode`: `min` those in the image, `max` those of all stages.
    """

    place: Reference | Path | None
    mode: Literal["min", "max"] = "min"


@dataclass(frozen=True, slots=True, kw_only=True)
class Material:
    """Something from elsewhere that a build takes up; `digest` by algorithm, empty where none is known."""

    uri: str
    digest: Mapping[str, str] = field(default_factory=dict)


ProvenanceMode = Literal["min", "max"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Provenance:
    """How much is told of how an image came about. `max`: with arguments, labels and instructions.

    `builder` is a URI, empty for that of the pipeline's run. `reproducible` is the caller's claim.
    """

    mode: ProvenanceMode = "min"
    builder: str = ""
    reproducible: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class PipelineRun:
    """What a pipeline says of itself: the URL of its run, and what it has checked out. Empty where it does not say."""

    url: str = ""
    source: str = ""
    revision: str = ""
    ref: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Generator:
    """An image that lists what is in the built one; `parameters` become variables of its container."""

    image: str
    parameters: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Attestations:
    """What is stated of an image in its registry.

    `documents` are those of others, such as lists of its packages; more come of what `generators` write.
    """

    provenance: Provenance | None = None
    documents: tuple[Predicate, ...] = ()
    generators: tuple[Generator, ...] = ()
    run: PipelineRun = field(default_factory=PipelineRun)

    def __bool__(self) -> bool:
        return bool(self.provenance or self.documents or self.generators)


@dataclass(frozen=True, slots=True, kw_only=True)
class Packing:
    """How an image is put together that no engine writes. Without a `compression` each layer is as it comes, or gzip.

    With one, so are all layers above the base, with `force` those of the base too. `level` None: the usual one.
    `oci_types`: media types of OCI, not Docker's.
    """

    compression: Compression | None = None
    level: int | None = None
    force: bool = False
    oci_types: bool = True


OutputKind = Literal["docker", "oci", "tar", "local"]
"""`docker`, `oci`: the image as an archive of that form; `tar`, `local`: its files, as a tar or in a folder."""


@dataclass(frozen=True, slots=True, kw_only=True)
class FileOutput:
    """A file or folder that gets the result; `dest` `-` is standard output.

    Of kind `oci` alone: `unpacked`: a folder instead of an archive, and `packing`. `real`: `dest` has no links in it,
    and none that a step of the build puts there is followed.
    """

    kind: OutputKind
    dest: str
    unpacked: bool = False
    packing: Packing = field(default_factory=Packing)
    real: bool = False

    @property
    def is_folder(self) -> bool:
        """Whether `dest` is a folder."""
        return self.kind == "local" or self.unpacked


@dataclass(frozen=True, slots=True, kw_only=True)
class Node:
    """An engine for some of a build's platforms; `host` is its address, as in DOCKER_HOST."""

    platforms: tuple[Platform, ...]
    host: str

    def __str__(self) -> str:
        return f"{','.join(map(str, self.platforms))}={self.host}"


@dataclass(frozen=True, slots=True, kw_only=True)
class BuildRequest:
    """Everything one build needs, checked and typed.

    `build_args` maps to None where the value comes from nowhere (`--build-arg NAME` without one in the environment):
    such an argument counts as not given. `rm`: remove intermediate containers after success, `force_rm`: after
    failure too. `load`: keep the image on the engine under its tags; without it, `push` and `outputs` nothing is
    left but what later builds use. `push_by_digest`: `tags` name repositories, and the image gets no tag.
    `packing`: how the image is pushed; None: as it comes.
    `no_cache_filters` are stages for which no earlier results are used. `target` None: the last stage. `platform`
    None: the engine's own. `platforms`: there are several, and `platform` is None; `core/platforms.py` makes a
    request for each. `nodes`: engines for some of them. `max_parallelism`: how many layers may be made at the same
    time. `timeout_s`: of everything up to the last layer. `keep_failed`: leave what a failed step made as an image.
    `secrets` by their ids. `ssh`: sockets of agents by their ids, as the engine sees their paths. `own_paths`:
    whether sources of volumes are this machine's paths, which the engine may not see; None: where it is reached over
    a network. `context_material`: what was fetched for `context`. `annotations` and `attestations` go to registries
    alone.
    """

    dockerfile: Source
    context: BuildContext
    target: str | None = None
    platform: Platform | None = None
    platforms: Sequence[Platform] = ()
    nodes: Sequence[Node] = ()
    build_args: Mapping[str, str | None] = field(default_factory=dict)
    labels: Mapping[str, str] = field(default_factory=dict)
    tags: Sequence[Reference] = ()
    layers: LayerSplits = ()
    volumes: Sequence[Volume] = ()
    own_paths: bool | None = None
    limits: Limits = field(default_factory=Limits)
    network: str | None = None
    add_hosts: Sequence[ExtraHost] = ()
    security_opts: Sequence[str] = ()
    pull: bool = False
    no_cache: bool = False
    no_cache_filters: Sequence[str] = ()
    push: bool = False
    push_by_digest: bool = False
    packing: Packing | None = None
    load: bool = True
    rm: bool = True
    force_rm: bool = True
    max_parallelism: int = DEFAULT_PARALLELISM
    timeout_s: float | None = None
    keep_failed: bool = False
    credentials: Sequence[Credential] = ()
    secrets: Mapping[str, Secret] = field(default_factory=dict)
    ssh: Mapping[str, str] = field(default_factory=dict)
    allow: frozenset[Right] = frozenset()
    contexts: NamedContexts = field(default_factory=NamedContexts)
    cache_from: Sequence[CacheSource] = ()
    cache_to: Sequence[CacheTarget] = ()
    outputs: Sequence[FileOutput] = ()
    source_date_epoch: int | None = None
    context_material: Material | None = None
    annotations: Sequence[Annotation] = ()
    attestations: Attestations = field(default_factory=Attestations)

    @property
    def read_caches(self) -> Sequence[CacheSource]:
        """Those of `cache_from` that are looked into: none where nothing of earlier builds is used."""
        return () if self.no_cache else self.cache_from
