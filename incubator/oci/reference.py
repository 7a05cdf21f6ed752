"""Image references. Grammar: the distribution project's `reference` package."""

from __future__ import annotations

import re
from dataclasses import dataclass, replace

from incubator.errors import InputError
from incubator.oci.digest import is_digest

DEFAULT_REGISTRY = "docker.io"

_COMPONENT = r"[a-z0-9]+(?:(?:[._]|__|-+)[a-z0-9]+)*"
_PATH = re.compile(rf"{_COMPONENT}(?:/{_COMPONENT})*")
_LABEL = r"(?:[a-zA-Z0-9]|[a-zA-Z0-9][a-zA-Z0-9-]*[a-zA-Z0-9])"
_DOMAIN = re.compile(rf"(?:{_LABEL}(?:\.{_LABEL})*|\[[a-fA-F0-9:]+\])(?::[0-9]+)?")
_TAG = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.-]{0,127}")
_LONGEST_NAME = 255
_LOOPBACK = re.compile(r"(localhost|127(\.\d+){3}|\[::1\])(:\d+)?")


@dataclass(frozen=True, slots=True, kw_only=True)
class Reference:
    """A normalised reference: `docker.io/library/busybox:latest` for `busybox`.

    `tag` is None where a digest is given without one, and where a repository alone is meant.
    """

    registry: str
    repository: str
    tag: str | None
    digest: str | None = None

    @property
    def name(self) -> str:
        """Registry and repository as users write them: without `docker.io/` and `library/`."""
        if self.registry == DEFAULT_REGISTRY:
            return self.repository.removeprefix("library/")
        return f"{self.registry}/{self.repository}"

    def __str__(self) -> str:
        tag = f":{self.tag}" if self.tag else ""
        digest = f"@{self.digest}" if self.digest else ""
        return f"{self.name}{tag}{digest}"


def parse_reference(text: str) -> Reference:
    """Normalise `[registry/]repository[:tag][@digest]`; the tag defaults to `latest`.

    Raises InputError naming the part that is wrong.
    """
    rest, _, digest = text.partition("@")
    if ":" in rest and "/" in digest:  # credentials in front of a host, which no message may show
        raise InputError(f"invalid reference '***@{digest}': it cannot hold a user name and password")
    if "@" in text and not is_digest(digest):
        raise InputError(
            f"invalid reference {text!r}: {digest!r} is not a digest",
            hint="a digest looks like sha256:<64 hex digits>",
        )
    head, slash, last = rest.rpartition("/")
    last, colon, tag = last.partition(":")
    if colon and not _TAG.fullmatch(tag):
        raise InputError(
            f"invalid reference {text!r}: {tag!r} is not a tag",
            hint="a tag has up to 128 of A-Z a-z 0-9 _ . - and starts with a letter, digit or underscore"
            if tag
            else "the tag is missing: a variable in it may be empty",
        )
    registry, repository = _split_registry(head + slash + last)
    if not _DOMAIN.fullmatch(registry):
        raise InputError(f"invalid reference {text!r}: {registry!r} is not a registry host[:port]")
    if not _PATH.fullmatch(repository):
        raise InputError(
            f"invalid reference {text!r}: {repository!r} is not a repository name",
            hint=_what_is_no_repository(repository),
        )
    if len(f"{registry}/{repository}") > _LONGEST_NAME:
        raise InputError(f"invalid reference {text!r}: the name is longer than {_LONGEST_NAME} characters")
    return Reference(
        registry=registry,
        repository=repository,
        tag=tag if colon else (None if digest else "latest"),
        digest=digest or None,
    )


def parse_tag_reference(text: str) -> Reference:
    """A reference that an image is to get. Raises InputError, for one with a digest too."""
    reference = parse_reference(text)
    if reference.digest:
        raise InputError(
            f"invalid tag {text!r}: a tag cannot name a digest",
            hint="the digest of an image is known only after it is built",
        )
    return reference


def parse_repository_name(text: str) -> Reference:
    """A reference that names a repository alone. Raises InputError, for one with a tag or a digest too."""
    reference = parse_reference(text)
    if "@" in text or ":" in text.rpartition("/")[2]:
        raise InputError(
            f"{text!r} has a tag or a digest, and a push by digest sets none",
            hint=f"name the repository alone: {reference.name}",
        )
    return replace(reference, tag=None)


def is_tag(text: str) -> bool:
    """Whether `text` can be a tag."""
    return _TAG.fullmatch(text) is not None


def is_loopback(registry: str) -> bool:
    """Whether a registry is on this very machine by its name: plain HTTP is fine there."""
    return _LOOPBACK.fullmatch(registry) is not None


def _split_registry(name: str) -> tuple[str, str]:
    """The first component is a registry if it has a dot, a port or capitals, or is `localhost`."""
    first, slash, rest = name.partition("/")
    if slash and (set(first) & set(".:[") or first == "localhost" or first != first.lower()):
        if first in {"index.docker.io", DEFAULT_REGISTRY}:
            return DEFAULT_REGISTRY, rest if "/" in rest else f"library/{rest}"
        return first, rest
    return DEFAULT_REGISTRY, name if slash else f"library/{name}"


def _what_is_no_repository(name: str) -> str:
    if "" in name.split("/"):
        return "a part of the name is missing: a variable in it may be empty"
    if ":" in name:
        return "a tag cannot hold a /, as names of branches do: write - for it"
    if name != name.lower():
        return f"repository names are lower case, as in {name.lower()}"
    return "use lower-case letters and digits, separated by . _ - or /"


def familiar_name(name: str) -> str:
    """A name in its shortest form and small letters: without hub, `library` and `latest`; for names of contexts too."""
    try:
        reference = parse_reference(name)
    except InputError:
        return name.lower()
    if reference.digest:
        return name.lower()
    return str(reference).removeprefix("docker.io/").removeprefix("library/").removesuffix(":latest").lower()
