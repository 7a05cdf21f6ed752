"""Contexts that lie elsewhere: fetched first, and gone when the build is done with them."""

from __future__ import annotations

import os
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, cast

from incubator.context.directory import DirectoryContext
from incubator.context.source import source_path
from incubator.core.materials import remote_material
from incubator.errors import InputError
from incubator.remote.store import RemoteStore
from incubator.remote.urls import Download, parse_remote, redacted

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence
    from contextlib import ExitStack
    from typing import IO

    from incubator.context.entry import Entry
    from incubator.context.patterns import PatternMatcher
    from incubator.context.source import Match
    from incubator.core.context import BuildContext
    from incubator.request import Material
    from incubator.sources import Place

_ARCHIVE_OR_FILE = "a URL serves a tar of the context, or a Dockerfile"


class KeptContext:
    """A context with what has to go when it is closed. Messages call it `name`; `material`: what was fetched for it."""

    def __init__(
        self, context: BuildContext, name: str, stack: ExitStack, material: Material | None = None
    ) -> None:
        self._context = context
        self._name = name
        self._stack = stack
        self.material = material

    def __str__(self) -> str:
        return self._name

    @property
    def ignore(self) -> PatternMatcher | None:
        """See `BuildContext.ignore`."""
        return self._context.ignore

    def resolve(self, pattern: str) -> Sequence[Match]:
        """See `Source.resolve`."""
        return self._context.resolve(pattern)

    def walk(self, match: Match, *, prune: Callable[[str], bool] | None = None) -> Iterator[Entry]:
        """See `Source.walk`."""
        return self._context.walk(match, prune=prune)

    def close(self) -> None:
        """Give everything back."""
        self._context.close()
        self._stack.close()


def is_elsewhere(place: Place) -> bool:
    """Whether the context has to be fetched. Raises InputError for a URL that is none."""
    return place.path is not None and parse_remote(os.fspath(place.path)) is not None


def fetch(
    place: Place,
    stack: ExitStack,
    *,
    secrets: Mapping[str, bytes],
    is_archive: Callable[[IO[bytes]], tuple[bool, IO[bytes]]],
) -> tuple[Place, Material]:
    """A place on this machine with what `place` names, and what that is; `stack` takes away what was fetched.

    Raises InputError, DownloadFailed and GitFailed.
    """
    text = os.fspath(place.path or "")
    remote = parse_remote(text)
    assert remote is not None
    store = stack.enter_context(RemoteStore(secrets))
    fetched = store.fetch(remote, lambda: None)
    files = fetched.source
    material = remote_material(remote, fetched.digest)
    if isinstance(files, DirectoryContext):
        inside = source_path(os.fspath(place.dockerfile)) if place.dockerfile else None
        root = Path(files.root)
        here = replace(
            place,
            path=root,
            dockerfile=inside,
            dockerfile_from="context",
            workspace=root,
            ignore_rules=False,  # the reference builder reads none in a repository
        )
        return here, material
    assert isinstance(remote, Download)
    archive, stream = is_archive(cast("IO[bytes]", stack.enter_context(fetched.file.open())))
    if archive:
        return replace(place, path=None, context=stream), material
    if place.dockerfile or place.dockerfile_stream is not None:
        raise InputError(
            f"context {redacted(text)!r} is no tar, so it is the Dockerfile, and another one is named as well",
            hint=_ARCHIVE_OR_FILE,
        )
    here = replace(place, path=None, dockerfile_stream=stream, stream_name=remote.name)
    return here, material
