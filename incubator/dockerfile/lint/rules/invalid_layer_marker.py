"""InvalidLayerMarker: comments that begin with `incubator:` are layer markers, between instructions."""

from __future__ import annotations

from bisect import bisect_left
from typing import TYPE_CHECKING

from incubator.dockerfile.lint.rule import Finding, Rule

if TYPE_CHECKING:
    from collections.abc import Iterator

    from incubator.dockerfile.lint.subject import Subject


def check(subject: Subject) -> Iterator[Finding]:
    """Fires at a marker that ends no layer: an unknown word, or a place inside an instruction."""
    instructions = subject.document.instructions
    for marker in subject.document.markers:
        line = marker.span.first_line
        above = bisect_left(instructions, line, key=lambda instruction: instruction.node.first_line)
        if not marker.valid:
            message = f"{marker.text!r} is no marker: write `# incubator: layer`"
        elif above and line <= instructions[above - 1].node.last_line:
            message = "a layer cannot end inside an instruction: put the marker below it"
        else:
            continue
        yield Finding(message=message, instruction=instructions[max(above - 1, 0)], span=marker.span)


RULE = Rule(
    name="InvalidLayerMarker",
    summary="Comments that begin with incubator: should be layer markers between instructions",
    check=check,
    own=True,
)
