"""The inputs `flavor` and `images`: what all tags share, and the names that they are put behind."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Literal, cast

from incubator.ci.lists import Entry, parse_fields
from incubator.ci.tags.expressions import GLOBAL_NAMES, parse_template
from incubator.ci.tags.rules import check_switch
from incubator.errors import InputError
from incubator.faults import did_you_mean
from incubator.oci.reference import parse_reference

if TYPE_CHECKING:
    from collections.abc import Iterable

Latest = Literal["auto", "true", "false"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Flavor:
    """Whether there is a tag `latest`, and the affixes of all tags.

    `..._on_latest`: whether `latest` gets the affix too; None where the input does not say.
    """

    latest: Latest = "auto"
    prefix: str = ""
    suffix: str = ""
    prefix_on_latest: bool | None = None
    suffix_on_latest: bool | None = None

    @property
    def latest_tag(self) -> str:
        """`latest` with its affixes."""
        before = self.prefix if self.prefix_on_latest else ""
        return f"{before}latest{self.suffix if self.suffix_on_latest else ''}"

    @property
    def forgets_latest(self) -> bool:
        """Whether an affix of all other tags is not on `latest`, and nobody has said that this is meant."""
        return (self.prefix != "" and self.prefix_on_latest is None) or (
            self.suffix != "" and self.suffix_on_latest is None
        )


def parse_flavor(entries: Iterable[Entry], errors: list[InputError]) -> Flavor:
    """The flavor; what is wrong with a line is put into `errors`, and the line is left out."""
    flavor = Flavor()
    for entry in entries:
        try:
            flavor = _with_line(flavor, entry.text)
        except InputError as error:
            errors.append(InputError(f"{entry.place}: {error.message}", hint=error.hint))
    return flavor


def _with_line(flavor: Flavor, line: str) -> Flavor:
    last = ""
    for field in parse_fields(line):
        key, equals, value = (part.strip() for part in field.partition("="))
        key = key.lower()
        if not equals:
            raise InputError(f"{field!r} has no =", hint="write latest=auto, prefix=... or suffix=...")
        if key == "latest":
            if value not in ("auto", "true", "false"):
                raise InputError(f"unknown latest={value}", hint="write auto, true or false")
            flavor = replace(flavor, latest=cast("Latest", value))
        elif key in ("prefix", "suffix"):
            parse_template(value, GLOBAL_NAMES)
            flavor = replace(flavor, prefix=value) if key == "prefix" else replace(flavor, suffix=value)
            last = key
        elif key == "onlatest":
            on = check_switch(value)
            if last == "prefix":
                flavor = replace(flavor, prefix_on_latest=on)
            elif last == "suffix":
                flavor = replace(flavor, suffix_on_latest=on)
            else:
                raise InputError("onlatest belongs behind a prefix or suffix, on the same line")
        else:
            known = ("latest", "prefix", "suffix", "onlatest")
            hint = did_you_mean(key, known) or f"known are {', '.join(known)}"
            raise InputError(f"unknown flavor {key!r}", hint=hint)
    return flavor


def parse_images(entries: tuple[Entry, ...], errors: list[InputError]) -> tuple[str, ...]:
    """Names of the images that are enabled, in lower case, each once, in their order."""
    if len(entries) == 1 and "=" not in entries[0].text:  # names on one line, separated by commas
        entries = tuple(Entry(text=name, place=entries[0].place) for name in parse_fields(entries[0].text))
    names: dict[str, None] = {}
    for entry in entries:
        try:
            name = _image(entry.text)
        except InputError as error:
            errors.append(InputError(f"{entry.place}: {error.message}", hint=error.hint))
        else:
            names |= {name: None} if name else {}
    return tuple(names)


def _image(line: str) -> str | None:
    """The name; None where it is not enabled."""
    name, enabled = "", True
    for field in parse_fields(line):
        key, equals, value = (part.strip() for part in field.partition("="))
        if not equals or key.lower() == "name":
            name = value if equals else key
        elif key.lower() == "enable":
            enabled = check_switch(value)
        else:
            hint = did_you_mean(key, ("name", "enable")) or "an image has name= and enable="
            raise InputError(f"unknown attribute {key!r} of an image", hint=hint)
    if not name:
        raise InputError(f"{line!r} names no image", hint="write ghcr.io/acme/web or name=ghcr.io/acme/web")
    reference = parse_reference(name.lower())
    if reference.digest or ":" in name.rpartition("/")[2]:
        raise InputError(
            f"{name!r} has a tag or a digest", hint="name the image alone; its tags come from the input tags"
        )
    return name.lower() if enabled else None
