"""Small shell scripts that start a program of the cache with the environment it needs."""

from __future__ import annotations

import os
import shlex
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path


def write_wrapper(
    wrapper: Path,
    command: Sequence[str],
    *,
    env: Mapping[str, str] | None = None,
    defaults: Mapping[str, str] | None = None,
    path: Sequence[Path] = (),
) -> Path:
    """Write the executable script `wrapper` that runs `command` with its own arguments appended; returns its path.

    `env` is set, `defaults` only where the caller has not set the name, `path` is put before the caller's `PATH`.
    """
    lines = ["#!/bin/sh"]
    lines += [f"export {name}={shlex.quote(value)}" for name, value in (env or {}).items()]
    lines += [f': "${{{name}:={value}}}"; export {name}' for name, value in (defaults or {}).items()]
    if path:
        lines.append(f'export PATH={shlex.quote(":".join(map(str, path)))}:"$PATH"')
    lines.append(f'exec {shlex.join(command)} "$@"')
    wrapper.parent.mkdir(parents=True, exist_ok=True)
    # A name of its own: a script that somebody still writes cannot be executed.
    partial = wrapper.with_name(f".{wrapper.name}.{os.getpid()}")
    partial.write_text("\n".join(lines) + "\n")
    partial.chmod(0o755)
    partial.rename(wrapper)
    return wrapper
