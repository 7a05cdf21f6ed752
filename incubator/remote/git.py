"""Git repositories, fetched with the `git` program into a folder.

The repository is hostile: no hooks run, nothing of the machine's or the user's git configuration is read, only
transports that lead over a network are allowed, and a login goes through the environment, not the command line.
Source: BuildKit, source/git.
"""

from __future__ import annotations

import base64
import re
import shutil
import subprocess
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final
from urllib.parse import urlsplit

from incubator.context.directory import DirectoryContext
from incubator.errors import BuilderError
from incubator.remote.urls import redacted

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from pathlib import Path

    from incubator.remote.urls import GitRepository

_COMMIT: Final = re.compile(r"[0-9a-f]{40}(?:[0-9a-f]{24})?")
_SHORT: Final = re.compile(r"[0-9a-f]{7,39}")
_TRANSPORTS: Final = "http:https:git:ssh"
_PASSED_ON: Final = (
    "PATH", "SSH_AUTH_SOCK", "SSL_CERT_FILE", "SSL_CERT_DIR", "GIT_SSL_CAINFO", "CURL_CA_BUNDLE", "HTTP_PROXY",
    "HTTPS_PROXY", "NO_PROXY", "ALL_PROXY", "http_proxy", "https_proxy", "no_proxy", "all_proxy", "TMPDIR",
)  # fmt: skip
_LONGEST_WORDS: Final = 2000


class GitFailed(BuilderError):
    """A repository could not be fetched, or is not what it should be."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Checkout:
    """A repository's files: a `Source` over them, and the commit they are of."""

    source: DirectoryContext
    commit: str


def check_out(
    wanted: GitRepository,
    folder: Path,
    *,
    secrets: Mapping[str, bytes],
    environ: Mapping[str, str],
    check: Callable[[], None],
) -> Checkout:
    """Fetch a repository into `folder`, which is empty. The caller closes the source.

    The secrets `GIT_AUTH_TOKEN` and `GIT_AUTH_HEADER`, or those with `.<host>` behind, are for http. `check` is
    called between steps, and may raise to stop. Raises GitFailed.
    """
    git = _Git(wanted, folder, secrets, environ)
    git("init", "-q", ".")
    git("remote", "add", "origin", "--", wanted.url)
    check()
    commit = _fetch(git, wanted.ref or "HEAD")
    if wanted.checksum is not None and not commit.startswith(wanted.checksum):
        raise GitFailed(
            f"{redacted(wanted.url)} is at commit {commit}, which does not begin with {wanted.checksum}",
            hint="the branch or tag has moved, or somebody has moved it",
        )
    check()
    git("checkout", "-q", "--detach", commit)
    if wanted.submodules and (folder / ".gitmodules").is_file():
        check()
        git("submodule", "update", "-q", "--init", "--recursive", "--depth", "1")
    if not wanted.keep_git_dir:
        for path in [folder / ".git", *folder.rglob(".git")]:
            if path.is_dir() and not path.is_symlink():
                shutil.rmtree(path)
            else:
                path.unlink(missing_ok=True)
    return Checkout(source=DirectoryContext(_subdir(wanted, folder)), commit=commit)


def _fetch(git: _Git, ref: str) -> str:
    """The id of the commit that `ref` is."""
    if not _SHORT.fullmatch(ref):
        try:
            git("fetch", "-q", "--depth", "1", "--no-tags", "origin", ref)
            return git("rev-parse", "--verify", "FETCH_HEAD^{commit}")
        except GitFailed:
            if not _COMMIT.fullmatch(ref):  # a server may refuse to send a commit by its id
                raise
    git("fetch", "-q", "--tags", "origin", "+refs/heads/*:refs/remotes/origin/*")
    return git("rev-parse", "--verify", f"{ref}^{{commit}}")


def _subdir(wanted: GitRepository, folder: Path) -> Path:
    """The folder of the repository that is wanted; a link on the way does not lead out of it."""
    path = folder / wanted.subdir
    if not path.resolve().is_relative_to(folder.resolve()) or not path.is_dir():
        raise GitFailed(f"{redacted(wanted.url)} has no folder {wanted.subdir!r}")
    return path.resolve()


class _Git:
    """Runs `git` in one folder."""

    def __init__(
        self,
        wanted: GitRepository,
        folder: Path,
        secrets: Mapping[str, bytes],
        environ: Mapping[str, str],
    ) -> None:
        self._url = redacted(wanted.url)
        self._folder = folder
        config = {
            "core.hooksPath": "/dev/null",
            "core.fsmonitor": "false",
            "protocol.allow": "never",
            **{f"protocol.{name}.allow": "always" for name in _TRANSPORTS.split(":")},
            "advice.detachedHead": "false",
            "safe.directory": "*",
        }
        if header := _login(wanted.url, secrets):
            parts = urlsplit(wanted.url)
            config[f"http.{parts.scheme}://{parts.netloc}/.extraheader"] = f"Authorization: {header}"
            config["http.followRedirects"] = "false"  # git would give the header to whoever it is sent to
        self._environ = {
            **{name: environ[name] for name in _PASSED_ON if name in environ},
            "HOME": str(folder.parent),
            "LC_ALL": "C",
            "GIT_CONFIG_NOSYSTEM": "1",
            "GIT_CONFIG_GLOBAL": "/dev/null",
            "GIT_TERMINAL_PROMPT": "0",
            "GIT_ALLOW_PROTOCOL": _TRANSPORTS,
            "GIT_SSH_COMMAND": "ssh -F /dev/null -o BatchMode=yes -o StrictHostKeyChecking=accept-new",
            "GIT_CONFIG_COUNT": str(len(config)),
        }
        for number, (key, value) in enumerate(config.items()):
            self._environ[f"GIT_CONFIG_KEY_{number}"] = key
            self._environ[f"GIT_CONFIG_VALUE_{number}"] = value

    def __call__(self, *arguments: str) -> str:
        """What git prints. Raises GitFailed with its words."""
        try:
            done = subprocess.run(  # noqa: S603 - no shell, and no word of the Dockerfile can be an option
                ["git", *arguments],  # noqa: S607 - the one in PATH is meant
                cwd=self._folder,
                env=self._environ,
                stdin=subprocess.DEVNULL,
                capture_output=True,
                check=False,
                umask=0o022,
            )
        except FileNotFoundError:
            raise GitFailed(
                f"{self._url} is a git repository, and there is no git program here",
                hint="install git where incubator runs",
            ) from None
        if done.returncode:
            said = done.stderr.decode(errors="replace").strip()[-_LONGEST_WORDS:]
            raise GitFailed(
                f"cannot fetch {self._url}: {said or f'git ended with {done.returncode}'}",
                hint=_hint(said),
            )
        return done.stdout.decode(errors="replace").strip()


def _hint(said: str) -> str | None:
    if "terminal prompts" in said:
        return "for a login give the secret GIT_AUTH_TOKEN"
    if "redirect" in said:
        return "with a login no redirect is followed: name the address that it leads to"
    return None


def _login(url: str, secrets: Mapping[str, bytes]) -> str | None:
    """The value of an Authorization header."""
    parts = urlsplit(url)
    if parts.scheme not in ("http", "https"):
        return None
    for suffix in (f".{parts.hostname}", ""):
        if (header := secrets.get(f"GIT_AUTH_HEADER{suffix}")) is not None:
            return header.decode("latin-1").strip()
        if (token := secrets.get(f"GIT_AUTH_TOKEN{suffix}")) is not None:
            return "basic " + base64.b64encode(b"x-access-token:" + token.strip()).decode()
    return None
