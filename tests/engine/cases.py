"""Cases of `tests/data/differential`: Dockerfiles with a small context, written as data.

A file of cases is TOML: `[context]` describes the files that all its cases have, `[case.NAME]` one case:

    rows        rows of docs/reference/dockerfile.md that the case shows
    dockerfile  the text
    files       more files of the context, or others
    args        build arguments
    target      stage to build
    fails       the line at which both builders refuse, unless BuildKit names none; 0 where there is no such line

A file is its text, or a table of `text`, `mode`, `owner` ("uid:gid"), `link`, `hard`, `kind` ("fifo", or "char" and
"block" in archives), `repeat` (how often the text is there), `xattrs`, `mtime`, or `tar`: a list of such tables, each
with a `name`, and `compress`. A name that ends in `/` is a folder; `\\xNN` in a name is a byte. Times are long ago, so
that a time which a builder keeps can be told from one it makes.
"""

from __future__ import annotations

import bz2
import gzip
import io
import lzma
import os
import re
import tarfile
import tomllib
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

FOLDER = Path(__file__).parents[1] / "data/differential"
GROUPS = tuple(sorted(path.stem for path in FOLDER.glob("*.toml")))
LONG_AGO = 1_000_000_000
_BYTE = re.compile(rb"\\x([0-9a-f]{2})")
_TAR_KINDS = {"fifo": tarfile.FIFOTYPE, "char": tarfile.CHRTYPE, "block": tarfile.BLKTYPE}


@dataclass(frozen=True, slots=True, kw_only=True)
class Case:
    """One Dockerfile; `fails` is None where both builders shall make an image."""

    name: str
    rows: tuple[str, ...]
    dockerfile: str
    files: Mapping[str, Any] = field(default_factory=dict)
    args: Mapping[str, str] = field(default_factory=dict)
    target: str = ""
    fails: int | None = None


def load_cases(group: str) -> list[Case]:
    """The cases of a file."""
    table = tomllib.loads((FOLDER / f"{group}.toml").read_text())
    context = table.get("context", {})
    return [
        Case(
            name=name, **values | {"rows": tuple(values["rows"]), "files": context | values.get("files", {})}
        )
        for name, values in table["case"].items()
    ]


def write_case(case: Case, folder: Path) -> None:
    """Write the Dockerfile and the context of a case into a new folder."""
    folder.mkdir(parents=True)
    times = {folder: LONG_AGO}
    for name, given in {"Dockerfile": case.dockerfile, **case.files}.items():
        described = given if isinstance(given, dict) else {"text": given}
        path = folder / _name(name.rstrip("/"))
        path.parent.mkdir(parents=True, exist_ok=True)
        _write_file(folder, path, described, is_folder=name.endswith("/"))
        times = {folder / parent: LONG_AGO for parent in path.relative_to(folder).parents} | times
        times[path] = described.get("mtime", LONG_AGO)
    for path, mtime in sorted(times.items(), reverse=True):
        os.utime(path, (mtime, mtime), follow_symlinks=False)


def _name(text: str) -> str:
    return os.fsdecode(_BYTE.sub(lambda match: bytes([int(match[1], 16)]), text.encode()))


def _write_file(top: Path, path: Path, given: Mapping[str, Any], *, is_folder: bool) -> None:
    if "link" in given:
        path.symlink_to(_name(given["link"]))
        return
    if "hard" in given:
        path.hardlink_to(top / _name(given["hard"]))
        return
    if is_folder:
        path.mkdir(exist_ok=True)
    elif given.get("kind") == "fifo":
        os.mkfifo(path)
    else:
        path.write_bytes(_content(given))
    os.chown(path, *_owner(given))
    for name, value in given.get("xattrs", {}).items():
        os.setxattr(path, name, value.encode())
    path.chmod(int(given.get("mode", "755" if is_folder else "644"), 8))


def _owner(given: Mapping[str, Any]) -> tuple[int, int]:
    uid, _, gid = given.get("owner", "0:0").partition(":")
    return int(uid), int(gid)


def _content(given: Mapping[str, Any]) -> bytes:
    if "tar" in given:
        return _COMPRESS[given.get("compress", "")](_tar(given["tar"]))
    text: str = given.get("text", "")
    repeat: int = given.get("repeat", 1)
    return text.encode() * repeat


def _zstd(data: bytes) -> bytes:
    """A zstd frame of one uncompressed block (RFC 8878); Python before 3.14 has no compressor."""
    assert len(data) < 1 << 17, "one block holds no more"
    head = b"\x28\xb5\x2f\xfd\xa0" + len(data).to_bytes(4, "little")
    return head + (len(data) << 3 | 1).to_bytes(3, "little") + data


_COMPRESS: dict[str, Callable[[bytes], bytes]] = {
    "": bytes,
    "gz": partial(gzip.compress, mtime=0),
    "bz2": bz2.compress,
    "xz": lzma.compress,
    "zst": _zstd,
}


def _tar(members: Iterable[Mapping[str, Any]]) -> bytes:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w", format=tarfile.PAX_FORMAT) as tar:
        for given in members:
            is_folder = given["name"].endswith("/")
            info = tarfile.TarInfo(_name(given["name"]))
            info.type = (
                tarfile.DIRTYPE if is_folder else _TAR_KINDS.get(given.get("kind", ""), tarfile.REGTYPE)
            )
            info.mode = int(given.get("mode", "755" if is_folder else "644"), 8)
            info.mtime = given.get("mtime", LONG_AGO)
            info.uid, info.gid = _owner(given)
            info.devmajor, info.devminor = given.get("device", (0, 0))
            for key, kind in (("link", tarfile.SYMTYPE), ("hard", tarfile.LNKTYPE)):
                if key in given:
                    info.type, info.linkname = kind, _name(given[key])
            info.pax_headers = {f"SCHILY.xattr.{k}": v for k, v in given.get("xattrs", {}).items()}
            content = _content(given) if info.isreg() else b""
            info.size = len(content)
            tar.addfile(info, io.BytesIO(content))
    return buffer.getvalue()
