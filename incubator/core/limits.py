"""Limits and layer splits as users write them: texts and numbers in, checked values out. Pure."""

from __future__ import annotations

import re
from contextlib import contextmanager, suppress
from decimal import Decimal
from typing import TYPE_CHECKING, Any

from incubator.dockerfile.durations import parse_duration_ns
from incubator.errors import InputError, InputErrors
from incubator.faults import Faults, did_you_mean
from incubator.request import Limits

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from incubator.request import LayerSplits

LIMIT_KEYS = ("memory", "memswap", "cpushares", "cpuperiod", "cpuquota", "cpusetcpus", "cpusetmems")

SMALLEST_MEMORY = 6 * 1024**2
"""The engine refuses less."""

MOST_CPU_SHARES = 262144
MOST_CPU = 8191
MOST_PARALLELISM = 1024
MOST_TIMEOUT_S = 7 * 24 * 3600
CPU_PERIODS = (1_000, 1_000_000)
"""Microseconds, least and most."""

LEAST_CPU_QUOTA = 1_000
"""Microseconds in a period; engines refuse less."""

_SIZE = re.compile(r"(\d+\.?\d*|\.\d+) ?(?:([kmgtp])(?:i?b)?|b)?", re.ASCII | re.IGNORECASE)
_UNITS = {unit: 1024**power for power, unit in enumerate("kmgtp", start=1)}
_LARGEST = 2**63 - 1
_SIZE_HINT = "a size is a number of bytes or has a suffix b, k, m, g or t, as in 512m or 1.5g"

_CPU_RANGE = re.compile(r"(\d{1,9})(?:-(\d{1,9}))?", re.ASCII)
_CPUSET_HINT = "list CPUs and ranges, as in 0-3 or 0,2 or 0-3,5"

_WHOLE_NUMBER = re.compile(r"\d{1,18}", re.ASCII)
_LINE = re.compile(r"(?:L|line:) ?(\d{1,9})", re.ASCII | re.IGNORECASE)
_LAYERS_HINT = (
    "a layer split is the number of the instruction after which a layer ends, from 1, or its line as in L12; 0 alone "
    "means one layer a stage; 'auto' lets incubator choose"
)


def parse_size(value: str | int) -> int:
    """Bytes of `512m`, `1.5g`, `64KiB`, `1024` or a number. Raises InputError.

    Suffixes count in powers of 1024 and in any case. Follows `RAMInBytes` of docker's go-units.
    """
    if isinstance(value, bool) or not isinstance(value, str | int):
        raise InputError(f"invalid size {value!r}", hint=_SIZE_HINT)
    if isinstance(value, int):
        size = value
    else:
        match = _SIZE.fullmatch(value.strip())
        if match is None:
            raise InputError(f"invalid size {value!r}", hint=_SIZE_HINT)
        number, unit = match.groups()
        size = int(Decimal(number) * (_UNITS[unit.lower()] if unit else 1))
    if not 0 <= size <= _LARGEST:
        raise InputError(f"invalid size {value!r}: it must lie between 0 and {_LARGEST} bytes")
    return size


def make_limits(values: Mapping[str, Any] | None) -> Limits:
    """Limits from the keys of `LIMIT_KEYS`; None or an absent key: no limit.

    Zero means no limit for the sizes and the engine's default for the others, as docker has it. `memswap` is
    memory and swap together, -1: unlimited swap. Raises InputErrors with a fault for each wrong value, naming key,
    value and what is allowed.
    """
    limits, faults = check_limits(values or {})
    if faults:
        raise InputErrors(list(faults.values()))
    return limits


def check_limits(values: Mapping[str, Any]) -> tuple[Limits, dict[str, InputError]]:
    """What `make_limits` makes of the sound values, and the fault of each other key."""
    values = {key: value for key, value in values.items() if value is not None}
    faults = {
        key: InputError(
            f"unknown container limit {key!r}",
            hint=did_you_mean(str(key), LIMIT_KEYS) or f"limits are {', '.join(LIMIT_KEYS)}",
        )
        for key in values
        if key not in LIMIT_KEYS
    }
    memory = memswap = shares = period = quota = cpus = mems = None
    with _keeping("memory", faults):
        memory = _memory(values.get("memory"))
    with _keeping("memswap", faults):
        memswap = _memswap(values.get("memswap"), memory, memory_is_faulty="memory" in faults)
    with _keeping("cpushares", faults):
        shares = _cpu_shares(values.get("cpushares"))
    with _keeping("cpuperiod", faults):
        period = _microseconds("cpuperiod", values.get("cpuperiod"), *CPU_PERIODS)
    with _keeping("cpuquota", faults):
        quota = _microseconds("cpuquota", values.get("cpuquota"), LEAST_CPU_QUOTA, _LARGEST)
    with _keeping("cpusetcpus", faults):
        cpus = _cpuset("cpusetcpus", values.get("cpusetcpus"))
    with _keeping("cpusetmems", faults):
        mems = _cpuset("cpusetmems", values.get("cpusetmems"))
    limits = Limits(
        memory_bytes=memory,
        memswap_bytes=memswap,
        cpu_shares=shares,
        cpu_period=period,
        cpu_quota=quota,
        cpuset_cpus=cpus,
        cpuset_mems=mems,
    )
    return limits, faults


@contextmanager
def _keeping(key: str, faults: dict[str, InputError]) -> Iterator[None]:
    try:
        yield
    except InputError as fault:
        faults[key] = fault


def _memory(value: Any) -> int | None:
    if value is None:
        return None
    size = _size_of("memory", value)
    if 0 < size < SMALLEST_MEMORY:
        raise InputError(
            f"container limit memory {value!r} is too small: at least 6m is needed",
            hint="a build step needs memory for the engine's own start-up, too",
        )
    return size or None


def _memswap(value: Any, memory: int | None, *, memory_is_faulty: bool) -> int | None:
    if value is None:
        return None
    if str(value).strip() == "-1":
        return -1
    size = _size_of("memswap", value)
    if size == 0:
        return None
    if memory is None:
        if memory_is_faulty:
            return None  # cannot be judged
        raise InputError(
            f"container limit memswap {value!r} needs a limit memory beside it",
            hint="memswap is memory and swap together; -1 means unlimited swap",
        )
    if size < memory:
        raise InputError(
            f"container limit memswap {value!r} is smaller than memory ({memory} bytes)",
            hint="memswap is memory and swap together: give at least as much as memory, or -1 for unlimited swap",
        )
    return size


def _size_of(key: str, value: Any) -> int:
    try:
        return parse_size(value)
    except InputError as error:
        allowed = f"{error.hint or _SIZE_HINT}{'; -1 means unlimited swap' if key == 'memswap' else ''}"
        raise InputError(f"container limit {key}: {error.message}", hint=allowed) from None


def _cpu_shares(value: Any) -> int | None:
    if value is None:
        return None
    number = _whole_number(value)
    if number is None or number > MOST_CPU_SHARES:
        raise InputError(
            f"invalid container limit cpushares {value!r}",
            hint=f"CPU shares are a relative weight, a whole number from 2 to {MOST_CPU_SHARES}; 1024 is the default",
        )
    return number or None


def _microseconds(key: str, value: Any, least: int, most: int) -> int | None:
    """A time; None for nothing and for what engines call their default: 0, and -1 of a quota."""
    if value is None or (key == "cpuquota" and str(value).strip() == "-1"):
        return None
    number = _whole_number(value)
    if number is None or (number and not least <= number <= most):
        allowed = f"from {least} to {most}" if most < _LARGEST else f"of at least {least}"
        raise InputError(
            f"invalid container limit {key} {value!r}: {'no whole number' if number is None else 'out of range'}",
            hint=f"it is a whole number of microseconds {allowed}; 50000 in a period of 100000 are half a CPU",
        )
    return number or None


def _cpuset(key: str, value: Any) -> str | None:
    hint = _CPUSET_HINT if key == "cpusetcpus" else _CPUSET_HINT.replace("CPUs", "memory nodes")
    if value is None:
        return None
    if isinstance(value, int) and not isinstance(value, bool):
        value = str(value)
    if not isinstance(value, str):
        raise InputError(f"invalid container limit {key} {value!r}", hint=hint)
    if not value.strip():
        return None
    parts = [part.strip() for part in value.split(",")]
    for part in parts:
        match = _CPU_RANGE.fullmatch(part)
        if match is None:
            raise InputError(
                f"invalid container limit {key} {value!r}: {part!r} is no number or range",
                hint=hint,
            )
        first, last = int(match[1]), int(match[2] or match[1])
        if first > last:
            raise InputError(
                f"invalid container limit {key} {value!r}: the range {part!r} runs backwards",
                hint=f"write {last}-{first}",
            )
        if last > MOST_CPU:
            raise InputError(
                f"invalid container limit {key} {value!r}: numbers go up to {MOST_CPU}",
                hint=hint,
            )
    return ",".join(parts)


def parse_layer_splits(values: Sequence[str | int] | str | None) -> LayerSplits:
    """Layer splits of `auto`, a list of numbers or their texts, or a text such as `1,L12`; None and `[]` give `()`.

    A line is `L12` or `line:12`. Numbers come first, each kind ascending and unique; a 0 beside others says nothing
    and is dropped. Whether the Dockerfile has so many is the planner's check. Raises InputErrors with a fault for each
    wrong value.
    """
    if values is None:
        return ()
    if isinstance(values, str):
        text = values.strip()
        if text.lower() == "auto":
            return "auto"
        if text.startswith("[") and text.endswith("]"):
            text = text[1:-1]
        values = [part for part in re.split(r"[,\s]+", text) if part]
    if isinstance(values, int) or not hasattr(values, "__iter__"):
        raise InputError(
            f"invalid layers {values!r}: expected a list of numbers or 'auto'", hint=_LAYERS_HINT
        )
    values = list(values)
    if len(values) == 1 and isinstance(values[0], str) and values[0].strip().lower() == "auto":
        return "auto"
    faults = Faults()
    numbers, lines = set(), set()
    for value in values:
        number = _whole_number(value)
        if isinstance(value, str) and (line := _LINE.fullmatch(value.strip())):
            lines.add(int(line[1]))
        elif number is None:
            faults.add(f"invalid layer split {value!r}", hint=_LAYERS_HINT)
        else:
            numbers.add(number)
    faults.check()
    if len(numbers) + len(lines) > 1:
        numbers.discard(0)
    return (*sorted(numbers), *(f"L{line}" for line in sorted(lines)))


def _whole_number(value: Any) -> int | None:
    """The number of an int or its text; None for anything else: bools, fractions, negative numbers."""
    if isinstance(value, str) and _WHOLE_NUMBER.fullmatch(value.strip()):
        return int(value)
    if isinstance(value, int) and not isinstance(value, bool) and value >= 0:
        return value
    return None


def parse_parallelism(value: int | str) -> int:
    """How much may happen at the same time, at least 1. Raises InputError."""
    text = str(value).strip()
    if isinstance(value, bool) or not _WHOLE_NUMBER.fullmatch(text) or not 1 <= int(text) <= MOST_PARALLELISM:
        raise InputError(
            f"invalid max_parallelism {value!r}",
            hint=f"it is a number of layers, from 1 (one after the other) to {MOST_PARALLELISM}",
        )
    return int(text)


def parse_timeout(value: float | str) -> float:
    """Seconds of `90`, `90s`, `1h30m`. Raises InputError."""
    seconds = 0.0
    if isinstance(value, str) and not _WHOLE_NUMBER.fullmatch(value.strip()):
        with suppress(ValueError):
            seconds = parse_duration_ns(value.strip()) / 1e9
    elif not isinstance(value, bool):
        seconds = float(value)
    if not 0 < seconds <= MOST_TIMEOUT_S:
        raise InputError(
            f"invalid timeout {value!r}", hint="it is a number of seconds, or as in 90s, 30m, 1h30m"
        )
    return seconds
