"""The value of `--chmod`: octal or symbolic, and what it makes of a mode. Pure.

Symbolic modes are those of BSD's `setmode`, which BuildKit uses, with its corners: a copy (`g=u`) and bits in
one clause replace each other, `t` belongs to nobody in particular, and the umask is taken as 0.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Literal

from incubator.errors import InputError

_SET_ID = {"u": 0o4000, "g": 0o2000, "o": 0}
_SHIFT = {"u": 6, "g": 3, "o": 0}
_ALL = 0o6777
_STICKY = 0o1000
_EXECUTE = 0o111
_BITS = {"r": 0o444, "w": 0o222, "x": _EXECUTE}
_CLAUSE = re.compile(r"([ugoa]*)((?:[-+=][rwxXstugo]*)+)")


@dataclass(frozen=True, slots=True)
class _Change:
    """One operation: `bits` added or taken, for `copy` of another class into the classes `who`."""

    op: Literal["+", "-", "X", "-X", "copy+", "copy-", "copy="]
    bits: int
    copy_from: str = ""
    who: str = ""


@dataclass(frozen=True, slots=True)
class ModeChange:
    """A parsed `--chmod`. `octal` is the mode where it was given as a number, else None."""

    text: str
    octal: int | None
    changes: tuple[_Change, ...] = ()

    def apply(self, mode: int, *, folder: bool) -> int:
        """The new permission bits (with set-id and sticky) of something that had `mode`."""
        if self.octal is not None:
            return self.octal
        new = mode
        executable = folder or bool(mode & _EXECUTE)
        for change in self.changes:
            if change.op in ("X", "-X") and not executable:
                continue
            if change.op in ("+", "X"):
                new |= change.bits
            elif change.op in ("-", "-X"):
                new &= ~change.bits
            else:
                new = _copy(new, change)
        return new


def parse_chmod(text: str) -> ModeChange:
    """The change that `text` stands for. Raises `InputError`."""
    if text[:1].isdigit():
        if not re.fullmatch("[0-7]+", text) or int(text, 8) > 0o7777:
            raise InputError(
                f"invalid mode {text!r}: a number must be octal and between 0 and 07777",
                hint="for example 0755, or u=rwX,go=rX",
            )
        return ModeChange(text, int(text, 8))
    changes: list[_Change] = []
    for clause in text.split(","):
        found = _CLAUSE.fullmatch(clause)
        if found is None:
            raise InputError(
                f"invalid mode {text!r}: {clause!r} is not a change such as u+x",
                hint="who (u, g, o, a), then + - or =, then r, w, x, X, s, t or one of u, g, o",
            )
        for op, letters in re.findall("([-+=])([^-+=]*)", found.group(2)):
            changes += _operation(found.group(1), op, letters)
    return ModeChange(text, None, tuple(changes))


def _operation(who: str, op: str, letters: str) -> list[_Change]:
    """The changes of one operator and its letters."""
    classes = who.replace("a", "ugo")
    mask = _mask(classes)
    only_others = bool(classes) and set(classes) == {"o"}
    changes: list[_Change] = []
    bits = 0
    sticky = execute = replaced = False

    def flush(*, last: bool) -> None:
        nonlocal bits, replaced, execute
        if bits or (last and op == "=" and not replaced):
            effective = (mask | _STICKY if sticky else mask) if classes else (_STICKY if sticky else _ALL)
            if op == "=":
                replaced = True
                changes.append(_Change("-", effective))
            changes.append(_Change("-" if op == "-" else "+", bits & effective))
            bits = 0
        if execute:
            effective = mask if classes else _ALL
            changes.append(_Change("-X" if op == "-" else "X", _EXECUTE & effective))
            execute = False

    for letter in letters:
        if letter in _BITS:
            bits |= _BITS[letter]
        elif letter == "X":
            execute = True
        elif letter == "s":
            bits |= 0 if only_others else 0o6000
        elif letter == "t":
            if not only_others:
                sticky = True
                bits |= _STICKY
        else:
            flush(last=False)
            replaced |= op == "="
            kind: Literal["copy+", "copy-", "copy="] = (
                "copy+" if op == "+" else "copy-" if op == "-" else "copy="
            )
            changes.append(_Change(kind, 0, letter, classes or "ugo"))
    flush(last=True)
    return changes


def _mask(classes: str) -> int:
    mask = 0
    for letter in classes:
        mask |= 0o7 << _SHIFT[letter] | _SET_ID[letter]
    return mask


def _copy(mode: int, change: _Change) -> int:
    value = mode >> _SHIFT[change.copy_from] & 0o7
    for letter in set(change.who):
        shift = _SHIFT[letter]
        if change.op == "copy=":
            mode = mode & ~(0o7 << shift) | value << shift
        elif change.op == "copy+":
            mode |= value << shift
        else:
            mode &= ~(value << shift)
    return mode
