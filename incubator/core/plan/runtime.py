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
_NUMBER = re.compile(r"[+-]?0*[0-9]{1,18}")


def env_entries(config: RuntimeConfig) -> dict[str, str]:
    """Names and the entries `NAME=value` of a config's environment, in order."""
    entries: dict[str, str] = {}
    for entry in config.env:
        end = entry.find("=")
        entries[entry if end < 0 else entry[:end]] = f"{entry}=" if end < 0 else entry
    return entries


def new_entries(pairs: Iterable[tuple[str, str]]) -> dict[str, str]:
    """The same of what ENV sets."""
    return {name: f"{name}={value}" for name, value in pairs}


def with_env(config: RuntimeConfig, values: Mapping[str, str]) -> RuntimeConfig:
    """A config with more variables: a name that is there keeps its place."""
    return replace(config, env=tuple((env_entries(config) | new_entries(values.items())).values()))


def with_path(config: RuntimeConfig) -> RuntimeConfig:
    """A config whose environment has a PATH."""
    return config if "PATH" in env_entries(config) else with_env(config, {"PATH": DEFAULT_PATH})


def with_labels(config: RuntimeConfig, labels: Iterable[tuple[str, str]]) -> RuntimeConfig:
    """LABEL, and labels the caller gives."""
    values = dict(config.labels) | dict(labels)
    return replace(config, labels=tuple((name, values[name]) for name in sorted(values)))


def command_words(config: RuntimeConfig, command: ins.Command) -> tuple[str, ...]:
    """Exec form as it is; shell form behind the shell, which gets an empty command where there is none."""
    if command.shell_form:
        return (config.shell or DEFAULT_SHELL) + (command.words or ("",))
    return command.words


def expand_pairs(pairs: Iterable[tuple[str, str]], scope: Scope, span: Span) -> tuple[tuple[str, str], ...]:
    """Names and values of ENV and LABEL; none sees what another of the same instruction sets."""
    return tuple((scope.expand(name, span), scope.expand(value, span)) for name, value in pairs)


def expand_ports(words: Iterable[str], scope: Scope, span: Span) -> tuple[str, ...]:
    """Ports of EXPOSE, in the order in which they are written. Raises DockerfileError for what is none."""
    ports: list[str] = []
    for word in scope.split(words, span):
        found = parse_ports(word, span)
        scope.carry(4 * len(found), span)
        ports += found
    return tuple(ports)


def resolve_workdir(current: str, path: str) -> str:
    """WORKDIR: an absolute one as it is written, a relative one below the current one."""
    if path.startswith("/"):
        return path
    return "/" + posixpath.normpath(posixpath.join("/", current, path)).lstrip("/")


def with_ports(config: RuntimeConfig, ports: Iterable[str]) -> RuntimeConfig:
    """EXPOSE."""
    return replace(config, exposed_ports=tuple(sorted(dict.fromkeys((*config.exposed_ports, *ports)))))


def with_volumes(config: RuntimeConfig, paths: Iterable[str], span: Span) -> RuntimeConfig:
    """VOLUME. Raises DockerfileError for an empty path."""
    paths = tuple(paths)
    if not all(path.strip() for path in paths):
        raise DockerfileError("VOLUME needs a path, found an empty one", rule="volume", span=span)
    return replace(config, volumes=tuple(sorted(dict.fromkeys((*config.volumes, *paths)))))


def with_stop_signal(config: RuntimeConfig, signal: str, span: Span) -> RuntimeConfig:
    """STOPSIGNAL. Raises DockerfileError for what is no signal; of numbers only 0 is none, as with BuildKit."""
    name = signal.upper().removeprefix("SIG")
    known = (
        bool(signal.lstrip("+-0"))
        if _NUMBER.fullmatch(signal)
        else name in _SIGNALS or bool(_REALTIME.fullmatch(name))
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


def carried_by(config: RuntimeConfig, instruction: ins.Instruction) -> int:
    """Entries of the config that an instruction copies."""
    match instruction:
        case ins.EnvInstruction():
            return len(config.env)
        case ins.LabelInstruction():
            return 2 * len(config.labels)  # in pairs
        case ins.ExposeInstruction():
            return len(config.exposed_ports)
        case ins.VolumeInstruction():
            return len(config.volumes)
        case ins.OnbuildInstruction():
            return len(config.on_build)
        case _:
            return 0


def apply(
    config: RuntimeConfig, instruction: ins.Instruction, scope: Scope, *, cmd_set: bool
) -> RuntimeConfig:
    """The config after a metadata instruction; unchanged by those that only make files or arguments.

    Not for ENV, LABEL and EXPOSE, whose words are needed for more than the config.
    `cmd_set`: the stage already has a CMD, which ENTRYPOINT then leaves alone.
    """
    span = instruction.span
    match instruction:
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
