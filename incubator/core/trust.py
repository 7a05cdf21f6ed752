"""Where a setting comes from, and what it may therefore reach.

A configuration file in the checkout is written by whoever may open a merge request. It may mount what lies in the
workspace and nothing else; only what the caller gives directly (flags, pipeline inputs, arguments, files outside
the workspace) may reach further.
"""

from __future__ import annotations

import os
import re
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from incubator.core.volume import Volume, parse_volume
from incubator.errors import BuilderError, InputError

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

OPEN_NETWORKS = ("default", "bridge", "none")
"""Networks that an untrusted origin may choose: what a build gets anyway, or less."""

_VOLUME_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]*")
_HOW_TO_WIDEN = (
    "give it as an option (--volume), a pipeline input, or in a configuration file outside the workspace"
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Origin:
    """A source of settings. `name` is how messages call it.

    `folder` is where relative paths of it start, None: the current folder. `workspace` is what an untrusted
    origin may reach, and None for trusted ones. `direct`: what the caller gives at once, so that messages need not
    tell where it is from.
    """

    name: str
    folder: Path | None = None
    workspace: Path | None = None
    direct: bool = False

    @property
    def trusted(self) -> bool:
        """Whether it may reach outside the workspace."""
        return self.workspace is None


ARGUMENTS = Origin(name="arguments", direct=True)
"""What a caller of the Python API gives directly."""


def make_volume(value: str | Volume, origin: Origin) -> Volume:
    """The volume that `source:destination[:mode]` means in `origin`, its relative source made absolute.

    A source that starts with `./` or `../`, or is one of `.` and `..`, is a path; `~/` is the home folder, for
    trusted origins. Raises InputError: bad syntax, or a source that `origin` may not mount.
    """
    volume = value if isinstance(value, Volume) else _read_volume(value, origin)
    return volume if origin.workspace is None else _confine(volume, origin.name, origin.workspace)


def _read_volume(text: str, origin: Origin) -> Volume:
    source, colon, rest = text.partition(":")
    if source in {".", ".."} or source.startswith(("./", "../")):
        source = os.path.abspath(os.path.join(origin.folder or "", source))  # noqa: PTH100, PTH118 - lexical, as docker does
    elif source.startswith("~/") and origin.trusted:
        source = str(Path(source).expanduser())
    volume = parse_volume(source + colon + rest)
    if not volume.is_path and not _VOLUME_NAME.fullmatch(volume.source):
        raise InputError(
            f"invalid volume {text!r}: {source!r} is neither an absolute path nor the name of a volume",
            hint=f"a path relative to the {'file' if origin.folder else 'current folder'} starts with ./",
        )
    return volume


def _confine(volume: Volume, origin: str, workspace: Path) -> Volume:
    if not volume.is_path:
        raise InputError(
            f"volume {str(volume)!r} of {origin} is a volume of the engine, which this file may not mount",
            hint=_HOW_TO_WIDEN,
        )
    real = real_path(volume.source)
    if not real.is_relative_to(real_path(workspace)):
        leads = "" if str(real) == volume.source else f", which leads to {str(real)!r},"
        raise InputError(
            f"volume source {volume.source!r} of {origin}{leads} lies outside the workspace {str(workspace)!r}",
            hint=_HOW_TO_WIDEN,
        )
    return Volume(str(real), volume.destination, volume.mode)


def real_path(path: str | Path) -> Path:
    """`path` without links, as far as it exists; a loop of links stays as it is."""
    return Path(os.path.realpath(path))


def check_real(path: Path, what: str) -> None:
    """Raise BuilderError where a path that had no links has one now: a step of the build can have put it there."""
    if real_path(path) != path:
        raise BuilderError(
            f"{what}: {os.fspath(path)!r} leads elsewhere now, to {os.fspath(real_path(path))!r}",
            hint="a step of the build has put a link into a folder that it can write to",
        )


def check_inside(path: Path, folders: list[Path], what: str) -> None:
    """Raise InputError for a path that lies in one of `folders` by its name, but not in any once links are followed."""
    if "\0" in os.fspath(path):
        raise InputError(f"{what}: a path cannot hold a NUL character")
    by_name = Path(os.path.abspath(path))  # noqa: PTH100 - must not follow links
    roots = [real_path(folder) for folder in folders]
    named = [*roots, *(Path(os.path.abspath(folder)) for folder in folders)]  # noqa: PTH100
    real = real_path(path)
    if any(map(by_name.is_relative_to, named)) and not any(map(real.is_relative_to, roots)):
        raise InputError(f"{what}: the link {os.fspath(path)!r} leads out of the workspace, to {str(real)!r}")


def find_escapes(volumes: Iterable[tuple[Volume, Origin]]) -> Iterator[tuple[Volume, InputError]]:
    """Untrusted volumes whose source a step of the build could swap for a link to anywhere.

    That is so where the source lies inside another mount that steps can write to: the engine follows links when
    it mounts for the next step.
    """
    mounts = [(volume, origin) for volume, origin in volumes if volume.is_path]
    for volume, origin in mounts:
        if origin.trusted:
            continue
        for other, _ in mounts:
            outer = real_path(other.source)
            if outer in Path(volume.source).parents and "ro" not in other.mode.split(","):
                error = InputError(
                    f"volume source {volume.source!r} of {origin.name} lies inside the writable volume {str(other)!r}",
                    hint="mount the outer one read-only, or mount only one of them",
                )
                yield volume, error
                break
