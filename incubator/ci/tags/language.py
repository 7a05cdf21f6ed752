"""The inputs to checked rules, with all their faults and the lines that those are in."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING

from incubator.ci.lists import Entry
from incubator.ci.tags.expressions import GLOBAL_NAMES, parse_template
from incubator.ci.tags.flavor import Flavor, parse_flavor, parse_images
from incubator.ci.tags.rules import DEFAULT_RULES, Rule, parse_rule
from incubator.errors import InputError
from incubator.oci.reference import parse_reference

if TYPE_CHECKING:
    from incubator.faults import Faults


@dataclass(frozen=True, slots=True, kw_only=True)
class TagLanguage:
    """What the inputs say. `rules` come in order of priority; `warnings` are about the inputs themselves.

    `images_disabled`: images were named, and none of them is enabled.
    """

    images: tuple[str, ...]
    images_disabled: bool
    rules: tuple[Rule, ...]
    flavor: Flavor
    labels: tuple[str, ...] = ()
    annotations: tuple[str, ...] = ()
    levels: tuple[str, ...] = ("manifest",)
    warnings: tuple[str, ...] = ()


def read_language(
    *,
    images: tuple[Entry, ...],
    tags: tuple[Entry, ...],
    flavor: tuple[Entry, ...],
    labels: tuple[Entry, ...] = (),
    annotations: tuple[Entry, ...] = (),
    levels: tuple[str, ...] = ("manifest",),
    faults: Faults,
) -> TagLanguage:
    """The rules of the inputs; what has a fault is left out and noted in `faults`."""
    warnings: list[str] = []
    errors: list[InputError] = []
    enabled = parse_images(images, errors)
    rules = []
    for entry in tags or tuple(Entry(text=text, place="default rule") for text in DEFAULT_RULES):
        with_place = partial(_note, entry, errors)
        if _is_reference(entry.text):
            with_place(
                InputError(
                    f"{entry.text!r} is a whole reference, but the input images names the image",
                    hint="write the tag alone, or leave images out and write all references in full",
                )
            )
            continue
        rule = parse_rule(entry, note=with_place, warn=warnings.append)
        if rule is not None:
            rules.append(rule)
    language = TagLanguage(
        images=enabled,
        images_disabled=bool(images) and not enabled,
        rules=tuple(sorted(rules, key=lambda rule: -rule.priority)),
        flavor=parse_flavor(flavor, errors),
        labels=_pairs(labels, errors),
        annotations=_pairs(annotations, errors),
        levels=levels,
        warnings=tuple(warnings),
    )
    faults.errors += errors
    return language


def _note(entry: Entry, errors: list[InputError], error: InputError) -> None:
    """Take an error with the place of the entry that it is about."""
    errors.append(InputError(f"{entry.place}: {error.message}", hint=error.hint))


def _is_reference(text: str) -> bool:
    """Whether a line is `name:tag`: no tag has a colon."""
    if ":" not in text or "{{" in text or "=" in text:
        return False
    try:
        parse_reference(text)
    except InputError:
        return False
    return True


def _pairs(entries: tuple[Entry, ...], errors: list[InputError]) -> tuple[str, ...]:
    """`key=value` entries whose expressions are sound; comments are left out."""
    found = []
    for entry in entries:
        if entry.text.startswith("#"):
            continue
        try:
            parse_template(entry.text, GLOBAL_NAMES)
        except InputError as error:
            _note(entry, errors, error)
        else:
            found.append(entry.text)
    return tuple(found)
