"""The tar of a layer, out of the entries of COPY, ADD and WORKDIR: what a container would have come to. Pure.

Spec: OCI image-spec, layer.md.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from incubator.context.entry import Entry

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from incubator.context.rootfs import RootFs

_WHITEOUT = ".wh."


class NotOneTar(Exception):
    """The entries cannot be a layer as they are: only a container can tell what they come to."""


def layer_entries(entries: Iterable[Entry], root: RootFs) -> Iterator[Entry]:
    """`entries`, each behind the folders of the image `root` that it is in, as they are there.

    A layer that left those out would take away their mode and owner. Raises `NotOneTar` for a path that comes
    twice, a hard link to a file of the image, and a name that means something else in a layer.
    """
    seen = {""}
    for entry in entries:
        folder, _, name = entry.path.rpartition("/")
        if entry.path in seen or name.startswith(_WHITEOUT):
            raise NotOneTar
        if entry.kind == "hardlink" and entry.linkname not in seen:
            raise NotOneTar
        yield from _folders(folder, seen, root)
        seen.add(entry.path)
        yield entry


def _folders(folder: str, seen: set[str], root: RootFs) -> Iterator[Entry]:
    if folder in seen:
        return
    yield from _folders(folder.rpartition("/")[0], seen, root)
    found = root.stat(folder)
    if found is None or found.kind != "dir":
        raise NotOneTar
    seen.add(folder)
    yield Entry(
        path=folder,
        kind="dir",
        mode=found.mode,
        uid=found.uid,
        gid=found.gid,
        mtime_ns=found.mtime_ns,
        xattrs=found.xattrs,
    )
