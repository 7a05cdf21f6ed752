"""Where COPY and ADD put things: entries of a source become entries of the image, with full paths. Pure.

The rules are BuildKit's (tonistiigi/fsutil `copy`, and `solver/llbsolver/file`): a folder's contents are copied,
not the folder; the folder copied to keeps its owner and mode but takes the source's time, those below it get all of
the source's; links in the destination are followed, and made folders are 0755 or take an octal `--chmod`.
"""

from __future__ import annotations

import posixpath
from collections.abc import Generator
from contextlib import ExitStack
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, BinaryIO

from incubator.context.archive import open_archive
from incubator.context.entry import Entry
from incubator.context.filter import Filter
from incubator.context.globs import has_wildcard
from incubator.context.pattern import clean_path
from incubator.context.rootfs import CopyError, RootFs, View
from incubator.context.source import source_path
from incubator.context.tarread import TarError, read_tar

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from incubator.context.chmod import ModeChange
    from incubator.context.source import Match, Source

_UMASK = 0o022
"""The engine's umask, which its octal mode for made folders passes through."""


@dataclass(frozen=True, slots=True, kw_only=True)
class CopyOptions:
    """The flags of COPY and ADD that change what is placed."""

    chown: tuple[int, int] | None = None
    """Owner of everything, as numbers; None keeps the source's, and made folders are 0:0."""
    chmod: ModeChange | None = None
    exclude: tuple[str, ...] = ()
    """Patterns, relative to each source folder."""
    parents: bool = False
    """`--parents`: keep a source's folders, from its `/./` on."""
    unpack: bool = False
    """ADD of a local archive: its contents are placed instead of it."""
    made_at_ns: int = 0
    """Time of folders that no source stands for."""


def resolve_destination(destination: str, workdir: str) -> str:
    """The absolute destination, cleaned, with a `/` at its end (but for the root) if it must be a folder."""
    text = destination if destination not in ("", ".") else "./"
    path = clean_path(posixpath.join("/", workdir, text))
    wants_folder = text.endswith(("/", "/."))
    return path + "/" if wants_folder and path != "/" else path


def place(
    sources: Iterable[tuple[Source, str]],
    destination: str,
    *,
    workdir: str = "/",
    root: RootFs | View,
    options: CopyOptions | None = None,
) -> Iterator[Entry]:
    """The entries of the layer that one COPY or ADD makes, paths relative to the image's root.

    `sources` are pairs of a source and the path or wildcard in it, in the order of the instruction. `root` is
    what the image has so far; a `View` learns what is placed. Lazy: an entry's content must be read before the
    next entry is asked for. The same path can come twice, the later one holds. Raises `ContextError` for a source
    that is missing, `CopyError` where a file would replace a folder or the other way round, `PatternError`.
    """
    view = root if isinstance(root, View) else View(root)
    placer = _Placer(view, resolve_destination(destination, workdir), options or CopyOptions())
    for source, pattern in sources:
        yield from placer.copy(source, pattern)


class _Placer:
    """One COPY or ADD in the course of being placed."""

    def __init__(self, view: View, destination: str, options: CopyOptions) -> None:
        self.view = view
        self.destination = destination
        self.options = options

    def copy(self, source: Source, pattern: str) -> Iterator[Entry]:
        include: tuple[str, ...] = ()
        if self.options.parents:
            base, pivot, kept = pattern.partition("/./")
            base, kept = (base, kept) if pivot else ("/", pattern)
            include = (source_path(kept),)
            if not has_wildcard(pattern):
                source.resolve(f"{base}/{kept}")  # it must be there, though the walk would not miss it
            pattern = base
        for match in source.resolve(pattern):
            if self.options.unpack and match.kind == "file":
                [entry] = source.walk(match)
                archive = open_archive(entry)
                if archive is not None:
                    with archive:
                        yield from self._unpack(archive, match.path)
                    continue
            yield from self._copy_match(source, match, Filter(include, self.options.exclude))

    def _copy_match(self, source: Source, match: Match, chosen: Filter) -> Iterator[Entry]:
        """Copy one file, or the contents of one folder."""
        with ExitStack() as stack:
            entries = source.walk(match, prune=chosen.prune if chosen else None)
            # An engine keeps a container locked as long as something is being read from it, also behind an error.
            if isinstance(entries, Generator):
                stack.callback(entries.close)
            yield from self._copy_entries(iter(entries), match, chosen)

    def _copy_entries(self, entries: Iterator[Entry], match: Match, chosen: Filter) -> Iterator[Entry]:
        wanted = self.destination
        top = next(entries)
        folder = (
            wanted if wanted.endswith("/") and top.kind != "dir" else posixpath.dirname(wanted.rstrip("/"))
        )
        yield from self._make_folders(self.view.follow(folder), self._made_mode())
        target = self.view.follow(wanted)
        present = self.view.stat(target)
        if top.kind != "dir":
            if present is not None and present.kind == "dir":
                target = f"{target}/{match.name}" if target else match.name
            yield from self._make_folders(posixpath.dirname(target), self._made_mode())
            yield self._leaf(top, target)
            return
        # The time of a context's root is when it was sent.
        mtime_ns = top.mtime_ns if match.path else self.options.made_at_ns
        if present is None:
            yield from self._make_folders(target, self._made_mode(), mtime_ns=mtime_ns)
        elif present.kind == "dir":
            if match.path:  # else it is changed now by what is put into it
                yield from self._kept(target, mtime_ns)
        else:
            raise CopyError(
                f"cannot copy the folder {match.path or '.'!r} to /{target}: that is a {present.kind}",
                hint="a folder's contents go into a folder: name one as the destination",
            )
        yield from self._contents(entries, target, chosen)

    def _kept(self, path: str, mtime_ns: int) -> Iterator[Entry]:
        """A folder that is there, as it is but for its time; the root of an image cannot be named."""
        if path:
            folder = self.view.folder(path)
            yield Entry(
                path=path, kind="dir", mode=folder.mode, uid=folder.uid, gid=folder.gid, xattrs=folder.xattrs,
                mtime_ns=mtime_ns,
            )  # fmt: skip

    def _contents(self, entries: Iterator[Entry], target: str, chosen: Filter) -> Iterator[Entry]:
        instead: dict[str, str] = {}
        waiting: list[Entry] = []
        for found in entries:
            entry = found
            if chosen and not chosen.includes(entry.path):
                if entry.kind == "dir":
                    waiting = [parent for parent in waiting if entry.path.startswith(parent.path + "/")]
                    waiting.append(entry)
                elif entry.kind == "file":
                    instead[entry.path] = ""
                continue
            for parent in waiting:
                if entry.path.startswith(parent.path + "/"):
                    yield from self._implied(parent, _join(target, parent.path))
            waiting.clear()
            if entry.kind == "hardlink" and entry.linkname in instead:
                # The file it names was left out: the first link that was not takes its place.
                first, instead[entry.linkname] = (
                    instead[entry.linkname],
                    instead[entry.linkname] or entry.path,
                )
                entry = replace(entry, linkname=first) if first else replace(entry, kind="file", linkname="")
            path = _join(target, entry.path)
            if entry.kind == "dir":
                yield self._subfolder(entry, path)
            elif entry.kind == "hardlink":
                yield self._leaf(replace(entry, linkname=_join(target, entry.linkname)), path)
            else:
                yield self._leaf(entry, path)

    def _subfolder(self, entry: Entry, path: str) -> Entry:
        present = self.view.stat(path)
        if present is not None and present.kind != "dir":
            raise CopyError(
                f"cannot copy the folder {entry.path!r} over /{path}: that is a {present.kind}",
                hint="remove it in a RUN before, or copy to another folder",
            )
        placed = self._owned(entry, path)
        self.view.add_folder(placed, new=present is None)
        return placed

    def _implied(self, entry: Entry, path: str) -> Iterator[Entry]:
        """A folder that the filters left out, but for something below it."""
        entry = replace(entry, mtime_ns=self.options.made_at_ns)
        present = self.view.stat(path)
        if present is None or present.kind != "dir":
            yield self._subfolder(entry, path)
            return
        folder = self.view.folder(path)
        if folder.mode != entry.mode:
            yield replace(entry, path=path, uid=folder.uid, gid=folder.gid, xattrs=folder.xattrs)

    def _leaf(self, entry: Entry, path: str) -> Entry:
        """Anything but a folder."""
        present = self.view.stat(path)
        if present is not None and present.kind == "dir":
            raise CopyError(
                f"cannot replace the folder /{path} with the {entry.kind} {entry.path or path!r}",
                hint="copy it under another name, or remove the folder in a RUN before",
            )
        self.view.add(path, entry)
        return self._owned(entry, path)

    def _owned(self, entry: Entry, path: str) -> Entry:
        """The entry under its new path, with the owner and mode that the flags give it."""
        uid, gid = self.options.chown or (entry.uid, entry.gid)
        mode = entry.mode
        if self.options.chmod is not None and entry.kind != "symlink":
            mode = self.options.chmod.apply(mode, folder=entry.kind == "dir")
        return replace(entry, path=path, uid=uid, gid=gid, mode=mode)

    def _made_mode(self) -> int:
        chmod = self.options.chmod
        if chmod is None or chmod.octal is None:
            return 0o755
        return chmod.octal & 0o777 & ~_UMASK

    def _make_folders(self, path: str, mode: int, *, mtime_ns: int | None = None) -> Iterator[Entry]:
        """The folders of `path`, free of links, that do not exist yet; `mtime_ns` is for the last."""
        uid, gid = self.options.chown or (0, 0)
        parts = path.split("/") if path else []
        for depth in range(len(parts)):
            folder = "/".join(parts[: depth + 1])
            present = self.view.stat(folder)
            if present is None:
                last = depth == len(parts) - 1
                time = mtime_ns if last and mtime_ns is not None else self.options.made_at_ns
                made = Entry(path=folder, kind="dir", mode=mode, uid=uid, gid=gid, mtime_ns=time)
                self.view.add_folder(made, new=True)
                yield made
            elif present.kind != "dir":
                raise CopyError(
                    f"cannot make the folder /{folder}: that is a {present.kind}",
                    hint="the destination, or a part of it, names a file of the image",
                )

    def _unpack(self, archive: BinaryIO, name: str) -> Iterator[Entry]:
        """The contents of an archive, whose links cannot leave the folder it is unpacked to."""
        try:
            yield from self._unpack_entries(archive)
        except TarError as error:
            raise TarError(f"{error.reason} (in {name!r})") from error

    def _unpack_entries(self, archive: BinaryIO) -> Iterator[Entry]:
        target = self.view.follow(self.destination)
        yield from self._make_folders(target, 0o755)
        inside = self.view.below(target)
        for entry in read_tar(archive):
            if not entry.path:
                continue
            parent, _, name = entry.path.rpartition("/")
            folder = inside.follow(parent)
            yield from self._implied_by_archive(_join(target, folder))
            path = _join(target, _join(folder, name))
            present = self.view.stat(path)
            if present is not None and not (present.kind == "dir" == entry.kind):
                self.view.remove(path)
                present = None
            linkname = entry.linkname
            if entry.kind == "hardlink":
                before, _, last = entry.linkname.rpartition("/")
                linkname = _join(target, _join(inside.follow(before), last))
                if self.view.stat(linkname) is None:
                    raise TarError(f"{entry.path!r} is a hard link to {entry.linkname!r}, which is not there")
            uid, gid = self.options.chown or (entry.uid, entry.gid)
            placed = replace(entry, path=path, linkname=linkname, uid=uid, gid=gid)
            if entry.kind == "dir":
                self.view.add_folder(placed, new=present is None)
            else:
                self.view.add(path, entry)
            yield placed

    def _implied_by_archive(self, path: str) -> Iterator[Entry]:
        """Folders an archive names only as parts of a path: root's, whatever the flags say."""
        for entry in self._make_folders(path, 0o755):
            yield replace(entry, uid=0, gid=0)


def _join(folder: str, path: str) -> str:
    return f"{folder}/{path}" if folder and path else folder or path
