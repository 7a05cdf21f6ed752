"""`incubator tags`: the tags and labels that rules make, and why, without building anything."""

from __future__ import annotations

import json
import os
import sys
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

from incubator.arguments import ArgumentParser
from incubator.ci.explain import explain_lines, explanation
from incubator.ci.facts import read_facts
from incubator.ci.lists import Entry
from incubator.ci.raw import read_raw
from incubator.ci.surroundings import detect
from incubator.ci.tags import compute, read_language
from incubator.ci.tags.facts import with_ref
from incubator.ci.tags.labels import LEVELS_VARIABLE, parse_levels
from incubator.console.text import clean_text
from incubator.errors import InputError
from incubator.faults import Faults

if TYPE_CHECKING:
    import argparse
    from collections.abc import Iterator, Mapping

    from incubator.ci.raw import RawValue
    from incubator.ci.surroundings import Surroundings
    from incubator.ci.tags import Metadata, PipelineFacts

_FORMATS = ("text", "json")


def make_parser() -> ArgumentParser:
    """The parser of `incubator tags`."""
    parser = ArgumentParser(
        prog="incubator tags",
        usage="incubator tags [OPTIONS]",
        description="Show the tags and labels that rules make, and why each rule gives a tag or none. What is not "
        "given comes from the pipeline's inputs and environment, or from the checkout in the current folder.",
    )
    inputs = parser.add_argument_group("inputs")
    for name, text in (
        ("image", "name that the tags are put behind"),
        ("tag", "a rule, as type=semver,pattern={{version}}, or a tag"),
        ("flavor", "as latest=false or suffix=-alpine,onlatest=true"),
        ("label", "label, key=value"),
        ("annotation", "annotation, key=value"),
    ):
        inputs.add_argument(
            f"--{name}", action="append", default=[], metavar=name.upper(), help=f"{text}; repeatable"
        )
    facts = parser.add_argument_group("facts")
    facts.add_argument("--event", help="what started the pipeline, as push, pull_request or schedule")
    facts.add_argument("--ref", help="as refs/heads/main, refs/tags/v1.2.3 or refs/pull/7/merge")
    facts.add_argument("--sha", help="the commit")
    facts.add_argument("--default-branch", metavar="BRANCH", help="the repository's default branch")
    facts.add_argument("--base-ref", metavar="BRANCH", help="where a pull request goes to")
    result = parser.add_argument_group("result")
    result.add_argument("--format", default="text", help=f"form of the answer: {', '.join(_FORMATS)} (text)")
    parser.add_switch(result, "-D", "--debug", help="show tracebacks and diagnostics")
    return parser


def run(arguments: argparse.Namespace) -> int:
    """Print what comes out to standard output, warnings to standard error. Raises InputErrors with all faults."""
    faults = Faults()
    around = detect(os.environ, Path.cwd())
    if arguments.format not in _FORMATS:
        faults.add(f"unknown --format {arguments.format!r}", hint=f"formats are {', '.join(_FORMATS)}")
    raw = _pipeline_inputs(around)
    levels: tuple[str, ...] = ("manifest",)
    with faults.gather():
        levels = parse_levels(os.environ.get(LEVELS_VARIABLE, ""))
    images = _entries(arguments.image, "--image", raw, "images")
    if not images and around.ci == "gitlab" and os.environ.get("CI_REGISTRY_IMAGE"):
        images = (Entry(text=os.environ["CI_REGISTRY_IMAGE"], place="CI_REGISTRY_IMAGE"),)
    language = read_language(
        images=images,
        tags=_entries(arguments.tag, "--tag", raw, "tags"),
        flavor=_entries(arguments.flavor, "--flavor", raw, "flavor"),
        labels=_entries(arguments.label, "--label", raw, "labels"),
        annotations=_entries(arguments.annotation, "--annotation", raw, "annotations"),
        levels=levels,
        faults=faults,
    )
    with faults.gather():
        facts = _facts(arguments, around)
        faults.check()
        metadata = compute(language, facts)
        _write(metadata, facts, arguments.format)
    faults.check()
    return 0


def _pipeline_inputs(around: Surroundings) -> Mapping[str, RawValue]:
    """What the environment has as inputs; their own faults are those of a build, and not told here."""
    return read_raw(around.environ, around.ci, faults=Faults(), warn=lambda _: None, note=lambda _: None)


def _entries(given: list[str], option: str, raw: Mapping[str, RawValue], name: str) -> tuple[Entry, ...]:
    if given:
        return tuple(Entry(text=text, place=f"{option} {text!r}") for text in given if text.strip())
    found = raw.get(name, ())
    if isinstance(found, str):
        return ()
    return tuple(replace(entry, place=f"input {name}, {entry.place}") for entry in found)


def _facts(arguments: argparse.Namespace, around: Surroundings) -> PipelineFacts:
    facts = read_facts(around, now=datetime.now(UTC))
    if arguments.ref is not None:
        facts = with_ref(facts, arguments.ref)
        if facts.kind is None:
            raise InputError(
                f"--ref {arguments.ref!r} is no full ref",
                hint="write refs/heads/BRANCH, refs/tags/TAG or refs/pull/NUMBER/merge",
            )
    if arguments.sha is not None and arguments.sha != facts.sha:
        facts = replace(facts, sha=arguments.sha, commit_date=None)
    if arguments.event is not None:
        facts = replace(facts, event=arguments.event, always_default=arguments.event == "schedule")
    if arguments.base_ref is not None:
        facts = replace(facts, base_ref=arguments.base_ref)
    if arguments.default_branch is not None:
        repository = replace(facts.repository, default_branch=arguments.default_branch)
        facts = replace(facts, repository=repository)
    return facts


def _write(metadata: Metadata, facts: PipelineFacts, form: str) -> None:
    if form == "json":
        sys.stdout.write(json.dumps(explanation(metadata), indent=2) + "\n")
    else:
        sys.stdout.write("".join(f"{clean_text(line)}\n" for line in _text(metadata, facts)))
    sys.stdout.flush()
    for warning in metadata.warnings:
        sys.stderr.write(f"warning: {clean_text(warning)}\n")


def _text(metadata: Metadata, facts: PipelineFacts) -> Iterator[str]:
    yield f"built: {facts.what}, commit {facts.sha or 'unknown'}, event {facts.event or 'unknown'}"
    yield from explain_lines(metadata)
    yield "references:" if metadata.tags else "tags:"
    yield from (f"  {tag}" for tag in metadata.tags or metadata.tag_names)
    yield "labels:"
    yield from (f"  {key}={value}" for key, value in metadata.labels.items())
