"""Properties that hold for any text: it parses or says where and why not, in time that grows with its length."""

from __future__ import annotations

from contextlib import suppress
from typing import TYPE_CHECKING

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from incubator.dockerfile import Source, parse
from incubator.dockerfile.lint import lint
from incubator.errors import DockerfileErrors
from tests.speed import is_within, nominal_seconds

if TYPE_CHECKING:
    from incubator.dockerfile.instructions import Document

KEYWORDS = (
    "ADD", "ARG", "CMD", "COPY", "ENTRYPOINT", "ENV", "EXPOSE", "FROM", "HEALTHCHECK", "LABEL", "MAINTAINER",
    "ONBUILD", "RUN", "SHELL", "STOPSIGNAL", "USER", "VOLUME", "WORKDIR",
)  # fmt: skip
PIECES = st.sampled_from(
    (*KEYWORDS, " ", "  ", "\n", "\\\n", "`\n", "\r\n",
     "<<E", "<<-'E'", "\nE\n", '["a"]', "[", '"', "'", "\\", "`", "=",
     "--x", "--from=", "$", "${", "}", ":-", "#", "# escape=`\n", "AS", "\t", "\u00e9", "\u2003", "CMD", "NONE", "0")
)  # fmt: skip
FILES = st.one_of(st.text(max_size=200), st.lists(PIECES, max_size=40).map("".join))


@settings(max_examples=150)
@given(FILES)
def test_every_text_parses_or_says_why(text: str) -> None:
    source = Source("Dockerfile", text)
    try:
        document = parse(source)
    except DockerfileErrors as error:
        check_faults(error, source)
    else:
        check_document(document)
        lint(document)


def check_faults(error: DockerfileErrors, source: Source) -> None:
    assert error.errors
    for fault in error.errors:
        assert fault.span
        assert fault.text
        assert 1 <= fault.span.first_line <= max(1, len(source.lines))
        assert fault.span.column >= 1
        assert str(fault)


def check_document(document: Document) -> None:
    lines = document.source.lines
    previous = 0
    for number, instruction in enumerate(document.instructions, 1):
        assert instruction.number == number
        assert previous < instruction.span.first_line <= instruction.span.last_line <= len(lines)
        previous = instruction.span.last_line
        assert lines[instruction.span.first_line - 1][instruction.span.column - 1 :].strip()
        for word, span in instruction.words():
            assert lines[span.first_line - 1][span.column - 1] == word[0]


@given(
    st.lists(
        st.tuples(
            st.from_regex(r"[A-Za-z_]\w{0,5}", fullmatch=True), st.text(alphabet="ab '\"\\$é", max_size=8)
        ),
        min_size=1,
        max_size=5,
    )
)
def test_quoted_pairs_come_back(pairs: list[tuple[str, str]]) -> None:
    def quoted(value: str) -> str:
        return '"' + "".join("\\" + c if c in '"\\' else c for c in value) + '"'

    line = " ".join(f"{name}={quoted(value)}" for name, value in pairs)
    _, env = parse(Source("D", f"FROM a\nENV {line}\n")).instructions
    assert getattr(env, "pairs") == tuple((name, quoted(value)) for name, value in pairs)  # noqa: B009


def read(text: str) -> None:
    with suppress(DockerfileErrors):
        parse(Source("Dockerfile", text))


@pytest.mark.parametrize(
    ("head", "piece", "tail"),
    [
        ("FROM a\n", "RUN x\n", ""),
        ("FROM a\nRUN ", "x \\\n", "y\n"),
        ("FROM a\nRUN x \\\n", "# c\n", "y\n"),
        ("FROM a\nENV ", "a='b' \\\n", ""),
        ("FROM a\nENV a=", '"\\"b" \\\n', ""),
        ("FROM a\nCOPY ", "--exclude='a b' \\\n", "c d\n"),
        ("FROM a\nCOPY ", "--\u00e9=\u00e0 \\\n", "c d\n"),
        ("FROM a\nRUN ", "<<E \\\n", "\n" + "E\n" * 10),
        ("FROM a\n", "RUN <<E\nx\nE\n", ""),
        ("FROM a\nRUN <<E\n", "x\n", "E\n"),
        ("FROM a\nRUN <<E\n", "x\n", ""),
        ("FROM a\nCMD ", "[\\\n", ""),
        ("FROM a\nCMD [", '"a",\\\n', '"b"]\n'),
        ("FROM a\nCMD [", '{"a":1},\\\n', "1]\n"),
        ("FROM a\n", "FOO x\n", ""),
        ("FROM a\n", "COPY x\n", ""),
        ("FROM a\n", "ONBUILD ", "\n"),
        ("FROM a\nRUN <<E ", "${a:-\\\n", "\nE\n"),
        ("", "# c\n", "FROM a\n"),
        ("", "x", ""),
        ("FROM a\nRUN --mount=", 'a,"b""",\\\n', "c x\n"),
        ("FROM a\nHEALTHCHECK --interval=", "1s\\\n", " CMD x\n"),
        ("FROM a\nEXPOSE ", "1\u00a0 \\\n", "\n"),
    ],
)
def test_time_grows_with_the_text(head: str, piece: str, tail: str) -> None:
    size = 40_000  # a 25th of what must take 2 s at most; the rest is for slow machines
    text = head + piece * (size // len(piece)) + tail
    assert is_within(0.32, lambda: read(text))


def test_an_ordinary_file_is_fast() -> None:
    block = (
        "FROM python:3.12 AS build{n}\nARG V=1 W='x y'\nENV A=/opt:$PATH \\\n    B=\"c d\"\nWORKDIR /src\n"
        "COPY --chown=1:1 req.txt ./\nRUN --mount=type=cache,target=/c pip install \\\n      # why\n"
        "      -r req.txt && \\\n    rm -rf /tmp/*\nRUN <<EOF\nmake\nEOF\nEXPOSE 80 443\nUSER 1\n"
        'HEALTHCHECK --interval=5s CMD ["x"]\nENTRYPOINT ["a", "b"]\nCMD ["c"]\n'
    )
    text = "".join(block.format(n=n) for n in range(17))
    assert 300 <= text.count("\n") < 320
    assert min(nominal_seconds(lambda: read(text)) for _ in range(20)) < 0.005
