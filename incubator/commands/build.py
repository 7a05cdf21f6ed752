"""`incubator build`."""

from __future__ import annotations

import json
import os
import sys
from dataclasses import replace
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any, cast

from incubator.annotation_options import read_annotations
from incubator.api import run_request
from incubator.attest_options import Wanted, read_attestations
from incubator.cache_options import parse_cache_from, parse_cache_to, read_caches
from incubator.ci.run_facts import read_run
from incubator.ci.surroundings import detect
from incubator.commands.build_options import check_progress, make_parser, read_values
from incubator.commands.call import ask, read_method
from incubator.console import make_console
from incubator.console.jsonl import JsonConsole
from incubator.console.summary import summary_lines
from incubator.core.config_files import load_config_files
from incubator.core.result import ResultIndex
from incubator.core.trust import Origin
from incubator.errors import BuilderError, InputError
from incubator.events import broadcast
from incubator.faults import Faults
from incubator.metadata import check_dest, check_writable, make_metadata, metadata_text, write_atomically
from incubator.named_contexts import read_pairs
from incubator.options import make_request, merge_options, read_settings
from incubator.output_options import STDOUT, Outputs, read_outputs
from incubator.secret_options import parse_right, parse_secret, parse_ssh, read_access
from incubator.sources import Place, is_archive, peek

if TYPE_CHECKING:
    import argparse
    from collections.abc import Mapping

    from incubator.console import Console, Progress
    from incubator.core.config import ConfigSource
    from incubator.core.result import ResultImage
    from incubator.events import Listener
    from incubator.request import Attestations, BuildRequest

__all__ = ["make_parser", "run"]

_COMMAND_LINE = Origin(name="command line", direct=True)


def run(arguments: argparse.Namespace) -> int:
    """Build; 0 where all went well. Raises BuilderError."""
    environ = os.environ
    faults = Faults()
    values = read_values(arguments, environ, faults)
    configs = load_configs(arguments, environ, faults)
    if arguments.test_config:
        return _test_config(configs, values, faults, as_json=arguments.test_config == "json")
    method, form = read_method(arguments, faults)
    if method != "build":
        config = merge_options(configs, values, _COMMAND_LINE, faults=faults)
        place = place_of(arguments, faults) if method != "check" else None
        return ask(method, form, arguments, config, place, faults)
    console = _console(arguments, environ, faults)
    try:
        for option, path in (
            ("--iidfile", arguments.iidfile),
            ("--metadata-file", arguments.metadata_file),
            ("--report", arguments.report),
        ):
            if path is not None:
                with faults.gather():
                    check_writable(path, option)
        request = read_request(arguments, configs, values, faults)
        result = _build_reported(request, arguments, console)
    except BuilderError as error:
        if isinstance(console, JsonConsole):  # then the error is a line of JSON, too
            console.failed(error)
            return error.exit_code
        raise
    finally:
        console.close()
    _report(result, arguments)
    return 0


def read_request(
    arguments: argparse.Namespace, configs: list[ConfigSource], values: Mapping[str, Any], faults: Faults
) -> BuildRequest:
    """The request that a command line means. Raises InputErrors, with those that are in `faults`."""
    outputs = _outputs(arguments, faults)
    push = bool(arguments.push_by_digest) if arguments.push is None else arguments.push
    by_digest = arguments.push_by_digest or outputs.is_by_digest(push=push)
    if by_digest and push and arguments.load:
        faults.add("--load and --push-by-digest exclude each other", hint="without a tag nothing is kept")
    return make_request(
        place_of(arguments, faults),
        config=configs,
        values=values,
        origin=_COMMAND_LINE,
        push=push,
        push_by_digest=by_digest,
        load=arguments.load,
        nodes=arguments.node,
        source_date_epoch=os.environ.get("SOURCE_DATE_EPOCH") or None,
        contexts=read_pairs(arguments.build_context, faults),
        cache_from=read_caches(arguments.cache_from, parse_cache_from, faults),
        cache_to=read_caches(arguments.cache_to, parse_cache_to, faults),
        outputs=outputs,
        annotations=read_annotations(arguments.annotation, faults),
        attestations=_attestations(arguments, faults),
        access=read_access(
            secrets=[partial(parse_secret, text, os.environ, Path.cwd()) for text in arguments.secret],
            ssh=[partial(parse_ssh, text, os.environ) for text in arguments.ssh],
            allow=[partial(parse_right, text) for text in arguments.allow],
            faults=faults,
        ),
        faults=faults,
    )


def _attestations(arguments: argparse.Namespace, faults: Faults) -> Attestations:
    """What is to be attested; where from is told by the pipeline, or by the checkout in the current folder."""
    wanted = Wanted(attests=arguments.attest, provenance=arguments.provenance, sbom=arguments.sbom)
    found = read_attestations(wanted, faults)
    with faults.gather():
        if found.provenance:
            return replace(found, run=read_run(detect(os.environ, Path.cwd()), now=datetime.now(UTC)))
    return found


def _outputs(arguments: argparse.Namespace, faults: Faults) -> Outputs:
    """What `--output` names, and whether it can be written there."""
    outputs = read_outputs(arguments.output, faults, stdout=True)
    for output in outputs.files:
        with faults.gather():
            if output.dest != STDOUT:
                check_dest(output)
            elif sys.stdout.isatty():
                raise InputError("--output: a terminal takes no archive", hint="name a file, or pipe it on")
            elif arguments.quiet or arguments.progress == "quiet":
                raise InputError(
                    "--output and --quiet both write to standard output",
                    hint="use --iidfile for the image id",
                )
    return outputs


def _build_reported(request: BuildRequest, arguments: argparse.Namespace, console: Console) -> ResultImage:
    """Build, and write the report if one is wanted, whatever the build comes to."""
    if not arguments.report:
        return _build(request, arguments, console)
    from incubator.report.html import to_html
    from incubator.report.recording import BuildRecorder

    if Path(arguments.report).is_file():
        Path(arguments.report).unlink()  # nor may an old report outlive a build that is killed
    recorder = BuildRecorder()
    try:
        result = _build(request, arguments, broadcast(recorder, console))
    except BuilderError as error:
        write_atomically(arguments.report, to_html(recorder.report(error)))
        raise
    write_atomically(arguments.report, to_html(recorder.report(result)))
    return result


def _build(request: BuildRequest, arguments: argparse.Namespace, emit: Listener) -> ResultImage:
    if arguments.iidfile:
        Path(arguments.iidfile).unlink(missing_ok=True)  # an old id must not outlive a failed build
    result = run_request(request, emit=emit)
    if arguments.iidfile:
        write_atomically(arguments.iidfile, _id_text(result))
    if arguments.metadata_file:
        write_atomically(arguments.metadata_file, metadata_text(make_metadata(result)))
    return result


def _id_text(result: ResultImage) -> str:
    """The image id; of several platforms, which were not pushed, one a line."""
    if isinstance(result, ResultIndex) and not result.id:
        return "\n".join(image.id for image in result.images)
    return result.id


def _report(result: ResultImage, arguments: argparse.Namespace) -> None:
    if arguments.quiet or arguments.progress == "quiet":
        sys.stdout.write(f"{_id_text(result)}\n")
    elif arguments.progress != "rawjson":
        columns = os.get_terminal_size(sys.stderr.fileno()).columns if sys.stderr.isatty() else None
        sys.stderr.write("".join(f"{line}\n" for line in summary_lines(result, columns=columns)))


def _console(arguments: argparse.Namespace, environ: Mapping[str, str], faults: Faults) -> Console:
    check_progress(arguments, faults)
    mode: Progress = "quiet" if arguments.quiet or faults.errors else arguments.progress
    try:
        return make_console(mode, sys.stderr, environ)
    except InputError as error:
        faults.errors.append(error)
        return make_console("quiet", sys.stderr, environ)


def load_configs(
    arguments: argparse.Namespace, environ: Mapping[str, str], faults: Faults
) -> list[ConfigSource]:
    home = environ.get("HOME")
    with faults.gather():
        return load_config_files(arguments.config, workspace=Path.cwd(), home=Path(home) if home else None)
    return []


def place_of(arguments: argparse.Namespace, faults: Faults) -> Place:
    path, file = arguments.path, arguments.file
    if path is None:
        faults.add("no context is given", hint="name the folder of the context, as in: incubator build .")
        return Place()
    if path == "-" and file == "-":
        faults.add("context and Dockerfile cannot both come from standard input")
        return Place()
    if path != "-":
        stdin = cast("IO[bytes]", sys.stdin.buffer) if file == "-" else None
        return Place(
            path=path,
            dockerfile=None if stdin else file,
            dockerfile_from="here",
            dockerfile_stream=stdin,
            stream_name="stdin",
            file_option="-f ",
        )
    head, stream = peek(cast("IO[bytes]", sys.stdin.buffer))
    if is_archive(head):
        return Place(context=stream, dockerfile=file, file_option="-f ")
    if file is not None:
        faults.add("standard input has a Dockerfile and -f names another one", hint="leave one of them out")
    return Place(dockerfile_stream=stream, stream_name="stdin")


def _test_config(
    configs: list[ConfigSource], values: Mapping[str, Any], faults: Faults, *, as_json: bool
) -> int:
    """Print the merged configuration and where each value comes from."""
    from incubator.console.config import config_json, config_lines

    merged = merge_options(configs, values, _COMMAND_LINE, faults=faults)
    read_settings(merged, faults=faults)
    faults.check()
    lines = [json.dumps(config_json(merged), indent=2)] if as_json else config_lines(merged)
    sys.stdout.write("".join(f"{line}\n" for line in lines))
    return 0
