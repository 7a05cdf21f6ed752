"""Several containers' changes as one layer: what RUNs with different mounts come to when they share a layer.

Spec: OCI image-spec, layer.md, "Whiteouts" and "Opaque Whiteout".
"""

from __future__ import annotations

import posixpath
from typing import TYPE_CHECKING

from incubator.context.entry import Entry
from incubator.context.source import Match
from incubator.core.layer_tar import write_layer

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from incubator.context.source import Source
    from incubator.core.blob import Blob
    from incubator.core.engine import Changes

OPAQUE = ".wh..wh..opq"
"""A file of this name hides everything that layers below have in its folder."""


def merged_layer(changes: Changes, *, after: Source, twin: Source, was_there: Callable[[str], bool]) -> Blob:
    """The layer of all `changes`, from the files `after` them. The blob is empty where there is nothing.

    `twin` has the same files, and can be read from while `after` is. `was_there` tells whether the image below has
    something at an absolute path.
    """
    present: set[str] = set()

    def entries() -> Iterator[Entry]:
        yield from _changed(changes, after, twin, present)
        for path in _topmost((changes.touched | changes.removed) - present):
            if was_there(path):
                folder, name = posixpath.split(path.strip("/"))
                yield Entry(path=posixpath.join(folder, f".wh.{name}"), kind="file", mode=0o644)

    return write_layer(entries())


def _changed(changes: Changes, after: Source, twin: Source, present: set[str]) -> Iterator[Entry]:
    """All entries that the layer has, folders above them first."""
    wanted = _with_folders(changes.touched | changes.removed)
    whole: str | None = None  # a folder that replaced another one is wanted with all that is in it
    written = {""}
    for entry in after.walk(Match(path="", name="", kind="dir")):
        path = f"/{entry.path}"
        inside = whole is not None and path.startswith(f"{whole}/")
        if not entry.path or not (inside or path in wanted):
            continue
        present.add(path)
        if entry.kind == "hardlink" and entry.linkname not in written:
            # The other name is in a layer below: the file comes along, under that name where its folder does.
            alone = posixpath.dirname(entry.linkname) not in written
            target = entry.path if alone else entry.linkname
            for file in twin.walk(Match(path=entry.linkname, name="", kind="file")):
                yield file.at(target)
            written.add(target)
            if alone:
                continue
        written.add(entry.path)
        yield entry
        if not inside and entry.kind == "dir" and path in changes.removed:
            whole = path
            yield Entry(path=f"{entry.path}/{OPAQUE}", kind="file", mode=0o644)


def _with_folders(paths: Iterable[str]) -> set[str]:
    found: set[str] = set()
    for path in paths:
        folder = path
        while folder not in ("/", "") and folder not in found:
            found.add(folder)
            folder = posixpath.dirname(folder)
    return found


def _topmost(paths: Iterable[str]) -> list[str]:
    """`paths` without those inside another, sorted."""
    known = set(paths)
    return sorted(path for path in known if known.isdisjoint(_with_folders([posixpath.dirname(path)])))
