"""FromAsCasing: `AS` is written in the case of its FROM."""

from __future__ import annotations

from typing import TYPE_CHECKING

from incubator.dockerfile.lint.rule import Finding, Rule

if TYPE_CHECKING:
    from collections.abc import Iterator

    from incubator.dockerfile.lint.subject import Subject


def check(subject: Subject) -> Iterator[Finding]:
    """Fires at `FROM ... as` and `from ... AS`; a FROM in mixed case is another rule's business."""
    for stage in subject.stages:
        start = stage.start
        if not start.alias:
            continue
        word, place = start.words()[-2]
        if start.written.islower():
            wanted = word.lower()
        elif start.written.isupper():
            wanted = word.upper()
        else:
            continue
        if word != wanted:
            yield Finding(
                message=f"'{word}' and '{start.written}' keywords' casing do not match",
                instruction=start,
                span=place,
            )


RULE = Rule(
    name="FromAsCasing",
    summary="The 'as' keyword should match the case of the 'from' keyword",
    check=check,
)
