"""One pipeline step, from its environment to its outputs and exit code."""

from __future__ import annotations

import sys
import time
import traceback
from contextlib import closing
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

from incubator.calls import answer
from incubator.ci.debug import event_lines, fact_lines, is_debugging, traceback_lines
from incubator.ci.engine import connect_patiently
from incubator.ci.explain import explain_lines
from incubator.ci.facts import read_facts
from incubator.ci.github import GitHubLog
from incubator.ci.gitlab import GitLabLog
from incubator.ci.inputs import read_inputs
from incubator.ci.outputs import (
    make_call_outputs,
    make_merge_outputs,
    make_outputs,
    remove_gitlab_outputs,
    write_github_outputs,
    write_gitlab_outputs,
)
from incubator.ci.plain import PlainLog
from incubator.ci.raw import secret_values
from incubator.ci.reports import Reports
from incubator.ci.request import index_annotations, make_pipeline_request
from incubator.ci.surroundings import detect
from incubator.ci.tags import compute
from incubator.ci.workspace import find_own_container, process_view, translate_volumes
from incubator.console.summary import merge_lines, summary_lines
from incubator.console.words import show_count
from incubator.core.client import DockerClient
from incubator.core.masking import hidden_texts
from incubator.core.merge_images import merge_images
from incubator.core.nodes import Engines
from incubator.core.platforms import build_platforms
from incubator.core.volume import Volume
from incubator.errors import BuilderError
from incubator.events import WarningRaised, broadcast
from incubator.faults import Faults
from incubator.merge_names import read_names
from incubator.registry.credentials import Credentials
from incubator.registry.repository import Registries
from incubator.signals import cancel_on_signals

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence
    from typing import TextIO

    from incubator.ci.inputs import PipelineInputs
    from incubator.ci.outputs import Outputs
    from incubator.ci.surroundings import Surroundings
    from incubator.ci.tags import Metadata
    from incubator.core.engine import Engine
    from incubator.core.merge_images import MergedImage
    from incubator.core.nodes import Connect
    from incubator.core.result import ResultImage
    from incubator.events import Event
    from incubator.request import BuildRequest

UNEXPECTED_EXIT_CODE = 1


class PipelineLog(Protocol):
    """A listener that can also mask a secret, tell an error, and end."""

    def __call__(self, event: Event) -> None:
        """Write what `event` has to say."""

    def mask(self, secret: str) -> None:
        """Hide `secret` in all that follows."""

    def failed(self, error: BuilderError) -> None:
        """Write an error."""

    def foreign_text(self, lines: Iterable[str]) -> None:
        """Write lines that may hold anything."""

    def debug(self, lines: Iterable[str]) -> None:
        """Write lines that may hold anything, for those who look for a fault."""

    def close(self) -> None:
        """End what is open."""


def main(
    environ: Mapping[str, str],
    *,
    out: TextIO | None = None,
    folder: Path | None = None,
    connect: Connect = DockerClient.from_env,
) -> int:
    """Build or merge what the environment's inputs ask for; the exit code.

    `folder` is the workspace where the environment names none. Everything is written to `out`, the log.
    """
    around = detect(environ, folder or Path.cwd())
    log = make_log(around, out or sys.stdout)
    for secret in secret_values(environ, around.ci):
        log.mask(secret)
    debugging = is_debugging(environ)
    if debugging:
        log.debug(fact_lines(around))
    reports = Reports(around, broadcast(event_lines(log.debug), log) if debugging else log)
    try:
        with cancel_on_signals():
            done = _work(around, log, reports, connect)
            _hand_on(around, log, done)
            if done.outcome is not None:
                reports.write(done.outcome)
    except BuilderError as error:
        log.failed(error)
        if debugging:
            log.debug(traceback_lines(error))
        reports.write(error)
        log.close()  # that may have warned
        return error.exit_code
    except Exception:  # noqa: BLE001 - a fault of ours: its text may hold foreign words, so it goes through the log
        log.foreign_text(["internal error, please report it:", *traceback.format_exc().splitlines()])
        log.close()
        return UNEXPECTED_EXIT_CODE
    log.close()
    return done.exit_code


def make_log(around: Surroundings, out: TextIO) -> PipelineLog:
    """The log that fits the surroundings."""
    match around.ci:
        case "github":
            return GitHubLog(out, around.workspace)
        case "gitlab":
            return GitLabLog(out)
        case "plain":
            return PlainLog(out)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Done:
    """What came of a step: itself (None where nothing was to be made), for later steps, and in the log."""

    outcome: ResultImage | MergedImage | None
    outputs: Outputs
    lines: Sequence[str]
    exit_code: int = 0


def _work(
    around: Surroundings,
    log: PipelineLog,
    reports: Reports,
    connect: Connect,
) -> _Done:
    if around.ci == "gitlab":
        remove_gitlab_outputs(around.workspace)
    faults = Faults()
    inputs = read_inputs(
        around,
        faults=faults,
        warn=lambda text: reports.emit(WarningRaised(message=text)),
        note=lambda text: log.foreign_text([text]),
    )
    with faults.gather():
        reports.expect_html(inputs.report)
    for secret in inputs.access.secrets.values():
        for text in hidden_texts([secret.value]):
            log.mask(text.decode(errors="replace"))
    metadata = _metadata(inputs, around, log, faults)
    for warning in metadata.warnings if metadata else ():
        reports.emit(WarningRaised(message=warning))
    if inputs.merge:
        return _merge(inputs, around, faults, metadata)
    if inputs.call not in (None, "build"):
        return _call(inputs.call, replace(inputs, push=False), around, reports, faults, metadata)
    request = make_pipeline_request(inputs, around, faults, metadata)
    with (
        closing(request.context),
        Engines(request, partial(connect_patiently, connect), around.environ) as engines,
    ):
        result = build_platforms(
            request, engines, emit=reports.emit, environ=around.environ, as_seen=_as_engine_sees
        )
    outputs = make_outputs(result, metadata=metadata)
    return _Done(outcome=result, outputs=outputs, lines=summary_lines(result))


def _merge(inputs: PipelineInputs, around: Surroundings, faults: Faults, metadata: Metadata | None) -> _Done:
    begin = time.monotonic()
    tags, sources = read_names(
        [*map(str, inputs.tags), *(metadata.tags if metadata else ())], inputs.merge, faults
    )
    with Registries(Credentials(inputs.credentials, environ=around.environ)) as registries:
        merged = merge_images(
            registries,
            sources,
            tags,
            (*(index_annotations(metadata) if metadata else ()), *inputs.annotations),
        )
    outputs = make_merge_outputs(merged, duration_s=time.monotonic() - begin, metadata=metadata)
    return _Done(outcome=merged, outputs=outputs, lines=merge_lines(merged))


def _call(
    method: str,
    inputs: PipelineInputs,
    around: Surroundings,
    reports: Reports,
    faults: Faults,
    metadata: Metadata | None,
) -> _Done:
    """Ask the Dockerfile; nothing is built."""
    request = make_pipeline_request(inputs, around, faults, metadata)
    with closing(request.context):
        found = answer(
            method,
            request.dockerfile,
            ignore=request.context.ignore,
            build_args={name: value for name, value in request.build_args.items() if value is not None},
            target=request.target,
        )
    for warning in found.warnings:
        reports.emit(WarningRaised(message=warning.message, rule=warning.rule, span=warning.span))
    count = show_count(len(found.warnings), "finding")
    ending = [f"the check fails: {count}"] if found.exit_code else []
    return _Done(
        outcome=None,
        outputs=make_call_outputs(found.value),
        lines=[*found.lines, *ending],
        exit_code=found.exit_code,
    )


def _metadata(
    inputs: PipelineInputs, around: Surroundings, log: PipelineLog, faults: Faults
) -> Metadata | None:
    """Tags and labels by the rules, with a word in the log on each; None where there are no rules."""
    if inputs.language is None:
        return None
    metadata = None
    with faults.gather():
        metadata = compute(inputs.language, read_facts(around, now=datetime.now(UTC)))
        log.foreign_text(explain_lines(metadata))
    return metadata


def _as_engine_sees(request: BuildRequest, engine: Engine) -> BuildRequest:
    """The request with paths of this container translated; the container is only looked for where it matters."""
    sockets = [Volume(path, "/socket") for path in request.ssh.values()]
    if not sockets and not any(volume.is_path for volume in request.volumes):
        return request
    view = process_view()
    own = find_own_container(engine, view)
    paths = [volume.source for volume in translate_volumes(sockets, own)]
    return replace(
        request,
        volumes=translate_volumes(request.volumes, own),
        # Of this engine's containers its host's paths are known now; any other container has files of its own.
        own_paths=False if own else view.in_container or None,
        ssh=dict(zip(request.ssh, paths, strict=True)),
    )


def _hand_on(around: Surroundings, log: PipelineLog, done: _Done) -> None:
    """Write outputs and the log's last words."""
    log.foreign_text(done.lines)
    if around.ci == "gitlab":
        write_gitlab_outputs(done.outputs, around.workspace)
    if around.ci == "github":
        path = around.environ.get("GITHUB_OUTPUT")
        if path:
            try:
                write_github_outputs(done.outputs, Path(path))
            except OSError as error:
                raise BuilderError(f"cannot write the outputs to {path}: {error.strerror}") from error
