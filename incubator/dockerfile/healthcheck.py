"""The rules of HEALTHCHECK. Pure.

Source: BuildKit, frontend/dockerfile/instructions/parse.go.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

from incubator.dockerfile.durations import parse_duration_ns
from incubator.dockerfile.flags import Kind
from incubator.dockerfile.instructions import Command, HealthcheckInstruction
from incubator.dockerfile.text import nearest

if TYPE_CHECKING:
    from incubator.dockerfile.maker import Maker

_MIN_INTERVAL_NS: Final = 1_000_000
_MAX_INT32: Final = 2**31 - 1
_HEALTH_FLAGS: Final = {
    "interval": Kind.TEXT,
    "timeout": Kind.TEXT,
    "start-period": Kind.TEXT,
    "start-interval": Kind.TEXT,
    "retries": Kind.TEXT,
}


def make_healthcheck(maker: Maker) -> HealthcheckInstruction:
    """The instruction of the maker's node. Raises `Stop` where faults were noted instead."""
    kind, *args = maker.some_arguments("argument")
    if kind.upper() == "NONE":
        # As in the reference, flags here mean nothing and are no fault.
        if args:
            maker.note("HEALTHCHECK NONE takes no arguments", rule="healthcheck-arguments", word=args[0])
        maker.done()
        return HealthcheckInstruction(node=maker.node, command=None)
    single, _ = maker.flags(_HEALTH_FLAGS)
    if kind.upper() != "CMD":
        near = nearest(kind, ("CMD", "NONE"), case_sensitive=False)
        maker.note(
            f"HEALTHCHECK: {kind!r} is neither CMD nor NONE",
            rule="healthcheck-arguments",
            hint=f"did you mean {near}?" if near else "write HEALTHCHECK CMD command",
            word=kind,
        )
    elif not args:
        maker.note("HEALTHCHECK CMD needs a command", rule="missing-argument")
    interval, timeout, start_period, start_interval = (
        _interval(maker, flag, single.get(flag, ""))
        for flag in ("interval", "timeout", "start-period", "start-interval")
    )
    retries = _retries(maker, single.get("retries", ""))
    maker.done()
    return HealthcheckInstruction(
        node=maker.node,
        command=Command(words=tuple(args), shell_form=not maker.node.json),
        interval_ns=interval,
        timeout_ns=timeout,
        start_period_ns=start_period,
        start_interval_ns=start_interval,
        retries=retries,
    )


def _interval(maker: Maker, flag: str, value: str) -> int:
    if not value:
        return 0
    try:
        duration = parse_duration_ns(value)
    except ValueError as error:
        maker.note(
            f"HEALTHCHECK: --{flag}={value} is no duration: {error}",
            rule="invalid-duration",
            hint="write for example 30s, 1m30s or 500ms",
            word=f"--{flag}",
        )
        return 0
    if duration and duration < _MIN_INTERVAL_NS:
        maker.note(
            f"HEALTHCHECK: --{flag}={value} is shorter than 1ms", rule="invalid-duration", word=f"--{flag}"
        )
    return duration


def _retries(maker: Maker, value: str) -> int:
    if not value:
        return 0
    if not re.fullmatch(r"[+-]?[0-9]{1,30}", value, re.ASCII) or not 0 <= int(value) <= _MAX_INT32:
        maker.note(
            f"HEALTHCHECK: --retries={value} is no whole number from 0 on",
            rule="invalid-flag-value",
            word="--retries",
        )
        return 0
    return int(value)
