"""Mounts of RUN, understood: what `--mount=...` asks for once its variables have values. Pure.

Source: BuildKit, frontend/dockerfile/instructions/commands_runmount.go and dockerfile2llb/convert_runmount.go.
"""

from __future__ import annotations

import posixpath
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, Literal, cast

from incubator.dockerfile.run_options import MOUNT_ALIASES, mount_key_fault
from incubator.dockerfile.text import lower, nearest

if TYPE_CHECKING:
    from collections.abc import Callable

    from incubator.core.plan.model import Origin, RunStep
    from incubator.dockerfile.instructions import Mount as Written
    from incubator.errors import DockerfileError

Sharing = Literal["shared", "private", "locked"]

TYPES: Final = ("bind", "cache", "tmpfs", "secret", "ssh")
SHARINGS: Final = ("shared", "private", "locked")
SECRETS_FOLDER: Final = "/run/secrets"
AGENT_PATH: Final = "/run/buildkit/ssh_agent."

_ONLY_FOR: Final = {
    "required": ("secret", "ssh"),
    "size": ("tmpfs",),
    "sharing": ("cache",),
    "mode": ("cache", "secret", "ssh"),
    "uid": ("cache", "secret", "ssh"),
    "gid": ("cache", "secret", "ssh"),
}
"""Keys that only some types take."""
_BOOLEANS: Final = {
    **dict.fromkeys(("1", "t", "T", "TRUE", "true", "True"), True),
    **dict.fromkeys(("0", "f", "F", "FALSE", "false", "False"), False),
}
_SIZE: Final = re.compile(r"([0-9]{1,20}(?:\.[0-9]+)?) ?([kmgtp]?)(?:i?b)?", re.IGNORECASE)
_LARGEST_ID: Final = 2**32 - 1
_MOST_DIGITS: Final = 11


@dataclass(frozen=True, slots=True, kw_only=True)
class BindMount:
    """Files of the context (`origin` None), a stage or an image at `target`; what is written there is dropped."""

    origin: Origin | None
    source: str
    target: str
    read_only: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class CacheMount:
    """A folder that later builds find again by `id`, at first with the files of `origin` below `source`.

    `owner` and `mode` are those of the folder itself, None where nothing is said.
    """

    id: str
    origin: Origin | None
    source: str
    target: str
    read_only: bool
    sharing: Sharing
    owner: tuple[int, int] | None
    mode: int | None


@dataclass(frozen=True, slots=True, kw_only=True)
class TmpfsMount:
    """An empty folder in memory; `size_bytes` None: as large as it likes."""

    target: str
    size_bytes: int | None
    read_only: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class SecretMount:
    """A secret as a file at `target`, as the variable `env`, or both."""

    id: str
    target: str | None
    env: str | None
    required: bool
    owner: tuple[int, int]
    mode: int


@dataclass(frozen=True, slots=True, kw_only=True)
class SshMount:
    """The socket of an SSH agent."""

    id: str
    target: str
    required: bool
    owner: tuple[int, int]
    mode: int


Mount = BindMount | CacheMount | TmpfsMount | SecretMount | SshMount


def plan_mounts(
    written: tuple[Written, ...],
    *,
    cwd: str,
    expand: Callable[[str], str],
    find_source: Callable[[str], Origin],
    fault: Callable[[str, str, str | None], DockerfileError],
) -> tuple[Mount, ...]:
    """The mounts of one RUN in `cwd`, in order.

    `expand` gives variables their values, `find_source` says what `from=` means, `fault` makes the error for a
    message, the word it is about, and a hint. Raises DockerfileError.
    """
    mounts: list[Mount] = []
    agents = 0
    for mount in written:
        reader = _Reader(mount, expand, fault)
        mounts.append(reader.mount(cwd, find_source, agents))
        agents += isinstance(mounts[-1], SshMount)
    return tuple(mounts)


class _Reader:
    """Reads one mount."""

    def __init__(
        self,
        written: Written,
        expand: Callable[[str], str],
        fault: Callable[[str, str, str | None], DockerfileError],
    ) -> None:
        self._fault = fault
        self._word = f"--mount={written.raw}"
        self._values: dict[str, str] = {}
        self._words: dict[str, str] = {}
        self._read_only: bool | None = None
        for key, value in written.options:
            self._option(key, value, expand)
        self.type = lower(self._values.get("type", "bind"))
        self._check()

    def _option(self, key: str, value: str | None, expand: Callable[[str], str]) -> None:
        word = key if value is None else f"{key}={value}"
        found = mount_key_fault(key, value)
        if found:
            message, hint = found
            raise self._fault(message, word, hint)
        name = MOUNT_ALIASES.get(key, key)
        text = "true" if value is None else value if name == "from" else expand(value)
        self._values[name] = text
        self._words[name] = word
        if name in ("ro", "rw"):
            self._read_only = self._boolean(name) == (name == "ro")

    def _check(self) -> None:
        if self.type not in TYPES:
            near = nearest(self.type, TYPES)
            hint = f"did you mean {near}?" if near else f"types are {', '.join(TYPES)}"
            raise self._fault(
                f"RUN: --mount: there is no type {self.type!r}", self._words.get("type", self._word), hint
            )
        for key, types in _ONLY_FOR.items():
            if key in self._values and self.type not in types:
                raise self._fault(
                    f"RUN: --mount: {key} is not for mounts of type {self.type}",
                    self._words[key],
                    f"it is for {' and '.join(types)}",
                )

    def _boolean(self, key: str) -> bool:
        value = self._values.get(key)
        if value is None:
            return False
        if value not in _BOOLEANS:
            raise self._fault(
                f"RUN: --mount: {key}={value} is no boolean", self._words[key], "write true or false"
            )
        return _BOOLEANS[value]

    def _number(self, key: str, base: int) -> int | None:
        text = self._values.get(key)
        if text is None:
            return None
        digits = "01234567" if base == 8 else "0123456789"
        value = text.lstrip("0") or "0"
        is_number = text and not text.strip(digits) and len(value) <= _MOST_DIGITS
        if not is_number or int(value, base) > _LARGEST_ID:
            kind = "an octal mode, as in 0750" if base == 8 else "a number"
            raise self._fault(f"RUN: --mount: {key}={text} is not {kind}", self._words[key], None)
        return int(value, base)

    def _owner(self) -> tuple[int, int]:
        return self._number("uid", 10) or 0, self._number("gid", 10) or 0

    def _mode(self, default: int) -> int:
        mode = self._number("mode", 8)
        return default if mode is None else mode

    def _size(self) -> int | None:
        text = self._values.get("size")
        if text is None:
            return None
        match = _SIZE.fullmatch(text.strip())
        if not match:
            raise self._fault(
                f"RUN: --mount: size={text} is no size", self._words["size"], "write bytes, or as in 64m"
            )
        return int(float(match[1]) * 1024 ** " kmgtp".index(match[2].lower() or " ")) or None

    def _target(self, cwd: str) -> str:
        target = posixpath.normpath(posixpath.join("/", cwd, self._values.get("target", ""))).replace(
            "//", "/"
        )
        if target == "/":
            raise self._fault(
                "RUN: --mount: the target is the root folder",
                self._words.get("target", self._word),
                "name the folder or file to mount at with target=",
            )
        return target

    def mount(self, cwd: str, find_source: Callable[[str], Origin], agents: int) -> Mount:
        if self.type == "secret":
            return self._secret(cwd)
        if self.type == "ssh":
            return SshMount(
                id=self._values.get("id") or "default",
                target=self._target(cwd) if self._values.get("target") else f"{AGENT_PATH}{agents}",
                required=self._boolean("required"),
                owner=self._owner(),
                mode=self._mode(0o600),
            )
        if self.type == "tmpfs":
            return TmpfsMount(
                target=self._target(cwd), size_bytes=self._size(), read_only=bool(self._read_only)
            )
        origin = find_source(self._values["from"]) if self._values.get("from") else None
        source = posixpath.normpath(posixpath.join("/", self._values.get("source", ""))).replace("//", "/")
        target = self._target(cwd)
        if self.type == "bind":
            read_only = True if self._read_only is None else self._read_only
            return BindMount(origin=origin, source=source, target=target, read_only=read_only)
        return self._cache(origin, source, target)

    def _cache(self, origin: Origin | None, source: str, target: str) -> CacheMount:
        sharing = lower(self._values.get("sharing", "shared"))
        if sharing not in SHARINGS:
            near = nearest(sharing, SHARINGS)
            raise self._fault(
                f"RUN: --mount: there is no sharing {sharing!r}",
                self._words["sharing"],
                f"did you mean {near}?" if near else f"ways are {', '.join(SHARINGS)}",
            )
        owned = "uid" in self._values or "gid" in self._values or "mode" in self._values
        return CacheMount(
            # As written: in another folder the same relative target is the same cache.
            id=self._values.get("id") or posixpath.normpath(self._values.get("target", "")),
            origin=origin,
            source=source,
            target=target,
            read_only=bool(self._read_only),
            sharing=cast("Sharing", sharing),
            owner=self._owner() if owned else None,
            mode=self._mode(0o755) if owned else None,
        )

    def _secret(self, cwd: str) -> SecretMount:
        source, name = self._values.get("source", ""), self._values.get("id", "")
        if self._values.get("from"):
            raise self._fault("RUN: --mount: a secret has no from", self._words["from"], None)
        if source and name:
            raise self._fault(
                "RUN: --mount: a secret has an id or a source, not both", self._words["source"], None
            )
        written = self._values.get("target", "")
        identity = source or name or posixpath.basename(written)
        if not identity:
            raise self._fault(
                "RUN: --mount: the secret has no id", self._word, "name it, as in type=secret,id=token"
            )
        env = self._values.get("env")
        target = self._target(cwd) if written else None
        if env is None and target is None:
            target = f"{SECRETS_FOLDER}/{posixpath.basename(identity)}"
        return SecretMount(
            id=identity,
            target=target,
            env=env,
            required=self._boolean("required"),
            owner=self._owner(),
            mode=self._mode(0o400),
        )


def read_mounts(step: RunStep) -> tuple[BindMount | CacheMount, ...]:
    """The mounts of a step that have files of the context, a stage or an image."""
    return tuple(
        mount
        for mount in step.mounts
        if isinstance(mount, BindMount) or (isinstance(mount, CacheMount) and mount.origin is not None)
    )


def targets_of(step: RunStep) -> list[str]:
    """Where a step has something mounted."""
    return [mount.target for mount in step.mounts if mount.target is not None]


def words_of(mount: Mount) -> list[object]:
    """What of a mount decides what a command may see, beside the files it reads; for cache keys."""
    match mount:
        case BindMount():
            return ["bind", mount.source, mount.target, mount.read_only]
        case CacheMount():
            owner = list(mount.owner) if mount.owner else None
            return ["cache", mount.id, mount.source, mount.target, mount.read_only, owner, mount.mode]
        case TmpfsMount():
            return ["tmpfs", mount.target, mount.size_bytes, mount.read_only]
        case SecretMount():
            return ["secret", mount.id, mount.target, mount.env, mount.required, *mount.owner, mount.mode]
        case SshMount():
            return ["ssh", mount.id, mount.target, mount.required, *mount.owner, mount.mode]
