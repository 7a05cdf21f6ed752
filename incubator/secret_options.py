"""Secrets, SSH agents and rights as callers name them, to what a request holds. Values never enter a message."""

from __future__ import annotations

import os
import stat
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Final, get_args

from incubator.core.trust import check_inside
from incubator.errors import InputError
from incubator.faults import did_you_mean
from incubator.request import Right, Secret

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

    from incubator.faults import Faults

LARGEST_SECRET_BYTES: Final = 500 * 1024
"""As much as the reference builder takes."""

_RIGHTS: Final[tuple[Right, ...]] = get_args(Right)
_SECRET_KEYS: Final = ("id", "src", "source", "env", "type")
_FORMS: Final = "write id=NAME,src=FILE or id=NAME,env=VARIABLE"


def parse_secret(text: str, environ: Mapping[str, str], folder: Path) -> Secret:
    """`id=NAME[,src=FILE][,env=VARIABLE][,type=file|env]`, as `docker build --secret` takes it.

    Without a source it is the variable of that name, else the file. Files count from `folder`. Raises InputError.
    """
    values: dict[str, str] = {}
    for part in text.split(","):
        key, equals, value = part.partition("=")
        key = key.strip().lower()
        if key not in _SECRET_KEYS or not equals:
            raise InputError(
                f"invalid secret: {key!r} is not expected here",
                hint=did_you_mean(key, _SECRET_KEYS) or _FORMS,
            )
        values["src" if key == "source" else key] = value
    name, kind = values.get("id", ""), values.get("type", "")
    if not name:
        raise InputError("invalid secret: it has no id", hint=_FORMS)
    if kind not in ("", "file", "env"):
        raise InputError(
            f"secret {name!r}: there is no type {kind!r}",
            hint=did_you_mean(kind, ("file", "env")) or "types are file and env",
        )
    if "src" in values and "env" in values:
        raise InputError(f"secret {name!r}: it comes from a file or from a variable, not from both")
    source = values.get("src") or values.get("env") or name
    from_env = kind == "env" or "env" in values or (not kind and "src" not in values and source in environ)
    return _of_env(name, source, environ) if from_env else _of_file(name, folder / source)


def secret_of_env(text: str, environ: Mapping[str, str]) -> Secret:
    """`NAME=VARIABLE`: the value of a variable. Raises InputError where it is not set."""
    return _of_env(*_pair(text, "VARIABLE"), environ)


def secret_of_file(text: str, folder: Path) -> Secret:
    """`NAME=PATH`: the content of a file, as it is; paths count from the workspace `folder`. Raises InputError.

    A file that lies in the workspace by its name must not be a link out of it, which would be the checkout's doing.
    """
    name, path = _pair(text, "path")
    check_inside(folder / path, [folder], f"secret {name!r}")
    return _of_file(name, folder / path)


def _of_env(name: str, variable: str, environ: Mapping[str, str]) -> Secret:
    if variable not in environ:
        raise InputError(
            f"secret {name!r}: the variable {variable} is not set",
            hint="in a pipeline a variable has to be handed to the step, as in env: on GitHub",
        )
    return make_secret(name, environ[variable].encode(errors="surrogateescape"))


def _of_file(name: str, path: Path) -> Secret:
    try:
        with path.open("rb") as file:
            return make_secret(name, file.read(LARGEST_SECRET_BYTES + 1))
    except OSError as error:
        raise InputError(f"secret {name!r}: cannot read {str(path)!r}: {error.strerror}") from None


def secret_of_pair(text: str) -> Secret:
    """`NAME=VALUE`; the value may have several lines. Raises InputError, which does not show the text."""
    name, equals, value = text.partition("=")
    name = name.strip()
    if not equals or not name or not name.isprintable() or len(name) > 200:
        raise InputError(
            "a secret is not written as id=value",
            hint='an entry of several lines is in quotes as a whole, as in "key=line 1 ... ", with "" for a quote',
        )
    return make_secret(name, value.encode(errors="surrogateescape"))


def _pair(text: str, what: str) -> tuple[str, str]:
    name, equals, rest = text.partition("=")
    if not equals or not name.strip() or not rest.strip():
        hint = f"write {name.strip()}={what}" if name.strip() else None
        raise InputError(f"{text!r} is not written as id={what}", hint=hint)
    return name.strip(), rest.strip()


def parse_ssh(text: str, environ: Mapping[str, str]) -> tuple[str, str]:
    """`NAME[=SOCKET]` to the name and the agent's socket; without one that of SSH_AUTH_SOCK. Raises InputError."""
    name, equals, rest = text.strip().partition("=")
    if not name or (equals and not rest):
        raise InputError(f"invalid SSH agent {text!r}", hint="write default, or NAME=SOCKET")
    path = rest or environ.get("SSH_AUTH_SOCK", "")
    if not path:
        raise InputError(
            f"SSH agent {name!r}: SSH_AUTH_SOCK is not set",
            hint="start an agent (eval $(ssh-agent); ssh-add KEY), or name its socket as in default=SOCKET",
        )
    try:
        mode = os.stat(path).st_mode  # noqa: PTH116 - a name that Path would change
    except OSError as error:
        raise InputError(f"SSH agent {name!r}: {path!r}: {error.strerror}") from None
    if not stat.S_ISSOCK(mode):
        raise InputError(
            f"SSH agent {name!r}: {path!r} is no socket; keys are not read here",
            hint="start an agent that has the key: eval $(ssh-agent); ssh-add KEY",
        )
    return name, str(Path(path).resolve())


def parse_right(text: str) -> Right:
    """What a Dockerfile is allowed. Raises InputError."""
    for right in _RIGHTS:
        if text.strip() == right:
            return right
    raise InputError(
        f"there is nothing called {text!r} to allow",
        hint=did_you_mean(text, _RIGHTS) or f"{' and '.join(_RIGHTS)} can be allowed",
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class Access:
    """What of the caller's a build may use: secrets and sockets of SSH agents by their ids, and rights."""

    secrets: Mapping[str, Secret] = field(default_factory=dict)
    ssh: Mapping[str, str] = field(default_factory=dict)
    allow: frozenset[Right] = frozenset()


def read_access(
    *,
    secrets: Iterable[Callable[[], Secret]] = (),
    ssh: Iterable[Callable[[], tuple[str, str]]] = (),
    allow: Iterable[Callable[[], Right]] = (),
    faults: Faults,
) -> Access:
    """What the callables read; the faults of all are noted in `faults`."""
    found: dict[str, Secret] = {}
    for read in secrets:
        with faults.gather():
            secret = read()
            if secret.id in found:
                raise InputError(f"secret {secret.id!r} is given twice")
            found[secret.id] = secret
    sockets: dict[str, str] = {}
    for read_socket in ssh:
        with faults.gather():
            name, socket = read_socket()
            sockets[name] = socket
    rights: set[Right] = set()
    for read_right in allow:
        with faults.gather():
            rights.add(read_right())
    return Access(secrets=found, ssh=sockets, allow=frozenset(rights))


def make_secret(name: str, value: bytes) -> Secret:
    """A secret. Raises InputError where it is too large."""
    if len(value) > LARGEST_SECRET_BYTES:
        raise InputError(f"secret {name!r} is larger than {LARGEST_SECRET_BYTES} bytes")
    return Secret(id=name, value=value)
