"""Rules and facts to tags, labels and annotations."""

from __future__ import annotations

from typing import TYPE_CHECKING

from incubator.ci.tags.expressions import expand
from incubator.ci.tags.labels import make_annotations, make_labels, own_labels
from incubator.ci.tags.names import LONGEST_TAG, sanitize
from incubator.ci.tags.outcome import LatestDecision, Metadata, Outcome
from incubator.ci.tags.resolve import Nothing, resolve, with_affixes
from incubator.ci.tags.rules import check_switch
from incubator.ci.tags.versions import PARSERS
from incubator.errors import InputError, InputErrors

if TYPE_CHECKING:
    from collections.abc import Iterator

    from incubator.ci.tags.facts import PipelineFacts
    from incubator.ci.tags.flavor import Flavor
    from incubator.ci.tags.language import TagLanguage
    from incubator.ci.tags.outcome import Status
    from incubator.ci.tags.rules import Rule


def compute(language: TagLanguage, facts: PipelineFacts) -> Metadata:
    """Everything that follows. Raises InputErrors where `enable` comes to neither true nor false."""
    warnings = list(language.warnings)
    outcomes = _outcomes(language, facts, warnings)
    names = list(dict.fromkeys(outcome.tag for outcome in outcomes if outcome.tag))
    latest = _latest(outcomes, language.flavor, facts)
    if not names:
        warnings.append(f"no rule gives a tag: {facts.what} is built (event {facts.event or 'unknown'})")
    if latest.tag:
        names += [] if latest.tag in names else [latest.tag]
        warnings += _latest_warnings(outcomes, language.flavor, facts)
    if language.images_disabled:
        warnings.append("none of the images is enabled, so there is no reference")
    version = next((outcome.tag for outcome in outcomes if outcome.tag), "")
    return Metadata(
        version=version,
        tag_names=tuple(names),
        tags=tuple(f"{image}:{name}" for image in language.images for name in names),
        labels=make_labels(facts, version, language.labels),
        own_labels=own_labels(facts, language.labels),
        annotations=make_annotations(facts, version, language.annotations, language.levels),
        outcomes=tuple(outcomes),
        latest=latest,
        warnings=tuple(warnings),
    )


def _outcomes(language: TagLanguage, facts: PipelineFacts, warnings: list[str]) -> list[Outcome]:
    outcomes: list[Outcome] = []
    errors: list[InputError] = []
    seen: set[str] = set()
    for rule in language.rules:
        try:
            enabled = check_switch(expand(rule.get("enable"), facts))
        except InputError as error:
            errors.append(InputError(f"{rule.entry.place}: enable: {error.message}", hint=error.hint))
            continue
        if not enabled:
            reason = f"enable={rule.get('enable')}" + (" is false" if "{{" in rule.get("enable") else "")
            outcomes.append(Outcome(rule=rule, status="disabled", tag=None, reason=reason))
            continue
        outcome = _outcome(rule, facts, language.flavor, seen, warnings)
        if outcome.tag:
            seen.add(outcome.tag)
        outcomes.append(outcome)
    if errors:
        raise InputErrors(errors)
    return outcomes


def _outcome(
    rule: Rule, facts: PipelineFacts, flavor: Flavor, seen: set[str], warnings: list[str]
) -> Outcome:
    value = resolve(rule, facts)
    if isinstance(value, Nothing):
        if value.warning:
            warnings.append(f"{rule.entry.place}: no tag, since {value.reason}")
        return Outcome(rule=rule, status="skipped", tag=None, reason=value.reason)
    whole = with_affixes(value.text, rule, flavor, facts)
    name = sanitize(whole)
    if not name:
        reason = "it is empty" if not whole else f"nothing of {whole!r} can be in a tag"
        return Outcome(rule=rule, status="skipped", tag=None, reason=f"{value.reason}, but {reason}")
    if len(whole) > LONGEST_TAG or whole[0] in ".-":
        warnings.append(f"{rule.entry.place}: {whole!r} is no valid tag, so it becomes {name!r}")
    status: Status = "repeated" if name in seen else "extra" if seen else "version"
    return Outcome(rule=rule, status=status, tag=name, reason=value.reason, latest=value.latest)


def _latest(outcomes: list[Outcome], flavor: Flavor, facts: PipelineFacts) -> LatestDecision:
    first = next((outcome for outcome in outcomes if outcome.tag), None)
    if first is None:
        return LatestDecision(tag=None, reason="no rule gives a tag")
    if flavor.latest == "auto":
        made = first.latest
        says = "makes it" if made else "does not make it"
        reason = f"latest=auto: the first rule that gives a tag decides, {first.rule.entry.text} {says}"
    else:
        made = flavor.latest == "true"
        reason = f"the flavor says latest={flavor.latest}"
    return LatestDecision(tag=sanitize(expand(flavor.latest_tag, facts)) if made else None, reason=reason)


def _latest_warnings(outcomes: list[Outcome], flavor: Flavor, facts: PipelineFacts) -> Iterator[str]:
    if flavor.forgets_latest:
        yield (
            "the prefix or suffix of the flavor is not on the tag latest: write onlatest=true behind it to have it "
            "there, or onlatest=false if this is meant"
        )
    first = next(outcome for outcome in outcomes if outcome.tag)
    if flavor.latest == "auto" and first.rule.type in ("ref", "match"):
        versions = (parse(facts.tag) for parse in PARSERS.values())
        if any(version is not None and not version.stable for version in versions):
            yield (
                f"latest goes to {facts.tag}, which looks like a pre-release: write type=semver instead of "
                f"type={first.rule.type}, or latest=false in the input flavor"
            )
