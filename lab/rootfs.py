"""Root folders turned into image archives: layers as plain tars, with the changes of an overlay's upper folder.

The archive is what `docker save` writes, so every engine can load it and all that keep the config give the image the
same ID.
"""

from __future__ import annotations

import hashlib
import io
import json
import os
import stat
import subprocess
import tarfile
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from .paths import say

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

CREATED = "2025-01-01T00:00:00Z"
LEFT_OUT = (
    "var/lib/apt/lists",
    "var/cache/apt",
    "var/log",
    "tmp",
    "root/.cache",
    "etc/resolv.conf",
    "etc/hostname",
)
"""Folders whose content, and files which, are no part of an image."""


def write_layer(folder: Path, layer: Path) -> None:
    """Write the tar of `folder`; whiteout devices and opaque folders of an overlay become OCI whiteouts.

    Entries are sorted, so the same tree gives the same bytes. Spec: OCI image-spec, layer.md, "Whiteouts".
    """
    with tarfile.open(layer, "w", format=tarfile.PAX_FORMAT) as tar:
        for parent, folders, files in os.walk(folder):
            folders.sort()
            here = Path(parent)
            within = here.relative_to(folder)
            if str(within) in LEFT_OUT:
                folders.clear()
                files.clear()
            if _is_opaque(here):
                _add_whiteout(tar, within / ".wh..wh..opq")
            links = [name for name in folders if (here / name).is_symlink()]
            for name in sorted([*files, *folders]):
                path, inside = here / name, within / name
                if str(inside) in LEFT_OUT and (name in files or name in links):
                    continue
                if _is_whiteout(path):
                    _add_whiteout(tar, within / f".wh.{name}")
                else:
                    _add(tar, path, inside)


def write_archive(
    layers: Sequence[Path],
    archive: Path,
    *,
    name: str,
    config: Mapping[str, object],
    architecture: str = "amd64",
) -> None:
    """Write a `docker save` archive named `name` of the layer tars, base first."""
    digests = [_sha256(layer) for layer in layers]
    image = {
        "architecture": architecture,
        "os": "linux",
        "created": CREATED,
        "config": dict(config),
        "rootfs": {"type": "layers", "diff_ids": [f"sha256:{digest}" for digest in digests]},
        "history": [{"created": CREATED, "created_by": "incubator lab"} for _ in digests],
    }
    if architecture == "arm64":
        image["variant"] = "v8"
    encoded = json.dumps(image, sort_keys=True).encode()
    config_name = f"{hashlib.sha256(encoded).hexdigest()}.json"
    names = [f"{digest}/layer.tar" for digest in digests]
    manifest = json.dumps([{"Config": config_name, "RepoTags": [name], "Layers": names}]).encode()
    with tarfile.open(archive, "w") as tar:
        for inside, content in ((config_name, encoded), ("manifest.json", manifest)):
            entry = tarfile.TarInfo(inside)
            entry.size = len(content)
            tar.addfile(entry, io.BytesIO(content))
        for inside, layer in zip(names, layers, strict=True):
            entry = tarfile.TarInfo(inside)
            entry.size = layer.stat().st_size
            with layer.open("rb") as content_file:
                tar.addfile(entry, content_file)


@contextmanager
def overlaid(lower: Path, scratch: Path) -> Iterator[tuple[Path, Path]]:
    """A writable view of `lower` and the folder that receives its changes; both below `scratch`, unmounted after."""
    upper, work, merged = (scratch / part for part in ("upper", "work", "merged"))
    for folder in (upper, work, merged):
        folder.mkdir()
    options = f"lowerdir={lower},upperdir={upper},workdir={work},index=off,redirect_dir=off,metacopy=off"
    subprocess.run(["mount", "-t", "overlay", "-o", options, "overlay", str(merged)], check=True)
    try:
        yield merged, upper
    finally:
        subprocess.run(["umount", str(merged)], check=True)


def run_inside(root: Path, script: str) -> None:
    """Run a shell script chrooted in `root`, with the machine's resolver; its output shows only if it fails."""
    resolver = root / "etc/resolv.conf"
    resolver.unlink(missing_ok=True)
    resolver.write_text(Path("/etc/resolv.conf").read_text())
    env = {
        "PATH": "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
        "LC_ALL": "C.UTF-8",
        "HOME": "/root",
    }
    env["DEBIAN_FRONTEND"] = "noninteractive"
    done = subprocess.run(
        # A mount and process namespace of its own: nothing the script starts or mounts outlives it.
        [
            *("unshare", "--mount", "--pid", "--fork", "--kill-child", f"--mount-proc={root / 'proc'}"),
            *("chroot", str(root), "sh", "-euc", script),
        ],
        env=env,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode:
        say((done.stdout + done.stderr)[-4000:])
        done.check_returncode()


def _is_whiteout(path: Path) -> bool:
    status = path.lstat()
    return stat.S_ISCHR(status.st_mode) and status.st_rdev == 0


def _is_opaque(folder: Path) -> bool:
    try:
        return os.getxattr(folder, "trusted.overlay.opaque") == b"y"
    except OSError:
        return False


def _add_whiteout(tar: tarfile.TarFile, inside: Path) -> None:
    tar.addfile(tarfile.TarInfo(str(inside)))


def _add(tar: tarfile.TarFile, path: Path, inside: Path) -> None:
    if stat.S_ISSOCK(path.lstat().st_mode):
        return
    entry = tar.gettarinfo(path, arcname=str(inside))
    entry.uname = entry.gname = ""
    if entry.isreg():
        with path.open("rb") as content:
            tar.addfile(entry, content)
    else:
        tar.addfile(entry)


def _sha256(path: Path) -> str:
    with path.open("rb") as content:
        return hashlib.file_digest(content, "sha256").hexdigest()
