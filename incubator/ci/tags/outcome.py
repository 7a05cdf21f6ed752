"""What came of the rules, and why."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    from collections.abc import Mapping

    from incubator.ci.tags.rules import Rule

Status = Literal["version", "extra", "repeated", "skipped", "disabled"]
"""`version`: the first tag, which is the version; `repeated`: an earlier rule gave the same."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """What one rule gave: `tag`, or None and the reason. `latest`: whether it would have `latest` made."""

    rule: Rule
    status: Status
    tag: str | None
    reason: str
    latest: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class LatestDecision:
    """Whether the tag `latest` is made: `tag` is it with its affixes, or None."""

    tag: str | None
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Metadata:
    """Everything that follows from rules and facts.

    `tag_names` have no image in front; `tags` are references, none where there is no image. `version` is empty where
    no rule gave a tag. `own_labels` are those of `labels` that the user gives. `annotations` are `level:key=value`.
    `outcomes` are in order of priority.
    """

    version: str
    tag_names: tuple[str, ...]
    tags: tuple[str, ...]
    labels: Mapping[str, str]
    own_labels: Mapping[str, str]
    annotations: tuple[str, ...]
    outcomes: tuple[Outcome, ...]
    latest: LatestDecision
    warnings: tuple[str, ...]
