"""What to do about a full disk: said wherever it shows, with what could be given back."""

from __future__ import annotations

from contextlib import suppress
from typing import TYPE_CHECKING

from incubator.errors import BuilderError, StepFailed

if TYPE_CHECKING:
    from incubator.core.engine import DiskUsage, Engine

_WORDS = "no space left on device"


def advise_on_full_disk(error: BuilderError, engine: Engine) -> None:
    """Give an error that comes from a full disk a hint, as far as the engine tells what uses it."""
    tail = error.log_tail if isinstance(error, StepFailed) else ()
    if not any(_WORDS in line.lower() for line in (error.message, *tail)):
        return
    usage = None
    with suppress(BuilderError):
        usage = engine.disk_usage()
    error.hint = full_disk_hint(usage)


def full_disk_hint(usage: DiskUsage | None) -> str:
    """The hint. Pure."""
    rooms = (
        (
            ("images that no container uses", "docker image prune --all", usage.images),
            ("the cache of the engine's own builder", "docker builder prune --all", usage.builder),
            ("volumes that no container uses", "docker volume prune", usage.volumes),
        )
        if usage
        else ()
    )
    free = [f"{_size(size)} in {what} ({how})" for what, how, size in rooms if size]
    rest = f"; it could give back {', '.join(free)}" if free else ""
    return (
        f"a disk is full: that of the engine{rest}, or a tmpfs mount or /dev/shm of the step; "
        "incubator cache prune takes away what is kept of earlier builds"
    )


def _size(size_bytes: int) -> str:
    return f"{size_bytes / 1e9:.1f} GB" if size_bytes >= 1e8 else f"{size_bytes / 1e6:.1f} MB"
