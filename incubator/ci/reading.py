"""Typed values out of raw ones; what cannot be read is noted and counts as not given."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, TypeVar

from incubator.ci.spec import InputSpec, input_specs
from incubator.core.limits import make_limits
from incubator.errors import BuilderError, InputError, InputErrors

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from incubator.ci.lists import Entry
    from incubator.ci.raw import RawValue
    from incubator.faults import Faults

T = TypeVar("T")

_LIMIT_KEYS = {
    "memory": "memory",
    "memory-swap": "memswap",
    "cpu-shares": "cpushares",
    "cpu-period": "cpuperiod",
    "cpu-quota": "cpuquota",
    "cpuset-cpus": "cpusetcpus",
    "cpuset-mems": "cpusetmems",
}


class Reader:
    """Takes typed values out of raw ones; what cannot be read is noted in `faults` and counts as not given."""

    def __init__(self, raw: Mapping[str, RawValue], faults: Faults) -> None:
        self._raw = raw
        self._faults = faults
        self._specs = {spec.name: spec for spec in input_specs()}

    def text(self, name: str) -> str | None:
        """A text; None where nothing was given."""
        value = self._raw.get(name)
        return value if isinstance(value, str) else None

    def entries(self, name: str) -> tuple[str, ...]:
        """Entries of a list."""
        return tuple(entry.text for entry in self.placed(name))

    def placed(self, name: str) -> tuple[Entry, ...]:
        """Entries of a list and where they stand."""
        value = self._raw.get(name, ())
        return () if isinstance(value, str) else value

    def parsed(self, name: str, parse: Callable[[str], T]) -> T | None:
        """What `parse` makes of a text; None where nothing was given, or where it raises InputError."""
        text = self.text(name)
        return None if text is None else self._try(self._specs[name], parse, text)

    def each(
        self, name: str, parse: Callable[[str], T | None], entries: tuple[str, ...] | None = None
    ) -> list[T]:
        """What `parse` makes of each entry of a list, or of `entries`; none of what it refuses, and no None."""
        given = self.entries(name) if entries is None else entries
        values = [self._try(self._specs[name], parse, entry) for entry in given]
        return [value for value in values if value is not None]

    def boolean(self, name: str) -> bool | None:
        """A boolean of YAML's core."""
        return self.parsed(name, _boolean)

    def integer(self, name: str) -> int | None:
        """A number between the bounds that the schema has."""
        schema = self._specs[name].schema
        return self.parsed(name, lambda text: _integer(text, schema["minimum"], schema["maximum"]))

    def limit(self, name: str) -> str | None:
        """A limit of containers as it was given, but sound."""
        return self.parsed(name, lambda text: _limit(name, text))

    def pairs(self, name: str) -> dict[str, str | None]:
        """`key=value` entries; None for a key without `=`. A key given twice keeps the later value."""
        return dict(self.each(name, _pair))

    def _try(self, spec: InputSpec, parse: Callable[[str], T], text: str) -> T | None:
        try:
            return parse(text)
        except InputErrors as errors:
            for error in errors.errors:
                self._note(spec, error)
        except InputError as error:
            self._note(spec, error)
        return None

    def _note(self, spec: InputSpec, error: BuilderError) -> None:
        self._faults.add(f"input {spec.name}: {error.message}", hint=error.hint)


def _boolean(text: str) -> bool:
    if text in {"true", "True", "TRUE"}:
        return True
    if text in {"false", "False", "FALSE"}:
        return False
    raise InputError(f"{text!r} is neither true nor false", hint="write true or false, nothing else")


def _integer(text: str, least: int, most: int) -> int:
    allowed = f"a whole number from {least} to {most}"
    if not re.fullmatch(r"[0-9]{1,18}", text):
        raise InputError(f"{text!r} is not a whole number", hint=f"expected {allowed}")
    if not least <= int(text) <= most:
        raise InputError(f"{text} is out of range", hint=f"expected {allowed}")
    return int(text)


def _limit(name: str, text: str) -> str:
    values = {_LIMIT_KEYS[name]: text}
    if name == "memory-swap":
        # Only whether it is a size counts here: the memory that it needs may stand in the configuration.
        values = {"memory": text} if text != "-1" else {}
    try:
        make_limits(values)
    except InputErrors as errors:
        error = errors.errors[0]
        message = re.sub(r"^(invalid )?container limit [a-z]+:? ", "", error.message)
        raise InputError(message, hint=error.hint) from errors
    return text


def _pair(text: str) -> tuple[str, str | None]:
    key, equals, value = text.partition("=")
    if not key.strip():
        raise InputError(f"{text!r} has no name before the =", hint="write NAME=VALUE")
    return key, value if equals else None
