"""What each instruction becomes: RUN, COPY, ADD, WORKDIR, triggers of a base; and what is not supported."""

from __future__ import annotations

import pytest

from incubator.core.plan.model import CopyStep, MetadataStep, RunStep, WorkdirStep
from incubator.errors import DockerfileError, DockerfileErrors
from incubator.events import StepRef
from incubator.remote.urls import Download, GitRepository
from tests.unit.core.planning import PATH, base, plan, step, steps

# -- labels and numbers -----------------------------------------------------------------------------------


def test_steps_are_numbered_as_they_change_files() -> None:
    text = "FROM busybox AS b\nENV A=1\nRUN a\nARG X\nWORKDIR /w\nCOPY a b\nLABEL c=d\nADD a b"
    assert [(str(s.ref), s.ref.text, s.changes_files) for s in steps(text)] == [
        ("[b 1/5]", "ENV A=1", False), ("[b 2/5]", "RUN a", True), ("[b 2/5]", "ARG X", False),
        ("[b 3/5]", "WORKDIR /w", True), ("[b 4/5]", "COPY a b", True), ("[b 4/5]", "LABEL c=d", False),
        ("[b 5/5]", "ADD a b", True),
    ]  # fmt: skip


def test_a_step_knows_its_place_and_instruction() -> None:
    run = step("FROM busybox\n\nRUN a \\\n  && b")
    assert isinstance(run.ref, StepRef)
    assert (run.span.first_line, run.span.last_line) == (3, 4)
    assert run.ref.span == run.span
    assert run.instruction.keyword == "RUN"
    assert run.instruction.number == 2
    assert run.ref.text == "RUN a && b"


def test_a_long_label_is_cut() -> None:
    label = step(f"FROM busybox\nRUN {'x' * 200}").ref.text
    assert label == "RUN " + "x" * 95 + "…"
    assert len(step(f"FROM busybox\nRUN {'x' * 96}").ref.text) == 100


def test_each_step_has_the_config_after_it() -> None:
    made = steps("FROM busybox\nRUN a\nENV A=1\nUSER u\nRUN b")
    assert [s.config.user for s in made] == ["", "", "u", "u"]
    assert [s.config.env for s in made] == [(PATH,), (PATH, "A=1"), (PATH, "A=1"), (PATH, "A=1")]


# -- RUN --------------------------------------------------------------------------------------------------


def test_shell_form() -> None:
    run = step('FROM busybox\nRUN echo "$A"   &&   b')
    assert isinstance(run, RunStep)
    assert run.argv == ("/bin/sh", "-c", 'echo "$A"   &&   b')
    assert (run.user, run.cwd, run.files) == ("", "/", ())


def test_exec_form_is_not_expanded() -> None:
    assert step('FROM busybox\nENV A=1\nRUN ["echo", "$A", "a b"]').argv == ("echo", "$A", "a b")


def test_shell_of_the_stage_and_of_the_base() -> None:
    assert step('FROM busybox\nSHELL ["/bin/bash", "-o", "pipefail", "-c"]\nRUN a').argv == (
        "/bin/bash", "-o", "pipefail", "-c", "a",
    )  # fmt: skip
    assert step("FROM img\nRUN a", base("img", shell=("/sh", "-x"))).argv == ("/sh", "-x", "a")


def test_user_and_folder() -> None:
    run = step("FROM img\nUSER 5:6\nWORKDIR sub\nRUN a", base("img", user="old", working_dir="/srv"))
    assert (run.user, run.cwd) == ("5:6", "/srv/sub")
    run = step("FROM img\nRUN a", base("img", user="old", working_dir="/srv"))
    assert (run.user, run.cwd) == ("old", "/srv")


@pytest.mark.parametrize(
    ("lines", "argument"),
    [
        ("RUN <<EOF\necho $A\nEOF", "echo $A\n"),
        ("RUN <<-EOF\n\techo\n\t\tb\n\tEOF", "echo\nb\n"),
        ("RUN <<'EOF'\necho $A\nEOF", "echo $A\n"),
        ("RUN <<EOF\nEOF", ""),
        ("RUN <<EOF cat\na\nEOF", "<<EOF cat\na\nEOF"),
        ("RUN cat <<EOF | tr a b\na\nEOF", "cat <<EOF | tr a b\na\nEOF"),
        ("RUN cat <<-EOF\n\ta\n\tEOF", "cat <<-EOF\n\ta\nEOF"),
        ("RUN cat <<A - <<B\na\nA\nb\nB", "cat <<A - <<B\na\nA\nb\nB"),
        ("RUN <<A <<B\na\nA\nb\nB", "<<A <<B\na\nA\nb\nB"),
        ("RUN 3<<EOF cat <&3\na\nEOF", "3<<EOF cat <&3\na\nEOF"),
        ("RUN <<-EOF\n\t#!/bin/sh -x\n\techo\n\tEOF", "#!/bin/sh -x\necho\n"),
    ],
)
def test_heredocs(lines: str, argument: str) -> None:
    run = step(f'FROM busybox\nSHELL ["/s", "-c"]\n{lines}')
    assert run.argv == ("/s", "-c", argument)
    assert run.files == ()
    assert run.created_by == f"RUN /s -c {argument}"


@pytest.mark.parametrize(
    ("line", "interpreter"),
    [
        ("#!/bin/sh", ("/bin/sh",)),
        ("#!/usr/bin/env -S python3 -x  ", ("/usr/bin/env", "-S python3 -x")),
        ("#! \t/bin/sh\t -e", ("/bin/sh", "-e")),
        ("#!/bin/a\x0bb", ("/bin/a\x0bb",)),
        ("#!", ()),
    ],
)
def test_a_heredoc_with_a_shebang_is_a_script(line: str, interpreter: tuple[str, ...]) -> None:
    run = step(f"FROM busybox\nRUN <<EOF\n{line}\nbody $A\nEOF")
    assert run.argv == (*interpreter, "/dev/pipes/EOF")
    assert run.files == (("EOF", f"{line}\nbody $A\n"),)


def test_a_run_flag_that_is_not_supported() -> None:
    with pytest.raises(DockerfileError) as caught:
        plan("FROM busybox\nRUN true\nRUN --device=vendor.com/a=b true")
    assert str(caught.value).startswith(
        "Dockerfile:3:1: error[not-supported]: RUN --device is not supported: it is in the labs channel"
    )


@pytest.mark.parametrize(
    ("flag", "right"), [("--network=host", "network.host"), ("--security=insecure", "security.insecure")]
)
def test_run_flags_that_the_caller_has_to_allow(flag: str, right: str) -> None:
    text = f"FROM busybox\nRUN {flag} true"
    with pytest.raises(DockerfileError) as caught:
        plan(text)
    assert str(caught.value).startswith(f"Dockerfile:2:5: error[not-allowed]: RUN {flag} is not allowed")
    assert f"--allow {right}" in str(caught.value.hint)
    run = step(text, allow=frozenset({right}))
    assert (run.network, run.insecure) == (("host", False) if "host" in flag else ("default", True))


def test_the_host_network_of_the_build_is_allowed_anyway() -> None:
    assert step("FROM busybox\nRUN --network=host true", network="host").network == "host"
    assert step("FROM busybox\nRUN --network=none true").network == "none"


@pytest.mark.parametrize("flag", ["--network=default", "--security=sandbox"])
def test_run_flags_that_ask_for_what_is_anyway(flag: str) -> None:
    assert step(f"FROM busybox\nRUN {flag} true").argv == ("/bin/sh", "-c", "true")


# -- COPY and ADD -----------------------------------------------------------------------------------------


def test_copy() -> None:
    copy = step("FROM busybox\nWORKDIR /w\nCOPY a b/ c* d")
    assert isinstance(copy, CopyStep)
    assert (copy.sources, copy.destination, copy.cwd) == (("a", "b/", "c*"), "d", "/w")
    assert (copy.origin, copy.chown, copy.chmod, copy.exclude, copy.parents, copy.unpack) == (
        None, None, None, (), False, False,
    )  # fmt: skip


def test_copy_words_are_expanded() -> None:
    copy = step(
        "FROM busybox\nARG U=5:6 M=u+x S=src D='/d d/' X=*.o\n"
        "COPY --chown=$U --chmod=$M --exclude=$X --exclude=b ${S} '$S' \"$D\""
    )
    assert (copy.sources, copy.destination) == (("src", "$S"), "/d d/")
    assert (copy.chown, copy.chmod, copy.exclude) == ("5:6", "u+x", ("$X", "b"))
    assert copy.created_by == "COPY --chown=5:6 --chmod=u+x src $S /d d/"


def test_copy_flags_that_expand_to_nothing_are_not_given() -> None:
    copy = step("FROM busybox\nCOPY --chown=$A --chmod=$A a /b")
    assert (copy.chown, copy.chmod, copy.created_by) == (None, None, "COPY a /b")


def test_copy_list_form_and_parents() -> None:
    copy = step('FROM busybox\nARG A=1\nCOPY --parents ["a b", "c$A", "/d e/"]')
    assert (copy.sources, copy.destination, copy.parents) == (("a b", "c1"), "/d e/", True)


@pytest.mark.parametrize("keyword", ["COPY", "ADD"])
def test_link(keyword: str) -> None:
    assert step(f"FROM busybox\n{keyword} --link a b").link
    assert not step(f"FROM busybox\n{keyword} --link=false a b").link


def test_copy_heredocs() -> None:
    text = "FROM busybox\nARG X=5\nCOPY a <<A <<'B' <<-\"C\" /d/\nx $X 'r ${X}' \\$X\nA\n$X\nB\n\ttab $X\n\tC"
    copy = step(text)
    assert copy.sources == ("a",)
    assert [(doc.name, doc.body) for doc in copy.heredocs] == [
        ("A", "x 5 'r 5' $X\n"), ("B", "$X\n"), ("C", "tab $X\n"),
    ]  # fmt: skip
    assert copy.created_by == "COPY a <<A <<B <<C /d/"


def test_add_unpacks() -> None:
    add = step("FROM busybox\nADD --chown=1 --chmod=600 --exclude=x a.tar b /c/")
    assert isinstance(add, CopyStep)
    assert (add.unpack, add.origin, add.sources, add.chown, add.chmod, add.exclude) == (
        True, None, ("a.tar", "b"), "1", "600", ("x",),
    )  # fmt: skip
    assert add.created_by == "ADD --chown=1 --chmod=600 a.tar b /c/"


def test_remote_sources_of_add() -> None:
    text = "FROM busybox\nARG U=https://h\nADD --unpack=true a.tar $U/x.tar git@h:r.git#v1 <<E /d/\nE\n"
    add = step(text)
    assert add.paths == ("a.tar",)
    assert dict(add.remotes) == {
        "https://h/x.tar": Download(url="https://h/x.tar"),
        "git@h:r.git#v1": GitRepository(url="git@h:r.git", ref="v1"),
    }
    assert (add.unpack, add.unpack_downloads) == (True, True)
    add = step("FROM busybox\nADD a.tar https://h/x.tar /d/")
    assert (add.unpack, add.unpack_downloads) == (True, False)
    add = step("FROM busybox\nADD --unpack=false a.tar https://h/x.tar /d/")
    assert (add.unpack, add.unpack_downloads) == (False, False)


@pytest.mark.parametrize(
    "line",
    [
        "ADD --checksum=sha256:aa https://h/y /b",
        f"ADD --checksum=sha256:{'0' * 64} y /b",
        f"ADD --checksum=sha256:{'0' * 64} https://h/y https://h/z /b/",
        "ADD https://h/x.git?reff=y /b",
    ],
)
def test_remote_sources_that_are_wrong(line: str) -> None:
    with pytest.raises(DockerfileError, match=r"^Dockerfile:2:\d+: error\[remote-source\]: ADD: "):
        plan(f"FROM busybox\n{line}")


# -- WORKDIR ----------------------------------------------------------------------------------------------


def test_workdir_makes_the_folder() -> None:
    made = step("FROM busybox\nARG A=x\nUSER 5:6\nWORKDIR /a/\nWORKDIR $A/../b/")
    assert isinstance(made, WorkdirStep)
    assert (made.path, made.created_by, made.config.working_dir) == ("/a/b", "WORKDIR /a/b", "/a/b")
    assert made.owner == "5:6"


# -- ONBUILD ----------------------------------------------------------------------------------------------

TRIGGERS = ("ENV A=1", "RUN echo $A", "COPY a /$A", 'CMD ["c"]', "ARG X=2")


def test_triggers_of_a_base_run_first_and_are_not_inherited() -> None:
    image = base("img", on_build=TRIGGERS, cmd=("old",))
    made = plan("# c\nFROM img AS s\nRUN echo $X", image).target
    found = [s for group in made.groups for s in group.steps]
    assert [s.ref.text for s in found] == [*TRIGGERS, "RUN echo $X"]
    assert [type(s) for s in found] == [MetadataStep, RunStep, CopyStep, MetadataStep, MetadataStep, RunStep]
    assert made.config.on_build == ()
    assert made.config.cmd == ("c",)
    assert [s.span.first_line for s in found] == [2, 2, 2, 2, 2, 3]
    assert {s.instruction.number for s in found[:5]} == {1}
    assert [str(s.ref) for s in found if s.changes_files] == ["[s 2/4]", "[s 3/4]", "[s 4/4]"]
    assert isinstance(found[-1], RunStep)
    assert dict(found[-1].env) == {"A": "1", "X": "2", "PATH": PATH.removeprefix("PATH=")}


def test_triggers_of_a_stage_run_in_the_stage_on_it_and_stay_in_its_own_config() -> None:
    made = plan("FROM busybox AS a\nONBUILD ENV A=1\nFROM a\nENV B=$A\nFROM a AS c", target="c")
    assert [stage.config.on_build for stage in made.stages] == [("ENV A=1",), ()]
    assert made.target.config.env == (PATH, "A=1")
    assert plan("FROM busybox AS a\nONBUILD ENV A=1").target.config.on_build == ("ENV A=1",)


def test_a_cmd_among_the_triggers_counts_as_the_stages_own() -> None:
    image = base("img", on_build=('CMD ["c"]',))
    assert plan('FROM img\nENTRYPOINT ["e"]', image).target.config.cmd == ("c",)
    image = base("img", on_build=('ENTRYPOINT ["e"]',), cmd=("c",))
    assert plan("FROM img", image).target.config.cmd is None


def test_a_trigger_may_copy_from_a_stage_of_the_file() -> None:
    image = base("img", on_build=("COPY --from=tools /a /a",))
    assert [s.name for s in plan("FROM busybox AS tools\nFROM img", image).stages] == ["tools", "stage-1"]
    with pytest.raises(DockerfileError, match=r"^Dockerfile:1:1: error\[unknown-stage\]: --from=later"):
        plan(
            "FROM img AS first\nFROM busybox AS later",
            base("img", on_build=("COPY --from=later /a /a",)),
            target="first",
        )


@pytest.mark.parametrize("trigger", ["NOPE x", "FROM x", "", "RUN a\nRUN b", "COPY", "ENV"])
def test_a_trigger_that_is_no_instruction_is_an_error_at_the_from(trigger: str) -> None:
    with pytest.raises(DockerfileErrors) as caught:
        plan("ARG X\nFROM img", base("img", on_build=(trigger,)))
    assert str(caught.value).startswith("Dockerfile:2:1: error[")


def test_an_unsupported_trigger_is_an_error_at_the_from() -> None:
    with pytest.raises(DockerfileError, match=r"^Dockerfile:2:1: error\[not-supported\]: RUN --device"):
        plan("ARG X\nFROM img", base("img", on_build=("RUN --device=a.b/c true",)))
