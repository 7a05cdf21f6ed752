"""Expressions in double braces: `{{branch}}`, `{{date 'YYYYMMDD' tz='UTC'}}`.

The part of the Handlebars language that docker/metadata-action documents. Unlike there, an unknown name is a fault,
and nothing is escaped for HTML.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

from incubator.ci.tags.dates import find_zone, format_date
from incubator.errors import InputError
from incubator.faults import did_you_mean

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Mapping
    from datetime import datetime

    from incubator.ci.tags.facts import PipelineFacts

DATES = ("date", "commit_date")
GLOBAL_NAMES = ("branch", "tag", "sha", "base_ref", "is_default_branch", "is_not_default_branch", *DATES)

_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
_ARGUMENT = re.compile(
    r"""[ \t]+(?:([A-Za-z_][A-Za-z0-9_]*)[ \t]*=[ \t]*)?(?:'([^']*)'|"([^"]*)"|([^\s'"=]+))"""
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Expression:
    """What stands between the braces; `format` and `zone` are those of a date."""

    name: str
    format: str = ""
    zone: str = "UTC"


Template = tuple[str | Expression, ...]


def parse_template(text: str, names: Collection[str]) -> Template:
    """Texts and expressions, in order. Raises InputError; `names` are what may be used in this place."""
    parts: list[str | Expression] = []
    position = 0
    while (start := text.find("{{", position)) >= 0:
        braces = 3 if text.startswith("{{{", start) else 2
        end = text.find("}" * braces, start)
        if end < 0:
            raise InputError(
                f"{text[start : start + 40]!r} is not closed", hint=f"write {'}' * braces} behind it"
            )
        if start > position:
            parts.append(text[position:start])
        parts.append(_expression(text[start + braces : end].strip(), names))
        position = end + braces
    if position < len(text):
        parts.append(text[position:])
    return tuple(parts)


def _expression(text: str, names: Collection[str]) -> Expression:
    match = _NAME.match(text)
    name = match[0] if match else text
    if name not in names:
        hint = did_you_mean(name, names) or f"known here are {', '.join(names)}"
        raise InputError(f"unknown expression {{{{{text}}}}}", hint=hint)
    positional: list[str] = []
    named: dict[str, str] = {}
    position = len(name)
    while position < len(text):
        argument = _ARGUMENT.match(text, position)
        if argument is None:
            raise InputError(
                f"{{{{{text}}}}} cannot be read", hint="write it as {{date 'YYYYMMDD' tz='UTC'}}"
            )
        value = next(group for group in argument.groups()[1:] if group is not None)
        if argument[1] is None:
            positional.append(value)
        else:
            named[argument[1]] = value
        position = argument.end()
    return _checked(name, text, positional, named)


def _checked(name: str, text: str, positional: list[str], named: dict[str, str]) -> Expression:
    if name not in DATES:
        if positional or named:
            raise InputError(f"{{{{{text}}}}}: {name} takes no arguments", hint=f"write {{{{{name}}}}}")
        return Expression(name=name)
    if len(positional) != 1:
        raise InputError(
            f"{{{{{text}}}}}: {name} takes one format", hint=f"write it as {{{{{name} 'YYYYMMDD'}}}}"
        )
    for key in named:
        if key != "tz":
            raise InputError(
                f"{{{{{text}}}}}: unknown argument {key}", hint="the only one is tz='Europe/Berlin'"
            )
    zone = named.get("tz", "UTC")
    find_zone(zone)
    return Expression(name=name, format=positional[0], zone=zone)


def fill(template: Template, values: Mapping[str, Callable[[], str]], dates: Mapping[str, datetime]) -> str:
    """The text that a template stands for."""
    return "".join(
        part
        if isinstance(part, str)
        else format_date(dates[part.name].astimezone(find_zone(part.zone)), part.format)
        if part.name in DATES
        else values[part.name]()
        for part in template
    )


def dates_of(facts: PipelineFacts) -> dict[str, datetime]:
    """What `date` and `commit_date` are; a commit without a known date counts as made now."""
    return {"date": facts.now, "commit_date": facts.commit_date or facts.now}


def expand(text: str, facts: PipelineFacts) -> str:
    """`text` with its global expressions replaced. Raises InputError."""
    template = parse_template(text, GLOBAL_NAMES)
    values: dict[str, Callable[[], str]] = {
        "branch": lambda: facts.branch,
        "tag": lambda: facts.tag,
        "sha": lambda: facts.short_sha,
        "base_ref": lambda: facts.base_ref,
        "is_default_branch": lambda: _word(truth=facts.is_default_branch),
        "is_not_default_branch": lambda: _word(truth=not facts.is_default_branch),
    }
    return fill(template, values, dates_of(facts))


def _word(*, truth: bool) -> str:
    return "true" if truth else "false"
