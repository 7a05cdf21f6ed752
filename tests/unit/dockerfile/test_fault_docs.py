"""The page of faults has a section on every one that can be reported, and its examples show what it says."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from incubator.core.plan.make import PlanOptions, make_plan
from incubator.core.plan.model import BaseImage
from incubator.dockerfile import Source, parse
from incubator.dockerfile.lint import check_options, examine, faults_of
from incubator.errors import DOCS_URL, DockerfileError, DockerfileErrors
from incubator.oci.image_config import ImageConfig, RuntimeConfig
from incubator.oci.platform import Platform

ROOT = Path(__file__).parents[3]
PAGE = (ROOT / "docs" / "rules" / "faults.md").read_text()
SECTION = re.compile(r"^## ([a-z-]+)\n\n(.*?)(?=^## )", re.MULTILINE | re.DOTALL)
SECTIONS: dict[str, str] = dict(SECTION.findall(PAGE))
WITHOUT_EXAMPLE = {
    "folder-as-base",
    "invalid-heredoc",
    "line-too-long",
    "many-faults",
    "not-supported",
    "out-of-proportion",
}
LINUX = Platform(os="linux", architecture="amd64")


def rules_of(text: str) -> set[str]:
    """Rules of all faults that a build of `text` would be told, whatever images there are."""

    def lookup(reference: str, platform: Platform, **_: object) -> BaseImage:
        config = ImageConfig(platform=platform, config=RuntimeConfig())
        return BaseImage(reference=reference, image_id="id", config=config)

    source = Source("Dockerfile", text)
    faults: list[DockerfileError] = list(faults_of(source))
    if not faults:
        try:
            document = parse(source)
            check_options(document)
            faults += examine(document).faults
            make_plan(document, PlanOptions(build_platform=LINUX), lookup)
        except DockerfileErrors as errors:
            faults += errors.errors
        except DockerfileError as error:
            faults.append(error)
    return {fault.rule for fault in faults}


def examples(section: str, heading: str) -> list[str]:
    return re.findall(rf"{heading}:\n\n```dockerfile\n(.*?)```", section, re.DOTALL)


def test_every_fault_is_described() -> None:
    rooms = [ROOT / "incubator" / "dockerfile", ROOT / "incubator" / "core" / "plan"]
    sources = [*(path for room in rooms for path in room.rglob("*.py")), ROOT / "incubator" / "errors.py"]
    text = "".join(path.read_text() for path in sources)
    reported = set(re.findall(r'rule="([a-z-]+)"', text))
    # `Reader.fault` takes the name as its second argument.
    reported |= set(re.findall(r'fault\(\s*(?:self\.position|number),\s*"([a-z-]+)"', text))
    assert list(SECTIONS) == sorted(SECTIONS)
    assert set(SECTIONS) == reported


@pytest.mark.parametrize("rule", sorted(set(SECTIONS) - WITHOUT_EXAMPLE))
def test_examples(rule: str) -> None:
    bad, good = examples(SECTIONS[rule], "Bad"), examples(SECTIONS[rule], "Good")
    assert len(bad) == len(good) > 0
    for text in bad:
        assert rules_of(text) == {rule}
    for text in good:
        assert rules_of(text) == set()


def test_faults_link_to_their_section() -> None:
    error = DockerfileError("a message", rule="unknown-flag", hint="a hint")
    assert error.docs == f"{DOCS_URL}/rules/faults.md#unknown-flag"
    assert str(error).endswith(f"hint: a hint\ndocs: {error.docs}")
    assert str(error).rpartition("docs: ")[2] in PAGE.replace("#unknown-instruction", "#unknown-flag")
