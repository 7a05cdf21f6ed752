"""What can be asked of a Dockerfile without a build: `--call` and the input `call`. No engine is needed."""

from __future__ import annotations

import json
from dataclasses import dataclass, replace
from itertools import compress
from typing import TYPE_CHECKING, Any, Final

from incubator.console.outline import outline_lines, targets_lines
from incubator.core.plan.outline import list_targets, make_outline, outline_json, targets_json
from incubator.dockerfile import parse
from incubator.dockerfile.lint import (
    CHECK_ARG,
    FORMATS,
    Report,
    check_options,
    examine,
    faults_of,
    is_error,
)
from incubator.errors import DockerfileError, DockerfileErrors, InputError
from incubator.faults import did_you_mean

if TYPE_CHECKING:
    from collections.abc import Mapping

    from incubator.context.patterns import PatternMatcher
    from incubator.dockerfile.instructions import Warning_
    from incubator.dockerfile.source import Source

METHODS: Final = ("build", "check", "outline", "targets")
FOUND: Final = 1
"""Exit code of a check that found something."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """What a method came to: for people, for programs, and as exit code. `warnings` are the findings of a check."""

    lines: tuple[str, ...]
    value: dict[str, Any]
    warnings: tuple[Warning_, ...] = ()
    exit_code: int = 0


def parse_method(text: str) -> str:
    """One of `METHODS`; `lint` is another name of `check`. Raises InputError."""
    name = "check" if text == "lint" else text
    if name not in METHODS:
        raise InputError(
            f"{text!r} is no method", hint=did_you_mean(text, METHODS) or f"methods are {', '.join(METHODS)}"
        )
    return name


def answer(
    method: str,
    source: Source,
    *,
    ignore: PatternMatcher | None,
    build_args: Mapping[str, str],
    target: str | None,
) -> Answer:
    """Ask `method`, which is not `build`, of a Dockerfile. In a check every finding counts.

    Raises DockerfileError, with all faults of a file that cannot be built.
    """
    if method == "check":
        report = check_file(source, ignore, build_args=build_args, target=target, strict=True)
        if report.faults:
            raise DockerfileErrors(report.faults)
        return Answer(
            lines=tuple(FORMATS["text"](report).splitlines()),
            value=json.loads(FORMATS["json"](report)),
            warnings=report.failures,
            exit_code=FOUND if report.failures else 0,
        )
    document = parse(source)
    if method == "targets":
        targets = list_targets(document, build_args)
        return Answer(lines=tuple(targets_lines(targets)), value=targets_json(targets))
    outline = make_outline(document, target=target, build_args=build_args)
    return Answer(lines=tuple(outline_lines(outline)), value=outline_json(outline))


def check_file(
    source: Source,
    ignore: PatternMatcher | None,
    *,
    build_args: Mapping[str, str],
    target: str | None,
    skip: frozenset[str] = frozenset(),
    strict: bool,
) -> Report:
    """The report on one file; `strict`: every finding is an error."""
    try:
        document = parse(source)
        asked = check_options(document, build_args.get(CHECK_ARG))
        options = replace(asked, skip=asked.skip | skip, experimental=asked.experimental - skip)
        found = examine(
            document, build_args=build_args, target=target, ignore_matcher=ignore, options=options
        )
    except DockerfileErrors:
        return Report(faults=faults_of(source))
    except DockerfileError as error:
        return Report(faults=(error,))
    failing = [strict or (options.error and is_error(warning)) for warning in found.warnings]
    return Report(
        warnings=tuple(warning for warning, fails in zip(found.warnings, failing, strict=True) if not fails),
        failures=tuple(compress(found.warnings, failing)),
        faults=found.faults,
    )
