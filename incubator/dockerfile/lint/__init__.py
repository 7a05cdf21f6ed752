"""Build checks: what is allowed in a Dockerfile and still unwise. Pure.

`examine` gives the warnings of a document, and faults that its syntax does not show; `FORMATS` are the ways to write
a report of them, `RULES` is what is checked.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from incubator.dockerfile.instructions import Document, Instruction, Warning_
from incubator.dockerfile.lint.faults import find_faults
from incubator.dockerfile.lint.formats import FORMATS, Report
from incubator.dockerfile.lint.options import CheckOptions, parse_check_options, skipped_above
from incubator.dockerfile.lint.rule import Rule
from incubator.dockerfile.lint.rules import RULES
from incubator.dockerfile.lint.subject import IgnoreMatcher, Subject, make_subject
from incubator.dockerfile.parser import in_order, parse_faulty
from incubator.dockerfile.source import Source, Span
from incubator.errors import DockerfileError, DockerfileErrors, shortened

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

__all__ = [
    "CHECK_ARG",
    "FORMATS",
    "MAX_FINDINGS",
    "RULES",
    "CheckOptions",
    "IgnoreMatcher",
    "Report",
    "Rule",
    "check_options",
    "examine",
    "faults_of",
    "findings_as_errors",
    "is_error",
    "lint",
]

_OWN: Final = frozenset(rule.name for rule in RULES if rule.own)
_PLATFORM: Final = "linux/amd64"
_STRICT: Final = "check=error=true makes warnings errors"
MAX_FINDINGS: Final = 1000
"""So many findings of one rule are told."""
CHECK_ARG: Final = "BUILDKIT_DOCKERFILE_CHECK"
"""The build argument that replaces a file's `# check=`."""


def examine(
    document: Document,
    *,
    build_args: Mapping[str, str] | None = None,
    target: str | None = None,
    ignore_matcher: IgnoreMatcher | None = None,
    platform: str = _PLATFORM,
    base_env: Mapping[str, Mapping[str, str]] | None = None,
    options: CheckOptions | None = None,
    own_rules: bool = True,
) -> Report:
    """The warnings of `document`, and the faults that its syntax does not show; both in order of their places.

    `target`: name or number of a stage; what only other stages would do is not checked; None checks all.
    `ignore_matcher`: the context's ignore rules, None where there are none. `base_env`: environment of base images by
    the name that FROM gives after expansion; a base that is not in it may define any variable.
    `options` replace what the file's `# check=` says. `own_rules`: also those that the Dockerfile reference has not.
    Raises `DockerfileError` for a malformed `# check=`, and for a target that is no stage.
    """
    chosen = check_options(document) if options is None else options
    subject = make_subject(
        document,
        build_args=build_args or {},
        target=target,
        platform=platform,
        base_env=base_env or {},
        ignore_matcher=ignore_matcher,
    )
    skipped = _Skipped()
    warnings = [
        warning
        for rule in RULES
        if chosen.wants(rule.name, experimental=rule.experimental) and (own_rules or not rule.own)
        for warning in _warnings(rule, subject, skipped)
    ]
    warnings.sort(key=lambda warning: (warning.span.first_line, warning.span.column))
    return Report(warnings=tuple(warnings), faults=find_faults(subject))


def faults_of(source: Source) -> tuple[DockerfileError, ...]:
    """All faults of a file that does not parse, with those that syntax does not show; empty for one that parses."""
    document, faults = parse_faulty(source)
    if not faults:
        return ()
    unseen = list(
        find_faults(
            make_subject(
                document, build_args={}, target=None, platform=_PLATFORM, base_env={}, ignore_matcher=None
            )
        )
    )
    try:
        check_options(document)
    except DockerfileError as error:
        unseen.append(error)
    return tuple(in_order((*faults, *unseen)))


def lint(
    document: Document,
    *,
    build_args: Mapping[str, str] | None = None,
    target: str | None = None,
    ignore_matcher: IgnoreMatcher | None = None,
    platform: str = _PLATFORM,
    base_env: Mapping[str, Mapping[str, str]] | None = None,
    options: CheckOptions | None = None,
    own_rules: bool = True,
) -> tuple[Warning_, ...]:
    """The warnings alone that `examine` gives."""
    return examine(
        document,
        build_args=build_args,
        target=target,
        ignore_matcher=ignore_matcher,
        platform=platform,
        base_env=base_env,
        options=options,
        own_rules=own_rules,
    ).warnings


def _warnings(rule: Rule, subject: Subject, skipped: _Skipped) -> Iterator[Warning_]:
    """What a rule finds; of very much the first, and a word about the rest."""
    found = (finding for finding in rule.check(subject) if not skipped.at(finding.instruction, rule.name))
    for number, finding in enumerate(found):
        span = finding.place()
        if number == MAX_FINDINGS:
            more = f"This rule finds more from here on: the first {MAX_FINDINGS} are shown"
            yield Warning_(rule=rule.name, message=more, span=span)
            return
        yield Warning_(rule=rule.name, message=shortened(finding.message), span=span)


class _Skipped:
    """Which rules the comments above instructions skip; each instruction's are read once."""

    def __init__(self) -> None:
        self._above: dict[int, CheckOptions] = {}

    def at(self, instruction: Instruction, rule: str) -> bool:
        """Whether `rule` is skipped there."""
        above = self._above.get(instruction.number)
        if above is None:
            above = self._above[instruction.number] = skipped_above(instruction.comments)
        return above.skip_all or rule in above.skip


def check_options(document: Document, given: str | None = None) -> CheckOptions:
    """What the file's `# check=` asks for, or `given` in its place (the build argument BUILDKIT_DOCKERFILE_CHECK).

    Raises `DockerfileError` if it is malformed, at its line if it is the file's.
    """
    if given is not None:
        return parse_check_options(given)
    text = document.directives.check
    try:
        return parse_check_options(text)
    except DockerfileError as error:
        lines = document.source.lines
        line = next((n for n, shown in enumerate(lines, 1) if text and text in shown), 1)
        span = Span(document.source, line, line, lines[line - 1].find(text or "") + 1)
        raise DockerfileError(error.text, rule=error.rule, span=span, hint=error.hint) from None


def is_error(warning: Warning_) -> bool:
    """Whether `error=true` makes a finding an error. Not one of our own rules: the reference would build the file."""
    return warning.rule not in _OWN


def findings_as_errors(
    document: Document, warnings: Sequence[Warning_], options: CheckOptions | None = None
) -> DockerfileErrors | None:
    """The error that a build with these warnings ends in where the file or `options` say `error=true`; else None.

    Rules of our own make no errors.
    """
    if not (check_options(document) if options is None else options).error:
        return None
    errors = [
        DockerfileError(warning.message, rule=warning.rule, span=warning.span, hint=_STRICT)
        for warning in warnings
        if is_error(warning)
    ]
    return DockerfileErrors(errors) if errors else None
