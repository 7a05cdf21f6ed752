"""How steps look in an image's history and in logs. Pure."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from incubator.dockerfile import instructions as ins

if TYPE_CHECKING:
    from collections.abc import Iterable

    from incubator.core.plan.scope import Scope
    from incubator.oci.image_config import RuntimeConfig

_LONGEST_LABEL = 100


def step_label(instruction: ins.Instruction) -> str:
    """The instruction on one line, cut to a length that fits a log."""
    text = " ".join(instruction.original.split())
    return text if len(text) <= _LONGEST_LABEL else f"{text[: _LONGEST_LABEL - 1]}…"


def run_created_by(args: Iterable[tuple[str, str]], argv: Iterable[str]) -> str:
    """History line of a RUN: `RUN |1 NAME=value /bin/sh -c ...`, arguments counted as docker does."""
    pairs = [f"{name}={value}" for name, value in args]
    return " ".join(["RUN", *([f"|{len(pairs)}", *pairs] if pairs else []), *argv])


def copy_created_by(keyword: str, flags: Iterable[str], sources: Iterable[str], destination: str) -> str:
    """History line of a COPY or ADD, words expanded."""
    return " ".join([keyword, *flags, *sources, destination])


def pairs_created_by(keyword: str, pairs: Iterable[tuple[str, str]]) -> str:
    """History line of ENV or LABEL, words expanded."""
    return " ".join([keyword, *(f"{name}={value}" for name, value in pairs)])


def ports_created_by(ports: Iterable[str]) -> str:
    """History line of EXPOSE, with each port of a range."""
    return f"EXPOSE {_listed(ports)}"


def metadata_created_by(instruction: ins.Instruction, scope: Scope, after: RuntimeConfig) -> str:
    """History line of another instruction that changes the config, with the values it came to.

    `scope` is that before the instruction, `after` the config after it. Lists look as in BuildKit's lines;
    ONBUILD has none there.
    """
    span = instruction.span
    match instruction:
        case ins.VolumeInstruction():
            return f"VOLUME {_listed(scope.expand_all(instruction.paths, span))}"
        case ins.WorkdirInstruction():
            return f"WORKDIR {after.working_dir}"
        case ins.UserInstruction():
            return f"USER {after.user}"
        case ins.CmdInstruction():
            return f"CMD {_listed(map(_quoted, after.cmd or ()))}"
        case ins.EntrypointInstruction():
            return f"ENTRYPOINT {_listed(map(_quoted, after.entrypoint or ()))}"
        case ins.ShellInstruction():
            return f"SHELL {_listed(instruction.shell)}"
        case ins.OnbuildInstruction():
            return ""
        case ins.MaintainerInstruction():
            return f"MAINTAINER {instruction.name}"
        case ins.StopsignalInstruction():
            return f"STOPSIGNAL {after.stop_signal}"
        case _:
            return instruction.original


def _listed(words: Iterable[str]) -> str:
    return f"[{' '.join(words)}]"


def _quoted(word: str) -> str:
    return json.dumps(word, ensure_ascii=False)
