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
from incubator.core.kept import kept_results, prune, total_bytes
from incubator.core.limits import parse_size
from incubator.errors import InputError, shortened
from incubator.faults import Faults, did_you_mean

if TYPE_CHECKING:
    import argparse
    from collections.abc import Iterator, Sequence

    from incubator.core.kept import KeptResult, Pruned

ACTIONS = ("ls", "prune")
FORMATS = ("table", "json")
_LONGEST_INSTRUCTION = 72
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
    parser.add_argument(
        "--older-than", metavar="AGE", help="prune: what was not used for so long, as in 12h, 7d or 2w"
    )
    parser.add_argument(
        "--keep-storage",
        metavar="SIZE",
        help="prune: what was not used for longest, until the rest takes no more, as in 10g",
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
    now_s = time.time()
    with closing(DockerClient.from_env(os.environ)) as engine:
        if action == "prune":
            pruned = prune(engine, now_s=now_s, older_than_s=older_than_s, keep_bytes=keep_bytes)
            listed = [_json(result) | {"freed_bytes": freed} for result, freed in pruned.results]
            lines = _removed(pruned, now_s=now_s)
        else:
            results = kept_results(engine)
            listed = [_json(result) for result in results]
            lines = _kept(results, now_s=now_s)
    if arguments.format == "json":
        sys.stdout.write(f"{json.dumps(listed, indent=2)}\n")
    else:
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
        "instruction": result.instruction,
        "made": int(result.made_s),
        "used": int(result.used_s),
        "size_bytes": result.size_bytes,
    }


def _kept(results: Sequence[KeptResult], *, now_s: float) -> Iterator[str]:
    for result in results:
        yield _row(result, result.size_bytes, now_s=now_s)
    yield f"{show_count(len(results), 'result')} kept, {show_size(total_bytes(results))}"


def _removed(pruned: Pruned, *, now_s: float) -> Iterator[str]:
    for result, freed in pruned.results:
        yield _row(result, freed, now_s=now_s)
    freed = sum(freed for _, freed in pruned.results)
    held = total_bytes(result for result, _ in pruned.results) - freed
    rest = f"; images still have {show_size(held)} of them" if held > 0 else ""
    yield f"{show_count(len(pruned.results), 'result')} removed, {show_size(freed)} freed{rest}"
    if pruned.leftovers:
        images = show_count(pruned.leftovers, "image")
        yield f"{images} of builds that had lost all names removed, {show_size(pruned.leftover_bytes)} freed"


def _row(result: KeptResult, size_bytes: int, *, now_s: float) -> str:
    key = result.reference.rpartition(":")[2][:12]
    instruction = shortened(result.instruction, _LONGEST_INSTRUCTION)
    return f"{key}  {show_age(now_s - result.used_s):>4}  {show_size(size_bytes):>9}  {instruction}".rstrip()
