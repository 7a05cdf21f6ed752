"""Engines, registries and emulation alike: what `up` and `down` take."""

from __future__ import annotations

import shutil
import subprocess
from typing import TYPE_CHECKING

from . import emulation, engines, registries
from .errors import LabError
from .paths import state_dir

if TYPE_CHECKING:
    from collections.abc import Iterable

PARTS = (*engines.ENGINES, *registries.NAMES.values(), emulation.NAME)


def start(name: str) -> str:
    """Start a part if it does not run; returns its `DOCKER_HOST`, address or name. Raises `LabError`."""
    if name == emulation.NAME:
        return emulation.up()
    if name in registries.NAMES.values():
        return registries.up(auth=name == registries.NAMES[True]).address
    return engines.up(name).host


def running_parts() -> list[str]:
    """Names of the parts that run now."""
    registry_runs = {
        name: registries.handle(auth=auth) is not None for auth, name in registries.NAMES.items()
    }
    return [
        name
        for name in PARTS
        if registry_runs.get(name)
        or (name in engines.ENGINES and engines.running(name))
        or (name == emulation.NAME and emulation.running())
    ]


def stop_all(names: Iterable[str]) -> None:
    """Stop each part with all it runs and stores; one that resists does not keep the others. Raises `LabError`."""
    faults = []
    for name in names:
        try:
            if name in registries.NAMES.values():
                registries.down(auth=name == registries.NAMES[True])
            elif name == emulation.NAME:
                emulation.down()
            else:
                engines.down(name)
        except (LabError, OSError, subprocess.SubprocessError) as error:
            faults.append(f"{name}: {error}")
    if not any((state_dir() / name).exists() for name in PARTS):
        shutil.rmtree(state_dir() / "docker-config", ignore_errors=True)
    if faults:
        raise LabError("not all was stopped: " + "; ".join(faults))
