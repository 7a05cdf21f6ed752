"""Parser directives: `# syntax=`, `# escape=`, `# check=` at the head of a file. Pure.

Source: BuildKit, frontend/dockerfile/parser/directives.go.
"""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING, Final

from incubator.dockerfile.text import SPACES

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

_BLANKS: Final = "\t\n\f\r "
_DIRECTIVE: Final = re.compile(rf"([a-zA-Z][a-zA-Z0-9]*)[{_BLANKS}]*=([^\n]*)\n?\Z")
_DIRECTIVES: Final = ("syntax", "escape", "check")


def read_directive(line: str, comment: str = "#") -> tuple[str, str] | None:
    """Name and value of the directive on `line`, None where it holds none that is known."""
    if not line.startswith(comment):
        return None
    match = _DIRECTIVE.match(line[len(comment) :].lstrip(SPACES))
    if not match or (key := match[1].lower()) not in _DIRECTIVES:
        return None
    value = match[2].strip(_BLANKS) or match[2][-1:]  # of blanks alone the last one is the value
    return (key, value) if value else None


def detect_directives(lines: Sequence[str]) -> dict[str, str]:
    """First word of `syntax` and `check` as the frontend detects them; the syntax in `//` and JSON form, too."""
    if lines and lines[0].startswith("#!"):
        lines = lines[1:]
    found = _detect(lines, "#")
    if "syntax" not in found:
        if lines and lines[0].startswith("//"):
            found |= {key: value for key, value in _detect(lines, "//").items() if key == "syntax"}
        elif lines and lines[0].lstrip(" \t\r").startswith("{"):
            found |= _detect_json("\n".join(lines))
    return found


def _detect(lines: Iterable[str], comment: str) -> dict[str, str]:
    found: dict[str, str] = {}
    for line in lines:
        directive = read_directive(line.removesuffix("\r"), comment)
        if directive is None or directive[0] in found:
            break
        found[directive[0]] = directive[1].partition(" ")[0]
    return found


def _detect_json(text: str) -> dict[str, str]:
    try:
        value = json.loads(text)
    except (ValueError, RecursionError):
        return {}
    syntax = value.get("syntax") if isinstance(value, dict) else None
    return {"syntax": syntax} if isinstance(syntax, str) else {}
