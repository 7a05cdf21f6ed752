"""What a pipeline knows about the commit it builds, in one vocabulary for all CI systems."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from typing import Literal

RefKind = Literal["branch", "tag", "pr"]
SHORT_SHA_LENGTH = 7


@dataclass(frozen=True, slots=True, kw_only=True)
class Repository:
    """The project, as its host describes it; empty where it does not say. `license` is an SPDX id."""

    name: str = ""
    description: str = ""
    url: str = ""
    license: str = ""
    default_branch: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class PipelineFacts:
    """One run of a pipeline.

    `event` is GitHub's word for what started it. `ref` is the name of the branch or tag, or the number of the pull
    (merge) request; `kind` None: none is known. `base_ref` is the branch that a pull request goes to.
    `always_default`: this event runs for the default branch whatever the ref says. `now` and `commit_date` are aware;
    `created` is what the label of that name says. Texts come from outside and may hold anything.
    """

    now: datetime
    created: datetime
    event: str = ""
    kind: RefKind | None = None
    ref: str = ""
    sha: str = ""
    base_ref: str = ""
    always_default: bool = False
    commit_date: datetime | None = None
    repository: Repository = field(default_factory=Repository)
    short_sha_length: int = SHORT_SHA_LENGTH

    @property
    def branch(self) -> str:
        """Name of the branch; empty where something else is built."""
        return self.ref if self.kind == "branch" else ""

    @property
    def tag(self) -> str:
        """Name of the Git tag; empty where something else is built."""
        return self.ref if self.kind == "tag" else ""

    @property
    def short_sha(self) -> str:
        """The beginning of the commit's name."""
        return self.sha[: self.short_sha_length]

    @property
    def is_default_branch(self) -> bool:
        """Whether the default branch is built."""
        on_it = bool(self.ref) and self.kind == "branch" and self.ref == self.repository.default_branch
        return on_it or (self.always_default and bool(self.ref))

    @property
    def what(self) -> str:
        """In words: `branch main`, `tag v1.2.3`, `pull request 7`."""
        words = {"branch": "branch", "tag": "tag", "pr": "pull request"}
        return f"{words[self.kind]} {self.ref}" if self.kind else "no branch, tag or pull request"


def with_ref(facts: PipelineFacts, ref: str) -> PipelineFacts:
    """The facts for a full ref, as `refs/heads/main`; what is none of the known kinds is no ref."""
    kind, name = split_ref(ref)
    return replace(facts, kind=kind, ref=name)


def split_ref(ref: str) -> tuple[RefKind | None, str]:
    """The kind of a full ref and the rest of it; of a pull request the number."""
    kinds: dict[str, RefKind] = {"refs/heads/": "branch", "refs/tags/": "tag", "refs/pull/": "pr"}
    for prefix, kind in kinds.items():
        if ref.startswith(prefix) and len(ref) > len(prefix):
            name = ref.removeprefix(prefix)
            return kind, name.removesuffix("/merge") if kind == "pr" else name
    return None, ""


def parse_time(text: str) -> datetime | None:
    """An ISO 8601 time with its zone (UTC where it has none); None for all else."""
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        return None
    if not 1 < moment.year < 9999:  # room for every time zone
        return None
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)
