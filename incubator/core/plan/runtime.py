"""Instructions that change only the image config. Pure: a config and an instruction give a config.

Source: BuildKit's dockerfile2llb, whose image configs ours must equal.
"""

from __future__ import annotations

import posixpath
import re
from dataclasses import replace
from typing import TYPE_CHECKING

from incubator.core.plan.ports import parse_ports
from incubator.dockerfile import instructions as ins
from incubator.errors import DockerfileError
from incubator.oci.image_config import Healthcheck

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from incubator.core.plan.scope import Scope
    from incubator.dockerfile.source import Span
    from incubator.oci.image_config import RuntimeConfig

DEFAULT_PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
DEFAULT_SHELL = ("/bin/sh", "-c")

_SIGNALS = {
    "ABRT", "ALRM", "BUS", "CHLD", "CLD", "CONT", "FPE", "HUP", "ILL", "INT", "IO", "IOT", "KILL", "PIPE", "POLL",
    "PROF", "PWR", "QUIT", "SEGV", "STKFLT", "STOP", "SYS", "TERM", "TRAP", "TSTP", "TTIN", "TTOU", "URG", "USR1",
    "USR2", "VTALRM", "WINCH", "XCPU", "XFSZ",
}  # fmt: skip
_REALTIME = re.compile(r"RTMIN(\+([1-9]|1[0-5]))?|RTMAX(-([1-9]|1[0-4]))?")
_NUMBER = re.compile(r"[+-]?[0-9]+")


def with_env(config: RuntimeConfig, values: Mapping[str, str]) -> RuntimeConfig:
    """ENV: a name that is there keeps its place."""
    return replace(
        config, env=tuple(f"{name}={value}" for name, value in (config.env_map() | dict(values)).items())
    )


def with_path(config: RuntimeConfig) -> RuntimeConfig:
    """A config whose environment has a PATH."""
    return config if "PATH" in config.env_map() else with_env(config, {"PATH": DEFAULT_PATH})


def with_labels(config: RuntimeConfig, labels: Iterable[tuple[str, str]]) -> RuntimeConfig:
    """LABEL, and labels the caller gives."""
    return replace(config, labels=tuple(sorted((dict(config.labels) | dict(labels)).items())))


def command_words(config: RuntimeConfig, command: ins.Command) -> tuple[str, ...]:
    """Exec form as it is; shell form behind the shell, which gets an empty command where there is none."""
    if command.shell_form:
        return (config.shell or DEFAULT_SHELL) + (command.words or ("",))
    return command.words


def expand_pairs(pairs: Iterable[tuple[str, str]], scope: Scope, span: Span) -> tuple[tuple[str, str], ...]:
    """Names and values of ENV and LABEL; none sees what another of the same instruction sets."""
    return tuple((scope.expand(name, span), scope.expand(value, span)) for name, value in pairs)


def resolve_workdir(current: str, path: str) -> str:
    """WORKDIR: an absolute one as it is written, a relative one below the current one."""
    if path.startswith("/"):
        return path
    return "/" + posixpath.normpath(posixpath.join("/", current, path)).lstrip("/")


def with_ports(config: RuntimeConfig, words: Iterable[str], span: Span) -> RuntimeConfig:
    """EXPOSE. Raises DockerfileError for what is no port."""
    ports = {port for word in words for port in parse_ports(word, span)}
    return replace(config, exposed_ports=tuple(sorted({*config.exposed_ports, *ports})))


def with_volumes(config: RuntimeConfig, paths: Iterable[str], span: Span) -> RuntimeConfig:
    """VOLUME. Raises DockerfileError for an empty path."""
    paths = tuple(paths)
    if not all(path.strip() for path in paths):
        raise DockerfileError("VOLUME needs a path, found an empty one", rule="volume", span=span)
    return replace(config, volumes=tuple(sorted({*config.volumes, *paths})))


def with_stop_signal(config: RuntimeConfig, signal: str, span: Span) -> RuntimeConfig:
    """STOPSIGNAL. Raises DockerfileError for what is no signal; of numbers only 0 is none, as with BuildKit."""
    name = signal.upper().removeprefix("SIG")
    known = (
        int(signal) != 0 if _NUMBER.fullmatch(signal) else name in _SIGNALS or bool(_REALTIME.fullmatch(name))
    )
    if not known:
        raise DockerfileError(
            f"STOPSIGNAL {signal!r} is not a signal",
            rule="stop-signal",
            span=span,
            hint="as in SIGTERM or 15",
        )
    return replace(config, stop_signal=signal)


def with_healthcheck(config: RuntimeConfig, check: ins.HealthcheckInstruction) -> RuntimeConfig:
    """HEALTHCHECK, NONE included."""
    if check.command is None:
        return replace(config, healthcheck=Healthcheck(test=("NONE",)))
    kind = "CMD-SHELL" if check.command.shell_form else "CMD"
    return replace(
        config,
        healthcheck=Healthcheck(
            test=(kind, *check.command.words),
            interval_ns=check.interval_ns,
            timeout_ns=check.timeout_ns,
            start_period_ns=check.start_period_ns,
            start_interval_ns=check.start_interval_ns,
            retries=check.retries,
        ),
    )


def apply(
    config: RuntimeConfig, instruction: ins.Instruction, scope: Scope, *, cmd_set: bool
) -> RuntimeConfig:
    """The config after a metadata instruction; unchanged by those that only make files or arguments.

    `cmd_set`: the stage already has a CMD, which ENTRYPOINT then leaves alone.
    """
    span = instruction.span
    match instruction:
        case ins.EnvInstruction():
            return with_env(config, dict(expand_pairs(instruction.pairs, scope, span)))
        case ins.LabelInstruction():
            return with_labels(config, expand_pairs(instruction.pairs, scope, span))
        case ins.WorkdirInstruction():
            return replace(
                config, working_dir=resolve_workdir(config.working_dir, scope.expand(instruction.path, span))
            )
        case ins.UserInstruction():
            return replace(config, user=scope.expand(instruction.user, span))
        case ins.CmdInstruction():
            return replace(config, cmd=command_words(config, instruction.command), args_escaped=True)
        case ins.EntrypointInstruction():
            kept = config.cmd if cmd_set else None
            return replace(config, entrypoint=command_words(config, instruction.command), cmd=kept)
        case ins.ExposeInstruction():
            return with_ports(config, scope.split(instruction.ports, span), span)
        case ins.VolumeInstruction():
            return with_volumes(config, scope.expand_all(instruction.paths, span), span)
        case ins.StopsignalInstruction():
            return with_stop_signal(config, scope.expand(instruction.signal, span), span)
        case ins.HealthcheckInstruction():
            return with_healthcheck(config, instruction)
        case ins.ShellInstruction():
            return replace(config, shell=instruction.shell)
        case ins.OnbuildInstruction():
            return replace(config, on_build=(*config.on_build, instruction.trigger))
        case _:
            return config
