"""`incubator build --call` and `--check`: what a Dockerfile says, without building it."""

from __future__ import annotations

import json
import sys
from typing import TYPE_CHECKING

from incubator.calls import METHODS, answer, parse_method
from incubator.errors import InputError
from incubator.faults import did_you_mean
from incubator.sources import read_for_checks

if TYPE_CHECKING:
    import argparse

    from incubator.core.config import ImageConfig
    from incubator.faults import Faults
    from incubator.sources import Place

_FORMS = ("text", "json")


def read_method(arguments: argparse.Namespace, faults: Faults) -> tuple[str, str]:
    """What `--call` and `--check` ask for, and the form of the answer; what is wrong is noted in `faults`."""
    text, *attributes = arguments.call.split(",")
    method, form = "build", "text"
    try:
        method = "check" if arguments.check else parse_method(text or METHODS[1])
    except InputError as error:
        faults.add(f"--call: {error.message}", hint=error.hint)
    for attribute in attributes:
        key, _, form = attribute.partition("=")
        if key != "format":
            faults.add(
                f"--call: unknown attribute {attribute!r}",
                hint="the only one is format=, as in check,format=json",
            )
    if method not in {"build", "check"} and form not in _FORMS:
        hint = did_you_mean(form, _FORMS) or f"formats are {', '.join(_FORMS)}"
        faults.add(f"--call {method}: unknown format {form!r}", hint=hint)
    return method, form


def ask(
    method: str,
    form: str,
    arguments: argparse.Namespace,
    config: ImageConfig,
    place: Place | None,
    faults: Faults,
) -> int:
    """Print the answer for this very build, with its target and its arguments; the exit code.

    `place` is where the Dockerfile is; not of a check, which is `incubator lint`. Raises InputErrors.
    """
    faults.check()
    if place is None:
        return _lint(form, arguments, config)
    source, ignore = read_for_checks(place)
    given = {name: value for name, value in config.buildargs.items() if value is not None}
    found = answer(method, source, ignore=ignore, build_args=given, target=config.target)
    lines = [json.dumps(found.value, indent=2)] if form == "json" else found.lines
    sys.stdout.write("".join(f"{line}\n" for line in lines))
    return found.exit_code


def _lint(form: str, arguments: argparse.Namespace, config: ImageConfig) -> int:
    """Lint, so that each finding counts."""
    from incubator.commands import lint

    words = ["--error", "--format", form]
    words += ["--file", arguments.file] if arguments.file else []
    words += ["--target", config.target] if config.target else []
    for name, value in config.buildargs.items():
        words += ["--build-arg", f"{name}={value}"] if value is not None else []
    words += [arguments.path] if arguments.path is not None else []
    return lint.run(lint.make_parser().parse(words))
