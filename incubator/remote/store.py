"""What one build fetches: each thing once, in a folder that goes with the build."""

from __future__ import annotations

import os
import tempfile
import threading
from contextlib import ExitStack, closing
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Self

from incubator.remote.download import download
from incubator.remote.git import check_out
from incubator.remote.urls import Download, GitRepository

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from incubator.context.entry import Entry
    from incubator.context.source import Source
    from incubator.remote.urls import Remote


@dataclass(frozen=True, slots=True, kw_only=True)
class Fetched:
    """Files from elsewhere. `digest` is that of a download's content, or the id of a commit."""

    source: Source
    digest: str

    @property
    def file(self) -> Entry:
        """The one file of a download."""
        [match] = self.source.resolve("")
        [entry] = self.source.walk(match)
        return entry


class RemoteStore:
    """Fetches; several threads may share it. A context manager: all that was fetched is gone afterwards."""

    def __init__(self, secrets: Mapping[str, bytes]) -> None:
        self._secrets = secrets
        self._stack = ExitStack()
        self._folder: Path | None = None
        self._fetched: dict[Remote, Fetched] = {}
        self._lock = threading.Lock()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._stack.close()

    @property
    def digests(self) -> dict[Remote, str]:
        """Of all that has been fetched, the digests."""
        with self._lock:
            return {remote: fetched.digest for remote, fetched in self._fetched.items()}

    def fetch(self, wanted: Remote, check: Callable[[], None]) -> Fetched:
        """The files, fetched once in a build. Raises DownloadFailed and GitFailed, and what `check` raises."""
        with self._lock:
            if wanted not in self._fetched:
                self._fetched[wanted] = self._fetch(wanted, check)
            return self._fetched[wanted]

    def _fetch(self, wanted: Remote, check: Callable[[], None]) -> Fetched:
        if self._folder is None:
            self._folder = Path(self._stack.enter_context(tempfile.TemporaryDirectory(prefix="incubator-")))
        path = self._folder / str(len(self._fetched))
        match wanted:
            case Download():
                found = download(wanted, path, secrets=self._secrets, check=check)
                return Fetched(source=found.source, digest=found.digest)
            case GitRepository():
                path.mkdir()
                made = check_out(wanted, path, secrets=self._secrets, environ=os.environ, check=check)
                self._stack.enter_context(closing(made.source))
                return Fetched(source=made.source, digest=f"{made.commit} {wanted.keep_git_dir}")
