"""RedundantTargetPlatform: `--platform=$TARGETPLATFORM` is what FROM does anyway."""

from __future__ import annotations

from typing import TYPE_CHECKING

from incubator.dockerfile.lint.rule import Finding, Rule

if TYPE_CHECKING:
    from collections.abc import Iterator

    from incubator.dockerfile.lint.subject import Subject

_NAME = "TARGETPLATFORM"


def check(subject: Subject) -> Iterator[Finding]:
    """Fires at a FROM whose platform uses that variable alone and comes to its value, with or without a default."""
    for stage in subject.stages:
        platform = stage.platform
        if (
            platform
            and platform.used == (_NAME,)
            and not platform.unset
            and platform.text == subject.target_platform
        ):
            yield Finding(
                message=f"Setting platform to predefined {stage.start.platform} in FROM is redundant as this is the "
                "default behavior",
                instruction=stage.start,
                span=stage.start.place_of("--platform"),
            )


RULE = Rule(
    name="RedundantTargetPlatform",
    summary="Setting platform to predefined $TARGETPLATFORM in FROM is redundant as this is the default behavior",
    check=check,
)
