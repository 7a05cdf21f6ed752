"""What an image has at a path, where its top layer was made here: no container need be asked. Pure but for who asks."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

from incubator.context.rootfs import Stat, View

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from incubator.context.entry import Entry, Kind
    from incubator.core.container_root import AskedRoot, ImageRoot

_AS_ENGINES_TELL: Final[Mapping[Kind, Kind]] = {"hardlink": "file", "char": "fifo", "block": "fifo"}


class EmptyImage:
    """`AskedRoot` of an image without layers."""

    def stat(self, path: str) -> Stat | None:
        """None."""
        del path
        return None

    def folder(self, path: str) -> Stat:
        """There is none."""
        raise KeyError(path)

    def text(self, path: str) -> str:
        """Empty."""
        del path
        return ""

    def listing(self, path: str, *, most_bytes: int) -> dict[str, Stat] | None:
        """Empty."""
        del path, most_bytes
        return {}


@dataclass(slots=True)
class LayeredRoot:
    """`AskedRoot` of the image that the layer with the entries `placed` makes of the image `below`.

    `ask` gives the root of a container of the image itself, for what is in files of the layer.
    """

    below: AskedRoot
    placed: Mapping[str, Stat]
    ask: Callable[[], ImageRoot]
    _new: dict[str, bool] = field(default_factory=dict)

    def stat(self, path: str) -> Stat | None:
        """What is at a relative path that leads through no links."""
        if path in self.placed:
            return self.placed[path]
        return None if self._is_new(path.rpartition("/")[0]) else self.below.stat(path)

    def _is_new(self, folder: str) -> bool:
        """Whether the layer makes a folder, so that nothing of what is below shows in it."""
        if folder not in self.placed:
            return False
        if folder not in self._new:
            there = None if self._is_new(folder.rpartition("/")[0]) else self.below.stat(folder)
            self._new[folder] = there is None or there.kind != "dir"
        return self._new[folder]

    def folder(self, path: str) -> Stat:
        """A folder with its owner."""
        return self.placed.get(path) or self.below.folder(path)

    def text(self, path: str) -> str:
        """A text file, links followed; empty where there is none."""
        path = View(self).follow(path)
        return self.ask().text(path) if path in self.placed else self.below.text(path)

    def listing(self, path: str, *, most_bytes: int) -> dict[str, Stat] | None:
        """All that is below a folder, by paths; None where that takes more than `most_bytes` of tar to tell."""
        within = f"{path}/"
        placed = {name: stat for name, stat in self.placed.items() if name.startswith(within)}
        if self._is_new(path):
            return placed
        found = self.below.listing(path, most_bytes=most_bytes)
        if found is None:
            return None
        return {name: stat for name, stat in found.items() if not self._hides(name, path)} | placed

    def _hides(self, name: str, folder: str) -> bool:
        """Whether the layer put something above a path of the image below, up to `folder`."""
        above = name.rpartition("/")[0]
        while above != folder:
            if above in self.placed and (self.placed[above].kind != "dir" or self._is_new(above)):
                return True
            above = above.rpartition("/")[0]
        return False


def stat_of(entry: Entry, *, mtime_clamp: int | None) -> Stat:
    """What an engine would tell of an entry of a layer: times in whole seconds, none later than `mtime_clamp`."""
    seconds = entry.mtime_ns // 10**9
    return Stat(
        kind=_AS_ENGINES_TELL.get(entry.kind, entry.kind),
        mode=entry.mode,
        linkname=entry.linkname if entry.kind == "symlink" else "",
        uid=entry.uid,
        gid=entry.gid,
        xattrs=entry.xattrs,
        mtime_ns=(seconds if mtime_clamp is None else min(seconds, mtime_clamp)) * 10**9,
    )
