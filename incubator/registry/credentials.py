"""Logins for registries: those that are given, then those that docker and Podman keep.

Source: docker/cli `cli/config`, docker/docker-credential-helpers; containers-auth.json(5).
"""

from __future__ import annotations

import base64
import json
import re
import shutil
import subprocess
import threading
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from incubator.errors import InputError, RegistryError
from incubator.oci.reference import DEFAULT_REGISTRY

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from incubator.request import Credential

_HUB_KEY: Final = "https://index.docker.io/v1/"
"""Under which docker keeps the login of its hub, in files and with helpers."""
_HUB_NAMES: Final = frozenset(("index.docker.io", "registry-1.docker.io", DEFAULT_REGISTRY))
_IDENTITY: Final = "<token>"
"""The user name with which a helper says that its secret is an identity token."""
_HELPER: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]*")
_HELPER_TIMEOUT_S: Final = 30.0
_NOT_FOUND: Final = "credentials not found in native keychain"
_LARGEST_FILE: Final = 4 << 20


@dataclass(frozen=True, slots=True, kw_only=True)
class Login:
    """What a registry is told: a user name with a password, or an identity token that it once gave out."""

    username: str = ""
    password: str = field(default="", repr=False)
    identity_token: str = field(default="", repr=False)


def login_of(credential: Credential) -> Login:
    """A login that a caller gives."""
    return Login(username=credential.username, password=credential.password)


class Credentials:
    """Logins by registry: `given` first, then those in the files that `environ` leads to. Safe in several threads.

    Without `environ` no file is read and no helper is started. Files, in this order: `$REGISTRY_AUTH_FILE`,
    `$DOCKER_CONFIG/config.json` (else `~/.docker/config.json`), `$XDG_RUNTIME_DIR/containers/auth.json` (else
    `~/.config/containers/auth.json`). Each is read once.
    """

    def __init__(
        self,
        given: Iterable[Credential] = (),
        *,
        environ: Mapping[str, str] | None = None,
        helper_timeout_s: float = _HELPER_TIMEOUT_S,
    ) -> None:
        self._given = {_host(credential.registry): login_of(credential) for credential in given}
        self._environ = environ
        self._helper_timeout_s = helper_timeout_s
        self._files: list[_AuthFile] | None = None
        self._found: dict[tuple[str, str], Login | None] = {}
        self._lock = threading.Lock()

    def find(self, registry: str, repository: str = "") -> Login | None:
        """The login for a registry, or the one that Podman keeps for a repository or a namespace of it alone.

        Raises InputError for a file that cannot be read, RegistryError where a credential helper fails.
        """
        registry = _host(registry)
        if registry in self._given:
            return self._given[registry]
        if self._environ is None:
            return None
        with self._lock:  # a helper may ask the user, so once is enough
            key = (registry, repository)
            if key not in self._found:
                self._found[key] = self._look_up(registry, repository, self._environ)
            return self._found[key]

    def _look_up(self, registry: str, repository: str, environ: Mapping[str, str]) -> Login | None:
        if self._files is None:
            self._files = [found for path in _paths(environ) if (found := _read(path)) is not None]
        for file in self._files:
            helper = file.helper_for(registry)
            login = self._ask(helper, registry, environ, file.path) if helper else None
            if login := login or file.stored(registry, repository):
                return login
        return None

    def _ask(self, helper: str, registry: str, environ: Mapping[str, str], path: Path) -> Login | None:
        """What a credential helper knows, which a file names; the secret comes through a pipe."""
        name = f"docker-credential-{helper}"
        asked = _HUB_KEY if registry == DEFAULT_REGISTRY else registry
        program = shutil.which(name, path=environ.get("PATH")) if _HELPER.fullmatch(helper) else None
        failed = f"cannot get the login for {registry} from {name}, which {path} names"
        hint = f"install or mend it, take it out of that file (credsStore, credHelpers), or give a login for {registry}"
        if program is None:
            raise RegistryError(f"{failed}: there is no such program", hint=hint)
        try:
            done = subprocess.run(  # noqa: S603 - the user's own configuration names it
                [program, "get"],
                input=asked.encode(),
                capture_output=True,
                timeout=self._helper_timeout_s,
                env=dict(environ),
                check=False,
            )
        except subprocess.TimeoutExpired:
            raise RegistryError(
                f"{failed}: no answer after {self._helper_timeout_s:g} s", hint=hint
            ) from None
        except OSError as error:
            raise RegistryError(f"{failed}: {error.strerror}", hint=hint) from error
        if done.returncode:
            # Its words are not shown: some helpers tell more than they should.
            if _NOT_FOUND in (done.stdout + done.stderr).decode(errors="replace"):
                return None
            raise RegistryError(f"{failed}: it ended with exit status {done.returncode}", hint=hint)
        answer = _parsed(done.stdout)
        username, secret = answer.get("Username"), answer.get("Secret")
        if not isinstance(username, str) or not isinstance(secret, str):
            raise RegistryError(f"{failed}: its answer holds no login", hint=hint)
        return _login(username, secret)


@dataclass(frozen=True, slots=True, kw_only=True)
class _AuthFile:
    path: Path
    logins: Mapping[str, Login]
    helpers: Mapping[str, str]
    store: str

    def helper_for(self, registry: str) -> str:
        """Name of the helper to ask for a registry, empty for none."""
        return self.helpers.get(registry, self.store)

    def stored(self, registry: str, repository: str) -> Login | None:
        """The login in the file itself, for the longest part of the name that has one."""
        parts = repository.split("/") if repository else []
        names = ("/".join((registry, *parts[:length])) for length in range(len(parts), -1, -1))
        return next((self.logins[name] for name in names if name in self.logins), None)


def _paths(environ: Mapping[str, str]) -> Iterator[Path]:
    home = environ.get("HOME")
    if named := environ.get("REGISTRY_AUTH_FILE"):
        yield Path(named)
    if folder := environ.get("DOCKER_CONFIG"):
        yield Path(folder, "config.json")
    elif home:
        yield Path(home, ".docker", "config.json")
    if folder := environ.get("XDG_RUNTIME_DIR"):
        yield Path(folder, "containers", "auth.json")
    if folder := environ.get("XDG_CONFIG_HOME") or (home and f"{home}/.config"):
        yield Path(folder, "containers", "auth.json")


def _read(path: Path) -> _AuthFile | None:
    try:
        with path.open("rb") as file:
            data = file.read(_LARGEST_FILE)
    except (FileNotFoundError, NotADirectoryError):
        return None
    except OSError as error:
        raise InputError(f"cannot read the logins in {path}: {error.strerror}") from error
    fields = _parsed(data)
    if not fields and data.strip() not in {b"", b"{}"}:
        raise InputError(f"cannot read the logins in {path}: it holds no object of JSON")
    logins: dict[str, Login] = {}
    for key, entry in _entries(fields, "auths"):
        if login := _stored_login(entry):
            logins.setdefault(_name(key), login)
    helpers = {_name(key): name for key, name in _entries(fields, "credHelpers") if isinstance(name, str)}
    store = fields.get("credsStore")
    return _AuthFile(path=path, logins=logins, helpers=helpers, store=store if isinstance(store, str) else "")


def _entries(fields: Mapping[str, Any], key: str) -> Iterable[tuple[str, Any]]:
    entries = fields.get(key)
    return entries.items() if isinstance(entries, dict) else ()


def _stored_login(entry: Any) -> Login | None:
    """The login of one entry of `auths`; None where it holds none, as beside a helper."""
    if not isinstance(entry, dict):
        return None
    texts = {key: value for key, value in entry.items() if isinstance(value, str) and value}
    if token := texts.get("identitytoken"):
        return Login(identity_token=token)
    username, password = texts.get("username", ""), texts.get("password", "")
    if packed := texts.get("auth"):
        try:
            username, _, password = base64.b64decode(packed).decode().partition(":")
        except ValueError:
            return None
        password = password.rstrip("\0")  # docker's own reader does so
    return _login(username, password) if username else None


def _login(username: str, secret: str) -> Login:
    if username == _IDENTITY:
        return Login(identity_token=secret)
    return Login(username=username, password=secret)


def _parsed(data: bytes) -> dict[str, Any]:
    """An object of JSON; empty for anything else, of which nothing is told: it may hold a secret."""
    try:
        found = json.loads(data)
    except (ValueError, RecursionError):
        return {}
    return found if isinstance(found, dict) else {}


def _name(key: str) -> str:
    """A key of a file as registry or registry/namespace; docker's old keys are URLs."""
    scheme, marked, rest = key.partition("://")
    host, _, path = (rest if marked else scheme).partition("/")
    versions = {"v1", "v2", "v1/", "v2/"}
    return _host(host) if marked or not path or path in versions else f"{_host(host)}/{path}"


def _host(registry: str) -> str:
    registry = registry.lower()
    return DEFAULT_REGISTRY if registry in _HUB_NAMES else registry
