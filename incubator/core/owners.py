"""`--chown=user[:group]` to numbers, by the image's own /etc/passwd and /etc/group. Pure.

Source: BuildKit's file operations. A user alone brings its own group, or the group of the same number.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

_LARGEST_ID = (1 << 31) - 1
_NUMBER = re.compile(r"\+?[0-9]+")


@dataclass(frozen=True, slots=True, kw_only=True)
class Owner:
    """Numbers for files. `unknown` lists names that are in no file: such a user is root, such a group the user's."""

    uid: int
    gid: int
    unknown: tuple[str, ...] = ()


def find_owner(text: str, read: Callable[[str], str]) -> Owner:
    """The owner that `user[:group]` means. `read` gives the text of a file of the image, empty if missing."""
    user, colon, group = text.partition(":")
    unknown = []
    uid = gid = _number(user)
    if uid is None or gid is None:
        record = _record(read("/etc/passwd"), user)
        uid, gid = (_field(record, 2), _field(record, 3)) if record else (0, 0)
        if not record:
            unknown.append(user)
    if colon:
        number = _number(group)
        if number is None:
            record = _record(read("/etc/group"), group)
            number = _field(record, 2) if record else gid
            if not record:
                unknown.append(group)
        gid = number
    return Owner(uid=uid, gid=gid, unknown=tuple(unknown))


def _number(text: str) -> int | None:
    """The number that `text` is, 0 for an empty one; None for a name, and what no id can be counts as a name."""
    if not text:
        return 0
    return int(text) if _NUMBER.fullmatch(text) and int(text) <= _LARGEST_ID else None


def _record(table: str, name: str) -> list[str] | None:
    # Not `splitlines`, which would also cut at characters that a comment field may hold.
    records = (line.strip().split(":") for line in table.split("\n") if not line.startswith("#"))
    return next((record for record in records if record[0] == name and len(record) > 2), None)


def _field(record: list[str], index: int) -> int:
    return (_number(record[index]) or 0) if index < len(record) else 0
