"""Build-time volumes as the engine gets them: its own paths, or copies of what only this machine has.

An engine behind a network may run on another machine, or in a container beside this one (`docker:dind`) and share some
folders. No address tells, so the engine is asked: for each source a file of a random name is put there for a moment,
and a container that has the path mounted, and never runs, is asked for it. What is not seen is copied into a volume
of the engine, when the first step runs that has it mounted.
"""

from __future__ import annotations

import os
import secrets
import threading
from contextlib import suppress
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING

from incubator.context.directory import DirectoryContext
from incubator.context.source import Match
from incubator.core.constants import APP_NAME
from incubator.core.engine import Bind, ContainerSpec
from incubator.core.filling import CONTENT, FILLED_AT, inside
from incubator.core.script import SHELL
from incubator.errors import EngineError
from incubator.events import WarningRaised

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from incubator.context.entry import Entry
    from incubator.core.engine import Engine
    from incubator.core.filling import Filler
    from incubator.core.volume import Volume
    from incubator.events import Listener


@dataclass(slots=True)
class BuildVolumes:
    """The volumes of a build; several threads may share it.

    `copied`: sources that the engine does not see, each to be copied once, by a container of the image `empty`.
    """

    wanted: Sequence[Volume]
    filler: Filler
    copied: frozenset[str] = frozenset()
    empty: str = ""
    _copies: dict[str, str] = field(default_factory=dict)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    @property
    def destinations(self) -> list[str]:
        """Where the volumes are mounted."""
        return [volume.destination for volume in self.wanted]

    def mounted(self) -> list[Volume]:
        """The volumes as containers get them. Raises ContextError for files that cannot be read."""
        with self._lock:
            return [self._of(volume) for volume in self.wanted]

    def _of(self, volume: Volume) -> Volume:
        if volume.source not in self.copied:
            return volume
        if volume.source not in self._copies:
            self._copies[volume.source] = self.filler.new_volume(self.empty, _entries(Path(volume.source)))
        source = f"{self._copies[volume.source]}/{CONTENT}"
        return replace(volume, source=source, mode="ro" if _is_read_only(volume) else "rw")


def find_unseen(
    volumes: Sequence[Volume], *, engine: Engine, image: str, labels: dict[str, str]
) -> frozenset[str]:
    """Sources that are files or folders of this machine and that the engine does not see at their paths.

    A path that is not here, or is neither file nor folder (a socket), is taken as the engine's own. Podman makes the
    folders that it is asked for, so it is not asked.
    """
    here = {volume.source for volume in volumes if volume.is_path and _can_be_copied(volume.source)}
    if engine.info().store == "podman":
        return frozenset(here)
    return frozenset(source for source in here if not _is_seen(Path(source), engine, image, labels))


def warn_of_copies(volumes: Sequence[Volume], copied: frozenset[str], emit: Listener) -> None:
    """Tell which volumes are copies that steps may write to: what they write is lost."""
    for volume in volumes:
        if volume.source in copied and not _is_read_only(volume):
            emit(
                WarningRaised(
                    message=f"the engine does not see {volume.source!r}, so steps get a copy of it at "
                    f"{volume.destination!r}; what they write there is gone when the build ends (mode ro says "
                    "that this is meant; a volume of the engine keeps what is written)"
                )
            )


def _is_read_only(volume: Volume) -> bool:
    return "ro" in volume.mode.split(",")


def _can_be_copied(source: str) -> bool:
    path = Path(source)
    return path.is_dir() or path.is_file()


def _is_seen(source: Path, engine: Engine, image: str, labels: dict[str, str]) -> bool:
    """Whether the engine has the very same folder, or the one that a file is in; no where that takes no file."""
    folder = source if source.is_dir() else source.parent
    probe = folder / f".{APP_NAME}-probe-{secrets.token_hex(16)}"
    try:
        probe.touch()
    except OSError:
        return False
    try:
        container = engine.create(
            ContainerSpec(
                image=image,
                entrypoint=(SHELL,),
                command=(),
                labels=labels,
                network="none",
                binds=(Bind(source=str(folder), target=FILLED_AT, read_only=True),),
            )
        )
        try:
            return engine.stat(container, f"{FILLED_AT}/{probe.name}") is not None
        finally:
            engine.remove_container(container)
    except EngineError as error:
        if error.status is None or error.status >= 500:  # no answer to the question
            raise
        return False
    finally:
        with suppress(OSError):
            probe.unlink()


def _entries(source: Path) -> Iterator[Entry]:
    """A file or a folder as the content of a volume; owners, modes and times are kept, links stay links."""
    root = Path(os.path.realpath(source))
    folder, name = (root, "") if root.is_dir() else (root.parent, root.name)
    with DirectoryContext(folder) as files:
        for entry in files.walk(Match(path=name, name=name, kind="file" if name else "dir")):
            status = (root / entry.path).lstat()
            linkname = inside(entry.linkname) if entry.kind == "hardlink" else entry.linkname
            yield replace(
                entry, path=inside(entry.path), linkname=linkname, uid=status.st_uid, gid=status.st_gid
            )
