"""Flags of instructions (`--chown=...`): cutting them off the line, and the rules they obey. Pure.

Source: BuildKit, frontend/dockerfile/parser/split_command.go and instructions/bflag.go.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from enum import Enum
from typing import TYPE_CHECKING, Final

from incubator.dockerfile.text import ASCII_SPACES, SPACES, nearest

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

MAX_FAULTS: Final = 20
"""Faults of one instruction that are told, before it is said that there are more."""
# The reference walks over bytes when it cuts flags and takes each for a character; two of them are blanks then.
_BYTE_SPACES: Final = "".join(character for character in SPACES if ord(character) < 0x100)
_PIECE: Final = re.compile(rf"[^'\"\\{_BYTE_SPACES}]+|.", re.DOTALL)
_QUOTED: Final = re.compile(r"[^'\"\\]+|.", re.DOTALL)


class Kind(Enum):
    """What a flag takes."""

    BOOL = "bool"
    """Nothing, `=true` or `=false`."""
    TEXT = "text"
    """One value, once."""
    TEXTS = "texts"
    """One value, any number of times."""


@dataclass(frozen=True, slots=True, kw_only=True)
class FlagFault:
    """A flag that breaks a rule. `index` is its place among the flags of the line."""

    index: int
    rule: str
    message: str
    hint: str | None = None


def cut_flags(line: str) -> tuple[tuple[str, ...], str]:
    """The flags that begin `line`, unquoted, and the rest of the line from its first other word on.

    A lone `--` ends the flags and is dropped.
    """
    stripped = line.lstrip(ASCII_SPACES)
    if not stripped.startswith("--"):
        return (), stripped
    if line.isascii():
        return _cut(line)
    flags, rest = _cut(line.encode("utf-8", "surrogatepass").decode("latin-1"))
    try:
        return flags, rest.encode("latin-1").decode("utf-8", "surrogatepass")
    except UnicodeDecodeError:  # a character was cut in two
        return flags, rest.encode("latin-1").decode("utf-8", "replace")


def _cut(line: str) -> tuple[tuple[str, ...], str]:
    flags: list[str] = []
    position = 0
    while True:
        while position < len(line) and line[position] in _BYTE_SPACES:
            position += 1
        if not line.startswith("--", position):
            return tuple(flags), line[position:]
        word, quoted, position = _read_word(line, position)
        if word == "--":
            return tuple(flags), line[position:]
        if word or quoted:
            flags.append(word)
        if position >= len(line):
            return tuple(flags), ""


def _read_word(line: str, position: int) -> tuple[str, bool, int]:
    """One word without its quotes and escapes, whether it had quotes, and the position behind it."""
    word: list[str] = []
    quote = ""
    quoted = False
    while position < len(line):
        match = (_QUOTED if quote else _PIECE).match(line, position)
        assert match  # both patterns match any character
        piece = match[0]
        if not quote and piece[0] in _BYTE_SPACES:
            break
        position = match.end()
        if piece == "\\":
            word.append(line[position : position + 1])
            position += 1
        elif piece == quote:
            quote = ""
        elif piece in ("'", '"') and not quote:
            quote, quoted = piece, True
        else:
            word.append(piece)
    return "".join(word), quoted, min(position, len(line))


def read_flags(
    flags: Sequence[str], known: Mapping[str, Kind]
) -> tuple[dict[str, str], dict[str, list[str]], list[FlagFault]]:
    """Values of the flags that take one (`true`/`false` for booleans), of the repeatable ones, and the faults."""
    single: dict[str, str] = {}
    many: dict[str, list[str]] = {}
    faults: list[FlagFault] = []
    again: set[str] = set()
    for index, flag in enumerate(flags):
        if len(faults) > MAX_FAULTS:
            break
        name, equals, value = flag[2:].partition("=")
        kind = known.get(name)
        if kind is None:
            faults.append(_unknown(index, name, known))
        elif name in single and kind is not Kind.TEXTS:
            if name in again:
                continue
            again.add(name)
            faults.append(
                FlagFault(index=index, rule="duplicate-flag", message=f"the flag --{name} may be given once")
            )
        elif kind is Kind.BOOL:
            if (equals and not value) or value.lower() not in ("", "true", "false"):
                faults.append(
                    FlagFault(
                        index=index,
                        rule="invalid-flag-value",
                        message=f"the flag --{name} takes true or false, not {value!r}",
                        hint=f"write --{name}, --{name}=true or --{name}=false",
                    )
                )
            single[name] = value.lower() or "true"
        elif not equals:
            faults.append(
                FlagFault(
                    index=index,
                    rule="missing-flag-value",
                    message=f"the flag --{name} needs a value",
                    hint=f"write --{name}=VALUE, without blanks around the =",
                )
            )
        elif kind is Kind.TEXTS:
            many.setdefault(name, []).append(value)
        else:
            single[name] = value
    return single, many, faults


def _unknown(index: int, name: str, known: Mapping[str, Kind]) -> FlagFault:
    near = nearest(name, known)
    if near:
        hint = f"did you mean --{near}?"
    elif known:
        hint = "known here: " + ", ".join(f"--{other}" for other in known)
    else:
        hint = "this instruction takes no flags; write -- before words that begin with --"
    return FlagFault(index=index, rule="unknown-flag", message=f"unknown flag --{name}", hint=hint)
