"""Reports of build checks: text, JSON, SARIF, GitHub annotations, GitLab code quality. Pure.

Sources: SARIF 2.1.0; GitHub, workflow commands; GitLab, code quality report format.
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Final, Literal

from incubator.dockerfile.lint.rules import RULES
from incubator.dockerfile.text import visible

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from incubator.dockerfile.instructions import Warning_
    from incubator.dockerfile.source import Span
    from incubator.errors import DockerfileError

_RULES: Final = {rule.name: rule for rule in RULES}
_FINGERPRINTED: Final = 4000
"""So many characters of a finding's lines tell it from others: many can be in one long line."""
_SARIF_SCHEMA: Final = "https://json.schemastore.org/sarif-2.1.0.json"


@dataclass(frozen=True, slots=True, kw_only=True)
class Report:
    """What was found in one or more files: warnings of checks, faults that stop a build.

    `failures` are findings of checks that count as errors.
    """

    warnings: tuple[Warning_, ...] = ()
    failures: tuple[Warning_, ...] = ()
    faults: tuple[DockerfileError, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class _Row:
    """One finding, whatever it is. `span` is None for a fault of the file as a whole."""

    level: Literal["error", "warning"]
    rule: str
    message: str
    hint: str | None
    url: str | None
    span: Span | None

    @property
    def path(self) -> str:
        return self.span.source.name if self.span else "Dockerfile"

    @property
    def first_line(self) -> int:
        return self.span.first_line if self.span else 1

    @property
    def last_line(self) -> int:
        return self.span.last_line if self.span else 1

    @property
    def column(self) -> int:
        return self.span.column if self.span else 1


def _rows(report: Report) -> list[_Row]:
    """All findings, by file and place."""
    rows = [
        _Row(
            level="error",
            rule=fault.rule,
            message=fault.text,
            hint=fault.hint,
            url=fault.docs,
            span=fault.span,
        )
        for fault in report.faults
    ]
    levels: tuple[tuple[Literal["error", "warning"], tuple[Warning_, ...]], ...] = (
        ("error", report.failures),
        ("warning", report.warnings),
    )
    rows += [
        _Row(
            level=level,
            rule=found.rule,
            message=found.message,
            hint=None,
            url=_RULES[found.rule].url if found.rule in _RULES else None,
            span=found.span,
        )
        for level, findings in levels
        for found in findings
    ]
    return sorted(rows, key=lambda row: (row.path, row.first_line, row.column))


def format_text(report: Report) -> str:
    """For people: place, rule and message, the source lines, the hint. Safe to show."""
    parts: list[str] = []
    for row in _rows(report):
        place = f"{row.path}:{row.first_line}:{row.column}"
        parts.append(visible(f"{place}: {row.level}[{row.rule}]: {row.message}"))
        parts += row.span.snippet() if row.span else []
        parts += [visible(f"hint: {row.hint}")] if row.hint else []
        parts += [f"docs: {row.url}"] if row.url else []
    return "".join(f"{part}\n" for part in parts)


def format_json(report: Report) -> str:
    """For programs: an object with `version` 1 and `findings`, each with its place and rule."""
    findings = [
        {
            "level": row.level,
            "rule": row.rule,
            "message": row.message,
            "hint": row.hint,
            "file": row.path,
            "line": row.first_line,
            "end_line": row.last_line,
            "column": row.column,
            "url": row.url,
        }
        for row in _rows(report)
    ]
    return _dump({"version": 1, "findings": findings})


def format_sarif(report: Report) -> str:
    """SARIF 2.1.0, as code scanning takes it."""
    rows = _rows(report)
    urls = {row.rule: row.url for row in rows}
    names = sorted(urls)
    rules = [_sarif_rule(name, urls[name]) for name in names]
    results = [
        {
            "ruleId": row.rule,
            "ruleIndex": names.index(row.rule),
            "level": row.level,
            "message": {"text": row.message + (f" ({row.hint})" if row.hint else "")},
            "locations": [
                {
                    "physicalLocation": {
                        "artifactLocation": {"uri": _uri(row.path)},
                        "region": {
                            "startLine": row.first_line,
                            "startColumn": row.column,
                            "endLine": row.last_line,
                        },
                    }
                }
            ],
            "partialFingerprints": {"finding/v1": fingerprint},
        }
        for row, fingerprint in zip(rows, _fingerprints(rows), strict=True)
    ]
    driver = {"name": "incubator", "rules": rules}
    run = {"tool": {"driver": driver}, "results": results, "columnKind": "unicodeCodePoints"}
    return _dump({"$schema": _SARIF_SCHEMA, "version": "2.1.0", "runs": [run]})


def _sarif_rule(name: str, url: str | None) -> dict[str, Any]:
    described: dict[str, Any] = {"id": name}
    if name in _RULES:
        described["shortDescription"] = {"text": _RULES[name].summary}
    if url:
        described["helpUri"] = url
    return described


def _uri(path: str) -> str:
    keep = "/.-_~"
    return "".join(
        chr(byte) if chr(byte).isascii() and (chr(byte).isalnum() or chr(byte) in keep) else f"%{byte:02X}"
        for byte in path.encode("utf-8", "surrogateescape")
    )


def format_github(report: Report) -> str:
    """Workflow commands: an annotation at each line. What files say cannot end a command or begin another."""
    lines: list[str] = []
    for row in _rows(report):
        properties = {
            "file": row.path,
            "line": row.first_line,
            "endLine": row.last_line,
            "col": row.column,
            "title": row.rule,
        }
        written = ",".join(f"{key}={_property(str(value))}" for key, value in properties.items())
        message = row.message + (f"\n{row.hint}" if row.hint else "")
        lines.append(f"::{row.level} {written}::{_data(message)}\n")
    return "".join(lines)


def _data(text: str) -> str:
    # `##[` begins a command of the runner's older form wherever it stands.
    lines = [visible(line).replace("##[", "# #[").replace("%", "%25") for line in text.split("\n")]
    return "%0A".join(lines)


def _property(text: str) -> str:
    return _data(text).replace(":", "%3A").replace(",", "%2C")


def format_gitlab(report: Report) -> str:
    """A code quality report: an array of issues, each with a fingerprint that outlives moved lines."""
    rows = _rows(report)
    issues = [
        {
            "description": row.message,
            "check_name": row.rule,
            "fingerprint": fingerprint,
            "severity": "critical" if row.level == "error" else "minor",
            "location": {
                "path": row.path.removeprefix("./"),
                "lines": {"begin": row.first_line, "end": row.last_line},
            },
        }
        for row, fingerprint in zip(rows, _fingerprints(rows), strict=True)
    ]
    return _dump(issues)


def _fingerprints(rows: Sequence[_Row]) -> list[str]:
    """One a row, none twice: of file, rule, message and the lines' text, and of the count of equal ones."""
    seen: dict[str, int] = {}
    fingerprints: list[str] = []
    for row in rows:
        text = row.span.beginning(_FINGERPRINTED).strip() if row.span else ""
        key = f"{row.path}\0{row.rule}\0{row.message}\0{text}"
        seen[key] = seen.get(key, 0) + 1
        content = f"{key}\0{seen[key]}".encode("utf-8", "surrogatepass")
        fingerprints.append(hashlib.sha256(content).hexdigest())
    return fingerprints


def _dump(value: object) -> str:
    return json.dumps(value, indent=2, ensure_ascii=True) + "\n"


FORMATS: Final[Mapping[str, Callable[[Report], str]]] = MappingProxyType(
    {
        "text": format_text,
        "json": format_json,
        "sarif": format_sarif,
        "github": format_github,
        "gitlab": format_gitlab,
    }
)
"""Formats by the name that options use; each gives a text that ends with a newline, or is empty."""
