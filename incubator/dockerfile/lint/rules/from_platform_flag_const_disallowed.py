"""FromPlatformFlagConstDisallowed: `--platform` of FROM is a variable, so that the file builds for any platform."""

from __future__ import annotations

from typing import TYPE_CHECKING

from incubator.dockerfile.lint.rule import Finding, Rule
from incubator.errors import InputError
from incubator.oci.platform import parse_platform

if TYPE_CHECKING:
    from collections.abc import Iterator

    from incubator.dockerfile.lint.subject import Subject


def check(subject: Subject) -> Iterator[Finding]:
    """Fires at a constant platform, unless the stage's name says that it is meant for that system."""
    for stage in subject.stages:
        platform = stage.platform
        if platform is None or platform.used or platform.unset:
            continue
        try:
            parsed = parse_platform(platform.text)
        except InputError:
            parts: tuple[str, ...] = (platform.text,)
        else:
            parts = (parsed.os, parsed.architecture)
        if not any(part in stage.name for part in parts):
            yield Finding(
                message=f'FROM --platform flag should not use constant value "{platform.text}"',
                instruction=stage.start,
                span=stage.start.place_of("--platform"),
            )


RULE = Rule(
    name="FromPlatformFlagConstDisallowed",
    summary="FROM --platform flag should not use a constant value",
    check=check,
)
