"""The logins of a step: one registry's name, and `registry-auth`, which has several.

Form: docker/login-action, `registry-auth`. What is wrong is told without the text, which holds passwords.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, Final

import yaml

from incubator.ci.spec import pattern_of
from incubator.errors import InputError
from incubator.faults import Faults, did_you_mean
from incubator.neighbours import INPUTS
from incubator.oci.reference import DEFAULT_REGISTRY
from incubator.request import Credential

if TYPE_CHECKING:
    from collections.abc import Callable

_DOCKER_HUB: Final = {"index.docker.io", "registry-1.docker.io", "registry.hub.docker.com"}
_KEYS: Final = ("registry", "username", "password")
_PASSWORD: Final = re.compile(r"""["']?password["']?[ \t]*:[ \t]*(?:"([^"\n]*)"|'([^'\n]*)'|([^\n]*))""")
_HINT: Final = "write a YAML list, as in: - {registry: ghcr.io, username: bot, password: ...}"

EMPTY_SECRETS: Final = (
    "secrets are empty in pull requests of forks, and protected variables on other branches: "
    "push where they are set"
)
NO_LOGIN: Final = "so there is no login, and nothing is pushed that would need one"


def parse_registry(text: str) -> str:
    """A registry as host with optional port. Raises InputError."""
    if text.startswith(("http://", "https://")) or "/" in text.rstrip("/"):
        host = re.sub(r"^https?://", "", text).partition("/")[0]
        if host not in _DOCKER_HUB:
            raise InputError(
                f"{text!r} is not a host with optional port", hint=f"write {host}" if host else None
            )
        return DEFAULT_REGISTRY
    host = text.rstrip("/")
    if not re.fullmatch(pattern_of("registry"), host):
        raise InputError(f"{text!r} is not a host with optional port", hint="as in ghcr.io or localhost:5000")
    return DEFAULT_REGISTRY if host in _DOCKER_HUB else host


def parse_registry_auth(
    text: str, *, leave_out: Callable[[str], None] | None = None
) -> tuple[Credential, ...]:
    """The logins that a YAML list holds, in its order. Raises InputErrors with all faults.

    Where `leave_out` is given, it is told of entries whose user or password is empty; else they are faults.
    """
    try:
        entries = yaml.safe_load(text)
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        place = f"line {mark.line + 1}: " if mark else ""
        raise InputError(f"{place}it is no YAML", hint="put names and passwords in quotes") from None
    if not isinstance(entries, list):
        raise InputError("it is no list", hint=_HINT)
    faults = Faults()
    found: dict[str, Credential] = {}
    for number, entry in enumerate(entries, start=1):
        ours = Faults()
        with ours.gather():
            if empty := _empty_values(entry):
                if leave_out is None:
                    raise InputError(empty, hint=EMPTY_SECRETS)
                leave_out(f"entry {number}: {empty}, {NO_LOGIN}")
                continue
            credential = _credential(entry)
            if credential.registry in found:
                ours.add(f"{credential.registry} has a login above")
            found[credential.registry] = credential
        for fault in ours.errors:
            faults.add(f"entry {number}: {fault.message}", hint=fault.hint)
    faults.check()
    return tuple(found.values())


def passwords_in(text: str) -> list[str]:
    """What may be a password of `registry-auth`, also where it is no list: for masks, which come before all else."""
    try:
        entries = yaml.safe_load(text)
    except yaml.YAMLError:
        entries = None
    parsed = [
        str(entry["password"])
        for entry in (entries if isinstance(entries, list) else [])
        if isinstance(entry, dict) and entry.get("password")
    ]
    written = ["".join(filter(None, match.groups())).strip() for match in _PASSWORD.finditer(text)]
    return [password for password in dict.fromkeys((*parsed, *written)) if password]


def _empty_values(entry: Any) -> str:
    """What an entry says of user and password without a value; empty where all have one, or are not there."""
    names = [key for key in _KEYS[1:] if isinstance(entry, dict) and entry.get(key, key) in (None, "")]
    return f"{' and '.join(names)} {'are' if len(names) > 1 else 'is'} empty" if names else ""


def _credential(entry: Any) -> Credential:
    if not isinstance(entry, dict):
        raise InputError("it is no object", hint=_HINT)
    faults = Faults()
    for key, value in entry.items():
        refused = INPUTS.get(str(key))
        if refused and refused.of == "docker/login-action":
            if str(value).lower() not in refused.harmless:
                faults.add(f"{key} is not supported here", hint=refused.instead)
        elif key not in _KEYS:
            faults.add(f"unknown key {key!a}", hint=did_you_mean(str(key), _KEYS) or _HINT)
        elif not isinstance(value, str):
            faults.add(f"{key} is no text", hint="put the value in quotes")
    for key in ("username", "password"):
        if key not in entry:
            faults.add(f"{key} is missing")
    faults.check()
    registry = entry.get("registry") or DEFAULT_REGISTRY
    return Credential(
        registry=parse_registry(registry), username=entry["username"], password=entry["password"]
    )
