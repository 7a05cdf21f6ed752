"""Texts to valid names of tags."""

from __future__ import annotations

import hashlib
import re

LONGEST_TAG = 128
_FOREIGN = re.compile(r"[^A-Za-z0-9._-]+")
_HASH_DIGITS = 8


def sanitize(text: str) -> str:
    """A valid tag that `text` stands for, or nothing.

    Runs of other characters than `A-Z a-z 0-9 . _ -` become one `-`; a tag cannot begin with `.` or `-`. Of what is
    too long the end is replaced by a hash of all of it, so that two long names never share a tag.
    """
    name = _FOREIGN.sub("-", text).lstrip(".-")
    if len(name) <= LONGEST_TAG:
        return name
    digest = hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()[:_HASH_DIGITS]
    return f"{name[: LONGEST_TAG - 1 - _HASH_DIGITS]}-{digest}"
