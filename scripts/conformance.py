"""Scores the project against a folder of conformance data, one function a part.

    python scripts/conformance.py [--folder FOLDER] [--engine NAME] [--only GLOB] [PART...]

Prints a score a part and what differs; exits 1 below 100 % of what is expected, 2 where the folder is missing. The
folder is `--folder`, else $INCUBATOR_CONFORMANCE, else ../shared/conformance beside the project. The part `builds`
builds on an engine of the lab; --only picks some of its cases.
"""

from __future__ import annotations

import argparse
import importlib
import json
import os
import sys
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from incubator.dockerfile import Source, parse
from incubator.dockerfile.expand import ExpandError, expand_word, expand_words
from incubator.dockerfile.lexer import Node, lex
from incubator.errors import DockerfileErrors

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

ROOT = Path(__file__).resolve().parent.parent
DEFAULT_FOLDER = ROOT.parent / "shared" / "conformance"


@dataclass(frozen=True, slots=True)
class Check:
    """One case: what was expected, and what came out."""

    name: str
    expected: object
    found: object

    @property
    def passed(self) -> bool:
        """Whether the two agree."""
        return self.expected == self.found


def check_parser(folder: Path) -> Iterator[Check]:
    """Syntax trees of files, files that must fail, and line numbers."""
    for case in sorted((folder / "parser" / "testfiles").iterdir()):
        lexed = lex(_source(case / "Dockerfile"))
        found = dump(lexed.nodes) if not lexed.faults else str(lexed.faults[0])
        yield Check(f"parser/{case.name}", (case / "result").read_text(), found)
    for case in sorted((folder / "parser" / "testfiles-negative").iterdir()):
        path = case / "Dockerfile"
        source = _source(path) if path.exists() else Source(str(path), "")
        yield Check(f"parser-negative/{case.name}", "fails", "fails" if _fails(source) else "parses")
    lexed = lex(_source(folder / "parser" / "testfile-line" / "Dockerfile"))
    lines = [[node.first_line, node.last_line] for node in lexed.nodes]
    expected = json.loads((folder / "parser" / "testfile-line" / "lines.json").read_text())
    spans = {"first": lines[0][0], "last": lines[-1][1], "instructions": lines}
    yield Check("parser/lines", expected, spans)


def check_shell(folder: Path) -> Iterator[Check]:
    """The two tables of word expansion."""
    values = json.loads((folder / "shell" / "environment.json").read_text())["envVarTest"]
    for number, line in _table(folder / "shell" / "envVarTest"):
        platform, word, expected = (part.strip() for part in line.split("|"))
        if platform in ("A", "U"):
            yield Check(f"envVarTest:{number}", expected, _expanded(expand_word, word, values))
    env: dict[str, str] = {}
    for number, line in _table(folder / "shell" / "wordsTest"):
        if line.startswith("ENV "):
            name, _, value = line.removeprefix("ENV ").partition("=")
            env[name] = value
            continue
        text, _, expected = line.partition("|")
        words = expected.lstrip().split(",")
        found = _expanded(expand_words, text.strip(), env)
        yield Check(f"wordsTest:{number}", "error" if words == ["error"] else words, found)


def check_cases(folder: Path) -> Iterator[Check]:
    """Dockerfiles of the build cases that the reference builds: they must parse."""
    for case in json.loads((folder / "index.json").read_text()):
        if case["expect"] == "ok":
            source = _source(folder / "cases" / case["name"] / case["dockerfile"])
            yield Check(f"cases/{case['name']}", "parses", "fails" if _fails(source) else "parses")


def check_ignore(folder: Path) -> Iterator[Check]:
    """Ignore rules, scored by their own script."""
    passed, _, failures = importlib.import_module("conformance_ignore").score(folder / "ignore")
    yield from (Check(f"ignore/{number}", "passes", "passes") for number in range(passed))
    yield from (Check("ignore", "passes", failure) for failure in failures)


def check_builds(folder: Path, engine: str, only: str) -> Iterator[Check]:
    """Images of the build cases: files and config as recorded, but for what is known to differ on the engine."""
    for outcome in importlib.import_module("conformance_builds").outcomes(folder, engine, only):
        yield Check(f"builds/{outcome.name} on {engine}", outcome.expected, outcome.found)


PARTS: dict[str, Callable[[Path], Iterator[Check]]] = {
    "parser": check_parser,
    "shell": check_shell,
    "cases": check_cases,
    "ignore": check_ignore,
}


def dump(nodes: tuple[Node, ...]) -> str:
    """The tree in the Lisp-like form of the data."""
    return "".join(f"({_dump_node(node)})\n" for node in nodes)


def _dump_node(node: Node) -> str:
    parts = [node.name.lower()]
    if node.flags:
        parts.append("[" + " ".join(map(go_quote, node.flags)) + "]")
    if node.child:
        parts.append(f"({_dump_node(node.child)})")
    parts += map(go_quote, node.args)
    return " ".join(parts)


def go_quote(text: str) -> str:
    """`text` as Go's `%q` writes it."""
    simple = {"\a": "\\a", "\b": "\\b", "\f": "\\f", "\n": "\\n", "\r": "\\r", "\t": "\\t", "\v": "\\v"}
    simple |= {"\\": "\\\\", '"': '\\"'}
    quoted = [
        simple.get(c)
        or (c if c.isprintable() else f"\\x{ord(c):02x}" if ord(c) < 0x80 else f"\\u{ord(c):04x}")
        for c in text
    ]
    return '"' + "".join(quoted) + '"'


def _source(path: Path) -> Source:
    return Source(str(path), path.read_bytes().decode())


def _fails(source: Source) -> bool:
    try:
        parse(source)
    except DockerfileErrors:
        return True
    return False


def _table(path: Path) -> Iterator[tuple[int, str]]:
    for number, line in enumerate(path.read_text().split("\n"), 1):
        if line.strip() and not line.startswith("#"):
            yield number, line


def _expanded(how: Callable[[str, Mapping[str, str]], object], word: str, env: Mapping[str, str]) -> object:
    try:
        return how(word, env)
    except ExpandError:
        return "error"


def main() -> int:
    """Runs the parts that were asked for; the exit code."""
    options = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    folder = Path(os.environ.get("INCUBATOR_CONFORMANCE") or DEFAULT_FOLDER)
    options.add_argument("--folder", type=Path, default=folder)
    options.add_argument("--engine", default="docker28", help="engine of the lab for `builds`")
    options.add_argument("--only", default="*", metavar="GLOB", help="cases of `builds`")
    options.add_argument("parts", nargs="*", metavar="PART", help=", ".join([*PARTS, "builds"]))
    arguments = options.parse_args()
    parts = PARTS | {"builds": partial(check_builds, engine=arguments.engine, only=arguments.only)}
    if unknown := set(arguments.parts) - set(parts):
        options.error(f"no such part: {', '.join(sorted(unknown))}; there are {', '.join(parts)}")
    if not arguments.folder.is_dir():
        print(
            f"no conformance data in {arguments.folder}, so nothing was checked; name the folder with --folder or "
            "$INCUBATOR_CONFORMANCE",
            file=sys.stderr,
        )
        return 2
    complete = True
    for part in arguments.parts or parts:
        checks = list(parts[part](arguments.folder))
        for check in checks:
            if not check.passed:
                print(f"{check.name}\n  expected {check.expected!r}\n  found    {check.found!r}")
        passed = sum(check.passed for check in checks)
        complete = complete and passed == len(checks) > 0
        print(f"{part}: {passed} of {len(checks)} ({100 * passed / max(len(checks), 1):.1f} %)")
    return 0 if complete else 1


if __name__ == "__main__":
    sys.exit(main())
