"""Engine volumes with files of ours: put in through a container, by the archive API, so no path of ours is shared."""

from __future__ import annotations

import posixpath
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from incubator.context.tarstream import write_tar
from incubator.core.constants import APP_NAME
from incubator.core.engine import ContainerSpec
from incubator.core.script import SHELL
from incubator.core.volume import Volume

if TYPE_CHECKING:
    from collections.abc import Iterable

    from incubator.context.entry import Entry
    from incubator.core.engine import Engine
    from incubator.core.halt import Halt
    from incubator.core.leftovers import Workshop

FILLED_AT: Final = f"/.{APP_NAME}"
"""Where helpers have the volume."""

CONTENT: Final = "content"
"""Name of the one file or folder in a volume: what is mounted is a path inside the volume, so it may be a file."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Filler:
    """Fills volumes for one build. Volumes it makes bear the build's labels and go with it."""

    engine: Engine
    workshop: Workshop
    halt: Halt

    def new_volume(self, image: str, entries: Iterable[Entry]) -> str:
        """Make a volume with `entries`; its path on the engine's host."""
        volume, path = self.empty_volume()
        self.fill(volume, image, entries)
        return path

    def empty_volume(self) -> tuple[str, str]:
        """Make a volume; its name, and its path on the engine's host."""
        volume = self.workshop.volume_name()
        path = self.engine.create_volume(volume, labels=self.workshop.labels)
        self.workshop.discard_volume(volume)
        return volume, path

    def fill(self, volume: str, image: str, entries: Iterable[Entry]) -> None:
        """Put entries into a volume, as a stream, by a container of any `image`, which never runs."""
        helper = self.helper(volume, image)
        try:
            self.engine.write_tar(helper, FILLED_AT, self.halt.guard(write_tar(entries)))
        finally:
            self.workshop.discard(helper)

    def helper(self, volume: str, image: str, *, runs: bool = False) -> str:
        """A container through which a volume is filled. One that runs waits for the end of its input."""
        return self.engine.create(
            ContainerSpec(
                image=image,
                entrypoint=(SHELL,),
                command=("-s",),
                labels=self.workshop.labels,
                user="0",
                stdin=runs,
                network="none",
                volumes=(Volume(volume, FILLED_AT, "nocopy"),),
            )
        )


def inside(path: str) -> str:
    """A relative path below the content of a volume; empty for the content itself."""
    return posixpath.join(CONTENT, path) if path else CONTENT
