"""Every rule: its docs page, whose examples it must tell apart, and its cases in tests/data/dockerfile/lint."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest

from incubator.context.patterns import PatternMatcher
from incubator.dockerfile import Source, parse
from incubator.dockerfile.lint import RULES, Rule, lint
from incubator.dockerfile.lint import rules as rules_package

ROOT = Path(__file__).parents[4]
DOCS = ROOT / "docs" / "rules"
CASES = ROOT / "tests" / "data" / "dockerfile" / "lint"
NAMES = [rule.name for rule in RULES]
REFERENCE = {
    "StageNameCasing", "FromAsCasing", "NoEmptyContinuation", "ConsistentInstructionCasing", "DuplicateStageName",
    "ReservedStageName", "JSONArgsRecommended", "MaintainerDeprecated", "UndefinedArgInFrom", "WorkdirRelativePath",
    "UndefinedVar", "MultipleInstructionsDisallowed", "LegacyKeyValueFormat", "RedundantTargetPlatform",
    "SecretsUsedInArgOrEnv", "InvalidDefaultArgInFrom", "FromPlatformFlagConstDisallowed", "CopyIgnoredFile",
    "InvalidDefinitionDescription", "ExposeProtoCasing", "ExposeInvalidFormat",
}  # fmt: skip


def found(text: str, name: str, ignore: list[str], options: dict[str, Any]) -> list[str]:
    """`line:column message` of the findings of one rule."""
    matcher = PatternMatcher(ignore) if ignore else None
    warnings = lint(parse(Source("Dockerfile", text)), ignore_matcher=matcher, **options)
    return [f"{w.span.first_line}:{w.span.column} {w.message}" for w in warnings if w.rule == name]


def examples(rule: Rule, heading: str) -> list[str]:
    page = (DOCS / f"{rule.slug}.md").read_text()
    return re.findall(rf"## {heading}\n\n```dockerfile\n(.*?)```", page, re.DOTALL)


def test_the_reference_is_covered() -> None:
    assert {rule.name for rule in RULES if not rule.own} == REFERENCE
    assert len(NAMES) == len(set(NAMES))


def test_one_rule_one_file_one_case_file_one_page() -> None:
    modules = {path.stem for path in Path(rules_package.__path__[0]).glob("*.py")} - {"__init__"}
    assert modules == {rule.slug.replace("-", "_") for rule in RULES}
    assert {path.stem for path in CASES.glob("*.json")} == set(NAMES)
    assert {path.stem for path in DOCS.glob("*.md")} - {"README", "faults"} == {rule.slug for rule in RULES}
    index = (DOCS / "README.md").read_text()
    assert [rule.name for rule in RULES if f"[{rule.name}]({rule.slug}.md)" not in index] == []


def test_slugs() -> None:
    slugs = {rule.name: rule.slug for rule in RULES}
    assert slugs["JSONArgsRecommended"] == "json-args-recommended"
    assert slugs["SecretsUsedInArgOrEnv"] == "secrets-used-in-arg-or-env"


@pytest.mark.parametrize("rule", RULES, ids=NAMES)
def test_docs_page(rule: Rule) -> None:
    bad, good = examples(rule, "Bad"), examples(rule, "Good")
    assert len(bad) == len(good) > 0
    for text in bad:
        assert found(text, rule.name, ["secrets"], {})
    for text in good:
        # A good example is good all over.
        assert lint(parse(Source("Dockerfile", text)), ignore_matcher=PatternMatcher(["secrets"])) == ()
    page = (DOCS / f"{rule.slug}.md").read_text()
    first = found(bad[0], rule.name, ["secrets"], {})[0]
    place, _, message = first.partition(" ")
    assert f"Dockerfile:{place}: warning[{rule.name}]: {message}" in page


@pytest.mark.parametrize("rule", RULES, ids=NAMES)
def test_cases(rule: Rule) -> None:
    cases = json.loads((CASES / f"{rule.name}.json").read_text())
    assert any(case["found"] for case in cases)
    assert not all(case["found"] for case in cases)
    for case in cases:
        got = found(
            "\n".join(case["file"]) + "\n", rule.name, case.get("ignore", []), case.get("options", {})
        )
        assert got == case["found"], case["file"]


@pytest.mark.parametrize(
    "rule", [rule for rule in RULES if not rule.experimental], ids=lambda rule: rule.name
)
def test_switched_off(rule: Rule) -> None:
    for text in examples(rule, "Bad"):
        assert found(f"# check=skip={rule.name}\n{text}", rule.name, ["secrets"], {}) == []
        assert found(f"# check=skip=all\n{text}", rule.name, ["secrets"], {}) == []
        assert found(f"# check=skip=Other;error=true\n{text}", rule.name, ["secrets"], {})
