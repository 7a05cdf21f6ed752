"""What keeps a part of the lab from running on this machine, as a reason fit for a skipped test."""

from __future__ import annotations

import os
import platform
import shutil
from pathlib import Path

from . import clients, docker, images, podman, registries
from .apt import OWN_SUITE, Bundle, mirror
from .errors import LabError
from .paths import cache_dir

# What each part takes from apt; parts that are complete in the cache need no network.
BUNDLES: dict[str, tuple[Bundle, ...]] = {
    "docker20": (docker.DOCKER20,),
    "docker28": (docker.DOCKER28, docker.DOCKER20),
    "containerd28": (docker.DOCKER28, docker.DOCKER20),
    "podman": (podman.PODMAN, docker.DOCKER20),
    "registry": (registries.REGISTRY,),
    "registry-auth": (registries.REGISTRY,),
    "docker": (docker.DOCKER28,),
    "act": (),
    "gitlab-ci-local": (docker.DOCKER28, clients.RSYNC),
    **dict.fromkeys(images.RECIPES, (images.BUSYBOX, images.DEBOOTSTRAP)),
}
PROGRAMS = ("apt-get", "dpkg-deb", "ip", "mount", "umount", "unshare")


def reason_not_here(name: str) -> str | None:
    """Why the lab cannot offer `name` on this machine; None if nothing is known to be in the way.

    Looks at the machine only: nothing is started or downloaded. A mirror that does not answer shows at the start.
    """
    if name not in BUNDLES:
        return f"the lab has no part {name!r}; it has {', '.join(BUNDLES)}"
    if platform.machine() != "x86_64":
        return f"the lab runs on x86_64, this machine is {platform.machine()}"
    if os.geteuid() != 0:
        return f"{name} needs root to run"
    missing = [program for program in PROGRAMS if shutil.which(program) is None]
    if missing:
        return f"{name} needs {', '.join(missing)}"
    if _system() != ("debian", OWN_SUITE):
        return f"{name} needs Debian {OWN_SUITE}, this machine is {' '.join(_system())}"
    if all((cache_dir() / "packages" / bundle.name).exists() for bundle in BUNDLES[name]):
        return None
    try:
        mirror()
    except LabError as error:
        return f"{name} is not in the cache, and {error}"
    return None


def _system() -> tuple[str, str]:
    try:
        release = platform.freedesktop_os_release()
    except OSError:
        return ("unknown", "")
    return (Path(release.get("ID", "unknown")).name, release.get("VERSION_CODENAME", ""))
