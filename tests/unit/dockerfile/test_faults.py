"""What is said about the faulty files in tests/data/dockerfile/faults: every fault, in order, word for word."""

from __future__ import annotations

from pathlib import Path

import pytest

from incubator.dockerfile import Source, parse
from incubator.errors import DockerfileError, DockerfileErrors

CASES = Path(__file__).parents[2] / "data" / "dockerfile" / "faults"


@pytest.mark.parametrize("name", sorted(path.name for path in CASES.iterdir()))
def test_faults(name: str) -> None:
    text = (CASES / name / "Dockerfile").read_bytes().decode()
    with pytest.raises(DockerfileErrors) as caught:
        parse(Source("Dockerfile", text))
    assert str(caught.value) + "\n" == (CASES / name / "faults").read_text(encoding="utf-8")


def test_errors_carry_data() -> None:
    with pytest.raises(DockerfileErrors) as caught:
        parse(Source("dir/Dockerfile", "FROM a\nRUN one \\\n  && two\nCOPY --form=x \\\n  a b\n"))
    (error,) = caught.value.errors
    assert isinstance(error, DockerfileError)
    assert error.rule == "unknown-flag"
    assert error.text == "COPY: unknown flag --form"
    assert error.hint == "did you mean --from?"
    assert str(error.span) == "dir/Dockerfile:4:6"
    assert caught.value.exit_code == 2


@pytest.mark.parametrize("end", ["\n", ""])
def test_longest_line(end: str) -> None:
    parse(Source("Dockerfile", "FROM a\nRUN " + "x" * 65_531 + end))
    with pytest.raises(DockerfileErrors, match="65535 bytes"):
        parse(Source("Dockerfile", "FROM a\nRUN " + "x" * 65_532 + end))


def test_longest_line_is_counted_in_bytes() -> None:
    with pytest.raises(DockerfileErrors, match="65535 bytes"):
        parse(Source("Dockerfile", "FROM a\nRUN " + "\u00e9" * 32_766))


@pytest.mark.parametrize(
    "syntax",
    [
        "docker/dockerfile",
        "docker/dockerfile:1",
        "docker/dockerfile:1.7-labs",
        "docker/dockerfile:latest",
        "docker/dockerfile:experimental",
        "docker.io/docker/dockerfile:1@sha256:" + "0" * 64,
        "mirror.example.com:5000/hub/docker/dockerfile:1.4",
        "docker/dockerfile-upstream:master",
    ],
)
def test_known_frontends(syntax: str) -> None:
    assert parse(Source("Dockerfile", f"# syntax={syntax} x\nFROM a\n")).directives.syntax == syntax


@pytest.mark.parametrize(
    "text",
    [
        "# syntax=docker/dockerfile:2\nFROM a\n",
        "# syntax=example.com/dockerfile:1\nFROM a\n",
        "# syntax=docker/dockerfile-other:1\nFROM a\n",
        "// syntax=example.com/frontend\n",
        '{"syntax": "example.com/frontend"}\n',
    ],
)
def test_other_frontends(text: str) -> None:
    with pytest.raises(DockerfileErrors) as caught:
        parse(Source("Dockerfile", text))
    assert "unsupported-frontend" in {error.rule for error in caught.value.errors}
