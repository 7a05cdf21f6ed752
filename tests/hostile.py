"""Texts that are meant to be slow to read: families of them, each of any size."""

from __future__ import annotations

import random
import re
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from typing import Final

from incubator.calls import check_file
from incubator.context.globs import match_glob
from incubator.context.pattern import PatternError
from incubator.context.patterns import PatternMatcher, parse_ignore_file
from incubator.core.plan.make import PlanOptions, make_plan
from incubator.core.plan.model import BaseImage
from incubator.core.plan.outline import make_outline
from incubator.dockerfile import Source, parse
from incubator.dockerfile.expand import expand, expand_raw
from incubator.dockerfile.lint import FORMATS
from incubator.errors import DockerfileError
from incubator.oci.image_config import ImageConfig, RuntimeConfig
from incubator.oci.platform import Platform
from incubator.oci.reference import parse_reference

Family = Callable[[int], str]
"""Makes the text of about so many characters."""


def _repeated(head: str, piece: str, tail: str = "") -> Family:
    """`head`, then `piece` as often as fits, then `tail`; `@` in the piece is a number that grows."""

    def make(size: int) -> str:
        left = max(size - len(head) - len(tail), 0)
        if "@" not in piece:
            return head + piece * (left // len(piece)) + tail
        pieces: list[str] = []
        while left > 0:
            pieces.append(piece.replace("@", str(len(pieces))))
            left -= len(pieces[-1])
        return head + "".join(pieces[:-1]) + tail

    return make


def _wide(piece: str) -> Family:
    """`piece` again and again, with another letter of four bytes for each `@`; sizes are bytes."""

    def make(size: int) -> str:
        count = size // len(piece.replace("@", chr(0x10000)).encode())
        return "".join(piece.replace("@", chr(0x10000 + at)) for at in range(count))

    return make


def _open(piece: str, codes: Sequence[int] = (*range(65, 91), *range(97, 123))) -> Family:
    """Lines of 800 characters whose classes are open to their end, with another letter for each `@`.

    Sizes are bytes.
    """

    def make(size: int) -> str:
        pick = random.Random(1)
        pieces = 800 // len(piece)
        count = size // (len(piece.replace("@", chr(codes[0])).encode()) * pieces + 2)
        lines = (
            "".join(re.sub("@", lambda _: chr(pick.choice(codes)), piece) for _ in range(pieces))
            for _ in range(count)
        )
        return "".join(f"{line}]\n" for line in lines)

    return make


def _halves(first: Family, second: Family) -> Family:
    return lambda size: first(size // 2) + second(size - size // 2)


def _nested(head: str, opening: str, middle: str, closing: str) -> Family:
    def make(size: int) -> str:
        times = size // len(opening + closing)
        return head + opening * times + middle + closing * times

    return make


DOCKERFILES: Final[dict[str, Family]] = {
    "RUN": _repeated("FROM a\n", "RUN\n"),
    "RUN x": _repeated("FROM a\n", "RUN x\n"),
    "RUN distinct": _repeated("FROM a\n", "RUN @\n"),
    "RUN lower and upper": _repeated("FROM a\n", "RUN x\nrun x\n"),
    "RUN exec form": _repeated("FROM a\n", 'RUN ["a"]\n'),
    "RUN --mount": _repeated("FROM a\n", "RUN --mount=type=cache,target=/@ x\n"),
    "RUN --network": _repeated("FROM a\n", "RUN --network=none x\n"),
    "RUN installs": _repeated("FROM a\n", "RUN pip install x; apt-get update\n"),
    "RUN of many commands": _repeated("FROM a\nRUN ", "a;\\\n", "\n"),
    "RUN continued": _repeated("FROM a\n", "RUN\\\n x\n"),
    "heredocs": _repeated("FROM a\n", "RUN <<E\nx\nE\n"),
    "empty heredocs": _repeated("FROM a\n", "RUN <<E\nE\n"),
    "heredocs without an end": _repeated("FROM a\n", "RUN <<E\n"),
    "heredocs of COPY": _repeated("FROM a\n", "COPY <<E b\nx\nE\n"),
    "many heredocs of a line": _repeated("FROM a\nRUN ", "<<E \\\n", "\n" + "E\n" * 10),
    "many quoted heredocs of a line": _repeated("FROM a\nRUN ", "<<'E' \\\n", "\n"),
    "many heredocs of COPY": _halves(_repeated("FROM a\nCOPY ", "<<E \\\n", "/x\n"), _repeated("", "E\n")),
    "long heredoc": _repeated("FROM a\nRUN <<E\n", "x\n", "E\n"),
    "long heredoc without an end": _repeated("FROM a\nRUN <<E\n", " E\n"),
    "CMD": _repeated("FROM a\n", "CMD\n"),
    "CMD x": _repeated("FROM a\n", "CMD x\n"),
    "ARG": _repeated("FROM a\n", "ARG a\n"),
    "ARG before FROM": _repeated("", "ARG a@\n", "FROM a\n"),
    "ARG with a value": _repeated("FROM a\n", "ARG a@=$b\n"),
    "ARG of many names": _repeated("FROM a\nARG ", "a@=b \\\n", "\n"),
    "ARG of many secrets": _repeated("FROM a\nARG ", "token@=b \\\n", "\n"),
    "ARG of many faults": _repeated("ARG ", "a@=${@ \\\n", "\nFROM a\n"),
    "ENV": _repeated("FROM a\n", "ENV a=b\n"),
    "ENV of old": _repeated("FROM a\n", "ENV a b\n"),
    "ENV distinct": _repeated("FROM a\n", "ENV a@=b\n"),
    "ENV of many names": _repeated("FROM a\nENV ", "a@=b \\\n", "\n"),
    "ENV of many secrets": _repeated("FROM a\nENV ", "token@=b \\\n", "\n"),
    "ENV without names": _repeated("FROM a\nENV ", "=@ \\\n", "\n"),
    "ENV unset": _repeated("FROM a\n", "ENV a=$b@\n"),
    "ENV unset, near others": _halves(
        _repeated("FROM scratch\n", "ENV long_name_of_a_variable_@=b\n"),
        _repeated("", "ENV a=$long_name_of_a_variable@\n"),
    ),
    "ENV unset after many": _halves(
        _repeated("FROM a\n", "ENV a@=b\n"), _repeated("", "ENV a=$variable_@\n")
    ),
    "ENV doubled": _repeated("FROM a\nENV a=aaaaaaaa\n", "ENV a=$a$a\n"),
    "ENV of a long value": _halves(
        lambda size: f"FROM a\nENV a={'a' * min(size, 65_000)}\n", _repeated("", "ENV b@=x$a\n")
    ),
    "LABEL": _repeated("FROM a\n", 'LABEL a="$b"\n'),
    "LABEL of many names": _repeated("FROM a\nLABEL ", "a=\"b\" c='d' \\\n", "\n"),
    "LABEL of a long value": _halves(
        lambda size: f"FROM a\nENV a={'a' * min(size, 65_000)}\nLABEL b=", _repeated("", "$a\\\n")
    ),
    "COPY": _repeated("FROM a\n", "COPY a b\n"),
    "COPY with flags": _repeated("FROM a\n", "COPY --chown=$a --from=b c d\n"),
    "COPY of a secret": _repeated("FROM a\n", "COPY id_rsa b\n"),
    "COPY of many secrets": _repeated("FROM a\nCOPY ", "@/id_rsa \\\n", "b\n"),
    "COPY of a long name": _repeated("FROM a\n", f"COPY a{'.key' * 15_000} b\n"),
    "COPY of a deep path": _repeated("FROM a\n", f"COPY {'a/' * 30_000} b\n"),
    "COPY of deep paths": _halves(
        lambda size: f"FROM a\nENV a={'a/' * min(size // 2, 15_000)}\n", _repeated("", "COPY $a b\n")
    ),
    "COPY of everything": _halves(
        _repeated("FROM a\n", "COPY . .\n"), _repeated("", "RUN pip install -r x\n")
    ),
    "COPY of many flags": _repeated("FROM a\nCOPY ", "--exclude='a b' \\\n", "c d\n"),
    "COPY of many bytes": _repeated("FROM a\nCOPY ", "--\u00e9=\u00e0 \\\n", "c d\n"),
    "COPY of quoted flags": _repeated("FROM a\nCOPY ", "--exclude='a'\\b\"c\" \\\n", "c d\n"),
    "ADD": _repeated("FROM a\n", "ADD <<E /x\n$a\nE\n"),
    "FROM": _repeated("", "FROM a\n"),
    "FROM AS": _repeated("", "FROM a AS b\n"),
    "FROM of a variable": _repeated("ARG a=b\n", "FROM $a AS b\n"),
    "FROM of variables": _halves(_repeated("", "ARG a@\n"), _repeated("", "FROM $b@\n")),
    "FROM of no image": _repeated("", "FROM :x AS a@\n"),
    "FROM of a platform": _repeated("", "FROM --platform=linux/amd64 a AS b\n"),
    "stages on stages": _repeated("FROM a AS s\n", "FROM s AS s\n"),
    "stages that add": _repeated("FROM a AS s\n", "FROM s AS s\nENV a@=b\n"),
    "stages on a large one": _halves(_repeated("FROM a AS s\n", "ENV a@=b\n"), _repeated("", "FROM s\n")),
    "stages that copy": _repeated("FROM a AS s\n", "FROM s AS s@\nCOPY --from=s a b\n"),
    "EXPOSE": _repeated("FROM a\n", "EXPOSE 80 81\n"),
    "EXPOSE of many": _repeated("FROM a\nEXPOSE ", "@:1/TCP \\\n", "\n"),
    "EXPOSE of blanks": _repeated("FROM a\nEXPOSE ", "1\u00a0 \\\n", "\n"),
    "EXPOSE of many, told by no rule": _repeated(
        "FROM a\n# check=skip=ExposeProtoCasing,ExposeInvalidFormat\nEXPOSE ", "@:1/TCP \\\n", "\n"
    ),
    "EXPOSE in one line": _repeated("FROM a\nEXPOSE ", "@:1/TCP ", "\n"),
    "COPY in one line": _repeated("FROM a\nCOPY ", "@/id_rsa ", "b\n"),
    "HEALTHCHECK": _repeated("FROM a\n", "HEALTHCHECK --interval=1s CMD x\n"),
    "HEALTHCHECK of a time": _repeated("FROM a\nHEALTHCHECK --interval=", "1s\\\n", " CMD x\n"),
    "VOLUME": _repeated("FROM a\n", "VOLUME a\n"),
    "USER": _repeated("FROM a\n", "USER a\n"),
    "WORKDIR": _repeated("FROM a\n", "WORKDIR x\n"),
    "SHELL": _repeated("FROM a\n", 'SHELL ["a"]\n'),
    "MAINTAINER": _repeated("FROM a\n", "MAINTAINER a\n"),
    "ONBUILD": _repeated("FROM a\n", "ONBUILD RUN x\n"),
    "ONBUILD of ONBUILD": _repeated("FROM a\n", "ONBUILD ", "\n"),
    "unknown instructions": _repeated("FROM a\n", "FOO x\n"),
    "missing arguments": _repeated("FROM a\n", "COPY x\n"),
    "many mounts": _repeated("FROM a\nRUN ", "--mount=type=cache,target=/@ \\\n", "x\n"),
    "many mounts of no type": _repeated("FROM a\nRUN ", "--mount=type=@ \\\n", "x\n"),
    "many mounts with variables": _repeated("FROM a\nRUN ", "--mount=from=$@ \\\n", "x\n"),
    "long mount": _repeated("FROM a\nRUN --mount=", 'a,"b""",\\\n', "c x\n"),
    "long device": _repeated("FROM a\nRUN --device=", "@,\\\n", "c x\n"),
    "comments": _repeated("", "# c\n", "FROM a\n"),
    "comments inside": _repeated("FROM a\nRUN x \\\n", "# c\n", "y\n"),
    "comments between": _repeated("FROM a\n", "#c\nRUN\n"),
    "comments that skip": _repeated("FROM a\n", "# check=skip=x\nCMD x\n"),
    "markers": _repeated("FROM a\n", "RUN\n# incubator: layer\n"),
    "directive of blanks": _repeated("# syntax=x", " ", "x\nFROM a\n"),
    "marker of blanks": _repeated("FROM a\n# incubator: x", " ", "x\n"),
    "markers inside": _repeated("FROM a\nRUN x \\\n", "# incubator: layer\n", "y\n"),
    "empty lines": _repeated("FROM a\n", "\n"),
    "empty lines inside": _repeated("FROM a\n", "RUN x \\\n\n y\n"),
    "continuations": _repeated("FROM a\nRUN ", "x \\\n", "y\n"),
    "short continuations": _repeated("FROM a\nRUN x", "\\\n", "y\n"),
    "a long line": _repeated("FROM a\nRUN ", "x", "\n"),
    "not a Dockerfile": _repeated("", "x"),
    "long array": _repeated("FROM a\nCMD [", '"a",\\\n', '"b"]\n'),
    "array of objects": _repeated("FROM a\nCMD [", '{"a":1},\\\n', "1]\n"),
    "nested array": _repeated("FROM a\nCMD ", "[\\\n", "\n"),
    "errors asked for": _repeated("# check=error=true\nFROM a\n", "CMD x\n"),
    "nested variables in a heredoc": _repeated("FROM a\nRUN <<E ", "${a:-\\\n", "\nE\n"),
    "nested variables": _repeated("FROM a\nENV a=", "${a:-\\\n", "\n"),
    "many variables": _repeated("FROM a\nENV a=", "${a:-$b}\\\n", "\n"),
    "many quotes": _repeated("FROM a\nENV a=", '"\\"b" \\\n', "\n"),
}
"""Texts for the parser and the checks."""

_LONG: Final = "a" * 60_000
PLANS: Final[dict[str, Family]] = {
    "RUN after many ENV": _halves(_repeated("FROM a\n", "ENV a@=b\n"), _repeated("", "RUN x\n")),
    "RUN between ENV": _repeated("FROM a\n", "ENV a@=b\nRUN x\n"),
    "RUN after many ARG": _halves(_repeated("FROM a\n", "ARG a@\n"), _repeated("", "RUN x\n")),
    "RUN after a long ARG": _halves(
        _repeated(f"FROM a\nARG a={_LONG}\n", "ARG b@=$a\n"), _repeated("", "RUN x\n")
    ),
    "RUN of many mounts": _repeated("FROM a\nWORKDIR /a/b/c\nRUN ", "--mount=type=ssh \\\n", "x\n"),
    "RUN of mounts in a deep folder": _halves(
        _repeated("FROM a\nWORKDIR /", "x/", "\n"), _repeated("RUN ", "--mount=target=@ \\\n", "x\n")
    ),
    "ENV of patterns": _repeated("FROM a\nENV a=abcabc\n", "ENV b=${a//?/x@}\n"),
    "ENV of a long pattern": _repeated(f"FROM a\nENV a={_LONG}\n", "ENV b=${a//?a?b@/x}\n"),
    "ENV of long blanks": _repeated(f"FROM a\nENV a='{' x' * 30_000}'\n", "ENV b@=$a\n"),
    "ENV of long values": _repeated(f"FROM a\nENV a={_LONG}\n", "ENV b@=$a\n"),
    "ENV of long values in one": _repeated(f"FROM a\nENV a={_LONG}\nENV ", "b@=$a \\\n", "\n"),
    "ARG doubled": _repeated("ARG a=aaaa\n", "ARG a=$a$a\n", "FROM a\n"),
    "LABEL distinct": _repeated("FROM a\n", "LABEL a@=b\n"),
    "VOLUME distinct": _repeated("FROM a\n", "VOLUME a@\n"),
    "EXPOSE of all": _repeated("FROM a\n", "EXPOSE 1-65535\n"),
    "EXPOSE of all in one": _repeated("FROM a\nEXPOSE ", "1-65535 \\\n", "\n"),
    "EXPOSE of a long number": _repeated("FROM a\nEXPOSE ", "1", "\n"),
    "WORKDIR that grows": _repeated("FROM a\n", "WORKDIR x\n"),
    "WORKDIR that grows by a value": _repeated(f"FROM a\nENV a={'a/' * 30_000}\n", "WORKDIR $a\n"),
    "ONBUILD in many stages": _halves(
        _repeated("FROM a AS s\n", "ONBUILD RUN x\n"), _repeated("", "FROM s\n")
    ),
    "ONBUILD of much in many stages": _halves(
        _repeated("FROM a AS s\nONBUILD RUN ", "x \\\n", "\n"), _repeated("", "FROM s AS s\n")
    ),
    "COPY by name after many": _halves(
        _repeated("FROM scratch\n", "LABEL a=b\n"), _repeated("WORKDIR /\n", "COPY --chown=a a b\n")
    ),
    "COPY by name of nothing": _repeated("FROM scratch\n", "COPY --chown=a a b\n"),
    "COPY of one file many times": _halves(
        lambda size: "FROM a\nCOPY " + "<<-E \\\n" * (size // 10) + "/x\n" + "E\n" * (size // 10 - 1),
        _repeated("", "\t$b x\n", "E\n"),
    ),
    "COPY from stages that fail": _halves(
        _repeated("FROM $b AS s0\n", "FROM s0 AS s0\n"), _repeated("FROM a\n", "COPY --from=s0 a b\n")
    ),
    "COPY from a failing stage": _repeated("FROM $b AS s\nFROM a\n", "COPY --from=s a b\n"),
    "COPY from no stage": _repeated("FROM a AS abcdef\nFROM a\n", "COPY --from=:abcde@ a b\n"),
    "COPY from a near stage": _halves(
        _repeated("", "FROM a AS abcdef@\n"), _repeated("FROM a\n", "COPY --from=:abcdef@ a b\n")
    ),
    "COPY from many stages": _halves(
        _repeated("", "FROM a AS s@\n"), _repeated("FROM a\n", "COPY --from=s@ a b\n")
    ),
    "COPY from the stage above": lambda size: (
        "FROM a AS s0\n"
        + "".join(f"FROM a AS s{at + 1}\nCOPY --from=s{at} a b\n" for at in range(size // 40))
    ),
    "mounts from the stage above": lambda size: (
        "FROM a AS s0\n"
        + "".join(f"FROM a AS s{at + 1}\nRUN --mount=from=s{at},target=/a b\n" for at in range(size // 40))
    ),
    "many markers": _repeated("FROM a\n", "RUN x\n# incubator: layer\n"),
    "many markers in many stages": _repeated("FROM a AS s\n", "RUN x\n# incubator: layer\nFROM s AS s\n"),
    "faults of the plan": _repeated("FROM a\n", "EXPOSE x\n"),
    "ADD of addresses": _repeated("FROM a\nADD ", "http://a/@ \\\n", "b/\n"),
    "ADD of repositories": _repeated("FROM a\nADD ", "a@b:@.git \\\n", "b/\n"),
    "ADD of an address": _repeated("FROM a\nADD http://", "a:\\\n", " b\n"),
    "STOPSIGNAL": _repeated("FROM a\nSTOPSIGNAL ", "1\\\n", "\n"),
    "numbers of mounts": _repeated("FROM a\nRUN --mount=type=tmpfs,target=/a,size=", "1\\\n", " x\n"),
}
"""Texts for the planner; it gets those for the parser as well."""

WORDS: Final[dict[str, Family]] = {
    "nested": _nested("", "${a:-", "x", "}"),
    "nested in part": _repeated("", "${a:-${b:-${c:-x}}}"),
    "variables": _repeated("", "$a"),
    "variables in braces": _repeated("", "${b}"),
    "distinct variables": _repeated("", "$v@ "),
    "replacements": _repeated("", "${a//a/b}"),
    "prefixes": _repeated("", "${a#?}"),
    "defaults": _repeated("", "${e:-x}"),
    "words": _repeated("", "a "),
    "blanks": _repeated("", " "),
    "escapes": _repeated("", "\\a"),
    "single quotes": _repeated("", "'a'"),
    "double quotes": _repeated("", '"a"'),
    "escapes in double quotes": _repeated('"', '\\"', '"'),
    "less": _repeated("", "<"),
    "dollars": _repeated("", "$"),
    "wide names": _repeated("$", "\u00e9"),
    "plain": _repeated("", "a"),
}
"""Words to expand."""

PATTERNS: Final[dict[str, Family]] = {
    "plain lines": _repeated("", "a@\n"),
    "empty lines": _repeated("", "\n"),
    "comments": _repeated("", "#\n"),
    "one letter": _repeated("", "a\n"),
    "paths": _repeated("", "some/folder/*.txt\n"),
    "suffixes": _repeated("", "*abc\n"),
    "distinct suffixes": _repeated("", "*a@\n"),
    "deep suffixes": _repeated("", "**/abc\n"),
    "deep stars": _repeated("", "**/*abc\n"),
    "distinct deep stars": _repeated("", "**/*a@\n"),
    "prefixes": _repeated("", "a@/**\n"),
    "question marks": _repeated("", "?\n"),
    "classes": _repeated("", "[z]\n"),
    "distinct classes": _repeated("", "[z]@\n"),
    "distinct classes alone": _wide("[@]\n"),
    "distinct negated classes": _wide("[^@]\n"),
    "distinct classes of two": _wide("[b@]\n"),
    "distinct ranges": _wide("[a-@]\n"),
    "distinct classes with escapes": _wide("[\\d@]\n"),
    "distinct classes taken back": _wide("[@]\n!?\n"),
    "distinct wide letters": _wide("@\n"),
    "distinct wide letters and a question mark": _wide("@?\n"),
    "distinct unusual escapes": _repeated("", "\\x41?@\n"),
    "distinct classes of unusual escapes": _wide("[\\x41@]\n"),
    "distinct classes of categories": _wide("[\\pL@]\n"),
    "distinct behind carets": _wide("^@?\n"),
    "distinct before carets": _wide("@^\n"),
    "distinct ranges of escapes": _wide("[\\a-@]\n"),
    "open classes": _open("[@*"),
    "open negated classes": _open("[^@*"),
    "open classes of one and two": _open("[@*[@@*"),
    "open deep classes": _open("**[@*"),
    "open classes of wide letters": _open("[@*", range(0x10000, 0x20000)),
    "distinct ends": _repeated("", "@[^b]*/module_a_file\n"),
    "distinct deep beginnings": _repeated("", "**/a_module*@?\n"),
    "distinct letters between stars": _repeated("", "*a*@*\n"),
    "taken back and again": _repeated("", "a\n!a\n"),
    "classes taken back and again": _repeated("", "[a]\n![a]\n"),
    "classes of many": _repeated("", "[a-z0-9_]\n"),
    "deep classes": _repeated("", "**/[a]xyz\n"),
    "distinct deep classes": _repeated("", "**/[a]@\n"),
    "negated classes": _repeated("", "[^a]*b\n"),
    "digits": _repeated("", "\\d\n"),
    "letters": _repeated("", "\\pL\n"),
    "escapes": _repeated("", "\\-\n"),
    "taken back": _repeated("*\n", "!a@\n"),
    "classes taken back": _repeated("*\n", "![a]@\n!*\n"),
    "carets": _repeated("", "^a?\n"),
    "line of open classes": _repeated("", "[a*[b*"),
    "line of classes": _repeated("", "[a]"),
    "line of distinct classes": _repeated("", "[a@]"),
    "line of stars": _repeated("", "*a"),
    "line of deep stars": _repeated("", "**/*", "[a]"),
    "line of deep folders": _repeated("", "**/a/", "[a]"),
    "line of question marks": _repeated("", "?"),
    "line of letters": _repeated("", "a", "?"),
    "line of wide letters": lambda size: "".join(chr(0x4E00 + at % 20_000) for at in range(size)) + "?",
    "line of escapes": _repeated("", "\\-", "?"),
    "line of digits": _repeated("", "\\d"),
    "line of posix classes": _repeated("", "[[:alpha:]]"),
    "line of open posix classes": _repeated("", "[[:", "]"),
    "line of carets": _repeated("", "a*^"),
    "line of ends": _repeated("", "\\z?"),
    "long class": _repeated("[", "ab", "]"),
    "class of wide letters": lambda size: (
        "[" + "".join(chr(0x4E00 + at * 2 % 20_000) for at in range(size)) + "]"
    ),
    "line of dots": _repeated("a", "/./b"),
    "line up": _repeated("a", "/../b"),
    "slashes": _repeated("a", "/", "*"),
    "blanks": _repeated("", " ", "a"),
}
"""Ignore files."""

FAMILIES: Final[Mapping[str, Mapping[str, Family]]] = {
    "Dockerfile": DOCKERFILES,
    "plan": PLANS,
    "word": WORDS,
    "ignore file": PATTERNS,
}

_ENV: Final = {"a": "aab/a*b?.c", "b": "a" * 50, "PATH": "/bin:/usr/bin", "V": "x y", "e": ""}
_LINUX: Final = Platform(os="linux", architecture="amd64")
_CONFIG: Final = ImageConfig(platform=_LINUX, config=RuntimeConfig(env=("PATH=/bin",)))
_PATHS: Final = ("a", "a/b/c.txt", "src/a_package/a_module/a_file_of_some_length.py")


def parse_it(text: str) -> None:
    """As a build begins."""
    with suppress(DockerfileError):
        parse(Source("Dockerfile", text))


def plan_it(text: str) -> None:
    """As a build goes on, whatever base images there are."""
    with suppress(DockerfileError):
        make_plan(parse(Source("Dockerfile", text)), PlanOptions(build_platform=_LINUX), _look_up)


def outline_it(text: str) -> None:
    """As `--call outline` does."""
    with suppress(DockerfileError):
        make_outline(parse(Source("Dockerfile", text)), target=None, build_args={})


def _look_up(reference: str, platform: Platform, **_: object) -> BaseImage:
    parse_reference(reference)
    return BaseImage(reference=reference, image_id=str(platform), config=_CONFIG)


def check_it(text: str) -> None:
    """As `incubator lint` does, with its report."""
    FORMATS["text"](check_file(Source("Dockerfile", text), None, build_args={}, target=None, strict=False))


def report_it(text: str) -> None:
    """As `check_it`, in every format."""
    report = check_file(Source("Dockerfile", text), None, build_args={}, target=None, strict=False)
    for make in FORMATS.values():
        make(report)


def expand_it(text: str) -> None:
    """As a word of an instruction, and as the text of a file in it."""
    with suppress(DockerfileError):
        expand(text, _ENV)
    with suppress(DockerfileError):
        expand_raw(text, _ENV)


def ignore_by_it(text: str) -> None:
    """As an ignore file that is asked for paths."""
    with suppress(PatternError):
        matcher = PatternMatcher(parse_ignore_file(text))
        for path in _PATHS:
            matcher.matches_or_parent_matches(path)
            matcher.match_down(path)


def match_by_it(text: str) -> None:
    """As a source of COPY."""
    pattern = text.partition("\n")[0]
    for path in _PATHS:
        with suppress(PatternError):
            match_glob(pattern, path)


ACTIONS: Final[Mapping[str, Mapping[str, Callable[[str], None]]]] = {
    "Dockerfile": {"parse": parse_it, "lint": check_it, "report": report_it, "plan": plan_it},
    "plan": {"plan": plan_it, "outline": outline_it},
    "word": {"expand": expand_it},
    "ignore file": {"ignore": ignore_by_it, "glob": match_by_it},
}
"""What is to be done with a text of a kind."""
