"""Debian packages, downloaded by apt with a state of its own and unpacked into folders of the cache.

Nothing is installed: the machine's package database, services and configuration stay as they are. The mirror is the
one that the machine's own apt sources name.
"""

from __future__ import annotations

import shutil
import subprocess
import time
from dataclasses import dataclass
from pathlib import Path

from .errors import LabError
from .machine import debian_reason, mirror
from .paths import cache_dir, fresh_folder, locked, step

NEXT_SUITE = "forky"
KEYRING = Path("/usr/share/keyrings/debian-archive-keyring.gpg")
LISTS_MAX_AGE_S = 24 * 3600.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Bundle:
    """Packages unpacked together into one root folder."""

    name: str
    suite: str
    packages: tuple[str, ...]
    with_dependencies: bool
    """Also unpack what the packages need and the machine lacks."""
    architecture: str = "amd64"
    keep: tuple[str, ...] = ()
    """The only files that stay of large packages; all if empty."""


def bundle_root(bundle: Bundle) -> Path:
    """Folder the bundle is unpacked in; downloads it if the cache lacks it. Raises `LabError`."""
    if reason := debian_reason():
        raise LabError(f"{bundle.name} {reason}")
    root = cache_dir() / "packages" / bundle.name
    with locked(cache_dir(), f"packages-{bundle.name}"):
        if not root.exists():
            with step(f"fetch {bundle.name} ({', '.join(bundle.packages)})"), fresh_folder(root) as partial:
                _fill(bundle, partial)
    return root


def is_unpacked(bundle: Bundle) -> bool:
    """Whether the cache has the bundle."""
    return (cache_dir() / "packages" / bundle.name).exists()


def library_path(root: Path) -> str:
    """`LD_LIBRARY_PATH` for programs of a bundle that need libraries of the same bundle."""
    return ":".join(str(root / folder / "x86_64-linux-gnu") for folder in ("usr/lib", "lib"))


def _fill(bundle: Bundle, root: Path) -> None:
    options = _apt_options(bundle)
    downloads = root / ".debs"
    downloads.mkdir()
    if bundle.with_dependencies:
        (downloads / "partial").mkdir()
        into = ["-o", f"Dir::Cache::archives={downloads}", "--download-only"]
        _apt([*options, *into, "--no-install-recommends", "--yes", "install", *bundle.packages], downloads)
    else:
        _apt([*options, "download", *bundle.packages], downloads)
    for deb in sorted(downloads.glob("*.deb")):
        subprocess.run(["dpkg-deb", "--extract", str(deb), str(root)], check=True)
        deb.unlink()
    shutil.rmtree(downloads)
    if bundle.keep:
        _keep_only(root, {root / path for path in bundle.keep})


def _keep_only(root: Path, kept: set[Path]) -> None:
    for path in root.rglob("*"):
        if path not in kept and (path.is_symlink() or not path.is_dir()):
            path.unlink()


def _apt_options(bundle: Bundle) -> list[str]:
    """Options that point apt at lists and a package database of the lab's own; refreshes the lists when old."""
    lists = bundle.suite if bundle.architecture == "amd64" else f"{bundle.suite}-{bundle.architecture}"
    folder = cache_dir() / "apt" / lists
    with locked(cache_dir(), f"apt-{lists}"):
        (folder / "lists" / "partial").mkdir(parents=True, exist_ok=True)
        (folder / "cache").mkdir(exist_ok=True)
        sources = folder / "sources.list"
        sources.write_text(f"deb [signed-by={KEYRING}] {mirror()} {bundle.suite} main\n")
        options = [
            *("-o", f"Dir::Etc::sourcelist={sources}", "-o", "Dir::Etc::sourceparts=-"),
            *("-o", f"Dir::State::lists={folder / 'lists'}", "-o", f"Dir::Cache={folder / 'cache'}"),
            *("-o", f"Dir::State::status={_status_without(bundle, folder)}", "-o", "APT::Sandbox::User=root"),
            *("-o", f"APT::Architecture={bundle.architecture}"),
            *("-o", "APT::Update::Post-Invoke-Success::=", "-o", "APT::Get::List-Cleanup=false", "-qq"),
        ]
        stamp = folder / "updated"
        if not stamp.exists() or time.time() - stamp.stat().st_mtime > LISTS_MAX_AGE_S:
            with step(f"read the package lists of {lists}"):
                _apt([*options, "update"], folder)
            stamp.touch()
    return options


def _status_without(bundle: Bundle, folder: Path) -> Path:
    """A copy of dpkg's database in which the bundle's packages are not installed, so apt downloads them anyway."""
    stanzas = Path("/var/lib/dpkg/status").read_text(encoding="utf-8").split("\n\n")
    wanted = {f"Package: {name}" for name in bundle.packages}
    kept = [stanza for stanza in stanzas if stanza.split("\n", 1)[0] not in wanted]
    copy = folder / f"status-{bundle.name}"
    copy.write_text("\n\n".join(kept), encoding="utf-8")
    return copy


def _apt(arguments: list[str], cwd: Path) -> None:
    done = subprocess.run(["apt-get", *arguments], cwd=cwd, capture_output=True, text=True, check=False)
    if done.returncode:
        raise LabError(
            f"apt-get {' '.join(arguments[-4:])} ended with {done.returncode}:\n{(done.stdout + done.stderr).strip()}"
        )
