"""Pages find each other, and what they say of options is true of the program."""

from __future__ import annotations

import functools
import re
import tomllib
from typing import Any

import pytest

from incubator.commands.build_options import make_parser
from incubator.schema import load_schema
from tests.pages import ROOT, documents, rows

LINK = re.compile(r"(?<!!)\[[^\]]*\]\(([^)\s]+)\)")
FENCED = re.compile(r"^```.*?^```$", re.MULTILINE | re.DOTALL)
CODE = re.compile(r"^```.*?^```$|^ {4}.*?$|`[^`\n]+`", re.MULTILINE | re.DOTALL)
INDEX = "docs/README.md"
NEIGHBOURS: dict[str, dict[str, list[str]]] = tomllib.loads((ROOT / "tests/data/neighbours.toml").read_text())
TABLES = [(page, heading) for page, tables in NEIGHBOURS.items() for heading in tables]


def text_of(page: str) -> str:
    return (ROOT / page).read_text(encoding="utf-8")


def links(page: str) -> list[tuple[str, str]]:
    """Pages (or files) of the project that a page leads to, with the anchors."""
    found = []
    for target in LINK.findall(CODE.sub("", text_of(page))):
        path, _, anchor = target.partition("#")
        if "://" not in target and not target.startswith("mailto:"):
            where = (ROOT / page).parent.joinpath(path).resolve() if path else ROOT / page
            found.append((str(where.relative_to(ROOT)), anchor))
    return found


@functools.cache
def anchors(page: str) -> set[str]:
    """Anchors of the headings, as GitHub and GitLab make them."""
    found: set[str] = set()
    text = FENCED.sub("", text_of(page))
    for heading in re.findall(r"^#{1,6} +(.+?) *$", text, re.MULTILINE):
        shown = re.sub(r"\[([^\]]*)\]\([^)]*\)", r"\1", heading)
        slug = re.sub(r"[^\w\- ]", "", shown.lower()).replace(" ", "-")
        number = sum(re.fullmatch(rf"{re.escape(slug)}(-\d+)?", known) is not None for known in found)
        found.add(f"{slug}-{number}" if number else slug)
    return found


# -- links --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("page", documents())
def test_links_lead_to_files_and_headings_that_exist(page: str) -> None:
    for target, anchor in links(page):
        assert (ROOT / target).exists(), f"{target} does not exist"
        if anchor:
            assert anchor in anchors(target), f"{target} has no heading #{anchor}"


def test_everything_is_two_clicks_from_the_index() -> None:
    first = {target for target, _ in links(INDEX)}
    second = {further for page in first if page.endswith(".md") for further, _ in links(page)}
    pages = {page for page in documents() if page.startswith("docs/")}
    assert pages - {INDEX} <= first | second
    how_tos = {
        page for page in pages if page.startswith(("docs/how-to/", "docs/migrate/", "docs/reference/"))
    }
    assert how_tos <= first
    assert INDEX in {target for target, _ in links("README.md")}


# -- tables of other tools ----------------------------------------------------------------------------------


def words(cell: str) -> list[str]:
    """What a cell has in backticks."""
    return re.findall(r"`([^`]+)`", cell)


@pytest.mark.parametrize(("page", "heading"), TABLES)
def test_a_table_has_every_option_of_the_other_tool(page: str, heading: str) -> None:
    named = [name for row in rows(f"docs/migrate/{page}.md", heading) for name in words(row[0])]
    assert sorted(name for name in named if not re.fullmatch("-[a-z]", name)) == sorted(
        NEIGHBOURS[page][heading]
    )


@pytest.mark.parametrize(("page", "heading"), [*TABLES, ("from-gitlab-shell", "Where each line goes")])
def test_a_table_names_inputs_and_options_that_exist(page: str, heading: str) -> None:
    inputs = load_schema("inputs")["properties"]
    for row in rows(f"docs/migrate/{page}.md", heading):
        assert len(row) == (4 if page == "from-kaniko" else 3), row
        assert words(row[1]) or row[1] in {"none", "the input of that name"}, row
        assert set(words(row[1])) <= inputs.keys(), row
        for option in words(row[2]) if page == "from-kaniko" else []:
            assert option in options() or option.startswith("incubator ") or option == "--older-than", option


@pytest.mark.parametrize(("page", "heading"), TABLES)
def test_a_table_denies_nothing_that_there_is(page: str, heading: str) -> None:
    there = {*load_schema("inputs")["properties"], *options()} - {
        "context",
        "github-token",
        "layers",
        "--layers",
    }
    for row in rows(f"docs/migrate/{page}.md", heading):
        if not any(words(cell) for cell in row[1:-1]):
            assert not there & set(words(row[0])), row


def test_what_has_no_counterpart_is_refused() -> None:
    said = dict(rows("docs/reference/inputs.md", "Coming from docker/build-push-action"))
    page = "docs/migrate/from-build-push-action.md"
    named = [name for row in rows(page, "What has no counterpart") for name in words(row[0])]
    inputs = {f"`{name}`" for name in named if not name.startswith("cache-")} & said.keys()
    assert inputs == {name for name, how in said.items() if how.startswith("refused")}


def test_options_of_buildah_are_options_here_where_the_page_says_so() -> None:
    for named, here, _ in rows("docs/migrate/from-buildah.md", "Options of buildah build"):
        if here == "the same names":
            assert set(words(named)) <= options()
        for word in words(here):
            assert word in options() | {"SOURCE_DATE_EPOCH"} or word.startswith("incubator "), word


@functools.cache
def options() -> set[str]:
    """Options of `incubator build`."""
    parser: Any = make_parser()
    return set(re.findall(r"(?<![\w-])--[a-z][a-z-]+", parser.format_help()))
