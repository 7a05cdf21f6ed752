"""COPY, ADD and WORKDIR: files into a build container, through the engine's archive API."""

from __future__ import annotations

import hashlib
import os
import threading
import time
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Self

from incubator.context.chmod import parse_chmod
from incubator.context.copy import CopyOptions, place
from incubator.context.digest import content_digest
from incubator.context.entry import Entry
from incubator.context.inline import inline_file
from incubator.context.rootfs import CopyError, EmptyRoot, View
from incubator.context.tarstream import write_tar
from incubator.core.container_files import ContainerSource
from incubator.core.container_root import ContainerRoot
from incubator.core.engine import ContainerSpec
from incubator.core.facts import FactBook, RememberingRoot, files_id
from incubator.core.layered_root import EmptyImage, LayeredRoot
from incubator.core.owners import find_owner
from incubator.core.plan.model import ContextSource, CopyStep, ImageSource, StageSource, WorkdirStep
from incubator.core.plan.mounts import read_mounts
from incubator.core.script import SHELL
from incubator.errors import BuilderError
from incubator.events import WarningRaised
from incubator.remote.urls import Download, GitRepository

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence

    from incubator.context.rootfs import RootFs, Stat
    from incubator.context.source import Source
    from incubator.core.assemble import Clock
    from incubator.core.container_root import AskedRoot, ImageRoot
    from incubator.core.context import BuildContext
    from incubator.core.engine import Engine, ImageInfo
    from incubator.core.halt import Halt
    from incubator.core.plan.model import Origin, RunStep
    from incubator.dockerfile.source import Span
    from incubator.events import Listener
    from incubator.oci.platform import Platform
    from incubator.remote.store import RemoteStore


@dataclass(frozen=True, slots=True)
class Wanted:
    """A path or wildcard of a source; `unpack`: an archive that it names is unpacked."""

    source: Source
    pattern: str
    unpack: bool


class SourceFiles:
    """Where COPY and ADD read from: the build context, earlier stages, images; and what is known of images.

    `stages` maps a stage's index to the image of its files. A context manager: the containers that give access
    to stages and images are gone afterwards.
    """

    def __init__(
        self,
        engine: Engine,
        context: BuildContext,
        labels: Mapping[str, str],
        *,
        remote: RemoteStore,
        named: Mapping[str, Source],
        check: Callable[[], None],
        facts: FactBook | None = None,
    ) -> None:
        self._engine = engine
        self._context = context
        self._labels = labels
        self._remote = remote
        self._named = named
        self._check = check
        self._facts = facts or FactBook()
        self._lock = threading.Lock()  # stages run in parallel
        self._containers: dict[tuple[str, bool], ContainerSource] = {}
        self._layered: dict[str, LayeredRoot] = {}
        self._from_nothing = {files_id(())}
        self.stages: dict[int, str] = {}

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        for source in self._containers.values():
            self._engine.remove_container(source.container)

    def of(self, step: CopyStep, made_at_ns: int) -> list[Wanted]:
        """What a step wants, in the order of the instruction."""
        elsewhere = dict(step.remotes)
        wanted = []
        for source in step.sources:
            if source not in elsewhere:
                wanted.append(Wanted(self.files_of(step.origin), source, unpack=step.unpack))
                continue
            remote = elsewhere[source]
            files = self._remote.fetch(remote, self._check).source
            path = "/" if isinstance(remote, GitRepository) else ""
            wanted.append(Wanted(files, path, unpack=step.unpack_downloads and isinstance(remote, Download)))
        for doc in step.heredocs:
            inline = inline_file(doc.name, _bytes(doc.content), mtime_ns=made_at_ns)
            wanted.append(Wanted(inline, "", unpack=False))
        return wanted

    def files_of(self, origin: Origin | None) -> Source:
        """The files of a stage, an image, or of the context for None."""
        match origin:
            case StageSource(index=index):
                return self.container(self.stages[index])
            case ImageSource(image=image):
                own = self._engine.info().platform
                foreign = image.config.platform if image.config.platform != own else None
                return self.container(image.image_id, foreign)
            case ContextSource(name=name):
                return self._named[name]
            case None:
                return self._context

    def mount_digests(self, step: RunStep, keys: Mapping[int, str | None]) -> list[str] | None:
        """Digests of all files that mounts of a step show; None where that cannot be told. `keys` as in `digests`."""
        found: list[str] = []
        for mount in read_mounts(step):
            digests = self._origin_digests(mount.origin, [mount.source], keys)
            if digests is None:
                return None
            found += digests
        return found

    def digests(self, step: CopyStep, keys: Mapping[int, str | None]) -> list[str] | None:
        """Digests of all that a step may read; None where that cannot be told.

        `keys` has the cache key of each stage. A superset of what is copied may be covered, never less.
        """
        found = self._origin_digests(step.origin, step.paths, keys, parents=step.parents)
        if found is None:
            return None
        return found + [self._remote.fetch(remote, self._check).digest for _, remote in step.remotes]

    def _origin_digests(
        self,
        origin: Origin | None,
        sources: Sequence[str],
        keys: Mapping[int, str | None],
        *,
        parents: bool = False,
    ) -> list[str] | None:
        match origin:
            case StageSource(index=index):
                key = keys[index]
                return [key] if key else None
            case ImageSource(image=image):
                return [str(image.config.platform), *image.config.diff_ids]
            case _:
                files = self.files_of(origin)
                try:
                    return [_content_digest(files, source, parents=parents) for source in sources]
                except BuilderError:
                    return None  # the step itself will tell, when its time has come

    def container(
        self, image: str, platform: Platform | None = None, *, twin: bool = False
    ) -> ContainerSource:
        """The files of an image; `platform` where it is not the engine's own.

        The `twin` is another container of the image, to be asked while the first is read from.
        """
        key = (image, twin)
        with self._lock:
            if key not in self._containers:
                self._containers[key] = self._make_container(image, platform)
            return self._containers[key]

    def root(self, image: ImageInfo, platform: Platform | None = None) -> AskedRoot:
        """What COPY, ADD and WORKDIR may ask about an image. A container is made for what is not known yet."""
        if not image.config.diff_ids:
            return EmptyImage()  # engines put folders of their own into a container, of which it has none
        layered = self._layered.get(files_id(image.config.diff_ids))
        return RememberingRoot(
            self._facts.of(image.config.diff_ids),
            lambda: layered or self._container_root(image, platform),
            ahead=self._facts.ahead,
        )

    def _container_root(self, image: ImageInfo, platform: Platform | None) -> ContainerRoot:
        return ContainerRoot(self._engine, self.container(image.id, platform, twin=True).container)

    def learn(
        self, image: ImageInfo, below: ImageInfo, placed: Mapping[str, Stat], platform: Platform | None
    ) -> None:
        """`image` is that of `below` with a layer that has all of `placed`: no container of it need be asked."""
        name = files_id(image.config.diff_ids)
        with self._lock:
            self._layered[name] = LayeredRoot(
                self.root(below, platform), placed, lambda: self._container_root(image, platform)
            )
            if files_id(below.config.diff_ids) in self._from_nothing:
                self._from_nothing.add(name)

    def is_from_nothing(self, image: ImageInfo) -> bool:
        """Whether all layers of an image are known by what was put into them."""
        return files_id(image.config.diff_ids) in self._from_nothing

    def _make_container(self, image: str, platform: Platform | None) -> ContainerSource:
        container = self._engine.create(
            ContainerSpec(
                image=image,
                entrypoint=(SHELL,),
                command=(),
                labels=self._labels,
                network="none",
                platform=platform,
            )
        )
        return ContainerSource(self._engine, container, self._engine.container_info(container).created_s)


def _content_digest(files: Source, pattern: str, *, parents: bool) -> str:
    """The digest of what a path or wildcard names in a context."""
    if parents:
        pattern = pattern.partition("/./")[0] if "/./" in pattern else "/"
    digest = hashlib.sha256()
    for match in files.resolve(pattern):
        content = content_digest(files.walk(match))
        digest.update(
            f"{match.kind} {len(match.name)} ".encode() + os.fsencode(match.name) + content.encode()
        )
    return digest.hexdigest()


@dataclass(frozen=True, slots=True, kw_only=True)
class Copier:
    """Puts files into build containers. `epoch`: no file is newer than this, in seconds since 1970."""

    engine: Engine
    sources: SourceFiles
    emit: Listener
    clock: Clock
    halt: Halt

    def copy(self, container: str, step: CopyStep, mounted: Sequence[str], untouched: str | None) -> None:
        """Carry out a COPY or ADD in a container that has volumes at the paths `mounted`.

        `untouched`: the image whose files the container still has without any change; None after a change.
        Raises ContextError for missing sources, CopyError for what cannot be placed or would go into a volume.
        """
        # An engine answers no question about a container while it unpacks into it. So all is asked before, by
        # placing everything once in vain; or a twin is asked, where reading the sources twice would cost.
        read_twice = untouched is None or step.origin is None
        asked = container if read_twice else self.sources.container(untouched or "", twin=True).container
        root = ContainerRoot(self.engine, asked)
        options = self._options(root, step)
        if read_twice:
            for _ in self.halt.guard(self._placed(step, root, options)):
                pass
        self._write(container, _outside(self._placed(step, root, options), mounted))

    def make_folder(self, container: str, step: WorkdirStep) -> None:
        """Carry out a WORKDIR. Raises CopyError where a file is in the way."""
        root = ContainerRoot(self.engine, container)
        if missing := self._missing_folders(root, step, View(root)):
            self._write(container, missing)

    def entries(self, step: CopyStep | WorkdirStep, root: ImageRoot, view: View) -> Iterator[Entry]:
        """What a step puts into an image of the files `root`; `view` learns of it.

        Raises as `copy` does.
        """
        if isinstance(step, WorkdirStep):
            yield from self._missing_folders(root, step, view)
        else:
            yield from self._placed(step, view, self._options(root, step))

    def _options(self, root: ImageRoot, step: CopyStep) -> CopyOptions:
        return CopyOptions(
            chown=self._owner(root, step.chown, step.span) if step.chown else None,
            chmod=parse_chmod(step.chmod) if step.chmod else None,
            exclude=step.exclude,
            parents=step.parents,
            made_at_ns=self.now_ns(),
        )

    def _placed(self, step: CopyStep, root: RootFs | View, options: CopyOptions) -> Iterator[Entry]:
        files = EmptyRoot() if step.link else root
        view = files if isinstance(files, View) else View(files)
        for wanted in self.sources.of(step, options.made_at_ns):
            yield from place(
                [(wanted.source, wanted.pattern)],
                step.destination,
                workdir=step.cwd,
                root=view,
                options=replace(options, unpack=wanted.unpack),
            )

    def _missing_folders(self, root: ImageRoot, step: WorkdirStep, view: View) -> list[Entry]:
        """The folders that a WORKDIR makes. Raises CopyError where a file is in the way."""
        path = step.path
        target = view.follow(path)
        missing = []
        parts = [part for part in target.split("/") if part]
        for depth in range(len(parts)):
            folder = "/".join(parts[: depth + 1])
            present = view.stat(folder)
            if present is None:
                missing.append(Entry(path=folder, kind="dir", mode=0o755, mtime_ns=self.now_ns()))
            elif present.kind != "dir":
                raise CopyError(
                    f"cannot make the folder {path}: /{folder} is a {present.kind}",
                    hint="choose another WORKDIR",
                )
        uid, gid = self._owner(root, step.owner, step.span) if missing and step.owner else (0, 0)
        made = [replace(entry, uid=uid, gid=gid) for entry in missing]
        for entry in made:
            view.add_folder(entry, new=True)
        return made

    def _write(self, container: str, entries: Iterable[Entry]) -> None:
        parts = _Parts(iter(entries))
        self._write_tar(container, parts.part())
        if not parts.exhausted:
            while not parts.exhausted:
                self._write_tar(container, parts.part())
            self._write_tar(container, parts.folders.values())  # a later part has changed the times of some

    def _write_tar(self, container: str, entries: Iterable[Entry]) -> None:
        tar = write_tar(entries, mtime_clamp=self.clock.epoch)
        self.engine.write_tar(container, "/", self.halt.guard(tar))

    def _owner(self, root: ImageRoot, text: str, span: Span) -> tuple[int, int]:
        """The numbers of `user[:group]` in the image."""
        owner = find_owner(text, root.text)
        for name in owner.unknown:
            self.emit(
                WarningRaised(
                    message=f"{name!r} is in no /etc/passwd or /etc/group of the image: the files belong to root",
                    span=span,
                )
            )
        return owner.uid, owner.gid

    def now_ns(self) -> int:
        """The time of what is made now."""
        return time.time_ns() if self.clock.epoch is None else self.clock.epoch * 10**9


class _Parts:
    """Entries cut into tars of which none replaces a folder of its own.

    An archive may hold a folder and then something else of the same name. Engines set the times of all folders of a
    tar at its end, and fail for one that is gone by then.
    """

    def __init__(self, entries: Iterator[Entry]) -> None:
        self._entries = entries
        self._held: Entry | None = None
        self._several = False
        self.exhausted = False
        self.folders: dict[str, Entry] = {}
        """Folders of all parts that are still there."""

    def part(self) -> Iterator[Entry]:
        """The entries up to one that replaces a folder of this part; that begins the next part."""
        folders: set[str] = set()
        while entry := self._held or next(self._entries, None):
            self._held = entry
            if entry.kind == "dir":
                path = entry.path
                while (
                    path and path not in folders
                ):  # those above come along: one may be replaced with all in it
                    folders.add(path)
                    path = path.rpartition("/")[0]
                self.folders[entry.path] = entry
            elif entry.path in folders:
                self._several = True
                return
            elif self._several:
                self._forget(entry.path)
            self._held = None
            yield entry
        self.exhausted = True

    def _forget(self, path: str) -> None:
        """No folder is at `path` or below it any more."""
        below = f"{path}/"
        self.folders = {name: kept for name, kept in self.folders.items() if not f"{name}/".startswith(below)}


def _bytes(text: str) -> bytes:
    return text.encode(errors="surrogateescape")


def _outside(entries: Iterable[Entry], mounted: Sequence[str]) -> Iterator[Entry]:
    """Pass entries on; raise CopyError for one that would land in a volume instead of the layer."""
    folders = [path.strip("/") for path in mounted]
    for entry in entries:
        for folder in folders:
            if entry.path.startswith(f"{folder}/") or (entry.path == folder and entry.kind != "dir"):
                raise CopyError(
                    f"/{entry.path} would be copied into the build-time volume at /{folder}, not into the image",
                    hint="let the layer end between COPY and RUN with a layer split, or mount the volume elsewhere",
                )
        yield entry
