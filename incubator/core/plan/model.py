"""The plan's dataclasses: stages of groups of steps. A group becomes at most one layer."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    from incubator.core.plan.mounts import Mount
    from incubator.dockerfile.instructions import Heredoc, Instruction
    from incubator.dockerfile.source import Span
    from incubator.events import StepRef
    from incubator.oci.image_config import ImageConfig, RuntimeConfig
    from incubator.oci.platform import Platform
    from incubator.remote.urls import Remote


Network = Literal["default", "none", "host"]


@dataclass(frozen=True, slots=True, kw_only=True)
class BaseImage:
    """A base image as the lookup found it; `repository_digest` is empty where no registry is known to have it."""

    reference: str
    image_id: str
    config: ImageConfig
    repository_digest: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """What all steps share: the instruction it comes from, its label in logs, the config after it.

    `created_by` is its line in the image's history.
    """

    ref: StepRef
    instruction: Instruction
    span: Span
    config: RuntimeConfig
    created_by: str

    @property
    def changes_files(self) -> bool:
        """Whether the step may change the file system."""
        return True


@dataclass(frozen=True, slots=True, kw_only=True)
class MetadataStep(Step):
    """Changes the image config only."""

    @property
    def changes_files(self) -> bool:
        """Never."""
        return False


@dataclass(frozen=True, slots=True, kw_only=True)
class WorkdirStep(Step):
    """Makes the folder `path` (absolute) and those above it where they are missing, as `owner`'s."""

    path: str
    owner: str


@dataclass(frozen=True, slots=True, kw_only=True)
class RunStep(Step):
    """Runs `argv` in `cwd` as `user` with exactly `env` (and what the engine adds, such as HOME).

    `files` are scripts for /dev/pipes, name to content: heredocs with a shebang. `proxies` names the variables
    that are about the place of the build, not about its result. `network` "default" is the build's. `insecure`: with
    all rights of the host.
    """

    argv: tuple[str, ...]
    env: tuple[tuple[str, str], ...]
    user: str
    cwd: str
    files: tuple[tuple[str, str], ...] = ()
    proxies: frozenset[str] = frozenset()
    mounts: tuple[Mount, ...] = ()
    network: Network = "default"
    insecure: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class StageSource:
    """Files of an earlier stage, by its index."""

    index: int


@dataclass(frozen=True, slots=True, kw_only=True)
class ImageSource:
    """Files of an image that is no stage."""

    image: BaseImage


@dataclass(frozen=True, slots=True, kw_only=True)
class ContextSource:
    """Files of a context that the caller has given a name."""

    name: str


Origin = StageSource | ImageSource | ContextSource
"""Where files come from that are not of the main context."""


@dataclass(frozen=True, slots=True, kw_only=True)
class CopyStep(Step):
    """COPY and ADD. `unpack`: archives among the files of the context are unpacked, `unpack_downloads`: others too.

    `remotes`: those of `sources` that are no paths, and what they are. All words are expanded. `origin` None: the
    build context. `destination` is as written, relative to `cwd`. `chown` is `user[:group]`, names or numbers; `chmod`
    octal or symbolic. `link`: as if on an empty image.
    """

    origin: Origin | None
    sources: tuple[str, ...]
    heredocs: tuple[Heredoc, ...]
    destination: str
    cwd: str
    chown: str | None = None
    chmod: str | None = None
    exclude: tuple[str, ...] = ()
    parents: bool = False
    link: bool = False
    unpack: bool = False
    unpack_downloads: bool = False
    remotes: tuple[tuple[str, Remote], ...] = ()

    @property
    def paths(self) -> tuple[str, ...]:
        """The sources that are paths of `origin`."""
        elsewhere = dict(self.remotes)
        return tuple(source for source in self.sources if source not in elsewhere)


@dataclass(frozen=True, slots=True, kw_only=True)
class Group:
    """Consecutive steps that share a layer; without a step that changes files it makes none."""

    steps: tuple[Step, ...]

    @property
    def changes_files(self) -> bool:
        """Whether the group may make a layer."""
        return any(step.changes_files for step in self.steps)


@dataclass(frozen=True, slots=True, kw_only=True)
class StagePlan:
    """One stage. `base` is an image, the index of an earlier stage, or None for `scratch`.

    `config` is what the image of this stage runs, `author` its maintainer.
    """

    index: int
    name: str
    base: BaseImage | int | None
    groups: tuple[Group, ...]
    config: RuntimeConfig
    author: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """Stages in an order in which each comes after those it needs; the last is the target."""

    stages: tuple[StagePlan, ...]
    platform: Platform
    warnings: tuple[tuple[str, Span | None], ...] = ()
    _by_index: dict[int, StagePlan] = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "_by_index", {stage.index: stage for stage in self.stages})

    @property
    def target(self) -> StagePlan:
        """The stage whose image is wanted."""
        return self.stages[-1]

    def stage(self, index: int) -> StagePlan:
        """A planned stage by its index in the Dockerfile."""
        return self._by_index[index]

    @property
    def steps(self) -> tuple[Step, ...]:
        """All steps in order of execution."""
        return tuple(step for stage in self.stages for group in stage.groups for step in group.steps)
