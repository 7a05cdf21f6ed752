"""What this machine is: whether Debian's packages can be used on it, as a reason fit for a skipped test."""

from __future__ import annotations

import os
import platform
import shutil
import urllib.error
import urllib.request

from .apt import OWN_SUITE, mirror
from .errors import LabError

PROGRAMS = ("apt-get", "dpkg-deb", "ip", "mount", "umount", "unshare", "chroot")


def debian_reason() -> str | None:
    """Why Debian's packages cannot be unpacked and run here; None if they can."""
    if os.geteuid() != 0:
        return "needs root"
    missing = [program for program in PROGRAMS if shutil.which(program) is None]
    if missing:
        return f"needs {', '.join(missing)}"
    if platform.machine() != "x86_64":
        return f"needs x86_64, this machine is {platform.machine()}"
    if _system() != ("debian", OWN_SUITE):
        return f"needs Debian {OWN_SUITE}, this machine is {' '.join(_system())}"
    return None


def mirror_reason() -> str | None:
    """Why packages cannot be downloaded; None if the mirror answers within seconds."""
    try:
        address = f"{mirror()}/dists/{OWN_SUITE}/InRelease"
        with urllib.request.urlopen(address, timeout=10):
            return None
    except (LabError, OSError, urllib.error.URLError) as error:
        return f"needs Debian's package mirror: {error}"


def _system() -> tuple[str, str]:
    try:
        release = platform.freedesktop_os_release()
    except OSError:
        return ("unknown", "")
    return (release.get("ID", "unknown"), release.get("VERSION_CODENAME", ""))
