"""The tar of a layer, out of the entries of COPY, ADD and WORKDIR: what a container would have come to.

Pure, but for the file that `write_layer` writes.

Spec: OCI image-spec, layer.md.
"""

from __future__ import annotations

from dataclasses import replace
from itertools import chain
from typing import TYPE_CHECKING

from incubator.context.entry import Entry
from incubator.context.tarstream import write_tar
from incubator.core.blob import Blob

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from incubator.context.rootfs import RootFs

_WHITEOUT = ".wh."


class NotOneTar(Exception):
    """The entries cannot be a layer as they are: only a container can tell what they come to."""


def layer_entries(entries: Iterable[Entry], root: RootFs, *, made_at_ns: int) -> Iterator[Entry]:
    """`entries`, each behind the folders of the image `root` that it is in, as they are there.

    A layer that left those out would take away their mode and owner; one that something is put into is changed at
    `made_at_ns`. Raises `NotOneTar` for a path that would come twice, a hard link to a file of the image, and a name
    that means something else in a layer.
    """
    seen = {""}
    unchanged: set[str] = set()
    for entry in entries:
        folder, _, name = entry.path.rpartition("/")
        if entry.path in seen or name.startswith(_WHITEOUT):
            raise NotOneTar
        if entry.kind == "hardlink" and entry.linkname not in seen:
            raise NotOneTar
        changes = not (entry.kind == "dir" and _is_folder(root, entry.path))
        if changes and folder in unchanged:
            raise NotOneTar
        for above in _folders(folder, seen, root):
            seen.add(above.path)
            changed = changes and above.path == folder
            unchanged |= set() if changed else {above.path}
            yield replace(above, mtime_ns=made_at_ns) if changed else above
        seen.add(entry.path)
        yield entry


def _is_folder(root: RootFs, path: str) -> bool:
    present = root.stat(path)
    return present is not None and present.kind == "dir"


def _folders(folder: str, seen: set[str], root: RootFs) -> Iterator[Entry]:
    """Folders of the image from the top down to `folder` that were not seen yet."""
    if folder in seen:
        return
    yield from _folders(folder.rpartition("/")[0], seen, root)
    if not _is_folder(root, folder):
        raise NotOneTar
    found = root.folder(folder)
    yield Entry(
        path=folder,
        kind="dir",
        mode=found.mode,
        uid=found.uid,
        gid=found.gid,
        mtime_ns=found.mtime_ns,
        xattrs=found.xattrs,
    )


def write_layer(entries: Iterable[Entry], *, mtime_clamp: int | None = None) -> Blob:
    """The tar of a layer; empty, and not even a tar, where there are no entries. Raises what making them raises."""
    found = iter(entries)
    first = next(found, None)
    if first is None:
        return Blob.of_bytes(b"")
    return Blob.write(write_tar(chain((first,), found), mtime_clamp=mtime_clamp))
