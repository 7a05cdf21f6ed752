"""InvalidDefaultArgInFrom: a FROM names an image even where no build argument is given."""

from __future__ import annotations

from typing import TYPE_CHECKING

from incubator.dockerfile.lint.rule import Finding, Rule
from incubator.errors import InputError
from incubator.oci.reference import parse_reference

if TYPE_CHECKING:
    from collections.abc import Iterator

    from incubator.dockerfile.lint.subject import Subject


def check(subject: Subject) -> Iterator[Finding]:
    """Fires at a FROM with variables whose default values make no image name."""
    for stage in subject.stages:
        base = stage.default_base
        if base is None or not (base.used or base.unset) or _is_image(base.text):
            continue
        yield Finding(
            message=f"Default value for ARG {stage.start.image} results in empty or invalid base image name",
            instruction=stage.start,
            span=stage.start.place_of(stage.start.image),
        )


def _is_image(text: str) -> bool:
    try:
        parse_reference(text)
    except InputError:
        return False
    return True


RULE = Rule(
    name="InvalidDefaultArgInFrom",
    summary="Default value for global ARG results in an empty or invalid base image name",
    check=check,
)
