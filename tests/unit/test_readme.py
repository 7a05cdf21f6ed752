"""What the documentation shows is what the program takes: snippets are parsed by the code that users would run."""

from __future__ import annotations

import ast
import inspect
import itertools
import json
import re
import shlex
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
import yaml

import lab.cli
from incubator import api
from incubator.ci.inputs import read_inputs
from incubator.ci.raw import COMPONENT_MARK
from incubator.ci.spec import input_specs
from incubator.ci.surroundings import Surroundings
from incubator.commands.build_options import make_parser, read_values
from incubator.core.limits import parse_layer_splits
from incubator.core.result import CommandLog, ResultImage
from incubator.dockerfile import Source, parse
from incubator.errors import DockerfileError
from incubator.faults import Faults
from incubator.schema import load_schema
from tests.pages import ROOT, RUN, Snippet, snippets_of
from tests.unit.core.planning import base, plan

if TYPE_CHECKING:
    from collections.abc import Iterator

    from incubator.ci.inputs import PipelineInputs

PAGES = [
    "README.md",
    "CONTRIBUTING.md",
    *(f"docs/how-to/{p.name}" for p in (ROOT / "docs/how-to").glob("*.md")),
]
ACTION = "org/incubator@v1"
EXPRESSION = re.compile(r"\$\{\{ *(.+?) *\}\}")
PYTHON = base("python:3.12-slim")


ELSEWHERE = {"docs/how-to/lint.md", "docs/how-to/tags.md", *RUN}
"""Pages whose snippets are tried where their command is tested, or run by tests/e2e/test_pages.py."""
SNIPPETS = [snippet for page in PAGES if page not in ELSEWHERE for snippet in snippets_of(page)]
LANGUAGES = {"yaml", "sh", "python", "dockerfile"}


def of(language: str) -> pytest.MarkDecorator:
    found = [snippet for snippet in SNIPPETS if snippet.language == language]
    return pytest.mark.parametrize("snippet", found, ids=[f"{s.page}:{s.line}" for s in found])


def test_every_snippet_has_a_language_that_is_checked() -> None:
    assert {snippet.language for snippet in SNIPPETS} == LANGUAGES
    assert {snippet.language for snippet in SNIPPETS if snippet.page == "README.md"} == LANGUAGES


# -- pipelines ----------------------------------------------------------------------------------------------


def steps_in(document: Any) -> list[dict[str, Any]]:
    """Steps of a workflow, or of a list of steps."""
    if isinstance(document, list):
        return document
    return [step for job in document.get("jobs", {}).values() for step in job["steps"]]


def pipeline_inputs(ci: str, environ: dict[str, str]) -> PipelineInputs:
    """What the program reads; fails with all its faults and warnings."""
    faults = Faults()
    around = Surroundings(ci="github" if ci == "github" else "gitlab", workspace=Path("/w"), environ=environ)
    inputs = read_inputs(around, faults=faults, warn=pytest.fail)
    assert faults.errors == []
    return inputs


@of("yaml")
def test_yaml_is_taken_as_it_stands(snippet: Snippet) -> None:
    document = yaml.safe_load(snippet.text)
    actions = [step for step in steps_in(document) if step.get("uses") == ACTION]
    included = document.get("include", []) if isinstance(document, dict) else []
    assert actions or included, "a snippet shows the action or the component"
    for step in actions:
        check_action(step["with"])
    check_outputs(snippet.text, {step["id"]: step["uses"] for step in steps_in(document) if "id" in step})
    for entry in included:
        name = re.fullmatch(r"\$CI_SERVER_FQDN/org/incubator/(build|merge)@1", entry["component"])
        assert name
        check_component(entry["inputs"], name[1])


def check_action(given: dict[str, Any]) -> None:
    (action,) = yaml.safe_load_all((ROOT / "action.yml").read_text(encoding="utf-8"))
    assert given.keys() <= action["inputs"].keys()
    values = {name: value if isinstance(value, str) else str(value).lower() for name, value in given.items()}
    environ = {f"INPUT_{name.upper()}": EXPRESSION.sub("value", text) for name, text in values.items()}
    inputs = pipeline_inputs("github", environ)
    assert len(inputs.tags) == len(environ.get("INPUT_TAGS", "").split())
    assert len(inputs.volumes) == len(environ.get("INPUT_VOLUMES", "").split())


def check_outputs(text: str, steps: dict[str, str]) -> None:
    """`steps.ID.outputs.NAME` names a step of the snippet, and an output that the action has."""
    for expression in EXPRESSION.findall(text):
        used = re.fullmatch(r"steps\.([\w-]+)\.outputs\.([\w-]+)", expression)
        if used:
            assert steps[used[1]] == ACTION
            assert used[2] in load_schema("outputs")["properties"]


def check_component(given: dict[str, Any], component: str) -> None:
    header = next(iter(yaml.safe_load_all((ROOT / f"templates/{component}.yml").read_text(encoding="utf-8"))))
    declared = header["spec"]["inputs"]
    of_images = {spec.name for spec in input_specs()}
    kinds = {"string": str, "boolean": bool, "array": list, "number": int}
    environ = {"CI_REGISTRY_IMAGE": "registry.example/acme/web", "CI_COMMIT_SHORT_SHA": "abc1234"}
    for name, value in given.items():
        assert isinstance(value, kinds[declared[name]["type"]])
        if name not in of_images:  # it is about the job
            continue
        shown = value if isinstance(value, str) else json.dumps(value)  # as GitLab puts it in
        environ[f"INCUBATOR_{name.upper().replace('-', '_')}"] = f"{COMPONENT_MARK}{shown}"
    inputs = pipeline_inputs("gitlab", environ)
    assert len(inputs.tags) == len(given.get("tags", ()))
    assert all(re.match(r"registry\.example/acme/web[/:][\w/:-]+$", str(tag)) for tag in inputs.tags)
    assert inputs.push is True or component == "merge"


def test_the_deploy_job_needs_the_components_job_and_uses_what_it_hands_on() -> None:
    (snippet,) = [s for s in SNIPPETS if s.page == "README.md" and "component:" in s.text]
    header = next(iter(yaml.safe_load_all((ROOT / "templates/build.yml").read_text(encoding="utf-8"))))
    job = yaml.safe_load(snippet.text)["deploy"]
    assert job["needs"] == [header["spec"]["inputs"]["job-name"]["default"]]
    assert "$IMAGE" in job["script"][0]
    assert "`IMAGE`" in (ROOT / "docs/reference/inputs.md").read_text(encoding="utf-8")


# -- commands -----------------------------------------------------------------------------------------------


def commands(snippet: Snippet) -> Iterator[list[str]]:
    for line in snippet.text.replace("\\\n", "").splitlines():
        yield shlex.split(line)


@of("sh")
def test_commands_exist_and_take_their_options(snippet: Snippet) -> None:
    targets = re.findall(r"^([a-z0-9-]+):", (ROOT / "Makefile").read_text(encoding="utf-8"), re.MULTILINE)
    for command in commands(snippet):
        match command:
            case ["incubator", "build", *arguments]:
                faults = Faults()
                read_values(make_parser().parse(arguments), {}, faults)
                assert faults.errors == []
            case ["make", *names]:
                assert names
                assert set(names) <= set(targets)
            case ["python3", "-m", "lab", *_]:
                lab.cli._parser().parse_args(command[3:])
            case ["pip", "install", "./incubator"] | ["docker", "run", "--rm", "acme/web:1.0"]:
                pass
            case [".venv/bin/pytest", folder, *_]:
                assert (ROOT / folder).is_dir()
            case _:
                pytest.fail(f"nobody has checked {command}")


def test_every_make_target_of_the_tables_exists() -> None:
    targets = re.findall(r"^([a-z0-9-]+):.*##", (ROOT / "Makefile").read_text(encoding="utf-8"), re.MULTILINE)
    for page in ("README.md", "CONTRIBUTING.md"):
        named = re.findall(r"`make ([a-z0-9-]+)`", (ROOT / page).read_text(encoding="utf-8"))
        assert named
        assert set(named) <= set(targets)


# -- Python -------------------------------------------------------------------------------------------------


@of("python")
def test_python_calls_what_there_is(snippet: Snippet) -> None:
    tree = ast.parse(snippet.text)
    imports = [node for node in tree.body if isinstance(node, ast.ImportFrom)]
    names: dict[str, Any] = {}
    exec(compile(ast.Module([*imports], []), snippet.page, "exec"), names)  # they exist
    calls = [
        node for node in ast.walk(tree) if isinstance(node, ast.Call) and ast.unparse(node.func) == "build"
    ]
    assert calls
    for call in calls:
        assert names["build"] is api.build
        arguments = {str(keyword.arg): ast.literal_eval(keyword.value) for keyword in call.keywords}
        inspect.signature(api.build).bind(**arguments)
        parse_layer_splits(arguments["layers"])
    known = {*ResultImage.__annotations__, *CommandLog.__annotations__, "digest"}
    used = {node.attr for node in ast.walk(tree) if isinstance(node, ast.Attribute)}
    assert used <= known


# -- Dockerfiles and layers ---------------------------------------------------------------------------------


@of("dockerfile")
def test_a_table_behind_a_dockerfile_says_which_instructions_share_a_layer(snippet: Snippet) -> None:
    lines = (ROOT / snippet.page).read_text(encoding="utf-8").splitlines()[snippet.line :]
    lines = list(itertools.takewhile(lambda line: line != "```dockerfile", lines))
    rows = [row for line in lines if (row := re.match(r"\| (?:`([^`]+)`|left out) \| ([\d,+ |]+) \|", line))]
    assert len(rows) == 4
    for row in rows:
        splits = parse_layer_splits(row[1]) if row[1] else ()
        made = plan(snippet.text, PYTHON, layers=splits)
        stages = [
            ", ".join(
                "+".join(str(step.instruction.number) for step in group.steps if step.changes_files)
                for group in stage.groups
                if any(step.changes_files for step in group.steps)
            )
            for stage in made.stages
        ]
        assert row[2].split(" | ")[: len(stages)] == stages, row[0]


# -- what is missing ----------------------------------------------------------------------------------------

MISSING = {
    "RUN --device": "RUN --device=acme/gpu true",
}


def missing_section() -> str:
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    return text.partition("## Not supported yet")[2].partition("\n## ")[0]


@pytest.mark.parametrize(("words", "line"), MISSING.items())
def test_what_is_listed_as_missing_is_an_error_at_its_line(words: str, line: str) -> None:
    assert words in missing_section()
    with pytest.raises(DockerfileError) as raised:
        plan(f"FROM busybox\n{line}\n")
    assert raised.value.rule == "not-supported"
    assert raised.value.span is not None
    assert raised.value.span.first_line == 2


def test_foreign_frontends_are_refused() -> None:
    assert "other frontends" in missing_section()
    with pytest.raises(DockerfileError, match="frontend"):
        parse(Source("Dockerfile", "# syntax=acme/other:1\nFROM busybox\n"))


# -- messages ----------------------------------------------------------------------------------------------


def test_messages_of_the_troubleshooting_page_are_those_of_the_program() -> None:
    page = (ROOT / "docs/how-to/troubleshooting.md").read_text(encoding="utf-8")
    messages = re.findall(r"^### `(.+)`$", page, re.MULTILINE)
    assert len(messages) > 10
    program = "\n".join(path.read_text(encoding="utf-8") for path in (ROOT / "incubator").rglob("*.py"))
    program = re.sub(r'"\s+f?"', "", program)  # long messages are written in pieces
    for message in messages:
        doing = re.fullmatch("cannot (.+) …", message)
        if doing:
            assert f'registry_errors(f"{doing[1]} {{' in program, message
            continue
        for piece in filter(None, (part.strip() for part in message.split("…"))):
            assert piece in program, message
