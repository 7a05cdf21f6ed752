"""One line of the input `tags` to a rule: its type, its attributes, and everything that is wrong with it."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from incubator.ci.lists import Entry, parse_fields
from incubator.ci.tags.expressions import DATES, GLOBAL_NAMES, parse_template
from incubator.ci.tags.regexes import compile_regex
from incubator.ci.tags.versions import PEP440_NAMES, SEMVER_NAMES
from incubator.errors import InputError
from incubator.faults import did_you_mean

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

RuleType = Literal["schedule", "semver", "pep440", "match", "edge", "ref", "raw", "sha"]


@dataclass(frozen=True, slots=True, kw_only=True)
class TypeSpec:
    """A type of rules: its priority, the attributes it has besides the general ones, those it cannot do without.

    `defaults` are of attributes that a rule may leave out; `choices` are the only values of an attribute, `names` the
    expressions that its pattern knows.
    """

    priority: int
    defaults: Mapping[str, str]
    required: tuple[str, ...] = ()
    choices: Mapping[str, tuple[str, ...]]
    names: tuple[str, ...] = ()


_NO_CHOICES: dict[str, tuple[str, ...]] = {}

TYPES: dict[RuleType, TypeSpec] = {
    "schedule": TypeSpec(priority=1000, defaults={"pattern": "nightly"}, choices=_NO_CHOICES, names=DATES),
    "semver": TypeSpec(
        priority=900,
        defaults={"value": "", "match": ""},
        required=("pattern",),
        choices=_NO_CHOICES,
        names=SEMVER_NAMES,
    ),
    "pep440": TypeSpec(
        priority=900,
        defaults={"value": "", "match": ""},
        required=("pattern",),
        choices=_NO_CHOICES,
        names=PEP440_NAMES,
    ),
    "match": TypeSpec(
        priority=800, defaults={"group": "0", "value": ""}, required=("pattern",), choices=_NO_CHOICES
    ),
    "edge": TypeSpec(priority=700, defaults={"branch": ""}, choices=_NO_CHOICES),
    "ref": TypeSpec(
        priority=600, defaults={}, required=("event",), choices={"event": ("branch", "tag", "pr")}
    ),
    "raw": TypeSpec(priority=200, defaults={}, required=("value",), choices=_NO_CHOICES),
    "sha": TypeSpec(
        priority=100,
        defaults={"prefix": "sha-", "format": "short"},
        choices={"format": ("short", "long")},
    ),
}

GENERAL = ("enable", "priority", "prefix", "suffix")
DEFAULT_RULES = ("type=schedule", "type=ref,event=branch", "type=ref,event=tag", "type=ref,event=pr")
"""What counts where `tags` is empty."""

_NUMBER = re.compile(r"[+-]?[0-9]{1,15}(\.[0-9]{1,15})?")


@dataclass(frozen=True, slots=True, kw_only=True)
class Rule:
    """A rule without faults. `attributes` have the defaults of its type; `entry` is the line it is from."""

    type: RuleType
    attributes: Mapping[str, str]
    priority: float
    entry: Entry

    def get(self, name: str) -> str:
        """Value of an attribute that the type has."""
        return self.attributes[name]


def looks_like_rule(text: str) -> bool:
    """Whether a line is a rule by its look: a reference has no `=`."""
    return "=" in text


def parse_rule(
    entry: Entry, *, note: Callable[[InputError], None], warn: Callable[[str], None]
) -> Rule | None:
    """The rule of one line; None where `note` has got faults. `warn` takes what is odd."""
    faults: list[InputError] = []
    given = _attributes(entry.text)
    typed = "type" in given
    kind = given.pop("type", "raw").lower()
    if kind not in TYPES:
        hint = did_you_mean(kind, TYPES) or f"types are {', '.join(TYPES)}"
        note(InputError(f"unknown type {kind!r}", hint=hint))
        return None
    spec = TYPES[kind]
    known = [*GENERAL, *spec.required, *spec.defaults]
    for name in given:
        if name not in known and not typed and "value" not in given:
            hint = did_you_mean(name, ["type", *known]) or "write type=..., or the tag alone"
            faults.append(InputError(f"unknown attribute {name!r}", hint=hint))
        elif name not in known:
            meant = did_you_mean(name, [*known, "type"]) or f"type={kind} has {', '.join(known)}"
            warn(f"{entry.place}: type={kind} has no attribute {name!r}; it changes nothing ({meant})")
    for name in spec.required:
        if name not in given and not faults:
            faults.append(InputError(f"type={kind} needs {name}=", hint=_example(kind, name)))
    attributes = {**spec.defaults, "enable": "true", **given}
    if kind == "ref" and given.get("event") == "pr":
        attributes.setdefault("prefix", "pr-")
    priority = attributes.get("priority", str(spec.priority))
    if not _NUMBER.fullmatch(priority):
        faults.append(InputError(f"priority={priority} is not a number", hint="the highest comes first"))
    faults += _check_values(spec, kind, attributes)
    for fault in faults:
        note(fault)
    if faults:
        return None
    return Rule(type=kind, attributes=attributes, priority=float(priority), entry=entry)


def _attributes(text: str) -> dict[str, str]:
    """Keys in lower case and their values; a field without a key is the value."""
    found: dict[str, str] = {}
    for field in parse_fields(text):
        key, equals, value = field.partition("=")
        if equals and "{{" not in key:
            found[key.strip().lower()] = value.strip()
        else:
            found["value"] = field
    return found


def _example(kind: str, name: str) -> str:
    examples = {
        "semver": "type=semver,pattern={{version}}",
        "pep440": "type=pep440,pattern={{version}}",
        "match": r"type=match,pattern=v(\d+),group=1",
        "ref": "type=ref,event=branch",
        "raw": "type=raw,value=stable",
    }
    return f"as in {examples.get(kind, f'type={kind},{name}=...')}"


def _check_values(spec: TypeSpec, kind: str, attributes: Mapping[str, str]) -> list[InputError]:
    faults: list[InputError] = []

    def check(call: Callable[[], object], name: str) -> None:
        try:
            call()
        except InputError as error:
            faults.append(InputError(f"{name}: {error.message}", hint=error.hint))

    for name in ("enable", "prefix", "suffix", "value"):
        if name in attributes:
            check(lambda name=name: parse_template(attributes[name], GLOBAL_NAMES), name)  # type: ignore[misc]
    if "{{" not in attributes["enable"]:
        check(lambda: check_switch(attributes["enable"]), "enable")
    for name, choices in spec.choices.items():
        if name in attributes and attributes[name] not in choices:
            hint = did_you_mean(attributes[name], choices) or f"write {' or '.join(choices)}"
            faults.append(InputError(f"unknown {name}={attributes[name]} of type={kind}", hint=hint))
    if "pattern" in attributes:
        if kind == "match":
            check(lambda: compile_regex(attributes["pattern"], delimited=True), "pattern")
        elif spec.names:
            check(lambda: parse_template(attributes["pattern"], spec.names), "pattern")
    if kind in ("semver", "pep440") and attributes["match"]:
        check(lambda: _check_match(attributes["match"]), "match")
    if kind == "match" and not re.fullmatch(r"[0-9]{1,4}", attributes["group"]):
        faults.append(InputError(f"group={attributes['group']} is not the number of a group"))
    return faults


def _check_match(text: str) -> None:
    if compile_regex(text).groups == 0:
        raise InputError(f"{text!r} has no group", hint=r"group 1 is what counts, as in v(\d+\.\d+\.\d+)")


def check_switch(value: str) -> bool:
    """`true` or `false`. Raises InputError for all else."""
    if value not in ("true", "false"):
        raise InputError(f"{value!r} is neither true nor false", hint="write true or false, nothing else")
    return value == "true"
