"""What a source of ADD is by its text: a URL, a git repository, or a path. Pure.

Source: BuildKit, frontend/dockerfile/dfgitutil/git_ref.go and util/gitutil/git_url.go.
"""

from __future__ import annotations

import posixpath
import re
from dataclasses import dataclass, replace
from typing import Final
from urllib.parse import parse_qsl, unquote, urlsplit, urlunsplit

from incubator.errors import InputError

UNNAMED: Final = "__unnamed__"
"""What a download is called whose URL names no file."""

_SCP: Final = re.compile(r"(?:[A-Za-z0-9._-]+@)[A-Za-z0-9._-]+:[^/].*")
_COMMIT: Final = re.compile(r"[0-9a-f]{4,64}")
_REF: Final = re.compile(r"[A-Za-z0-9._/@{}^~+-]+")
_KEYS: Final = (
    "ref", "tag", "branch", "subdir", "checksum", "commit", "keep-git-dir", "submodules", "mtime", "fetch-by-commit",
)  # fmt: skip
_BOOLEANS: Final = {"": True, "1": True, "true": True, "0": False, "false": False}


@dataclass(frozen=True, slots=True, kw_only=True)
class Download:
    """A file at an http or https URL. `checksum` is `sha256:...`, None for whatever is there."""

    url: str
    checksum: str | None = None

    @property
    def name(self) -> str:
        """What the file is called: the last part of the URL's path."""
        return posixpath.basename(unquote(urlsplit(self.url).path).rstrip("/")) or UNNAMED


@dataclass(frozen=True, slots=True, kw_only=True)
class GitRepository:
    """A commit of a git repository. `ref` None: what HEAD is there. `checksum`: how the commit's id has to begin."""

    url: str
    ref: str | None = None
    subdir: str = ""
    checksum: str | None = None
    keep_git_dir: bool = False
    submodules: bool = True


Remote = Download | GitRepository


def parse_remote(
    text: str, *, checksum: str | None = None, keep_git_dir: bool | None = None
) -> Remote | None:
    """What a source names; None for a path of the context.

    `checksum` and `keep_git_dir` are the flags of ADD. Raises InputError for a URL or a flag that is wrong.
    """
    if "://" in text and not _is_url(text):
        raise InputError(f"{text[:200]!r} is no URL")
    repository = parse_git(text)
    if repository is not None:
        if keep_git_dir is not None:
            repository = replace(repository, keep_git_dir=keep_git_dir)
        if checksum is not None:
            repository = replace(repository, checksum=_commit(checksum))
        return repository
    if not text.startswith(("http://", "https://")):
        return None
    if checksum is not None and not re.fullmatch(r"sha256:[0-9a-f]{64}", checksum):
        raise InputError(
            f"{checksum!r} is no checksum of a download", hint="write sha256: and 64 digits in small letters"
        )
    if not urlsplit(text).hostname:
        raise InputError(f"{redacted(text)!r} names no host")
    return Download(url=text, checksum=checksum)


def parse_git(text: str) -> GitRepository | None:
    """A git repository with `#ref:subdir` or `?key=value`; None for anything else. Raises InputError."""
    if _SCP.fullmatch(text.partition("#")[0]) and "://" not in text:
        return _with_fragment(text)
    if text.startswith("github.com/"):
        return _with_fragment(f"https://{text}")
    if text.startswith(("git://", "ssh://", "git+ssh://")):
        return _with_query(text)
    if text.startswith(("http://", "https://")) and urlsplit(text).path.endswith(".git"):
        return _with_query(text)
    return None


def redacted(url: str) -> str:
    """A URL without its password and what may be one."""
    parts = urlsplit(url) if "://" in url else None
    if parts is None or "@" not in parts.netloc:
        return url
    return urlunsplit(parts._replace(netloc=f"xxxxx@{parts.netloc.rpartition('@')[2]}"))


def _with_fragment(text: str) -> GitRepository:
    url, _, fragment = text.partition("#")
    ref, _, subdir = fragment.partition(":")
    return GitRepository(url=url, ref=_checked_ref(ref) if ref else None, subdir=_inside(subdir))


def _with_query(text: str) -> GitRepository:
    url, hash_, fragment = text.partition("#")
    plain, _, query = url.partition("?")
    found = _with_fragment(plain + hash_ + fragment)
    values: dict[str, str] = {}
    for key, value in parse_qsl(query, keep_blank_values=True, max_num_fields=50):
        if key not in _KEYS or key in values:
            problem = "is given twice" if key in values else "is not known"
            raise InputError(f"{redacted(text)!r}: {key} {problem}", hint=f"keys are {', '.join(_KEYS)}")
        values[key] = value
    named = [key for key in ("ref", "tag", "branch") if key in values]
    if len(named) + bool(found.ref) > 1:
        raise InputError(f"{redacted(text)!r} names more than one ref")
    prefixes = {"ref": "", "tag": "refs/tags/", "branch": "refs/heads/"}
    for key in named:
        found = replace(found, ref=_checked_ref(prefixes[key] + values[key]))
    if "subdir" in values:
        found = replace(found, subdir=_inside(values["subdir"]))
    if "checksum" in values and "commit" in values:
        raise InputError(f"{redacted(text)!r}: checksum and commit are the same thing")
    for key in ("checksum", "commit"):
        if key in values:
            found = replace(found, checksum=_commit(values[key]))
    if values.get("mtime", "checkout") != "checkout":
        raise InputError(f"{redacted(text)!r}: mtime={values['mtime']} is not supported", hint="leave it out")
    return replace(
        found,
        keep_git_dir=_boolean(text, values, "keep-git-dir", default=False),
        submodules=_boolean(text, values, "submodules", default=True),
    )


def _boolean(text: str, values: dict[str, str], key: str, *, default: bool) -> bool:
    if key not in values:
        return default
    if values[key].lower() not in _BOOLEANS:
        raise InputError(f"{redacted(text)!r}: {key}={values[key]} is neither true nor false")
    return _BOOLEANS[values[key].lower()]


def _commit(text: str) -> str:
    if not _COMMIT.fullmatch(text):
        raise InputError(
            f"{text!r} is no checksum of a commit", hint="write the commit's id, or how it begins"
        )
    return text


def _checked_ref(ref: str) -> str:
    if ref.startswith("-") or not _REF.fullmatch(ref) or ".." in ref:
        raise InputError(f"{ref!r} is no name of a branch, tag or commit")
    return ref


def _inside(folder: str) -> str:
    return posixpath.normpath(posixpath.join("/", folder)).strip("/")


def _is_url(text: str) -> bool:
    try:
        port = urlsplit(text).port
    except ValueError:
        return False
    return port is None or port >= 0
