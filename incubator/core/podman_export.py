"""Files of a Podman container with their real owners.

Podman's archives of a container's paths call everything root's; its export of the whole container does not. So a part
is read from the export, and named as the archive would name it.
"""

from __future__ import annotations

import posixpath
from dataclasses import replace
from typing import TYPE_CHECKING, BinaryIO, cast

from incubator.context.entry import Entry
from incubator.context.tarread import read_tar
from incubator.context.tarstream import write_tar
from incubator.core.streams import ChunkReader

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator


def part_of_export(
    export: Iterable[bytes], path: str, read_file: Callable[[str], Iterable[bytes]]
) -> Iterator[bytes]:
    """The tar of the absolute `path` out of a container's `export`; entries are named from its last part on.

    `read_file` gives the archive of one file, for a hard link whose other name lies elsewhere.
    """
    with ChunkReader(export) as reader:
        yield from write_tar(_part(read_tar(cast("BinaryIO", reader)), path.strip("/"), read_file))


def _part(
    entries: Iterable[Entry], path: str, read_file: Callable[[str], Iterable[bytes]]
) -> Iterator[Entry]:
    if not path:  # an export does not name the root
        yield Entry(path="", kind="dir", mode=0o755)
    folder = posixpath.dirname(path)
    skip = len(folder) + 1 if folder else 0
    for entry in entries:
        if not entry.path or (path and not f"{entry.path}/".startswith(f"{path}/")):
            continue
        name = entry.path[skip:]
        if entry.kind != "hardlink":
            yield replace(entry, path=name)
        elif not path or entry.linkname == path or entry.linkname.startswith(f"{path}/"):
            yield replace(entry, path=name, linkname=entry.linkname[skip:])
        else:
            with ChunkReader(read_file(f"/{entry.path}")) as reader:
                for file in read_tar(cast("BinaryIO", reader)):
                    yield replace(file, path=name, uid=entry.uid, gid=entry.gid)
