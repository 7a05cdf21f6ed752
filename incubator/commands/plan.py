"""`incubator plan`: what a build would reuse and make, and why, without doing it."""

from __future__ import annotations

import json
import os
import sys
from contextlib import closing
from typing import TYPE_CHECKING, Any

from incubator.commands import build_options
from incubator.commands.build import load_configs, read_request
from incubator.console import make_console
from incubator.console.text import clean_text
from incubator.console.words import show_count
from incubator.core.build import Builder
from incubator.core.client import DockerClient
from incubator.core.nodes import Engines
from incubator.faults import Faults, did_you_mean

if TYPE_CHECKING:
    import argparse
    from collections.abc import Iterator, Sequence

    from incubator.arguments import ArgumentParser
    from incubator.core.preview import LayerPreview, StagePreview
    from incubator.request import BuildRequest

FORMATS = ("table", "json")
VERSION = 1
"""Of the JSON form, `schemas/plan.schema.json`."""

_WORDS = {"reuse": "reuse", "build": "build", "config": "-"}
_MOST_TEXT = 60


def make_parser() -> ArgumentParser:
    """The parser of `incubator plan`: all options of `incubator build`, so that one word makes the other of it."""
    parser = build_options.make_parser(
        "plan", "Show what a build would reuse and make, and why, for an image"
    )
    parser.add_argument(
        "--format", metavar="FORMAT", default="table", help=f"form of the plan: {', '.join(FORMATS)} (table)"
    )
    return parser


def run(arguments: argparse.Namespace) -> int:
    """Print the plan; 0. Raises BuilderError. Options about the result of a build are read and left alone."""
    faults = Faults()
    values = build_options.read_values(arguments, os.environ, faults)
    configs = load_configs(arguments, os.environ, faults)
    if arguments.format not in FORMATS:
        hint = did_you_mean(arguments.format, FORMATS) or f"formats are {', '.join(FORMATS)}"
        faults.add(f"unknown --format {arguments.format!r}", hint=hint)
    request = read_request(arguments, configs, values, faults)
    with closing(request.context), Engines(request, DockerClient.from_env, os.environ) as engines:
        engine = engines.of(next(iter(request.platforms), request.platform))
        console = make_console("quiet" if arguments.quiet else "plain", sys.stderr, os.environ)
        try:
            stages = Builder(request, client=engine, emit=console).preview()
        finally:
            console.close()
    if arguments.format == "json":
        sys.stdout.write(f"{json.dumps(plan_json(request, stages), indent=2)}\n")
    else:
        sys.stdout.write("".join(f"{clean_text(line)}\n" for line in table_lines(stages)))
    return 0


def plan_json(request: BuildRequest, stages: Sequence[StagePreview]) -> dict[str, Any]:
    """The plan as `schemas/plan.schema.json` has it."""
    return {
        "version": VERSION,
        "dockerfile": request.dockerfile.name,
        "stages": [
            {
                "name": stage.name,
                "base": stage.base,
                "needed": stage.needed,
                "layers": [_layer_json(layer) for layer in stage.layers],
            }
            for stage in stages
        ],
    }


def _layer_json(layer: LayerPreview) -> dict[str, Any]:
    return {
        "state": layer.state,
        "why": layer.why,
        "key": layer.key,
        "instructions": [
            {"number": step.instruction.number, "line": step.span.first_line, "text": step.ref.text}
            for step in layer.steps
        ],
    }


def table_lines(stages: Sequence[StagePreview]) -> Iterator[str]:
    """One line an instruction; that of a layer's first one says what would be done, and why."""
    states = [layer.state for stage in stages if stage.needed for layer in stage.layers]
    for stage in stages:
        skipped = "" if stage.needed else "  # not made: all that reads it is kept"
        yield f"{stage.name}: from {stage.base}{skipped}"
        for layer in stage.layers:
            for position, step in enumerate(layer.steps):
                word = _WORDS[layer.state] if position == 0 else ""
                why = f"  # {layer.why}" if layer.why and position == 0 else ""
                yield f"  {word:<6} {step.span.first_line:>4}  {_cut(step.ref.text)}{why}"
    yield f"{show_count(states.count('reuse'), 'layer')} to reuse, {states.count('build')} to build"


def _cut(text: str) -> str:
    line = " ".join(text.split())
    return line if len(line) <= _MOST_TEXT else f"{line[: _MOST_TEXT - 3]}..."
