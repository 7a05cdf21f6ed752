"""Score the ignore rules against a folder of recorded cases: `match.json`, `patterns.json`, `file.json`."""

from __future__ import annotations

import json
import sys
from pathlib import Path

from incubator.context.pattern import PatternError
from incubator.context.patterns import PatternMatcher, parse_ignore_file


def score(folder: Path) -> tuple[int, int, list[str]]:
    """Cases passed, cases in all, and a line for each one that failed."""
    results = [*_matches(folder), *_patterns(folder), *_files(folder)]
    failures = [line for line in results if line]
    return len(results) - len(failures), len(results), failures


def _matches(folder: Path) -> list[str]:
    """One text a row of `match.json`, empty where it passed."""
    results = []
    for method, rows in json.loads((folder / "match.json").read_text()).items():
        for row in rows:
            try:
                got = getattr(PatternMatcher(row["patterns"]), method)(row["path"])
            except PatternError:
                got = "error"
            expected = "error" if row.get("error") else row["match"]
            results.append("" if got == expected else f"{method} {row}: got {got}")
    return results


def _patterns(folder: Path) -> list[str]:
    results = []
    for row in json.loads((folder / "patterns.json").read_text()):
        problem = ""
        try:
            matcher = PatternMatcher(row["patterns"])
            counts = (len(matcher.patterns), matcher.has_exclusions)
            if row["error"] or counts != (row["count"], row["exclusions"]):
                problem = f"patterns {row}: got {counts}"
        except PatternError as error:
            problem = "" if row["error"] else f"patterns {row}: {error}"
        else:
            for _ in range(2 if "error_when_matching" in row else 0):
                try:
                    matcher.matches_or_parent_matches(row["error_when_matching"])
                    problem = f"patterns {row}: no error when matching"
                except PatternError:
                    pass
        results.append(problem)
    return results


def _files(folder: Path) -> list[str]:
    rows = json.loads((folder / "file.json").read_text())
    results = []
    for row in rows:
        got = parse_ignore_file(row["text"])
        results.append("" if got == row["patterns"] else f"file {row}: got {got}")
    return results


if __name__ == "__main__":
    passed, total, problems = score(Path(sys.argv[1]))
    for problem in problems:
        print(problem)
    print(f"ignore rules: {passed} of {total}")
    sys.exit(passed != total)
