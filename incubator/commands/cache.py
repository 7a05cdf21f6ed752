"""`incubator cache`: results of builds that are kept on the engine; list them, take them away."""

from __future__ import annotations

import json
import os
import re
import sys
import time
from contextlib import closing
from typing import TYPE_CHECKING

from incubator.arguments import ArgumentParser
from incubator.console.text import clean_text
from incubator.console.words import show_count, show_size
from incubator.core.client import DockerClient
from incubator.core.kept import choose, kept_results, remove
from incubator.core.limits import parse_size
from incubator.errors import InputError
from incubator.faults import Faults, did_you_mean

if TYPE_CHECKING:
    import argparse
    from collections.abc import Iterator, Sequence

    from incubator.core.kept import KeptResult

ACTIONS = ("ls", "prune")
FORMATS = ("table", "json")
_AGE = re.compile(r"(\d{1,9})([smhdw])", re.ASCII)
_UNITS_S = {"s": 1, "m": 60, "h": 3600, "d": 86400, "w": 604800}


def make_parser() -> ArgumentParser:
    """The parser of `incubator cache`."""
    parser = ArgumentParser(
        prog="incubator cache",
        usage="incubator cache ls|prune [OPTIONS]",
        description="List the results of builds that are kept on the engine, or take them away.",
    )
    parser.add_argument(
        "action", nargs="?", metavar="ls | prune", help="list, or remove what the options say"
    )
    parser.add_argument("--older-than", metavar="AGE", help="prune: what is older, as in 12h, 7d or 2w")
    parser.add_argument(
        "--keep-storage", metavar="SIZE", help="prune: the oldest, until the rest takes no more, as in 10g"
    )
    parser.add_switch(parser.add_argument_group("everything"), "--all", help="prune: all results")
    parser.add_argument(
        "--format", metavar="FORMAT", default="table", help=f"form of the list: {', '.join(FORMATS)} (table)"
    )
    parser.add_switch(
        parser.add_argument_group("help"), "-D", "--debug", help="show tracebacks and diagnostics"
    )
    return parser


def run(arguments: argparse.Namespace) -> int:
    """List or prune; 0. Raises InputErrors, EngineError."""
    faults, action = Faults(), arguments.action
    older_than_s = keep_bytes = None
    if action not in ACTIONS:
        what = "no action is given" if action is None else f"unknown action {action!r}"
        faults.add(
            what, hint=did_you_mean(action or "", ACTIONS) or "incubator cache ls, or incubator cache prune"
        )
    if arguments.format not in FORMATS:
        faults.add(f"unknown --format {arguments.format!r}", hint=f"formats are {', '.join(FORMATS)}")
    with faults.gather():
        older_than_s = None if arguments.older_than is None else parse_age(arguments.older_than)
    with faults.gather():
        keep_bytes = None if arguments.keep_storage is None else parse_size(arguments.keep_storage)
    limited = arguments.older_than is not None or arguments.keep_storage is not None
    if action == "prune" and limited == bool(arguments.all):
        hint = "--older-than and --keep-storage say what may go; --all alone removes everything"
        faults.add(
            "prune needs a limit, or --all" if not limited else "--all and a limit exclude each other",
            hint=hint,
        )
    if action == "ls" and (limited or arguments.all):
        faults.add("ls lists everything", hint="limits are options of incubator cache prune")
    faults.check()
    with closing(DockerClient.from_env(os.environ)) as engine:
        results = kept_results(engine)
        if action == "prune":
            results = choose(results, now_s=time.time(), older_than_s=older_than_s, keep_bytes=keep_bytes)
            remove(engine, results)
    if arguments.format == "json":
        sys.stdout.write(f"{json.dumps([_json(result) for result in results], indent=2)}\n")
    else:
        done = "removed" if action == "prune" else "kept"
        lines = _lines(results, now_s=time.time(), done=done)
        sys.stdout.write("".join(f"{clean_text(line)}\n" for line in lines))
    return 0


def parse_age(text: str) -> int:
    """Seconds of `90s`, `30m`, `12h`, `7d`, `2w`. Raises InputError."""
    match = _AGE.fullmatch(text.strip())
    if match is None:
        raise InputError(
            f"invalid --older-than {text!r}",
            hint="an age is a whole number with s, m, h, d or w, as in 12h or 7d",
        )
    return int(match[1]) * _UNITS_S[match[2]]


def show_age(age_s: float) -> str:
    """An age in its largest unit: `3d`."""
    for unit in ("w", "d", "h", "m"):
        if age_s >= _UNITS_S[unit]:
            return f"{int(age_s // _UNITS_S[unit])}{unit}"
    return f"{max(0, int(age_s))}s"


def _json(result: KeptResult) -> dict[str, object]:
    return {
        "key": result.reference.rpartition(":")[2],
        "reference": result.reference,
        "made": int(result.made_s),
        "size_bytes": result.size_bytes,
    }


def _lines(results: Sequence[KeptResult], *, now_s: float, done: str) -> Iterator[str]:
    for result in results:
        key = result.reference.rpartition(":")[2][:12]
        yield f"{key}  {show_age(now_s - result.made_s):>4}  {show_size(result.size_bytes):>9}"
    size = show_size(sum(result.size_bytes for result in results))
    yield f"{show_count(len(results), 'result')} {done}, {size}"
