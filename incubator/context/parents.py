"""Folders of the image that a layer's tar has to repeat. Pure."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from incubator.context.entry import Entry


def with_parents(entries: Iterable[Entry], existing: Callable[[str], Entry]) -> Iterator[Entry]:
    """The entries, each folder above one before it; `existing` gives a folder of the image by its path.

    For layers that are made here and not by the engine: where a layer's tar lacks a folder, the engine makes it
    with mode 0755 in the layer, and so hides the one below (`/tmp` would lose its 1777).
    """
    known = {""}
    for entry in entries:
        at = entry.path.find("/")
        while at >= 0:
            folder = entry.path[:at]
            if folder not in known:
                known.add(folder)
                yield existing(folder)
            at = entry.path.find("/", at + 1)
        if entry.kind == "dir":
            known.add(entry.path)
        yield entry
