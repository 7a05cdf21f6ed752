"""Where data roots lie, and how to be rid of what was mounted below a folder."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

from .errors import LabError
from .paths import locked, state_dir

TMPFS_SIZE_GB = 5
MEMORY_WANTED_GB = 10
DATA = "data"


def data_root(name: str) -> Path:
    """Folder for the data of `name`, on a tmpfs the whole lab shares if memory is plentiful, else on disk.

    Data roots in memory make timings steadier. `$INCUBATOR_LAB_DATA` names another folder.
    """
    chosen = os.environ.get("INCUBATOR_LAB_DATA")
    base = Path(chosen) if chosen else state_dir() / DATA
    with locked(state_dir(), DATA):
        base.mkdir(parents=True, exist_ok=True)
        if (
            not chosen
            and not base.is_mount()
            and not any(base.iterdir())
            and _available_gb() >= MEMORY_WANTED_GB
        ):
            options = f"size={TMPFS_SIZE_GB}g,mode=0711"
            subprocess.run(["mount", "-t", "tmpfs", "-o", options, "incubator-lab", str(base)], check=True)
        (base / name).mkdir(exist_ok=True)
    return base / name


def drop_data_root(name: str) -> None:
    """Remove the data of `name`, and the shared tmpfs with the last of them."""
    chosen = os.environ.get("INCUBATOR_LAB_DATA")
    base = Path(chosen) if chosen else state_dir() / DATA
    with locked(state_dir(), DATA):
        remove_tree(base / name)
        if base.is_dir() and not any(base.iterdir()):
            if base.is_mount():
                subprocess.run(["umount", str(base)], check=True)
            base.rmdir()


def remove_tree(folder: Path) -> None:
    """Unmount all that is mounted at or below `folder`, then delete it; nothing to do if it is absent.

    Raises `LabError` if a mount stays: deleting through it could reach files that are not the lab's.
    """
    for point in reversed(_mounts_below(folder)):
        subprocess.run(["umount", "--lazy", point], check=False, capture_output=True)
    left = _mounts_below(folder)
    if left:
        raise LabError(f"cannot unmount {', '.join(left)}")
    if folder.exists():
        shutil.rmtree(folder)


def _mounts_below(folder: Path) -> list[str]:
    """Mount points at or below `folder`, in the order they were mounted (proc(5), mountinfo; octal escapes undone)."""
    points = []
    for line in Path("/proc/self/mountinfo").read_text().splitlines():
        point = line.split()[4].encode().decode("unicode_escape")
        if Path(point).is_relative_to(folder):
            points.append(point)
    return points


def _available_gb() -> float:
    for line in Path("/proc/meminfo").read_text().splitlines():
        if line.startswith("MemAvailable:"):
            return int(line.split()[1]) / 1024**2
    return 0.0
