"""Dates in the format language of moment.js, English, as the expressions `date` and `commit_date` use it."""

from __future__ import annotations

import re
from datetime import timedelta
from typing import TYPE_CHECKING
from zoneinfo import ZoneInfo

from incubator.errors import InputError

if TYPE_CHECKING:
    from collections.abc import Callable
    from datetime import datetime

_MONTHS = (
    "January", "February", "March", "April", "May", "June", "July", "August", "September", "October", "November",
    "December",
)  # fmt: skip
_DAYS = ("Sunday", "Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday")


def _ordinal(number: int) -> str:
    if number % 100 in {11, 12, 13}:
        return f"{number}th"
    return f"{number}{({1: 'st', 2: 'nd', 3: 'rd'}).get(number % 10, 'th')}"


def _weekday(moment: datetime) -> int:
    """0 is Sunday."""
    return moment.isoweekday() % 7


def _day_of_year(moment: datetime) -> int:
    return moment.timetuple().tm_yday


def _week(moment: datetime) -> tuple[int, int]:
    """Year and number of the week, in English: it begins on a Sunday, and January 1 is in the first one."""
    saturday = moment + timedelta(days=6 - _weekday(moment))
    return saturday.year, (_day_of_year(saturday) - 1) // 7 + 1


def _quarter(moment: datetime) -> int:
    return (moment.month - 1) // 3 + 1


def _offset(moment: datetime, separator: str) -> str:
    seconds = int((moment.utcoffset() or timedelta()).total_seconds())
    minutes = abs(seconds) // 60
    return f"{'-' if seconds < 0 else '+'}{minutes // 60:02d}{separator}{minutes % 60:02d}"


_TOKENS: dict[str, Callable[[datetime], object]] = {
    "YYYYYY": lambda t: f"+{t.year:06d}",
    "YYYY": lambda t: f"{t.year:04d}",
    "YY": lambda t: f"{t.year % 100:02d}",
    "Y": lambda t: t.year,
    "Q": _quarter,
    "Qo": lambda t: _ordinal(_quarter(t)),
    "MMMM": lambda t: _MONTHS[t.month - 1],
    "MMM": lambda t: _MONTHS[t.month - 1][:3],
    "MM": lambda t: f"{t.month:02d}",
    "Mo": lambda t: _ordinal(t.month),
    "M": lambda t: t.month,
    "DDDD": lambda t: f"{_day_of_year(t):03d}",
    "DDDo": lambda t: _ordinal(_day_of_year(t)),
    "DDD": _day_of_year,
    "DD": lambda t: f"{t.day:02d}",
    "Do": lambda t: _ordinal(t.day),
    "D": lambda t: t.day,
    "dddd": lambda t: _DAYS[_weekday(t)],
    "ddd": lambda t: _DAYS[_weekday(t)][:3],
    "dd": lambda t: _DAYS[_weekday(t)][:2],
    "do": lambda t: _ordinal(_weekday(t)),
    "d": _weekday,
    "e": _weekday,
    "E": lambda t: t.isoweekday(),
    "ww": lambda t: f"{_week(t)[1]:02d}",
    "wo": lambda t: _ordinal(_week(t)[1]),
    "w": lambda t: _week(t)[1],
    "WW": lambda t: f"{t.isocalendar().week:02d}",
    "Wo": lambda t: _ordinal(t.isocalendar().week),
    "W": lambda t: t.isocalendar().week,
    "gggg": lambda t: f"{_week(t)[0]:04d}",
    "gg": lambda t: f"{_week(t)[0] % 100:02d}",
    "GGGG": lambda t: f"{t.isocalendar().year:04d}",
    "GG": lambda t: f"{t.isocalendar().year % 100:02d}",
    "HH": lambda t: f"{t.hour:02d}",
    "H": lambda t: t.hour,
    "hh": lambda t: f"{(t.hour + 11) % 12 + 1:02d}",
    "h": lambda t: (t.hour + 11) % 12 + 1,
    "kk": lambda t: f"{t.hour or 24:02d}",
    "k": lambda t: t.hour or 24,
    "mm": lambda t: f"{t.minute:02d}",
    "m": lambda t: t.minute,
    "ss": lambda t: f"{t.second:02d}",
    "s": lambda t: t.second,
    "A": lambda t: "AM" if t.hour < 12 else "PM",
    "a": lambda t: "am" if t.hour < 12 else "pm",
    "ZZ": lambda t: _offset(t, ""),
    "Z": lambda t: _offset(t, ":"),
    "zz": lambda t: t.tzname() or "",
    "z": lambda t: t.tzname() or "",
    "X": lambda t: int(t.timestamp()),
    "x": lambda t: int(t.timestamp()) * 1000 + t.microsecond // 1000,
} | {"S" * digits: lambda t, digits=digits: f"{t.microsecond:06d}000"[:digits] for digits in range(1, 10)}

_LOCALE = {
    "LTS": "h:mm:ss A",
    "LT": "h:mm A",
    "LLLL": "dddd, MMMM D, YYYY h:mm A",
    "LLL": "MMMM D, YYYY h:mm A",
    "LL": "MMMM D, YYYY",
    "L": "MM/DD/YYYY",
    "llll": "ddd, MMM D, YYYY h:mm A",
    "lll": "MMM D, YYYY h:mm A",
    "ll": "MMM D, YYYY",
    "l": "M/D/YYYY",
}
"""Formats that stand for others."""

_LONGEST_FIRST = sorted([*_TOKENS, *_LOCALE], key=len, reverse=True)
_TOKEN = re.compile(rf"\[([^\[\]]*)\]|({'|'.join(_LONGEST_FIRST)})")


def format_date(moment: datetime, text: str) -> str:
    """An aware date by a format of moment.js; what is no token stands for itself, as does what is in brackets."""

    def part(match: re.Match[str]) -> str:
        token = match[2]
        if token is None:
            return match[1]
        if token in _LOCALE:
            return format_date(moment, _LOCALE[token])
        return str(_TOKENS[token](moment))

    return _TOKEN.sub(part, text)


def find_zone(name: str) -> ZoneInfo:
    """A time zone by its name in the IANA database. Raises InputError where it is not there."""
    try:
        return ZoneInfo(name)
    except (KeyError, OSError, ValueError) as error:
        raise InputError(
            f"there is no time zone {name!r}", hint="write a name as Europe/Berlin or UTC"
        ) from error
