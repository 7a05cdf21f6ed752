r"""Regular expressions of rules: JavaScript's, as far as they differ from Python's.

`\d` and `\w` are ASCII, named groups are `(?<name>...)`. A pattern is the pipeline's own; the text that it is tried
on is a name of a Git tag, and cut to a length that none reaches.
"""

from __future__ import annotations

import re
import warnings

from incubator.errors import InputError

LONGEST_SUBJECT = 1024
_FLAGS = {"i": re.IGNORECASE, "m": re.MULTILINE, "s": re.DOTALL, "u": re.ASCII}
_DELIMITED = re.compile(r"/(.+)/([A-Za-z]*)", re.DOTALL)


def compile_regex(text: str, *, delimited: bool = False) -> re.Pattern[str]:
    """A compiled pattern; `delimited`: `/pattern/flags` may be written. Raises InputError."""
    flags: re.RegexFlag = re.ASCII
    match = _DELIMITED.fullmatch(text) if delimited else None
    if match:
        text, letters = match.groups()
        for letter in letters:
            if letter not in _FLAGS:
                raise InputError(
                    f"unknown flag {letter!r} of the regular expression", hint="flags are i, m, s, u"
                )
            flags |= _FLAGS[letter]
    python = re.sub(r"\(\?<(?![=!])", "(?P<", text)
    python = re.sub(r"\\k<(\w+)>", r"(?P=\1)", python)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # about sets that another version may read otherwise
            return re.compile(python, flags)
    except (re.error, OverflowError, RecursionError) as error:
        raise InputError(f"{text!r} is not a regular expression: {error}") from error


def search(regex: re.Pattern[str], text: str) -> re.Match[str] | None:
    """The first match in `text`."""
    return regex.search(text[:LONGEST_SUBJECT])
