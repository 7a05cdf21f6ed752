"""Options of RUN that have a syntax of their own: `--mount` and `--device`. Pure.

Only what needs no values is checked here: mounts may hold variables, and are understood when a step is planned.

Source: BuildKit, frontend/dockerfile/instructions/commands_runmount.go and commands_rundevice.go.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

from incubator.dockerfile.instructions import Mount
from incubator.dockerfile.text import lower, nearest

if TYPE_CHECKING:
    from incubator.dockerfile.maker import Maker

MOUNT_ALIASES: Final = {
    "dst": "target", "destination": "target", "src": "source", "readonly": "ro", "readwrite": "rw",
}  # fmt: skip
MOUNT_KEYS: Final = (
    "type", "from", "source", "target", "ro", "rw", "id", "sharing", "required", "mode", "uid", "gid", "size", "env",
)  # fmt: skip
_BOOLEANS: Final = frozenset(
    ("1", "t", "T", "TRUE", "true", "True", "0", "f", "F", "FALSE", "false", "False")
)
_CSV_FIELD: Final = re.compile(r'(?:"((?:[^"]|"")*+)"|([^",]*+))(?=,|\Z)')


def read_mount(maker: Maker, raw: str) -> Mount:
    """The mount that `raw` writes; its faults are noted."""
    options: list[tuple[str, str | None]] = []
    for field in _csv(maker, raw, "--mount"):
        key, equals, value = field.partition("=")
        key = lower(key)
        if key == "from" and "$" in value[:-1]:
            maker.note(
                "RUN: from= of a mount takes no variables",
                rule="variable-in-mount",
                hint="give the image a stage of its own (FROM $IMAGE AS name) and mount from that",
                word=field,
            )
        options.append((key, value if equals else None))
    return Mount(raw=raw, options=tuple(options))


def mount_key_fault(key: str, value: str | None) -> tuple[str, str] | None:
    """A message and a hint where a mount has no such key, or has none without a value; None where all is well."""
    name = MOUNT_ALIASES.get(key, key)
    if name not in MOUNT_KEYS:
        near = nearest(key, (*MOUNT_KEYS, *MOUNT_ALIASES))
        hint = f"did you mean {near}?" if near else f"keys are {', '.join(MOUNT_KEYS)}"
        return f"RUN: --mount: unknown key {key!r}", hint
    if value is None and name not in ("ro", "rw", "required"):
        return f"RUN: --mount: {key} needs a value", f"write {key}=VALUE"
    return None


def check_device(maker: Maker, raw: str) -> None:
    """Notes what is wrong with a device."""
    named = False
    for field in _csv(maker, raw, "--device"):
        key, equals, value = field.partition("=")
        key = lower(key)
        if key == "required":
            if equals and value not in _BOOLEANS:
                maker.note(
                    f"RUN: --device: required={value} is no boolean", rule="invalid-flag-value", word=field
                )
        elif not named:
            named = True
        else:
            near = nearest(key, ("name", "required"))
            maker.note(
                f"RUN: --device: {field!r} is not expected behind the device's name",
                rule="invalid-flag-value",
                hint=f"did you mean {near}?" if near else "write --device=NAME or --device=NAME,required",
                word=field,
            )


def _csv(maker: Maker, raw: str, flag: str) -> list[str]:
    """The fields of a flag's value; a field in double quotes may hold commas, and `""` for a quote."""
    fields: list[str] = []
    position = 0
    while True:
        match = _CSV_FIELD.match(raw, position)
        if not match:
            maker.note(f"RUN: the quotes in {flag}={raw} do not match", rule="invalid-flag-value", word=flag)
            return []
        fields.append(match[2] if match[1] is None else match[1].replace('""', '"'))
        position = match.end() + 1
        if position > len(raw):
            return fields
