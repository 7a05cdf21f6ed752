"""What mounts of RUN show: volumes on the engine, filled and named by their paths on the engine's host.

A mount of a single file, or of a folder inside a volume, is a bind mount of the path that the volume has on the
engine's host, which every engine tells and resolves itself. Secrets are in volumes of memory, which live as long as a
container that uses them: one that waits on the standard input of this very process.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import threading
from dataclasses import dataclass, field, replace
from functools import partial
from io import BytesIO
from typing import TYPE_CHECKING

from incubator.context.entry import Entry
from incubator.context.tarstream import write_tar
from incubator.core.constants import APP_NAME
from incubator.core.engine import Bind, ContainerSpec
from incubator.core.filling import CONTENT, FILLED_AT, inside
from incubator.core.leftovers import LABEL_CACHE_MOUNT, is_dead
from incubator.core.plan.model import ImageSource, StageSource
from incubator.core.plan.mounts import BindMount, CacheMount, SecretMount, SshMount, TmpfsMount
from incubator.core.script import SHELL
from incubator.errors import BuilderError, EngineError

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from incubator.core.copying import SourceFiles
    from incubator.core.engine import Engine
    from incubator.core.filling import Filler
    from incubator.core.halt import Halt
    from incubator.core.leftovers import Workshop
    from incubator.core.plan.model import RunStep
    from incubator.request import Secret

CACHE_VOLUME = f"{APP_NAME}-mount"
"""Beginning of the names of the volumes behind `--mount=type=cache`."""

_FIRST_WAIT_S, _LONGEST_WAIT_S = 0.05, 1.0
_PRIVATE_COPIES = 64


@dataclass(frozen=True, slots=True, kw_only=True)
class Mounted:
    """The mounts of a container, as an engine takes them. `env` goes to the command alone."""

    binds: tuple[Bind, ...] = ()
    tmpfs: tuple[tuple[str, str], ...] = ()
    env: tuple[tuple[str, str], ...] = ()

    @property
    def targets(self) -> tuple[str, ...]:
        """Where something is mounted."""
        return (*(bind.target for bind in self.binds), *(target for target, _ in self.tmpfs))


NOTHING = Mounted()


@dataclass(slots=True)
class Mounts:
    """Makes the mounts of one build's RUNs; several threads may share it."""

    engine: Engine
    sources: SourceFiles
    workshop: Workshop
    halt: Halt
    filler: Filler
    secrets: Mapping[str, Secret] = field(default_factory=dict)
    ssh: Mapping[str, str] = field(default_factory=dict)
    _filled: dict[tuple[object, str], str] = field(default_factory=dict)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    @contextlib.contextmanager
    def of(self, step: RunStep, image: str) -> Iterator[Mounted]:
        """What `step` has mounted in its container of `image`, while the context lasts.

        Raises BuilderError for a required secret that is not there, ContextError for missing files.
        """
        with contextlib.ExitStack() as stack:
            binds: list[Bind] = []
            tmpfs: list[tuple[str, str]] = []
            env: list[tuple[str, str]] = []
            files: list[tuple[SecretMount, bytes]] = []
            for mount in step.mounts:
                match mount:
                    case TmpfsMount():
                        tmpfs.append((mount.target, _tmpfs_options(mount)))
                    case BindMount():
                        binds.append(self._bind(mount, image))
                    case CacheMount():
                        binds.append(stack.enter_context(self._cache(mount, image)))
                    case SecretMount():
                        secret = self._secret(mount)
                        if secret is not None and mount.env is not None:
                            env.append((mount.env, secret.decode(errors="surrogateescape")))
                        if secret is not None and mount.target is not None:
                            files.append((mount, secret))
                    case SshMount():
                        binds += self._agent(mount, env)
            if files:
                binds += stack.enter_context(self._secret_files(files, image))
            yield Mounted(binds=tuple(binds), tmpfs=tuple(tmpfs), env=tuple(env))

    # -- secrets and agents -------------------------------------------------------------------------------

    def _secret(self, mount: SecretMount) -> bytes | None:
        secret = self.secrets.get(mount.id)
        if secret is None and mount.required:
            raise BuilderError(
                f"the secret {mount.id!r} is required, and the build was given none of that id",
                hint=f"give it with --secret id={mount.id},src=FILE (input secrets: {mount.id}=...)",
            )
        return secret.value if secret else None

    @contextlib.contextmanager
    def _secret_files(self, files: list[tuple[SecretMount, bytes]], image: str) -> Iterator[list[Bind]]:
        """Secrets as files in memory."""
        volume = self.workshop.volume_name()
        path = self.engine.create_volume(volume, labels=self.workshop.labels, in_memory=True)
        self.workshop.discard_volume(volume)
        entries = [
            Entry(
                path=str(number),
                kind="file",
                mode=mount.mode,
                uid=mount.owner[0],
                gid=mount.owner[1],
                size=len(value),
                content=partial(BytesIO, value),
            )
            for number, (mount, value) in enumerate(files)
        ]
        holder = self.filler.helper(volume, image, runs=True)
        try:
            attached = self.engine.attach(holder)
            with contextlib.closing(attached):
                self.engine.start(holder)
                self.engine.write_tar(holder, FILLED_AT, write_tar(entries))
                yield [
                    Bind(source=f"{path}/{number}", target=mount.target or "", read_only=True)
                    for number, (mount, _) in enumerate(files)
                ]
        finally:
            self.workshop.discard(holder)

    def _agent(self, mount: SshMount, env: list[tuple[str, str]]) -> list[Bind]:
        socket = self.ssh.get(mount.id)
        if socket is None:
            if mount.required:
                raise BuilderError(
                    f"the SSH agent {mount.id!r} is required, and the build was given none of that id",
                    hint=f"give it with --ssh {mount.id} (input ssh: {mount.id})",
                )
            return []
        if not any(name == "SSH_AUTH_SOCK" for name, _ in env):
            env.append(("SSH_AUTH_SOCK", mount.target))
        return [Bind(source=socket, target=mount.target, read_only=False)]

    # -- files --------------------------------------------------------------------------------------------

    def _bind(self, mount: BindMount, image: str) -> Bind:
        if not mount.read_only:  # what is written there must not be seen by others
            path = self.filler.new_volume(image, self._entries(mount))
        else:
            key = (mount.origin, mount.source)
            with self._lock:
                path = self._filled.get(key) or self.filler.new_volume(image, self._entries(mount))
                self._filled[key] = path
        return Bind(source=f"{path}/{CONTENT}", target=mount.target, read_only=mount.read_only)

    def _entries(self, mount: BindMount | CacheMount) -> Iterator[Entry]:
        """The files of a mount, below the folder `content` or as the file of that name."""
        files = self.sources.files_of(mount.origin)
        for match in files.resolve(mount.source):
            for entry in self.halt.guard(files.walk(match)):
                linkname = inside(entry.linkname) if entry.kind == "hardlink" else entry.linkname
                yield replace(entry, path=inside(entry.path), linkname=linkname)

    # -- caches -------------------------------------------------------------------------------------------

    @contextlib.contextmanager
    def _cache(self, mount: CacheMount, image: str) -> Iterator[Bind]:
        name = cache_volume(mount, self._origin_text(mount))
        with contextlib.ExitStack() as stack:
            if mount.sharing == "locked":
                stack.enter_context(self._locked(name, image))
            elif mount.sharing == "private":
                name = stack.enter_context(self._unused(name, image))
            with self._lock:
                path = self.engine.volume(name) or self._new_cache(mount, name, image)
            yield Bind(source=f"{path}/{CONTENT}", target=mount.target, read_only=mount.read_only)

    def _new_cache(self, mount: CacheMount, name: str, image: str) -> str:
        path = self.engine.create_volume(name, labels={LABEL_CACHE_MOUNT: mount.id})
        try:
            self.filler.fill(name, image, self._first_files(mount))
        except BaseException:
            self.engine.remove_volume(name)
            raise
        return path

    def _first_files(self, mount: CacheMount) -> Iterator[Entry]:
        top = Entry(path=CONTENT, kind="dir", mode=0o755)
        entries = self._entries(mount) if mount.origin is not None else iter([top])
        for entry in entries:
            if entry.path == CONTENT and mount.owner is not None and mount.mode is not None:
                uid, gid = mount.owner
                yield replace(entry, mode=mount.mode, uid=uid, gid=gid)
            else:
                yield entry

    def _origin_text(self, mount: CacheMount) -> str:
        match mount.origin:
            case StageSource(index=index):
                return self.sources.stages[index]
            case ImageSource(image=image):
                return image.image_id
            case _:
                return ""

    @contextlib.contextmanager
    def _locked(self, name: str, image: str) -> Iterator[None]:
        """Wait until nobody else has the lock `name`, and hold it: a container of that name, never started."""
        wait_s = _FIRST_WAIT_S
        while (lock := self._try_lock(name, image)) is None:
            self.halt.sleep(wait_s)
            wait_s = min(2 * wait_s, _LONGEST_WAIT_S)
        try:
            yield
        finally:
            self.engine.remove_container(lock)

    @contextlib.contextmanager
    def _unused(self, name: str, image: str) -> Iterator[str]:
        """The name of a volume that no other build uses now: `name`, else with a number behind it."""
        for number in range(_PRIVATE_COPIES):
            candidate = f"{name}-{number}" if number else name
            if (lock := self._try_lock(candidate, image)) is not None:
                try:
                    yield candidate
                finally:
                    self.engine.remove_container(lock)
                return
        raise EngineError(f"{_PRIVATE_COPIES} builds use private copies of one cache mount at the same time")

    def _try_lock(self, name: str, image: str) -> str | None:
        """The container that is the lock; None while somebody else who is alive has it."""
        spec = ContainerSpec(
            image=image,
            entrypoint=(SHELL,),
            command=(),
            labels=self.workshop.labels,
            network="none",
            name=f"{name}-lock",
        )
        try:
            return self.engine.create(spec)
        except EngineError as error:
            if error.status != 409 and "name" not in error.message:  # Podman answers 500
                raise
        with contextlib.suppress(EngineError):  # it may be gone by now
            holder = self.engine.container_info(spec.name)
            if is_dead(holder.labels):
                self.engine.remove_container(holder.id)
        return None


def cache_volume(mount: CacheMount, origin: str) -> str:
    """The name of a cache's volume: the same for the same id, first files, owner and mode."""
    words = [mount.id, origin, mount.source if origin else "", mount.owner, mount.mode]
    digest = hashlib.sha256(json.dumps(words).encode()).hexdigest()
    return f"{CACHE_VOLUME}-{digest[:24]}"


def _tmpfs_options(mount: TmpfsMount) -> str:
    """As the reference mounts it: programs may run there, set-id bits do not count."""
    size = f",size={mount.size_bytes}" if mount.size_bytes else ""
    return f"{'ro' if mount.read_only else 'rw'},exec,nosuid,nodev{size}"
