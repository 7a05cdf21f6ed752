"""The configuration files of a build, and how far each is trusted."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from incubator.core.config import ConfigSource
from incubator.core.config_text import LARGEST_BYTES, parse_config_text
from incubator.core.trust import Origin, real_path
from incubator.errors import InputError
from incubator.faults import Faults, did_you_mean

if TYPE_CHECKING:
    from collections.abc import Sequence

HOME_FILE = ".incubator.rc"
WORKSPACE_FILE = ".incubator"


def load_config_files(names: Sequence[str], *, workspace: Path, home: Path | None) -> list[ConfigSource]:
    """The configuration files of a build: `~/.incubator.rc`, `./.incubator`, then `names` in order.

    The first two are read where they exist; `./` is `workspace`. A file that lies in the workspace, or is reached
    through it, is not trusted. Raises InputErrors with the faults of all files.
    """
    files = [(f"~/{HOME_FILE}", home / HOME_FILE)] if home else []
    files += [(f"./{WORKSPACE_FILE}", workspace / WORKSPACE_FILE)]
    found = [(name, path) for name, path in files if path.exists() or path.is_symlink()]
    faults = Faults()
    sources = []
    for name, path in found + [(name, workspace / name) for name in names]:
        with faults.gather():
            sources.append(_load_file(name, path, workspace))
    faults.check()
    return sources


def _load_file(name: str, path: Path, workspace: Path) -> ConfigSource:
    real, real_workspace = real_path(path), real_path(workspace)
    inside = Path(real_path(path.parent), path.name).is_relative_to(real_workspace)
    if inside and not real.is_relative_to(real_workspace):
        raise InputError(f"configuration {name}: the link leads out of the workspace, to {str(real)!r}")
    if real.is_dir():
        raise InputError(f"configuration {name} is a folder", hint="name a file in JSON or YAML")
    if not real.exists():
        raise InputError(f"configuration {name} does not exist", hint=_nearby(real))
    if not real.is_file():
        raise InputError(f"configuration {name} is not a regular file")
    try:
        with real.open("rb") as file:
            data = file.read(LARGEST_BYTES + 1)
        text = data.decode("utf-8-sig")
    except OSError as error:
        raise InputError(f"configuration {name} cannot be read: {error.strerror}") from None
    except UnicodeDecodeError as error:
        raise InputError(f"configuration {name} is not UTF-8: byte {error.start}") from None
    parsed = parse_config_text(name, text)
    origin = Origin(name=name, folder=path.parent, workspace=workspace if inside else None)
    return ConfigSource(values=parsed.values, origin=origin, text=parsed)


def _nearby(path: Path) -> str | None:
    try:
        names = [entry.name for entry in path.parent.iterdir() if entry.is_file()]
    except OSError:
        return f"there is no folder {str(path.parent)!r}"
    return did_you_mean(path.name, names)
