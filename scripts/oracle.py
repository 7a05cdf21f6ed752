"""Compares the parser with BuildKit's own, which the package `dockerfile` binds to Python.

    python scripts/oracle.py [--count N] [--seed N] [FILE...]

Parses every FILE and N generated Dockerfiles with both; instructions, flags, arguments, heredocs and lines must
agree, and so must failure. Prints what differs; exits 1 if anything does.

The package holds BuildKit 0.12.5. What later versions changed is left out of the generated files: blanks
between `<<` and a heredoc's name, `# check=`, `${name#...}` and its like on a line with a heredoc, and text behind
a JSON array. Nor can NUL characters, characters cut in two, and the heredocs of ONBUILD come through its binding.
"""

from __future__ import annotations

import argparse
import importlib
import json
import random
import re
import sys
from pathlib import Path

from incubator.dockerfile import Source
from incubator.dockerfile.lexer import lex
from incubator.dockerfile.text import SPACES

Row = tuple[object, ...]
FAILS: Row = ("fails",)

NEWER = re.compile(
    r"<<-?[ \t\r\v\f]|^\s*#\s*check\s*=|\$\{[^}\n]*[#%/][^\n]*<<|<<[^\n]*\$\{[^}\n]*[#%/]|\0",
    re.MULTILINE | re.IGNORECASE,
)
CONTINUATION = re.compile(r"[\\`][ \t]*\r?\n(?:[ \t\r]*(?:#[^\n]*)?\n)*")


def comparable(text: str) -> bool:
    """Whether the oracle's version and its binding can tell what is to be made of `text`."""
    if NEWER.search(text) or NEWER.search(CONTINUATION.sub("", text)):
        return False
    for node in lex(Source("Dockerfile", text)).nodes:
        words = (node.child or node).args
        if any("\0" in word for word in words) or any(
            _has_tail(part) for part in (*words, " ".join(words), " ".join(words[1:]))
        ):
            return False
    try:
        theirs(text)
    except UnicodeDecodeError:
        return False
    return True


def _has_tail(argument: str) -> bool:
    """Whether JSON and something more stands in `argument`."""
    argument = argument.strip(SPACES)
    if not argument.startswith("["):
        return False
    try:
        _, end = json.JSONDecoder().raw_decode(argument)
    except ValueError:
        return False
    return end < len(argument)


def theirs(text: str) -> tuple[Row, ...]:
    """What the oracle makes of `text`: one row an instruction."""
    dockerfile = importlib.import_module("dockerfile")  # has no types
    try:
        commands = dockerfile.parse_string(text)
    except dockerfile.GoParseError:
        return (FAILS,)
    return tuple(
        (
            (command.cmd or "").lower(),
            (command.sub_cmd or "").lower(),
            command.json and not command.sub_cmd,
            command.start_line,
            command.end_line,
            tuple(command.flags),
            tuple(command.value),
            tuple((heredoc.name, heredoc.file_descriptor, heredoc.content) for heredoc in command.heredocs)
            if not command.sub_cmd
            else (),
        )
        for command in commands
    )


def ours(text: str) -> tuple[Row, ...]:
    """The same rows from this project's lexer."""
    lexed = lex(Source("Dockerfile", text))
    if lexed.faults or not lexed.nodes:
        return (FAILS,)
    rows: list[Row] = []
    for node in lexed.nodes:
        shown = node.child or node
        args = shown.args
        if shown.name.lower() in ("env", "label"):
            args = tuple(word for i, word in enumerate(args) if i % 3 != 2)
        heredocs = tuple(
            (heredoc.name, heredoc.file_descriptor, heredoc.content)
            for heredoc in (() if node.child else node.heredocs)
        )
        sub = node.child.name.lower() if node.child else ""
        rows.append(
            (node.name.lower(), sub, node.json, node.first_line, node.last_line, node.flags, args, heredocs)
        )
    return tuple(rows)


def differences(text: str) -> list[tuple[Row | None, Row | None]]:
    """Pairs of the oracle's row and ours that differ; empty where both agree."""
    expected, found = theirs(text), ours(text)
    if expected == found:
        return []
    if len(expected) != len(found):
        return [(expected[-1], found[-1])]
    return [(a, b) for a, b in zip(expected, found, strict=True) if a != b]


class Generator:
    """Writes Dockerfiles: mostly sensible ones, with every oddity of the syntax now and then."""

    instructions = (
        "ADD", "ARG", "CMD", "COPY", "ENTRYPOINT", "ENV", "EXPOSE", "FROM", "HEALTHCHECK", "LABEL",
        "MAINTAINER", "ONBUILD", "RUN", "SHELL", "STOPSIGNAL", "USER", "VOLUME", "WORKDIR",
    )  # fmt: skip
    pieces = (
        "a", "b1", "foo", "/usr/bin", "x=y", "A=", "=", "--", "-", "--flag", "--from=a", "$V", "${V}",
        "${V:-w}", "${V:+w x}", "$", "${", "}", "\\", "`", "\\\\", '\\"', "\\ ", '`"', "'", '"', "'q r'",
        '"q r"', '""', "''", '"a\\"b"', "'a\\'", "#", "# c", "[", "]", '["a"]', '["a", "b"]', '["a",]',
        "[1]", '["a", 1]', "[]",
        '["\\u00e9\\ud83d\\ude00"]', "{}", "null", "&&", ";", "|", "<", ">", "\u00e9", "\u00a0",
        "\u2003", "\u65e5\u672c", "\U0001f600", "\t", "  ", "\v", "\f", "\x1c", "\x85", "EOF",
        "AS", "as", "NONE", "CMD", "0.5s",
        '="a b" c', "\\\t", "\ufeff", "\u0130", "\ufffd",
    )  # fmt: skip
    words = ("EOF", "A", "B", "'EOF'", '"E F"', "E'O'F", "\\EOF", "$X", "E\\'F", "", "-EOF", "-'A'")

    def __init__(self, seed: int) -> None:
        self.random = random.Random(seed)

    def chance(self, one_in: int) -> bool:
        """True once in `one_in` times."""
        return self.random.randrange(one_in) == 0

    def dockerfile(self) -> str:
        """One file."""
        pick = self.random
        self.escape = "\\"
        lines: list[str] = []
        if self.chance(6):
            self.escape = pick.choice("\\`")
            blank = pick.choice(("", " ", "\t"))
            lines.append(f"#{blank}escape{blank}={blank}{self.escape}{blank}")
        if self.chance(10):
            oddities = ("#!/bin/sh", "", "# other=x", "# escape=`", "# ESCAPE=\\", "# escape=x")
            lines.insert(
                pick.randrange(len(lines) + 1), pick.choice(("# syntax=docker/dockerfile:1", *oddities))
            )
        if not self.chance(8):
            lines.append("FROM scratch" + pick.choice(("", " AS x", " as  Y")))
        for _ in range(pick.randrange(1, 9)):
            lines += self.instruction()
        end = "\r\n" if self.chance(8) else "\n"
        text = end.join(lines) + (end if self.chance(2) else "")
        return ("\ufeff" if self.chance(15) else "") + text

    def instruction(self) -> list[str]:
        """Lines of one instruction, or a comment, or nothing."""
        pick = self.random
        if self.chance(8):
            return [pick.choice(("", "# comment", "  # comment \\", "   ", "\\", "`", "\t\\ "))]
        name = pick.choice(self.instructions)
        if self.chance(12):
            name = pick.choice((name.lower(), name.title(), "FOO", name + "X"))
        if name == "ONBUILD" and not self.chance(4):
            name += " " + pick.choice([other for other in self.instructions if other != "ONBUILD"])
        parts = [name]
        parts += [self.flag() for _ in range(pick.randrange(3) if self.chance(3) else 0)]
        parts += [self.word() for _ in range(pick.randrange(5))]
        if self.chance(5):
            name = self.simple_pairs(name, parts)
        names: list[str] = []
        if self.chance(3):
            for _ in range(pick.randrange(1, 3)):
                word = pick.choice(self.words)
                dash = pick.choice(("", "", "-"))
                parts.insert(
                    pick.randrange(1, len(parts) + 1), pick.choice(("", "", "", "3", "x")) + f"<<{dash}{word}"
                )
                names.append(word)
        if "<<" in "".join(parts) and not self.chance(4):
            parts[0] = pick.choice(("RUN", "COPY", "ADD", "ONBUILD RUN", "run"))
        line = parts[0] + "".join(pick.choice((" ", " ", " ", "  ", "\t")) + part for part in parts[1:])
        return [*self.break_up(pick.choice(("", "", "", " ", "\t")) + line), *self.bodies(names)]

    def simple_pairs(self, name: str, parts: list[str]) -> str:
        """Makes `parts` an ENV, LABEL or ARG that parses; its name."""
        pick = self.random
        name = pick.choice(("ENV", "LABEL", "ARG"))
        values = ("v", '"a b"', "'c d'", "e\\ f", "", '"$X"', 'a"b"c', "x'y\"z'w", '`"')
        parts[:] = [
            name,
            *(f"{pick.choice('abc')}={pick.choice(values)}" for _ in range(pick.randrange(1, 4))),
        ]
        return name

    def flag(self) -> str:
        """A flag, odd at times."""
        value = self.random.choice(
            ("", "=", "=a", "=a,b=c", '="a b"', "='q'", "=\\ x", "=\u00e9", '=a"b c"d', '="')
        )
        return "--" + self.random.choice(("from", "chown", "mount", "x", "", "é", "link")) + value

    def word(self) -> str:
        """One to three pieces."""
        return "".join(self.random.choice(self.pieces) for _ in range(self.random.choice((1, 1, 2, 3))))

    def break_up(self, line: str) -> list[str]:
        """The line, at times cut into continued ones with comments and empty lines between."""
        lines: list[str] = []
        while len(line) > 4 and self.chance(4):
            at = self.random.randrange(1, len(line))
            lines.append(line[:at] + self.escape + self.random.choice(("", "", " ", "\t ")))
            line = line[at:]
            while self.chance(5):
                lines.append(self.random.choice(("", "# inside", "  # inside \\", " ")))
        return [*lines, line + (self.escape if self.chance(40) else "")]

    def bodies(self, names: list[str]) -> list[str]:
        """Bodies for heredocs of these names, mostly ended as they should be."""
        lines: list[str] = []
        for name in names:
            texts = ("text", "\ttabbed", "# no comment", "x \\", "", "$V 'q'", "EOF ")
            lines += [self.random.choice(texts) for _ in range(self.random.randrange(3))]
            if not self.chance(12):
                end = re.sub(r"['\"\\]", "", name).removeprefix("-")
                lines.append(self.random.choice(("", "", "", "\t")) + end)
        return lines


def main() -> int:
    """Compares files and generated texts; the exit code."""
    options = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    options.add_argument("--count", type=int, default=10_000)
    options.add_argument("--seed", type=int, default=1)
    options.add_argument("files", nargs="*", type=Path, metavar="FILE")
    arguments = options.parse_args()
    differing = 0
    for path in arguments.files:
        text = path.read_bytes().decode()
        if differences(text) and not comparable(text):
            print(f"{path}: holds what the package cannot show, and differs")
        else:
            differing += _report(str(path), text)
    compared = failing = 0
    seed = arguments.seed
    while compared < arguments.count:
        text = Generator(seed).dockerfile()
        if comparable(text):
            compared += 1
            failing += theirs(text) == (FAILS,)
            differing += _report(f"seed {seed}", text)
        seed += 1
    print(
        f"{len(arguments.files)} files and {compared} generated texts ({failing} that must fail): {differing} differ"
    )
    return 1 if differing else 0


def _report(name: str, text: str) -> bool:
    found = differences(text)
    for expected, got in found:
        print(f"{name}: {text!r}\n  expected {expected}\n  found    {got}")
    return bool(found)


if __name__ == "__main__":
    sys.exit(main())
