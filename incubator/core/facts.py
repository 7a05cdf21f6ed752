"""What COPY, ADD and WORKDIR have asked about an image, kept so that a later build need not have the image. Pure."""

from __future__ import annotations

import base64
import hashlib
import threading
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from incubator.context.rootfs import Stat

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from incubator.core.container_root import AskedRoot

MOST_PATHS = 20_000
"""More are not kept."""
_LISTED_BYTES = 1 << 20
_KINDS = frozenset({"file", "dir", "symlink", "hardlink", "fifo", "char", "block"})


@dataclass(slots=True)
class Facts:
    """Answers about one image. `listed` are folders of which all children are in `stats`."""

    stats: dict[str, Stat | None] = field(default_factory=dict)
    folders: dict[str, Stat] = field(default_factory=dict)
    texts: dict[str, str] = field(default_factory=dict)
    listed: set[str] = field(default_factory=set)
    learnt: bool = False
    """Whether there are answers that were not read from JSON."""

    def knows(self, path: str) -> bool:
        """Whether `stats.get(path)` is the answer for a path whose folder exists."""
        return path in self.stats or path.rpartition("/")[0] in self.listed

    def to_json(self) -> dict[str, Any]:
        """JSON values; `facts_from_json` reads them."""
        return {
            "stats": {path: stat and _stat_json(stat) for path, stat in sorted(self.stats.items())},
            "folders": {path: _stat_json(stat) for path, stat in sorted(self.folders.items())},
            "texts": dict(sorted(self.texts.items())),
            "listed": sorted(self.listed),
        }


def facts_from_json(data: Mapping[str, Any]) -> Facts:
    """Read what `Facts.to_json` wrote. Raises ValueError, TypeError or KeyError for anything else."""
    facts = Facts(
        stats={str(path): None if stat is None else _stat(stat) for path, stat in data["stats"].items()},
        folders={str(path): _stat(stat) for path, stat in data["folders"].items()},
        texts={str(path): str(text) for path, text in data["texts"].items()},
        listed={str(path) for path in data["listed"]},
    )
    if any(stat.kind != "dir" for stat in facts.folders.values()):
        raise ValueError("a folder that is none")
    return facts


class RememberingRoot:
    """An `AskedRoot` that answers from `facts`, and asks a container for what is not among them.

    `ask` gives who knows, which may cost a container once. With `ahead` neighbours of what is asked for are noted too:
    the next build's files may have other names.
    """

    def __init__(self, facts: Facts, ask: Callable[[], AskedRoot], *, ahead: bool) -> None:
        self._facts = facts
        self._ask = ask
        self._ahead = ahead

    def stat(self, path: str) -> Stat | None:
        """What is at a relative path that leads through no links."""
        folder = path.rpartition("/")[0]
        above = self.stat(folder) if folder else None
        if folder and (above is None or above.kind != "dir"):
            return None
        if not self._facts.knows(path):
            root = self._ask()
            if folder and self._ahead:
                self._list(root, folder, _LISTED_BYTES)
            if not self._facts.knows(path):
                self._facts.stats[path] = root.stat(path)
                self._facts.learnt = True
        return self._facts.stats.get(path)

    def _list(self, root: AskedRoot, folder: str, most_bytes: int) -> None:
        found = root.listing(folder, most_bytes=most_bytes)
        if found is not None and len(found) + len(self._facts.stats) < MOST_PATHS:
            self._facts.stats |= found
            self._facts.listed |= {folder, *(path for path, stat in found.items() if stat.kind == "dir")}
            self._facts.learnt = True

    def listing(self, path: str, *, most_bytes: int) -> dict[str, Stat] | None:
        """All that is below a folder, by paths; None where that is too much."""
        if path not in self._facts.listed:
            self._list(self._ask(), path, most_bytes)
        if path not in self._facts.listed:
            return None
        known = self._facts.stats.items()
        return {name: stat for name, stat in known if stat and name.startswith(f"{path}/")}

    def folder(self, path: str) -> Stat:
        """A folder with its owner."""
        if path not in self._facts.folders:
            self._facts.folders[path] = self._ask().folder(path)
            self._facts.learnt = True
        return self._facts.folders[path]

    def text(self, path: str) -> str:
        """A text file, links followed; empty where there is none."""
        if path not in self._facts.texts:
            self._facts.texts[path] = self._ask().text(path)
            self._facts.learnt = True
        return self._facts.texts[path]


class FactBook:
    """Facts of all images that a build asks about, by what their layers come to. For several threads.

    `load` gets what an earlier build has learnt, None for nothing. `ahead`: see `RememberingRoot`.
    """

    def __init__(self, load: Callable[[str], Facts | None] | None = None, *, ahead: bool = False) -> None:
        self._load = load
        self._lock = threading.Lock()
        self._pages: dict[str, Facts] = {}
        self.ahead = ahead

    def of(self, diff_ids: Sequence[str]) -> Facts:
        """What is known of an image with these layers."""
        name = files_id(diff_ids)
        with self._lock:
            if name not in self._pages:
                self._pages[name] = (self._load and self._load(name)) or Facts()
            return self._pages[name]

    def known(self) -> dict[str, Facts]:
        """What this build has learnt, or an earlier one for it, by `files_id`."""
        with self._lock:
            return {name: facts for name, facts in self._pages.items() if facts != Facts()}


def files_id(diff_ids: Sequence[str]) -> str:
    """A digest that stands for the files of an image with these layers."""
    return hashlib.sha256(" ".join(diff_ids).encode()).hexdigest()


def _stat_json(stat: Stat) -> dict[str, Any]:
    values = {
        "kind": stat.kind,
        "mode": stat.mode,
        "link": stat.linkname,
        "uid": stat.uid,
        "gid": stat.gid,
        "xattrs": {name: base64.b64encode(value).decode() for name, value in stat.xattrs},
        "mtime": stat.mtime_ns,
    }
    return {name: value for name, value in values.items() if value}


def _stat(data: Mapping[str, Any]) -> Stat:
    if data["kind"] not in _KINDS:
        raise ValueError("no kind of a file")
    return Stat(
        kind=data["kind"],
        mode=int(data.get("mode", 0)),
        linkname=str(data.get("link", "")),
        uid=int(data.get("uid", 0)),
        gid=int(data.get("gid", 0)),
        xattrs=tuple(
            sorted((str(n), base64.b64decode(v, validate=True)) for n, v in data.get("xattrs", {}).items())
        ),
        mtime_ns=int(data.get("mtime", 0)),
    )
