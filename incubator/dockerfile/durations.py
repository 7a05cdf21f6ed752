"""Durations as Go writes them (`1m30s`, `1.5h`), for HEALTHCHECK. Pure.

Source: Go, time.ParseDuration.
"""

from __future__ import annotations

import re
from typing import Final

_UNITS: Final = {
    "ns": 1,
    "us": 1_000,
    "\u00b5s": 1_000,
    "\u03bcs": 1_000,
    "ms": 1_000_000,
    "s": 1_000_000_000,
    "m": 60_000_000_000,
    "h": 3_600_000_000_000,
}
_PART: Final = re.compile(r"([0-9]*)(\.?)([0-9]*)([^.0-9]*)")
_MAX: Final = 2**63 - 1


def parse_duration_ns(text: str) -> int:
    """Nanoseconds. Raises `ValueError`, whose message says what is wrong with `text`."""
    negative = text.startswith("-")
    position = 1 if text[:1] in ("-", "+") else 0
    if text[position:] == "0":
        return 0
    if position == len(text):
        raise ValueError("it is empty")
    total = 0
    while position < len(text):
        match = _PART.match(text, position)
        assert match  # every part of it may be empty
        whole, _point, fraction, unit = match.groups()
        if not whole and not fraction:
            raise ValueError("a number is expected")
        if not unit:
            raise ValueError("the unit is missing")
        if unit not in _UNITS:
            raise ValueError(f"{unit!r} is no unit")
        if len(whole) > 30:
            raise ValueError("it is too long")
        scale = _UNITS[unit]
        total += int(whole or "0") * scale
        if fraction:
            # In floating point, as Go does it.
            digits = fraction[:18]
            total += int(float(int(digits)) * (float(scale) / float(10 ** len(digits))))
        if total > _MAX:
            raise ValueError("it is too long")
        position = match.end()
    return -total if negative else total
