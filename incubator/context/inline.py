"""Single files that do not lie in the context: heredocs of COPY and ADD, downloads."""

from __future__ import annotations

import posixpath
from dataclasses import dataclass
from functools import partial
from io import BytesIO
from typing import TYPE_CHECKING

from incubator.context.entry import Entry
from incubator.context.source import Match

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator


@dataclass(frozen=True, slots=True)
class SingleFile:
    """A `Source` with one file in it, whatever pattern is asked for; the entry's `path` gives its name."""

    file: Entry

    def resolve(self, pattern: str) -> list[Match]:
        """The file."""
        del pattern
        return [Match(path=self.file.path, name=posixpath.basename(self.file.path), kind=self.file.kind)]

    def walk(self, match: Match, *, prune: Callable[[str], bool] | None = None) -> Iterator[Entry]:
        """The file."""
        del match, prune
        yield self.file.at("")


def inline_file(name: str, content: bytes, *, mtime_ns: int = 0) -> SingleFile:
    """The file that a heredoc `<<name` makes: mode 0644, owned by root."""
    return SingleFile(
        Entry(
            path=name,
            kind="file",
            mode=0o644,
            size=len(content),
            mtime_ns=mtime_ns,
            content=partial(BytesIO, content),
        )
    )
