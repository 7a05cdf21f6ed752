"""What `# check=` asks for: `skip=A,B`, `experimental=A,B`, `error=true`, parted by `;`. Pure.

Source: BuildKit, frontend/dockerfile/linter/linter.go.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Final

from incubator.dockerfile.text import SPACES, nearest
from incubator.errors import DockerfileError

_COMMENT: Final = re.compile(r"check[ \t]*=[ \t]*(\S+)", re.IGNORECASE)
_TRUE: Final = frozenset(("1", "t", "T", "TRUE", "true", "True"))
_FALSE: Final = frozenset(("0", "f", "F", "FALSE", "false", "False"))
_OPTIONS: Final = ("skip", "experimental", "error")


@dataclass(frozen=True, slots=True, kw_only=True)
class CheckOptions:
    """Rules to skip, experimental rules to run, and whether a finding is an error.

    `skip_all` and `all_experimental` stand for the value `all`; skipping all leaves experimental rules on.
    """

    skip: frozenset[str] = frozenset()
    skip_all: bool = False
    experimental: frozenset[str] = frozenset()
    all_experimental: bool = False
    error: bool = False

    def wants(self, name: str, *, experimental: bool) -> bool:
        """Whether the rule `name` is to run."""
        if experimental:
            return self.all_experimental or name in self.experimental
        return not self.skip_all and name not in self.skip


def parse_check_options(text: str | None) -> CheckOptions:
    """The options that `text` writes, the defaults for None. Raises `DockerfileError`, without a span."""
    values: dict[str, str] = {}
    for part in (text or "").strip(SPACES).split(";") if text else ():
        key, equals, value = part.partition("=")
        key = key.strip(SPACES)
        if not equals or key not in _OPTIONS:
            near = nearest(key, _OPTIONS)
            raise DockerfileError(
                f"{part.strip(SPACES)!r} is no option of check",
                rule="invalid-check",
                hint=f"did you mean {near}?"
                if near
                else "options are skip=RULES, experimental=RULES and error=true",
            )
        values[key] = value.strip(SPACES)
    error = values.get("error", "false")
    if error not in _TRUE | _FALSE:
        raise DockerfileError(
            f"check: error={error} is neither true nor false", rule="invalid-check", hint="write error=true"
        )
    skip, experimental = values.get("skip", ""), values.get("experimental", "")
    return CheckOptions(
        skip=_names(skip),
        skip_all=skip == "all",
        experimental=_names(experimental),
        all_experimental=experimental == "all",
        error=error in _TRUE,
    )


def _names(text: str) -> frozenset[str]:
    return frozenset(name.strip(SPACES) for name in text.split(",")) - {"", "all"}


def skipped_above(comments: tuple[str, ...]) -> CheckOptions:
    """What the comments right above an instruction skip for it: `# check=skip=Rule`.

    A comment that cannot be read so is just a comment.
    """
    for comment in comments:
        match = _COMMENT.match(comment)
        if match:
            try:
                return parse_check_options(match[1])
            except DockerfileError:
                continue
    return CheckOptions()
