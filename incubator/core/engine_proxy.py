"""An engine that hands every call on to another one: what a wrapper changes, it overrides."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence

    from incubator.core.blob import Blob
    from incubator.core.engine import (
        Attached,
        Changes,
        ContainerInfo,
        ContainerSpec,
        ContainerState,
        DiskUsage,
        Engine,
        EngineInfo,
        ImageInfo,
        PathStat,
        Running,
    )
    from incubator.core.stored import StoredImage
    from incubator.oci.image_config import HistoryEntry, ImageConfig
    from incubator.oci.platform import Platform
    from incubator.request import Credential


class EngineProxy:
    """`Engine` in front of `engine`. See there."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    def info(self) -> EngineInfo:
        return self._engine.info()

    def disk_usage(self) -> DiskUsage:
        return self._engine.disk_usage()

    def login(self, credential: Credential) -> None:
        self._engine.login(credential)

    def image(self, reference: str, platform: Platform | None = None) -> ImageInfo | None:
        return self._engine.image(reference, platform)

    def pull(
        self,
        reference: str,
        *,
        platform: Platform | None,
        credential: Credential | None,
        progress: Callable[[int, int | None], None],
    ) -> ImageInfo:
        return self._engine.pull(reference, platform=platform, credential=credential, progress=progress)

    def create(self, spec: ContainerSpec) -> str:
        return self._engine.create(spec)

    def attach(self, container: str) -> Attached:
        return self._engine.attach(container)

    def start(self, container: str) -> None:
        self._engine.start(container)

    def wait(self, container: str) -> int:
        return self._engine.wait(container)

    def state(self, container: str) -> ContainerState:
        return self._engine.state(container)

    def run(
        self, container: str, command: Sequence[str], *, env: Mapping[str, str], user: str, working_dir: str
    ) -> Running:
        return self._engine.run(container, command, env=env, user=user, working_dir=working_dir)

    def stat(self, container: str, path: str) -> PathStat | None:
        return self._engine.stat(container, path)

    def read_tar(self, container: str, path: str) -> Iterable[bytes]:
        return self._engine.read_tar(container, path)

    def read_volume(self, container: str, path: str) -> Iterable[bytes]:
        return self._engine.read_volume(container, path)

    def write_tar(self, container: str, path: str, chunks: Iterable[bytes]) -> None:
        self._engine.write_tar(container, path, chunks)

    def changes(self, container: str) -> Changes:
        return self._engine.changes(container)

    def commit(self, container: str, reference: str, *, comment: str = "") -> ImageInfo:
        return self._engine.commit(container, reference, comment=comment)

    def remove_container(self, container: str) -> None:
        self._engine.remove_container(container)

    def create_volume(self, name: str, *, labels: Mapping[str, str], in_memory: bool = False) -> str:
        return self._engine.create_volume(name, labels=labels, in_memory=in_memory)

    def volume(self, name: str) -> str | None:
        return self._engine.volume(name)

    def remove_volume(self, name: str) -> None:
        self._engine.remove_volume(name)

    def volumes(self, label: str) -> dict[str, dict[str, str]]:
        return self._engine.volumes(label)

    def compose(self, layers_of: str, config: ImageConfig, *, top: Blob | None = None) -> str:
        return self._engine.compose(layers_of, config, top=top)

    def load(self, image: StoredImage) -> str:
        return self._engine.load(image)

    def history(self, image: str) -> tuple[HistoryEntry, ...]:
        return self._engine.history(image)

    def layer_sizes(self, image: str) -> list[int]:
        return self._engine.layer_sizes(image)

    def tag(self, image: str, reference: str) -> None:
        self._engine.tag(image, reference)

    def export(self, references: Sequence[str]) -> Iterable[bytes]:
        return self._engine.export(references)

    def archive(self, image: str) -> Iterable[bytes]:
        return self._engine.archive(image)

    def remove_image(self, reference: str) -> None:
        self._engine.remove_image(reference)

    def references(self, repository: str, tags: str = "*") -> list[str]:
        return self._engine.references(repository, tags)

    def push(
        self, reference: str, *, credential: Credential | None, progress: Callable[[int, int | None], None]
    ) -> str:
        return self._engine.push(reference, credential=credential, progress=progress)

    def containers(self, label: str | None = None) -> list[str]:
        return self._engine.containers(label)

    def labels(self, label: str) -> dict[str, dict[str, str]]:
        return self._engine.labels(label)

    def container_info(self, container: str) -> ContainerInfo:
        return self._engine.container_info(container)
