"""What a build leaves on an engine while it runs, and its removal: after the build, or by a later one."""

from __future__ import annotations

import contextlib
import itertools
import os
import secrets
import time
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING, Self

from incubator.core.constants import APP_NAME, LABEL_BUILD
from incubator.errors import EngineError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

    from incubator.core.engine import Engine

LABEL_OWNER = f"{APP_NAME}.owner"
"""Label with the process that owns a container: boot id, pid namespace, pid, start time."""

LABEL_STARTED = f"{APP_NAME}.started"
"""Label with the start of the build, seconds since 1970."""

LABEL_CACHE_MOUNT = f"{APP_NAME}.cache-mount"
"""Label of the volumes behind `--mount=type=cache`, with the id of the mount; no build removes those."""

WORK_REPOSITORY = f"{APP_NAME}-build"
"""Repository of the references that hold a build's intermediate images while it runs."""

STALE_AFTER_S = 24 * 3600
"""A build in another pid namespace cannot be seen; after this long it is taken for dead."""


class Workshop:
    """A build's own labels, containers to remove and intermediate images; for any number of threads.

    A context manager: what was discarded and the images are gone afterwards.
    """

    def __init__(self, engine: Engine, build_id: str) -> None:
        self._engine = engine
        self._build_id = build_id
        self._references: list[str] = []
        self._volumes: list[str] = []
        self._numbers = itertools.count()
        self._calls: list[Future[None]] = []
        self._pool = ThreadPoolExecutor(max_workers=2, thread_name_prefix="incubator-later")
        self.labels = {
            LABEL_BUILD: build_id,
            LABEL_OWNER: owner_of(os.getpid()),
            LABEL_STARTED: str(int(time.time())),
        }

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        with self._pool:
            for call in self._calls:
                call.result()
        for volume in self._volumes:
            self._engine.remove_volume(volume)
        for reference in reversed(self._references):
            self._engine.remove_image(reference)

    def discard(self, container: str, look: Callable[[str], None] | None = None) -> None:
        """Remove a container, without waiting for it: the next layer need not. `look` is called before."""

        def end() -> None:
            if look:
                look(container)
            self._engine.remove_container(container)

        self.later(end)

    def later(self, call: Callable[[], None]) -> None:
        """Call something before the build ends. What it raises is raised then."""
        self._calls.append(self._pool.submit(call))

    def volume_name(self) -> str:
        """A fresh name for a volume."""
        return f"{WORK_REPOSITORY}-{self._build_id}-{secrets.token_hex(4)}"

    def discard_volume(self, volume: str) -> None:
        """Remove a volume at the end, when the containers that use it are gone."""
        self._volumes.append(volume)

    def labelled(self, labels: Iterable[tuple[str, str]]) -> tuple[tuple[str, str], ...]:
        """Labels of an intermediate image: what it has, and this build's own."""
        return tuple(sorted((dict(labels) | self.labels).items()))

    def reference(self) -> str:
        """A fresh reference for an intermediate image, so that nobody's pruning takes it away."""
        reference = f"{WORK_REPOSITORY}:{self.labels[LABEL_STARTED]}-{self._build_id}-{next(self._numbers)}"
        self._references.append(reference)
        return reference


def sweep(engine: Engine) -> list[str]:
    """Remove what killed builds left behind; ids of the containers, volumes and references that are gone.

    Only what bears our labels is touched, and only where its owner is known to be dead or is long overdue.
    """
    gone: list[str] = []
    with contextlib.suppress(EngineError):  # tidying up is no reason to fail; the next build tries again
        _sweep(engine, gone)
    return gone


def _sweep(engine: Engine, gone: list[str]) -> None:
    dead = set()
    # Only the list is asked for: a single container may be busy with a long transfer and not answer.
    for container, labels in engine.labels(LABEL_BUILD).items():
        with contextlib.suppress(EngineError):  # somebody else was faster
            if is_dead(labels):
                engine.remove_container(container)
                gone.append(container)
                dead.add(labels[LABEL_BUILD])
    for volume, labels in engine.volumes(LABEL_BUILD).items():
        if is_dead(labels):
            engine.remove_volume(volume)
            gone.append(volume)
    for reference in engine.references(WORK_REPOSITORY):
        started, build_id, *_ = [*reference.rpartition(":")[2].split("-"), ""]
        if build_id in dead or _is_overdue(started):
            engine.remove_image(reference)
            gone.append(reference)


def owner_of(pid: int) -> str:
    """What tells a process from all others on this machine since it booted; empty where there is no /proc."""
    try:
        boot = Path("/proc/sys/kernel/random/boot_id").read_text(encoding="ascii").strip()
        namespace = str(Path("/proc/self/ns/pid").readlink())
        # The second field, the command's name, may hold blanks and parentheses.
        fields = (
            Path(f"/proc/{pid}/stat").read_text(encoding="utf-8", errors="replace").rpartition(")")[2].split()
        )
        return f"{boot} {namespace} {pid} {fields[19]}"
    except OSError:
        return ""


def is_dead(labels: Mapping[str, str]) -> bool:
    """Whether the build that something with these labels belongs to has ended, or is long overdue."""
    owner, started = labels.get(LABEL_OWNER, ""), labels.get(LABEL_STARTED, "")
    parts = owner.split()
    here = owner_of(os.getpid()).split()
    if len(parts) == len(here) == 4 and parts[:2] == here[:2]:
        return owner_of(int(parts[2])) != owner
    return _is_overdue(started)


def _is_overdue(started: str) -> bool:
    return started.isascii() and started.isdigit() and time.time() - int(started) > STALE_AFTER_S
