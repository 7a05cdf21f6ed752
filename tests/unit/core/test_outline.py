"""What `--call outline` and `--call targets` tell of a Dockerfile."""

from __future__ import annotations

import pytest

from incubator.console.outline import outline_lines, targets_lines
from incubator.core.plan.outline import list_targets, make_outline, outline_json, targets_json
from incubator.dockerfile import Source, parse
from incubator.errors import DockerfileError

FILE = """\
# VERSION the release to build
ARG VERSION=1
ARG BASE=busybox
ARG UNUSED=1

# deps what is needed
FROM --platform=$BUILDPLATFORM ${BASE} AS deps
ARG VERSION
ENV E=e
ARG X=$VERSION-$E
RUN --mount=type=secret,id=tok --mount=type=cache,target=/c --mount=type=ssh true

FROM scratch AS other
ARG NO=1
RUN --mount=type=secret,id=no true

# Final another word begins this comment
FROM scratch AS end
COPY --from=deps / /
ARG EMPTY
RUN --mount=type=secret,id=tok,required=true --mount=type=ssh,id=git,required=true x
"""


def test_an_outline_has_what_the_target_and_all_that_it_needs_take() -> None:
    outline = make_outline(parse(Source("Dockerfile", FILE)), target=None, build_args={"VERSION": "2"})
    assert (outline.name, outline.description) == ("end", "")
    assert [(entry.name, entry.value, entry.description) for entry in outline.arguments] == [
        ("BASE", "busybox", ""),
        ("VERSION", "2", "the release to build"),
        ("X", "2-e", ""),
        ("EMPTY", None, ""),
    ]
    assert [(entry.id, entry.required) for entry in outline.secrets] == [("tok", True)]
    assert [(entry.id, entry.required) for entry in outline.ssh] == [("default", False), ("git", True)]
    assert [entry.id for entry in outline.caches] == ["/c"]


@pytest.mark.parametrize("target", ["DEPS", "0"])
def test_the_outline_of_a_named_stage(target: str) -> None:
    outline = make_outline(parse(Source("Dockerfile", FILE)), target=target, build_args={})
    assert (outline.name, outline.description) == ("deps", "what is needed")
    assert [(entry.id, entry.required) for entry in outline.secrets] == [("tok", False)]


def test_targets_are_all_stages() -> None:
    targets = list_targets(parse(Source("Dockerfile", FILE)), {"BASE": "debian"})
    assert [(target.name, target.base, target.default) for target in targets] == [
        ("deps", "debian", False),
        ("other", "scratch", False),
        ("end", "scratch", True),
    ]
    assert targets[0].platform == "linux/amd64"


def test_the_objects_are_those_of_docker() -> None:
    document = parse(Source("Dockerfile", FILE))
    assert targets_json(list_targets(document, {}))["targets"][2] == {
        "name": "end",
        "default": True,
        "base": "scratch",
        "location": {"ranges": [{"start": {"line": 18}, "end": {"line": 18}}]},
    }
    found = outline_json(make_outline(document, target="deps", build_args={}))
    assert found.keys() == {"name", "description", "args", "secrets", "ssh", "cache"}
    assert found["secrets"] == [
        {"name": "tok", "location": {"ranges": [{"start": {"line": 11}, "end": {"line": 11}}]}}
    ]


def test_tables_have_no_escapes_of_a_hostile_file() -> None:
    document = parse(Source("Dockerfile", "# a \x1b[31mred\nFROM busybox AS a\nARG X=\x1b[2J\n"))
    shown = "\n".join(
        [
            *targets_lines(list_targets(document, {})),
            *outline_lines(make_outline(document, target=None, build_args={})),
        ]
    )
    assert "red" in shown
    assert "\x1b" not in shown


@pytest.mark.parametrize("mount", ["type=secret,ide=x", "type=cach"])
def test_a_mount_that_no_build_would_take_is_a_fault(mount: str) -> None:
    document = parse(Source("Dockerfile", f"FROM busybox\nRUN --mount={mount} true\n"))
    with pytest.raises(DockerfileError, match="did you mean"):
        make_outline(document, target=None, build_args={})
