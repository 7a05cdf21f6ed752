"""What this machine is: whether Debian's packages can be used on it, as a reason fit for a skipped test."""

from __future__ import annotations

import os
import platform
import re
import shutil
import urllib.error
import urllib.request
from pathlib import Path

from .errors import LabError

OWN_SUITE = "bookworm"
"""The Debian release the lab is made for."""
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


def mirror() -> str:
    """URI of the Debian archive as the machine's own apt sources give it. Raises `LabError` if none does."""
    for source in sorted(Path("/etc/apt/sources.list.d").glob("*.sources")):
        for stanza in source.read_text().split("\n\n"):
            fields = dict(re.findall(r"^([A-Za-z-]+):[ \t]*(.*)$", stanza, re.MULTILINE))
            if OWN_SUITE in fields.get("Suites", "").split():
                return str(fields["URIs"].split()[0])
    for source in (Path("/etc/apt/sources.list"), *sorted(Path("/etc/apt/sources.list.d").glob("*.list"))):
        text = source.read_text() if source.exists() else ""
        found = re.search(rf"^deb\s+(?:\[[^\]]*\]\s+)?(\S+)\s+{OWN_SUITE}\s", text, re.MULTILINE)
        if found:
            return found[1]
    raise LabError(f"no apt source of this machine names the suite {OWN_SUITE}")


def _system() -> tuple[str, str]:
    try:
        release = platform.freedesktop_os_release()
    except OSError:
        return ("unknown", "")
    return (release.get("ID", "unknown"), release.get("VERSION_CODENAME", ""))
