"""Folders, locks and progress lines of the lab.

Two folders hold everything: the cache (downloads, extracted packages, image archives, clients) survives
`down` and reboots; the state (sockets, logs, data roots) belongs to what is running and goes with it.
"""

from __future__ import annotations

import fcntl
import os
import shutil
import sys
import time
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from .errors import LabError

if TYPE_CHECKING:
    from collections.abc import Iterator


def cache_dir() -> Path:
    """Folder of all that is kept between runs: `$INCUBATOR_LAB_CACHE`, else `/var/cache/incubator-lab`.

    Without root, `incubator-lab` below `$XDG_CACHE_HOME` or `~/.cache`.
    """
    base = "/var/cache" if os.geteuid() == 0 else os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    return _made(Path(os.environ.get("INCUBATOR_LAB_CACHE") or Path(base, "incubator-lab")))


def state_dir() -> Path:
    """Folder of all that runs: `$INCUBATOR_LAB_STATE`, else `/run/incubator-lab`. Sockets live here: keep it short.

    Without root, `incubator-lab` below `$XDG_RUNTIME_DIR` or the cache.
    """
    base = "/run" if os.geteuid() == 0 else os.environ.get("XDG_RUNTIME_DIR") or cache_dir() / "state"
    return _made(Path(os.environ.get("INCUBATOR_LAB_STATE") or Path(base, "incubator-lab")))


def _made(folder: Path) -> Path:
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise LabError(f"the lab cannot make its folder {folder}: {error.strerror}") from error
    return folder.resolve()


@contextmanager
def locked(folder: Path, name: str) -> Iterator[None]:
    """Hold the lock `name` of `folder` (cache or state), waiting for other processes and threads. Not reentrant."""
    locks = folder / "locks"
    locks.mkdir(exist_ok=True)
    with (locks / name.replace("/", "_").replace(":", "_")).open("w") as handle:
        fcntl.flock(handle, fcntl.LOCK_EX)
        yield


@contextmanager
def fresh_folder(final: Path) -> Iterator[Path]:
    """A new empty folder that becomes `final` if the block succeeds and is removed if it does not.

    So a cache entry is either complete or absent.
    """
    partial = final.with_name(final.name + ".partial")
    shutil.rmtree(partial, ignore_errors=True)
    partial.mkdir(parents=True)
    try:
        yield partial
    except BaseException:
        shutil.rmtree(partial, ignore_errors=True)
        raise
    shutil.rmtree(final, ignore_errors=True)
    partial.rename(final)


def say(text: str) -> None:
    """Write one progress line to stderr."""
    sys.stderr.write(f"lab: {text}\n")
    sys.stderr.flush()


@contextmanager
def step(text: str) -> Iterator[None]:
    """Report `text` with its seconds once the block is done."""
    started = time.monotonic()
    try:
        yield
    except BaseException:
        say(f"{text}: failed after {time.monotonic() - started:.1f} s")
        raise
    say(f"{text}: {time.monotonic() - started:.1f} s")
