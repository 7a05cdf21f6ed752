"""Which stages a plan holds, in which order, on which base and for which platform."""

from __future__ import annotations

from typing import Any

import pytest

from incubator.core.plan.model import BaseImage, ContextSource, CopyStep, ImageSource, RunStep, StageSource
from incubator.core.plan.stages import find_filtered, find_target, split_stages
from incubator.dockerfile import Source, parse
from incubator.errors import BuilderError, DockerfileError, DockerfileErrors, InputError, RegistryError
from tests.unit.core.planning import AMD64, ARM64, BUSYBOX, Images, base, plan, step

CHAIN = """\
ARG TAG=1
FROM busybox AS tools
FROM unknown AS broken
RUN --mount=type=cache,target=/x true
FROM tools AS Build
COPY --from=tools /a /a
FROM busybox AS docs
FROM scratch
COPY --from=build /b /b
COPY --from=2 /c /c
COPY --from=busybox /d /d
"""


def names(text: str, **options: Any) -> list[str]:
    return [stage.name for stage in plan(text, **options).stages]


# -- what is needed ---------------------------------------------------------------------------------------


def test_only_what_the_target_needs_in_an_order_that_works() -> None:
    made = plan(CHAIN)
    assert [(stage.index, stage.name) for stage in made.stages] == [
        (0, "tools"),
        (2, "Build"),
        (4, "stage-4"),
    ]
    assert [stage.base for stage in made.stages] == [BUSYBOX, 0, None]
    assert made.target is made.stages[-1]
    assert made.stage(2).name == "Build"


def test_bases_of_other_stages_are_not_looked_up() -> None:
    images = Images({"busybox": BUSYBOX})
    plan(CHAIN, lookup=images)
    assert [reference for reference, _ in images.asked] == ["busybox", "busybox"]


@pytest.mark.parametrize(
    ("target", "wanted"),
    [
        (None, ["tools", "Build", "stage-4"]), ("", ["tools", "Build", "stage-4"]), ("build", ["tools", "Build"]),
        ("BUILD", ["tools", "Build"]), ("Build", ["tools", "Build"]), ("docs", ["docs"]),
    ],
)  # fmt: skip
def test_target_by_name(target: str | None, wanted: list[str]) -> None:
    assert names(CHAIN, target=target) == wanted


def test_the_last_of_several_stages_with_the_name_is_the_target() -> None:
    made = plan("FROM scratch AS a\nFROM busybox AS a\nFROM scratch", target="a")
    assert [stage.index for stage in made.stages] == [1]


@pytest.mark.parametrize(
    ("target", "hint"),
    [
        ("buldi", "did you mean Build?"), ("TOOL", "did you mean tools?"),
        ("5", "stages are tools, broken, Build, docs"),
        ("-1", "stages are tools, broken, Build, docs"), ("stage-4", "stages are tools, broken, Build, docs"),
        ("٣", "stages are tools, broken, Build, docs"),
    ],
)  # fmt: skip
def test_an_unknown_target_is_bad_input_with_a_hint(target: str, hint: str) -> None:
    with pytest.raises(InputError) as caught:
        plan(CHAIN, target=target)
    assert caught.value.message == f"there is no stage {target!r} in the Dockerfile"
    assert caught.value.hint == hint


def test_an_unknown_target_where_no_stage_has_a_name() -> None:
    with pytest.raises(InputError) as caught:
        plan("FROM scratch", target="x")
    assert caught.value.hint == "no stage has a name: add AS NAME to its FROM"


def test_a_filter_may_name_stages_by_their_numbers() -> None:
    stages = split_stages(parse(Source("Dockerfile", "FROM scratch AS build\nFROM scratch\n")))
    assert find_filtered(stages, ["BUILD", "1"]) == {0, 1}
    with pytest.raises(InputError) as caught:
        find_filtered(stages, ["nosuch"])
    assert caught.value.message == "no-cache-filter: there is no stage 'nosuch' in the Dockerfile"
    assert caught.value.hint == "stages are build, 1"


def test_faults_of_a_stage_that_is_not_needed_stop_nothing_but_its_own_build() -> None:
    assert names(CHAIN) == ["tools", "Build", "stage-4"]
    with pytest.raises(RegistryError, match=r"^Dockerfile:3:1: there is no image unknown"):
        plan(CHAIN, target="broken")


def test_stages_as_written() -> None:
    stages = split_stages(parse(Source("Dockerfile", CHAIN)))
    assert [(stage.index, stage.head.number, len(stage.body)) for stage in stages] == [
        (0, 2, 0), (1, 3, 1), (2, 5, 1), (3, 7, 0), (4, 8, 3),
    ]  # fmt: skip
    assert find_target(stages, "docs") is stages[3]


# -- FROM -------------------------------------------------------------------------------------------------


def test_from_takes_global_arguments_only() -> None:
    text = "ARG V=1\nARG NAME=img:$V\nFROM busybox AS a\nARG V=2\nFROM $NAME AS b"
    images = Images({"busybox": BUSYBOX, "img:1": base("img:1")})
    assert plan(text, lookup=images).target.base == base("img:1")


def test_from_with_a_given_argument() -> None:
    images = Images({"img:2": base("img:2")})
    plan("ARG V=1\nFROM img:${V}", lookup=images, build_args={"V": "2"})
    assert images.asked == [("img:2", AMD64)]


def test_from_a_stage_by_a_variable() -> None:
    made = plan("ARG NAME=a\nFROM busybox AS A\nFROM $NAME")
    assert made.target.base == 0


def test_from_finds_a_stage_by_its_name_in_small_letters_only() -> None:
    with pytest.raises(InputError, match=r"^Dockerfile:2:1: invalid reference 'A'"):
        plan("FROM busybox AS A\nFROM A")


def test_from_nothing_is_an_error_with_a_hint() -> None:
    with pytest.raises(DockerfileError) as caught:
        plan("FROM busybox AS a\nFROM a$X AS b\nFROM ${X:+y}")
    assert str(caught.value).startswith("Dockerfile:3:1: error[empty-base]: FROM ${X:+y} names no image")
    assert "--build-arg" in (caught.value.hint or "")


def test_a_fault_in_a_variable_is_told_once_at_its_line() -> None:
    with pytest.raises(DockerfileError) as caught:
        plan("FROM busybox\nENV A=${B:?wanted}")
    text = str(caught.value)
    assert text.startswith("Dockerfile:2:1: error[expansion]: cannot expand '${B:?wanted}'")
    assert text.count("error[") == 1
    assert ">> 2 | ENV A=${B:?wanted}" in text


def faults(text: str, *bases: BaseImage) -> list[str]:
    """`LINE: RULE` of all faults that planning finds."""
    with pytest.raises(DockerfileErrors) as caught:
        plan(text, *bases)
    return [f"{error.span and error.span.first_line}: {error.rule}" for error in caught.value.errors]


def test_faults_that_depend_on_values_are_told_together() -> None:
    assert faults(
        "FROM busybox AS a\nENV P=99999\nEXPOSE $P\nSTOPSIGNAL x$P\nCOPY --from=b / /\n"
        "FROM a AS b\nRUN true\nCOPY ${X:?wanted} /\n"
        "FROM ${Y:+z}\nCOPY --from=a / /\n"
        "FROM b\nVOLUME $NONE\n"
    ) == ["3: expose-port", "4: stop-signal", "5: unknown-stage", "8: expansion", "12: volume"]


def test_a_variable_that_could_not_be_set_is_one_fault() -> None:
    assert faults("FROM busybox\nENV A=${B:?no}\nENV C=${A:?lost}\nWORKDIR $C\nEXPOSE x\n") == [
        "2: expansion",
        "5: expose-port",
    ]


def test_faults_come_before_what_a_registry_lacks() -> None:
    with pytest.raises(DockerfileError, match="expose-port"):
        plan("FROM busybox AS a\nEXPOSE x\nFROM nowhere AS c\nFROM a\nCOPY --from=c / /\n")


def test_a_name_nearly_that_of_a_stage_is_told() -> None:
    with pytest.raises(RegistryError) as caught:
        plan("FROM busybox AS Builder\nFROM buldier")
    assert caught.value.hint == "did you mean the stage Builder?"
    assert caught.value.span is not None
    with pytest.raises(RegistryError) as caught:
        plan("FROM busybox AS builder\nFROM quite-another")
    assert caught.value.hint is None


def test_author_of_the_base_stays_and_maintainer_wins() -> None:
    image = base("img", author="old")
    assert plan("FROM img", image).target.author == "old"
    assert plan("FROM img AS a\nMAINTAINER new\nFROM a", image).target.author == "new"


# -- COPY --from ------------------------------------------------------------------------------------------

THREE = "FROM busybox AS one\nFROM busybox AS Two\nFROM scratch\n"


@pytest.mark.parametrize(
    ("name", "index"), [("one", 0), ("ONE", 0), ("two", 1), ("0", 0), ("1", 1), ("01", 1)]
)
def test_copy_from_a_stage(name: str, index: int) -> None:
    copy = step(f"{THREE}COPY --from={name} /a /b")
    assert copy.origin == StageSource(index=index)


def test_copy_from_an_image() -> None:
    image = base("registry.example:5000/img:1")
    copy = step(f"{THREE}COPY --from=registry.example:5000/img:1 /a /b", image)
    assert copy.origin == ImageSource(image=image)


def test_copy_from_the_context() -> None:
    assert step(f"{THREE}COPY a /b").origin is None


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("2", "there is no stage 2 above this one"),
        ("7", "there is no stage 7 above this one"),
        ("$X", "variables are not expanded here"),
        ("Not/Valid", "is neither a stage above this one nor an image"),
        ("scratch", "scratch has no files"),
        ("three", "the stage three is this one, not above this one"),
        ("four", "the stage four is at line 5, not above this one"),
    ],
)
def test_copy_from_what_cannot_be_is_an_error_at_its_line(name: str, message: str) -> None:
    text = f"{THREE.rstrip()} AS three\nCOPY --from={name} /a /b\nFROM busybox AS four\nFROM three"
    with pytest.raises(DockerfileError) as caught:
        plan(text)
    assert str(caught.value).startswith(f"Dockerfile:4:1: error[{caught.value.rule}]: --from={name}")
    assert message in caught.value.message
    assert f">> 4 | COPY --from={name} /a /b" in str(caught.value)


def test_copy_from_a_misspelt_stage_is_told() -> None:
    with pytest.raises(BuilderError) as caught:
        plan(f"{THREE}COPY --from=Too /a /b")
    assert isinstance(caught.value, DockerfileError)
    assert caught.value.hint == "did you mean Two?"
    with pytest.raises(BuilderError) as caught:
        plan(f"{THREE}COPY --from=oone /a /b")
    assert isinstance(caught.value, RegistryError)
    assert caught.value.hint == "did you mean the stage one?"


# -- platforms --------------------------------------------------------------------------------------------

CROSS = """\
FROM --platform=$BUILDPLATFORM busybox AS tools
FROM busybox
ARG TARGETPLATFORM BUILDPLATFORM
ENV T=$TARGETPLATFORM B=$BUILDPLATFORM
COPY --from=tools /a /a
COPY --from=img /a /b
"""


def test_platforms_of_bases() -> None:
    images = Images({"busybox": BUSYBOX, "img": base("img")})
    made = plan(CROSS, lookup=images, platform=ARM64)
    assert images.asked == [("busybox", ARM64), ("busybox", AMD64), ("img", ARM64)]
    assert made.platform == ARM64
    values = made.target.config.env_map()
    assert (values["T"], values["B"]) == ("linux/arm64", "linux/amd64")


def test_platform_is_the_engines_unless_told() -> None:
    assert plan("FROM scratch").platform == AMD64


def test_an_image_for_copy_is_for_the_target_platform_whatever_the_stage_is() -> None:
    images = Images({"busybox": BUSYBOX})
    plan("FROM --platform=linux/arm/v7 busybox\nCOPY --from=busybox /a /a", lookup=images)
    assert [str(platform) for _, platform in images.asked] == ["linux/arm/v7", "linux/amd64"]


def test_a_bad_platform_is_an_error_at_its_line() -> None:
    with pytest.raises(
        DockerfileError, match=r"^Dockerfile:2:1: error\[platform\]: invalid platform 'a/b/c/d'"
    ):
        plan("ARG P=a/b/c/d\nFROM --platform=$P busybox")


# -- labels and warnings ----------------------------------------------------------------------------------


def test_given_labels_are_the_targets_and_win() -> None:
    text = "FROM busybox AS a\nLABEL x=file y=file\nFROM a"
    made = plan(text, labels={"x": "given", "a": "1"})
    assert made.target.config.labels == (("a", "1"), ("x", "given"), ("y", "file"))
    assert made.stages[0].config.labels == (("x", "file"), ("y", "file"))
    assert plan(text, labels={"x": "given"}, target="a").target.config.labels == (
        ("x", "given"),
        ("y", "file"),
    )


def test_given_arguments_that_nothing_declares_are_warned_of() -> None:
    given = {
        "USED": "1", "GLOBAL": "1", "ZED": "1", "ALPHA": "1", "HTTP_PROXY": "p", "no_proxy": "n",
        "SOURCE_DATE_EPOCH": "0", "BUILDKIT_INLINE_CACHE": "1", "TARGETARCH": "x",
    }  # fmt: skip
    made = plan("ARG GLOBAL\nFROM busybox\nARG USED", build_args=given)
    assert made.warnings == (
        ("build argument ALPHA is given, but no ARG declares it", None),
        ("build argument ZED is given, but no ARG declares it", None),
    )
    assert plan("FROM busybox\nARG A", build_args={"A": ""}).warnings == ()


def test_steps_of_all_stages_in_order_of_execution() -> None:
    made = plan(CHAIN)
    assert [(s.ref.stage, s.span.first_line) for s in made.steps] == [
        ("Build", 6), ("stage-4", 9), ("stage-4", 10), ("stage-4", 11),
    ]  # fmt: skip
    assert all(isinstance(s, CopyStep) for s in made.steps)


# -- named contexts -----------------------------------------------------------------------------------------


def test_a_context_comes_before_a_stage_and_an_image_of_its_name() -> None:
    text = (
        "FROM busybox AS Tools\nRUN make tools\nFROM debian:latest\nCOPY --from=tools /t /t\n"
        "RUN --mount=from=files,target=/f true\nCOPY --from=docker.io/library/other:latest /o /o\n"
    )
    contexts = {"tools": "img", "debian": "img", "files": None, "other": None, "unused": None}
    made = plan(text, base("img"), contexts=contexts)
    assert [stage.index for stage in made.stages] == [1]
    assert isinstance(made.target.base, BaseImage)
    assert made.target.base.reference == "img"
    tools, run, other = made.steps
    assert isinstance(tools, CopyStep)
    assert isinstance(tools.origin, ImageSource)
    assert isinstance(run, RunStep)
    assert run.mounts[0].origin == ContextSource(name="files")  # type: ignore[union-attr]
    assert isinstance(other, CopyStep)
    assert other.origin == ContextSource(name="other")
    assert made.warnings == (("context unused is given, but nothing is built from it", None),)


def test_a_folder_is_no_base() -> None:
    with pytest.raises(DockerfileError, match=r"^Dockerfile:1:1: error\[folder-as-base\]"):
        plan("FROM Files", contexts={"files": None})
