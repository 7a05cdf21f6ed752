"""Faults that syntax does not show and a build would meet: all of a file at once, none that values could mend."""

from __future__ import annotations

import pytest

from incubator.dockerfile import Source, parse
from incubator.dockerfile.lint import examine, faults_of
from incubator.errors import DockerfileError, DockerfileErrors
from tests.unit.core.planning import plan


def faults(text: str, **options: object) -> list[str]:
    report = examine(parse(Source("Dockerfile", text)), **options)  # type: ignore[arg-type]
    return [f"{fault.span}: {fault.text}" for fault in report.faults]


def test_all_of_a_file_come_together() -> None:
    text = (
        "ARG G='\nFROM busybox\nENV X=${Y:} \\\n    Z='\nLABEL a=${b!c}\nWORKDIR ${X\nUSER $X\n"
        "RUN --mount=type=chache,target=/c x\nFROM invalid:UPPER/x\n"
    )
    found = faults(text)
    assert [line.split(": ")[0] for line in found] == [
        "Dockerfile:1:7",
        "Dockerfile:3:7",
        "Dockerfile:4:7",
        "Dockerfile:5:9",
        "Dockerfile:6:9",
        "Dockerfile:8:13",
        "Dockerfile:9:6",
    ]
    assert "a modifier is missing behind the colon in ${Y:}" in found[1]
    assert "there is no type 'chache'" in found[5]
    assert "invalid reference 'invalid:UPPER/x'" in found[6]


def test_mounts_and_sources_of_stages_that_are_built() -> None:
    text = (
        "FROM busybox AS a\nRUN --mount=target=/x,z x\nRUN --mount=type=cache,tarket=/x,ro,id=$x x\n"
        "RUN --mount=target=$x,uid=1 x\nFROM a\nCOPY --from=$x /x /\n"
        "COPY --from=a /x /\n"
    )
    assert faults(text) == [
        "Dockerfile:2:23: RUN: --mount: unknown key 'z'",
        "Dockerfile:3:24: RUN: --mount: unknown key 'tarket'",
        "Dockerfile:6:1: --from=$x: variables are not expanded here",
    ]
    assert faults("FROM a\nRUN --mount=target x\n") == ["Dockerfile:2:13: RUN: --mount: target needs a value"]
    assert faults("FROM a\nCOPY --from=$x a /\nFROM b\n", target="1") == []


WORDS = {
    "unclosed quote": "'a",
    "unclosed double quote": '"a',
    "missing brace": "${a",
    "modifier": "${a!b}",
    "nothing": "${}",
}
LINES = (
    "ARG x={}", "ENV x={}", "ENV y=1 x={}", "LABEL x={}", "WORKDIR {}", "USER {}", "VOLUME {}", "STOPSIGNAL {}",
    "EXPOSE {}", "COPY {} /", "COPY a {}", "COPY --chown={} a b", "ADD {} /", "ADD --chmod={} a b",
    "COPY <<E /x\n{}\nE",
)  # fmt: skip


@pytest.mark.parametrize("line", LINES)
def test_nothing_is_a_fault_that_the_plan_takes(line: str) -> None:
    met = 0
    for word in (*WORDS.values(), "${a:?}", "$a", "a", "'a'", "${a:-b}", "${a#[}", "1"):
        text = f"FROM busybox\nARG a=1\n{line.format(word)}\n"
        try:
            document = parse(Source("Dockerfile", text))
        except DockerfileError:
            continue
        found = [fault for fault in examine(document).faults if fault.rule == "expansion"]
        met += bool(found)
        try:
            plan(text)
        except DockerfileError:
            continue
        assert not found, text
    assert met


@pytest.mark.parametrize(
    "line",
    [
        "ENV x=${a:?}", "ENV x=${a:?needed}", "ENV x=${b#[}", "RUN --mount=type=$t,target=/ x", "CMD ${x",
        "RUN ${x", "HEALTHCHECK CMD ${x", "ONBUILD ENV x=${y", "COPY <<'E' /x\n${y\nE",
    ],
)  # fmt: skip
def test_what_values_could_mend_is_none(line: str) -> None:
    assert faults(f"FROM busybox\n{line}\n") == []


def test_only_what_the_target_needs() -> None:
    text = "FROM a AS one\nENV x=${y!}\nFROM b AS two\nENV x=${z!}\n"
    assert len(faults(text)) == 2
    assert faults(text, target="one")[0].startswith("Dockerfile:2:7: ")


def test_a_default_that_is_not_used_is_not_expanded() -> None:
    text = "ARG a=${b!}\nFROM x\nARG c=${d!}\n"
    assert len(faults(text)) == 2
    assert faults(text, build_args={"a": "1", "c": "2"}) == []


def test_a_broken_word_makes_no_warnings() -> None:
    document = parse(Source("Dockerfile", "FROM scratch\nENV x=${y!}\nWORKDIR $x/${z\nUSER $x\n"))
    report = examine(document)
    assert len(report.faults) == 2
    assert report.warnings == ()


def test_bases() -> None:
    (found,) = faults("FROM busybox AS Build\nFROM Build\n")
    assert found.startswith("Dockerfile:2:6: invalid reference 'Build'")
    (fault,) = examine(parse(Source("D", "FROM a AS build\nFROM Build\n"))).faults
    assert (fault.rule, fault.hint) == ("invalid-base", "did you mean the stage build?")
    for good in ("scratch", "a:1", "a@sha256:" + "0" * 64, "localhost:5000/a/b:c", "$X", "${X}/y"):
        assert faults(f"FROM {good}\n") == []


@pytest.mark.parametrize(
    "text", ["FORM a\n", "", "# check=x\nRUUN\n", 'FROM a\n"]\n', "COPY a\nRUN x \\\n\ny\n"]
)
def test_a_file_that_is_hardly_one(text: str) -> None:
    source = Source("Dockerfile", text)
    with pytest.raises(DockerfileErrors) as caught:
        parse(source)
    assert {*map(str, faults_of(source))} >= {*map(str, caught.value.errors)}


def test_faults_of_syntax_come_with_the_others() -> None:
    source = Source("Dockerfile", "# check=skp=x\nFROM A:b:c\nRUUN x\nENV a=${b!}\n")
    assert [f"{fault.span} {fault.rule}" for fault in faults_of(source)] == [
        "Dockerfile:1:9 invalid-check",
        "Dockerfile:2:6 invalid-base",
        "Dockerfile:3:1 unknown-instruction",
        "Dockerfile:4:7 expansion",
    ]
    assert faults_of(Source("Dockerfile", "FROM a\nENV a=${b!}\n")) == ()


def test_many_faults_take_little_time() -> None:
    text = "FROM a\n" + "".join(f"ENV a{n}=${{b{n}!}}\n" for n in range(3000))
    assert len(faults(text)) == 100
