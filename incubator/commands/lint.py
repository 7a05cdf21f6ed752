"""`incubator lint`: the faults and warnings of Dockerfiles, without an engine."""

from __future__ import annotations

import os
import sys
from dataclasses import replace
from pathlib import Path
from typing import IO, TYPE_CHECKING, cast

from incubator.arguments import ArgumentParser
from incubator.calls import FOUND, check_file
from incubator.commands.build_options import read_build_args
from incubator.console.words import show_count
from incubator.dockerfile.lint import CHECK_ARG, FORMATS, RULES, Report
from incubator.dockerfile.lint.options import parse_check_options
from incubator.errors import InputError
from incubator.faults import Faults, did_you_mean
from incubator.metadata import check_writable, write_atomically
from incubator.sources import Place, is_archive, peek, read_for_checks

if TYPE_CHECKING:
    import argparse
    from collections.abc import Iterator, Sequence


def make_parser() -> ArgumentParser:
    """The parser of `incubator lint`."""
    parser = ArgumentParser(
        prog="incubator lint",
        usage="incubator lint [OPTIONS] PATH | -",
        description="Check Dockerfiles: everything that would stop a build before it begins, and what is allowed and "
        "still unwise. Needs no engine. Exit code 0: nothing, or warnings only; 1: findings that count as errors; "
        "2: a Dockerfile that cannot be built, or bad input.",
    )
    parser.add_argument(
        "path",
        nargs="?",
        metavar="PATH | -",
        help="folder of the context, or - for a Dockerfile on standard input",
    )
    what = parser.add_argument_group("what to check")
    what.add_argument(
        "-f",
        "--file",
        action="append",
        default=[],
        metavar="FILE",
        help="a Dockerfile (PATH/Dockerfile), - for standard input; repeatable",
    )
    what.add_argument(
        "--target", metavar="STAGE", help="check what this stage needs (all stages); by name or number"
    )
    what.add_argument(
        "--build-arg",
        action="append",
        default=[],
        metavar="NAME[=VALUE]",
        help="build argument; without a value, that of the environment",
    )
    rules = parser.add_argument_group("rules")
    rules.add_argument(
        "--skip", action="append", default=[], metavar="RULE", help="leave a rule out; repeatable"
    )
    parser.add_switch(rules, "--error", help="count every finding as an error")
    result = parser.add_argument_group("result")
    result.add_argument(
        "--format", metavar="FORMAT", default="text", help=f"form of the report: {', '.join(FORMATS)} (text)"
    )
    result.add_argument(
        "--output", metavar="FILE", help="write the report to a file instead of standard output"
    )
    parser.add_switch(result, "-D", "--debug", help="show tracebacks and diagnostics")
    return parser


def run(arguments: argparse.Namespace) -> int:
    """Check, and write the report; the exit code. Raises InputErrors for what cannot be read."""
    faults = Faults()
    build_args = {
        name: value
        for name, value in read_build_args(arguments.build_arg, os.environ, faults).items()
        if value is not None
    }
    with faults.gather():
        parse_check_options(build_args.get(CHECK_ARG))
    skip = _skipped(arguments.skip, faults)
    if arguments.format not in FORMATS:
        hint = did_you_mean(arguments.format, FORMATS) or f"formats are {', '.join(FORMATS)}"
        faults.add(f"unknown --format {arguments.format!r}", hint=hint)
    if arguments.output is not None:
        with faults.gather():
            check_writable(arguments.output, "--output")
    places = _places(arguments, faults)
    faults.check()

    reports = []
    for place in places:
        with faults.gather():
            source, ignore = read_for_checks(place)
            source = replace(source, name=_relative(source.name))
            reports.append(
                check_file(
                    source,
                    ignore,
                    build_args=build_args,
                    target=arguments.target or None,
                    skip=skip,
                    strict=bool(arguments.error),
                )
            )
    report = Report(
        warnings=tuple(found for part in reports for found in part.warnings),
        failures=tuple(found for part in reports for found in part.failures),
        faults=tuple(fault for part in reports for fault in part.faults),
    )
    if reports:
        _write(FORMATS[arguments.format](report), arguments)
        if arguments.format == "text":
            sys.stderr.write(f"{_summary(report, len(reports))}\n")
    faults.check()
    if report.faults:
        return InputError.exit_code
    return FOUND if report.failures else 0


def _places(arguments: argparse.Namespace, faults: Faults) -> list[Place]:
    """One place for each Dockerfile."""
    path: str | None = arguments.path
    files: list[str | None] = list(dict.fromkeys(arguments.file)) or [None]
    if path is None:
        faults.add("no context is given", hint="name the folder of the context, as in: incubator lint .")
    elif path == "-" and arguments.file:
        faults.add(
            "standard input has the Dockerfile and -f names another one", hint="name a folder instead of -"
        )
    elif path == "-":
        return [Place(dockerfile_stream=_standard_input(faults), stream_name="stdin")]
    else:
        return [
            Place(path=path, dockerfile_stream=_standard_input(faults), stream_name="stdin")
            if file == "-"
            else Place(path=path, dockerfile=file, dockerfile_from="here", file_option="-f ")
            for file in files
        ]
    return []


def _standard_input(faults: Faults) -> IO[bytes]:
    head, stream = peek(cast("IO[bytes]", sys.stdin.buffer))
    if is_archive(head):
        faults.add(
            "standard input has a tar, a Dockerfile is expected",
            hint="unpack it and name its folder as the context",
        )
    return stream


def _skipped(given: Sequence[str], faults: Faults) -> frozenset[str]:
    """Names of rules, each checked; one option may hold several, separated by commas."""
    known = [rule.name for rule in RULES]
    names = [name.strip() for text in given for name in text.split(",")]
    for name in names:
        if name not in known:
            hint = did_you_mean(name, known) or "docs/rules has the names of all rules"
            faults.add(f"--skip {name!r}: there is no such rule", hint=hint)
    return frozenset(names)


def _relative(name: str) -> str:
    """A path as reports want it: below the current folder from there, else as it is."""
    here = Path.cwd()
    path = Path(name)
    return str(path.relative_to(here)) if path.is_relative_to(here) else name


def _write(text: str, arguments: argparse.Namespace) -> None:
    if arguments.output is not None:
        try:
            write_atomically(arguments.output, text)
        except OSError as error:
            raise InputError(f"--output {arguments.output!r} cannot be written: {error.strerror}") from None
        return
    encoding = sys.stdout.encoding or "utf-8"
    sys.stdout.write(text.encode(encoding, "backslashreplace").decode(encoding))
    sys.stdout.flush()


def _summary(report: Report, files: int) -> str:
    return f"{show_count(files, 'Dockerfile')}: {', '.join(_counts(report)) or 'nothing found'}"


def _counts(report: Report) -> Iterator[str]:
    errors = len(report.faults) + len(report.failures)
    for number, noun in ((errors, "error"), (len(report.warnings), "warning")):
        if number:
            yield show_count(number, noun)
