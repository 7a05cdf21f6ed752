"""Where a build's files come from: finds the Dockerfile and opens the context that options name."""

from __future__ import annotations

import io
import os
import tarfile
from contextlib import ExitStack
from dataclasses import dataclass, replace
from pathlib import Path
from typing import IO, TYPE_CHECKING, BinaryIO, Literal, cast

from incubator.context.directory import DirectoryContext, load_ignore
from incubator.context.entry import Entry
from incubator.context.globs import has_wildcard
from incubator.context.source import Match, missing, source_path
from incubator.context.tarcontext import DEFAULT_LIMIT, TarContext
from incubator.core.trust import check_inside
from incubator.dockerfile import Source
from incubator.dockerfile.lint import faults_of
from incubator.errors import DockerfileErrors, InputError
from incubator.faults import did_you_mean
from incubator.fetched import KeptContext, fetch, is_elsewhere
from incubator.remote.urls import redacted

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from incubator.context.patterns import PatternMatcher
    from incubator.core.context import BuildContext
    from incubator.faults import Faults

DEFAULT_NAMES = ("Dockerfile", "dockerfile")
"""Names that are looked for in the context, as the reference builder does."""

LARGEST_DOCKERFILE_BYTES = 16 * 1024**2
_REMOTE = ("http://", "https://", "git://", "git@", "ssh://", "github.com/")
_MOST_SEEN = 2000
_TAR_BLOCK = 512
_COMPRESSED = (b"\x1f\x8b", b"BZh", b"\xfd7zXZ\0", b"\x28\xb5\x2f\xfd")
"""First bytes of gzip, bzip2, xz and zstd."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """Where context and Dockerfile are.

    `path` is the context folder; or `context` is a tar of the context, read as a stream. `dockerfile` is a path
    that counts from the context or, with `dockerfile_from` `"here"`, from the current folder; or
    `dockerfile_stream` is the Dockerfile itself, called `stream_name`. A Dockerfile as a stream and no context: an
    empty one.

    `workspace`: what the checkout may reach. Paths below it must not leave it through links; None: the context and
    the current folder. `file_option` is how hints tell the caller to name a Dockerfile. `ignore_rules`: whether the
    ignore file of a folder counts.
    """

    path: str | os.PathLike[str] | None = None
    context: IO[bytes] | None = None
    dockerfile: str | os.PathLike[str] | None = None
    dockerfile_from: Literal["context", "here"] = "context"
    dockerfile_stream: IO[bytes] | IO[str] | None = None
    stream_name: str = "Dockerfile"
    workspace: Path | None = None
    file_option: str = "dockerfile="
    ignore_rules: bool = True


def open_sources(
    place: Place,
    *,
    memory_limit: int | None,
    faults: Faults,
    secrets: Mapping[str, bytes] | None = None,
) -> tuple[Source, BuildContext]:
    """The Dockerfile and the context of `place`; what lies elsewhere is fetched, with `secrets` for logins.

    `memory_limit` is how many bytes of a streamed context stay in memory: None is the default, 0 all. Raises
    InputErrors with the earlier `faults`, its own, and those that the Dockerfile has; the context is closed then.
    Raises DownloadFailed and GitFailed.
    """
    with ExitStack() as stack:
        elsewhere = False
        with faults.gather():
            elsewhere = is_elsewhere(place)
        if not elsewhere:
            return _open(place, memory_limit=memory_limit, faults=faults)
        name = redacted(os.fspath(place.path or ""))
        faults.check()  # nothing is fetched for a build that will not be
        here, material = fetch(place, stack, secrets=secrets or {}, is_archive=_is_archive_stream)
        source, context = _open(here, memory_limit=memory_limit, faults=faults)
        return source, KeptContext(context, name, stack.pop_all(), material)


def _is_archive_stream(stream: IO[bytes]) -> tuple[bool, IO[bytes]]:
    head, whole = peek(stream)
    return is_archive(head), whole


def _open(place: Place, *, memory_limit: int | None, faults: Faults) -> tuple[Source, BuildContext]:
    source: Source | None = None
    context: BuildContext | None = None
    with faults.gather():
        if place.dockerfile_stream is not None:
            source = _read_stream(place.stream_name, place.dockerfile_stream)
        if place.context is not None:
            # No ignore rules: whoever made the tar has chosen its files, and the reference builder takes all of them.
            limit = DEFAULT_LIMIT if memory_limit is None else memory_limit
            context = _StreamContext(cast("BinaryIO", place.context), memory_limit=limit)
            source = source or _read_member(context, os.fspath(place.dockerfile or ""))
        elif place.path is not None and _is_archive_file(place.path):
            with Path(place.path).open("rb") as file:
                inside = replace(place, path=None, context=file, dockerfile_from="context")
                return _open(inside, memory_limit=memory_limit, faults=faults)
        elif place.path is not None:
            root = _context_folder(place)
            path = None
            if source is None:
                with faults.gather():
                    path = _find_dockerfile(place, root)
                    source = _read_file(path, _shown(place, path))
            ignore = load_ignore(root, path) if place.ignore_rules else None
            context = _FolderContext(root, ignore, name=_shown_path(place, root))
        else:
            context = EmptyContext()
    if source is not None and (wrong := faults_of(source)):
        faults.errors.append(DockerfileErrors(wrong))
    if faults.errors and context is not None:
        context.close()
    if source is None and not faults.errors:
        faults.add("neither a context nor a Dockerfile is given")
    faults.check()
    assert source is not None
    assert context is not None
    return source, context


def read_for_checks(place: Place) -> tuple[Source, PatternMatcher | None]:
    """The Dockerfile of `place`, not parsed, and the ignore rules of its context folder, None where there are none.

    Nothing else of the context is read. Raises InputError for what is not there or cannot be read.
    """
    root = None if place.path is None else _context_folder(place)
    if place.dockerfile_stream is not None:
        source, path = _read_stream(place.stream_name, place.dockerfile_stream), None
    elif root is not None:
        path = _find_dockerfile(place, root)
        source = _read_file(path, _shown(place, path))
    else:
        raise InputError("neither a context nor a Dockerfile is given")
    return source, None if root is None else load_ignore(root, path)


def is_archive(head: bytes) -> bool:
    """Whether a stream that starts with `head` (512 bytes, fewer at its end) is a tar, compressed or not."""
    if head.startswith(_COMPRESSED):
        return True
    if len(head) < _TAR_BLOCK:
        return False
    try:
        tarfile.TarInfo.frombuf(head[:_TAR_BLOCK], tarfile.ENCODING, "surrogateescape")
    except tarfile.HeaderError:
        return not head.strip(b"\0")  # a tar without entries
    return True


def peek(stream: IO[bytes]) -> tuple[bytes, IO[bytes]]:
    """The first 512 bytes of a stream that cannot seek, and a stream that still has them."""
    head = b""
    while len(head) < _TAR_BLOCK and (data := stream.read(_TAR_BLOCK - len(head))):
        head += data
    return head, io.BufferedReader(_Rejoined(head, stream))


class _FolderContext(DirectoryContext):
    """A folder that messages call as the caller does."""

    def __init__(self, root: Path, ignore: PatternMatcher | None, *, name: str) -> None:
        super().__init__(root, ignore)
        self._name = name

    def __str__(self) -> str:
        return self._name


class _StreamContext(TarContext):
    """A tar that came as a stream."""

    def __str__(self) -> str:
        return "tar"


class EmptyContext:
    """The context of a Dockerfile that comes alone: a root folder with nothing in it."""

    ignore: PatternMatcher | None = None

    def __str__(self) -> str:
        return "empty"

    def resolve(self, pattern: str) -> list[Match]:
        """See `Source.resolve`."""
        path = source_path(pattern)
        if has_wildcard(path):
            return []
        if path:
            raise missing(path)
        return [Match(path="", name="", kind="dir")]

    def walk(self, match: Match, *, prune: Callable[[str], bool] | None = None) -> Iterator[Entry]:  # noqa: ARG002
        """See `Source.walk`."""
        yield Entry(path=match.path, kind="dir", mode=0o755)

    def close(self) -> None:
        """Nothing to give back."""


class _Rejoined(io.RawIOBase):
    """`head`, then the rest of `stream`."""

    def __init__(self, head: bytes, stream: IO[bytes]) -> None:
        super().__init__()
        self._head = head
        self._stream = stream

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: memoryview) -> int:  # type: ignore[override]
        data, self._head = self._head[: len(buffer)], self._head[len(buffer) :]
        data = data or self._stream.read(len(buffer)) or b""
        buffer[: len(data)] = data
        return len(data)


def _is_archive_file(path: str | os.PathLike[str]) -> bool:
    return Path(path).is_file() and is_archive(_head(Path(path)))


def _context_folder(place: Place) -> Path:
    given = os.fspath(place.path or "")
    if given.startswith(_REMOTE):
        raise InputError(
            f"context {given!r}: only a build fetches URLs", hint="check it out and name the folder"
        )
    path = Path(given)
    if not given or not path.exists():
        hint = did_you_mean(path.name, _names(path.parent)) if given else None
        raise InputError(f"context {given!r} does not exist", hint=_nothing_checked_out(place) or hint)
    if not path.is_dir():
        folder = os.path.normpath(path.parent)
        hint = (
            f"name its folder {folder!r} as the context, and the file itself with {place.file_option}{given}"
        )
        raise InputError(f"context {given!r} is not a folder", hint=hint)
    if place.workspace:
        check_inside(path, [place.workspace], f"context {given!r}")
    return path


def _find_dockerfile(place: Place, root: Path) -> Path:
    """The Dockerfile of a folder, checked to be a file that may be read."""
    if place.dockerfile:
        given = Path(place.dockerfile)
        path = given if place.dockerfile_from == "here" else root / given
    else:
        path = next(
            (root / name for name in DEFAULT_NAMES if (root / name).is_file()), root / DEFAULT_NAMES[0]
        )
    check_inside(path, [place.workspace] if place.workspace else [root, Path()], "the Dockerfile")
    shown = _shown(place, path)
    if path.is_dir():
        raise InputError(
            f"Dockerfile {shown!r} is a folder", hint=f"name the file: {place.file_option}{shown}/Dockerfile"
        )
    if not path.exists():
        hint = _nothing_checked_out(place) or _other_dockerfiles(place, root, path)
        raise InputError(f"Dockerfile {shown!r} does not exist", hint=hint)
    if not path.is_file() and not path.is_fifo():
        raise InputError(f"Dockerfile {shown!r} is not a regular file")
    return path


def _shown(place: Place, path: Path) -> str:
    """How messages call a Dockerfile: as the caller would write it from the current folder."""
    if place.dockerfile and place.dockerfile_from == "here":
        path = Path(place.dockerfile)
    return _shown_path(place, path)


def _shown_path(place: Place, path: Path) -> str:
    """`path` as written, or below the workspace from there."""
    if place.workspace and path.is_relative_to(place.workspace):
        path = path.relative_to(place.workspace)
    return os.path.normpath(path)


def _nothing_checked_out(place: Place) -> str | None:
    """A hint where a pipeline's workspace is empty, which is the first mistake that one can make there."""
    if place.workspace is None or _names(place.workspace):
        return None
    return "the workspace is empty: check the repository out in a step before (actions/checkout)"


def _other_dockerfiles(place: Place, root: Path, path: Path) -> str:
    """A hint that names Dockerfiles nearby."""
    found = sorted(_dockerfiles_below(root), key=lambda seen: (seen.count("/"), seen))
    if place.dockerfile_from == "here":
        found = [_shown_path(place, root / name) for name in found]
        found += [name for name in _names(Path()) if _is_dockerfile_name(name) and name not in found]
    if not found:
        return f"no Dockerfile was found in {str(root)!r}; name one with {place.file_option}..."
    by_name = {Path(name).name: name for name in reversed(found)}
    near = did_you_mean(path.name, by_name)
    best = next((name for name in found if near and near == f"did you mean {Path(name).name}?"), found[0])
    others = [name for name in found[:6] if name != best]
    return f"did you mean {place.file_option}{best}?" + (
        f" there is also {', '.join(others)}" if others else ""
    )


def _dockerfiles_below(root: Path) -> Iterator[str]:
    """Dockerfiles of a folder and of the folders in it, relative to it."""
    folders = [Path()]
    seen = 0
    while folders:
        folder = folders.pop()
        for name in _names(root / folder):
            seen += 1
            if seen > _MOST_SEEN:
                return
            entry = folder / name
            if _is_dockerfile_name(name) and (root / entry).is_file():
                yield str(entry)
            elif folder == Path() and not name.startswith(".") and (root / entry).is_dir():
                folders.append(entry)


def _is_dockerfile_name(name: str) -> bool:
    lower = name.lower()
    return (
        lower in {"dockerfile", "containerfile"}
        or lower.startswith(("dockerfile.", "dockerfile-"))
        or lower.endswith((".dockerfile", "-dockerfile"))
    )


def _names(folder: Path) -> list[str]:
    try:
        return sorted(os.listdir(folder))  # noqa: PTH208 - names are wanted
    except OSError:
        return []


def _head(path: Path) -> bytes:
    try:
        with path.open("rb") as file:
            return file.read(_TAR_BLOCK) if path.is_file() else b""
    except OSError:
        return b""


def _read_file(path: Path, name: str) -> Source:
    try:
        with path.open("rb") as file:
            return _decode(name, file.read(LARGEST_DOCKERFILE_BYTES + 1))
    except OSError as error:
        raise InputError(f"Dockerfile {name!r} cannot be read: {error.strerror}") from None


def _read_member(context: BuildContext, name: str) -> Source:
    """The Dockerfile in a streamed context."""
    for candidate in [name] if name else DEFAULT_NAMES:
        try:
            [match] = context.resolve(candidate)
        except (InputError, ValueError):
            continue
        if match.kind == "file":
            [entry] = context.walk(match)
            with entry.open() as file:
                return _decode(candidate, file.read(LARGEST_DOCKERFILE_BYTES + 1))
    raise InputError(
        f"Dockerfile {name or DEFAULT_NAMES[0]!r} is not in the context that was given as a stream"
    )


def _read_stream(name: str, stream: IO[bytes] | IO[str]) -> Source:
    data = stream.read(LARGEST_DOCKERFILE_BYTES + 1)
    if not data:
        raise InputError(f"the Dockerfile given as {name} is empty")
    return _decode(name, data.encode() if isinstance(data, str) else data)


def _decode(name: str, data: bytes) -> Source:
    if len(data) > LARGEST_DOCKERFILE_BYTES:
        raise InputError(f"Dockerfile {name!r} is larger than {LARGEST_DOCKERFILE_BYTES} bytes")
    try:
        return Source(name, data.decode("utf-8"))
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        raise InputError(
            f"Dockerfile {name!r}, line {line}: not UTF-8", hint="save the file as UTF-8"
        ) from None
