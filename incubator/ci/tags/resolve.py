"""One rule and the facts to a tag, or to the reason why there is none."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, assert_never

from incubator.ci.tags.expressions import Expression, dates_of, expand, fill, parse_template
from incubator.ci.tags.regexes import compile_regex, search
from incubator.ci.tags.rules import TYPES
from incubator.ci.tags.versions import PARSERS

if TYPE_CHECKING:
    from incubator.ci.tags.facts import PipelineFacts
    from incubator.ci.tags.flavor import Flavor
    from incubator.ci.tags.rules import Rule

_STANDARDS = {"semver": "a semantic version", "pep440": "a version by PEP 440"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Value:
    """What a rule gives, before its affixes. `latest`: whether `latest=auto` makes that tag for it."""

    text: str
    reason: str
    latest: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Nothing:
    """Why a rule gives nothing; `warning`: it should have, as far as one can tell."""

    reason: str
    warning: bool = False


def resolve(rule: Rule, facts: PipelineFacts) -> Value | Nothing:
    """What an enabled rule gives."""
    match rule.type:
        case "schedule":
            return _schedule(rule, facts)
        case "semver" | "pep440":
            return _version(rule, facts)
        case "match":
            return _match(rule, facts)
        case "edge":
            return _edge(rule, facts)
        case "ref":
            return _ref(rule, facts)
        case "raw":
            return Value(text=expand(rule.get("value"), facts), reason="its value")
        case "sha":
            return _sha(rule, facts)
        case _:
            assert_never(rule.type)


def with_affixes(text: str, rule: Rule, flavor: Flavor, facts: PipelineFacts) -> str:
    """`text` between prefix and suffix: the rule's own, where it has the attribute, else the flavor's."""
    prefix = rule.attributes.get("prefix", flavor.prefix)
    suffix = rule.attributes.get("suffix", flavor.suffix)
    return f"{expand(prefix, facts)}{text}{expand(suffix, facts)}"


def _schedule(rule: Rule, facts: PipelineFacts) -> Value | Nothing:
    if facts.event != "schedule":
        return Nothing(reason="no schedule started this pipeline")
    template = parse_template(rule.get("pattern"), TYPES["schedule"].names)
    return Value(text=fill(template, {}, dates_of(facts)), reason="a schedule started this pipeline")


def _subject(rule: Rule, facts: PipelineFacts) -> tuple[str, str] | None:
    """The text that a rule about versions looks at, and what it is; None where there is none."""
    if rule.get("value"):
        return expand(rule.get("value"), facts), "its value"
    return (facts.tag, "the Git tag") if facts.kind == "tag" else None


def _version(rule: Rule, facts: PipelineFacts) -> Value | Nothing:
    subject = _subject(rule, facts)
    if subject is None:
        return Nothing(reason=f"{facts.what} is built, and no Git tag")
    text, origin = subject
    note = ""
    if rule.get("match"):
        found = search(compile_regex(rule.get("match")), text)
        if found is None:
            note = f"; match={rule.get('match')} does not match it"
        else:
            text = found[1] or ""
    text = text.replace("/", "-")
    version = PARSERS[rule.type](text)
    if version is None:
        return Nothing(reason=f"{origin} {text!r} is not {_STANDARDS[rule.type]}{note}", warning=True)
    template = parse_template(rule.get("pattern"), TYPES[rule.type].names)
    if not version.stable:
        raw = template == (Expression(name="raw"),)
        kind = "a pre-release" if rule.type == "semver" else "a pre-, post- or development release"
        return Value(
            text=version.names["raw"] if raw else version.text,
            reason=f"{origin} {text!r} is {kind}: only its full version is made",
        )
    names = {name: lambda value=value: value for name, value in version.names.items()}
    return Value(text=fill(template, names, {}), reason=f"{origin} is {text!r}", latest=True)


def _match(rule: Rule, facts: PipelineFacts) -> Value | Nothing:
    subject = _subject(rule, facts)
    if subject is None:
        return Nothing(reason=f"{facts.what} is built, and no Git tag")
    text, origin = subject
    regex = compile_regex(rule.get("pattern"), delimited=True)
    found = search(regex, text)
    if found is None:
        return Nothing(reason=f"the pattern does not match {origin} {text!r}", warning=True)
    group = int(rule.get("group"))
    value = found[group] if group <= regex.groups else None
    if value is None:
        return Nothing(reason=f"the pattern has no group {group} in {origin} {text!r}", warning=True)
    return Value(text=value, reason=f"the pattern matches {origin} {text!r}", latest=True)


def _edge(rule: Rule, facts: PipelineFacts) -> Value | Nothing:
    branch = rule.get("branch") or facts.repository.default_branch
    if facts.kind != "branch":
        return Nothing(reason=f"{facts.what} is built, and no branch")
    if not branch:
        return Nothing(reason="the default branch is not known; name it with branch=", warning=True)
    if facts.ref != branch:
        return Nothing(reason=f"{facts.what} is built, and not {branch}")
    return Value(text="edge", reason=f"{facts.what} is built")


def _ref(rule: Rule, facts: PipelineFacts) -> Value | Nothing:
    wanted = rule.get("event")
    if facts.kind != wanted or not facts.ref:
        words = {"branch": "branch", "tag": "Git tag", "pr": "pull request"}
        return Nothing(reason=f"{facts.what} is built, and no {words[wanted]}")
    return Value(text=facts.ref, reason=f"{facts.what} is built", latest=wanted == "tag")


def _sha(rule: Rule, facts: PipelineFacts) -> Value | Nothing:
    if not facts.sha:
        return Nothing(reason="the commit is not known")
    text = facts.short_sha if rule.get("format") == "short" else facts.sha
    return Value(text=text, reason=f"the commit is {facts.sha}")
