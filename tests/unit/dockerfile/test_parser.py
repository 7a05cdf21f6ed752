"""Typed instructions: what each instruction of a file becomes, and where it is."""

from __future__ import annotations

from typing import TypeVar

import pytest

from incubator.dockerfile import Source, Span, parse, parse_trigger
from incubator.dockerfile.instructions import (
    AddInstruction,
    ArgInstruction,
    CmdInstruction,
    Command,
    CopyInstruction,
    EntrypointInstruction,
    EnvInstruction,
    ExposeInstruction,
    FromInstruction,
    HealthcheckInstruction,
    Heredoc,
    Instruction,
    LabelInstruction,
    MaintainerInstruction,
    OnbuildInstruction,
    RunInstruction,
    ShellInstruction,
    StopsignalInstruction,
    UserInstruction,
    VolumeInstruction,
    WorkdirInstruction,
)
from incubator.errors import DockerfileErrors

T = TypeVar("T", bound=Instruction)


def one(kind: type[T], text: str) -> T:
    """The only instruction of `text` behind a FROM."""
    _, instruction = parse(Source("Dockerfile", f"FROM a\n{text}\n")).instructions
    assert isinstance(instruction, kind)
    return instruction


def test_from() -> None:
    document = parse(Source("Dockerfile", "ARG V=1\nFROM a:$V\nfrom --platform=$P b@sha256:1 as Two_.-3\n"))
    _, first, second = document.instructions
    assert isinstance(first, FromInstruction)
    assert isinstance(second, FromInstruction)
    assert (first.image, first.platform, first.alias) == ("a:$V", None, None)
    assert (second.image, second.platform, second.alias) == ("b@sha256:1", "$P", "Two_.-3")
    assert [instruction.number for instruction in document.instructions] == [1, 2, 3]
    assert [instruction.keyword for instruction in document.instructions] == ["ARG", "FROM", "FROM"]
    assert second.written == "from"


def test_arg() -> None:
    assert one(ArgInstruction, "ARG A B= C='x y' D=$A=1").pairs == (
        ("A", None),
        ("B", ""),
        ("C", "'x y'"),
        ("D", "$A=1"),
    )


def test_arg_and_stopsignal_ignore_flags() -> None:
    assert one(ArgInstruction, "ARG --x A").pairs == (("A", None),)
    assert one(StopsignalInstruction, "STOPSIGNAL --x 9").signal == "9"
    assert one(HealthcheckInstruction, "HEALTHCHECK --x NONE").command is None


def test_env_and_label() -> None:
    env = one(EnvInstruction, 'ENV A=1 B="x y" C=')
    assert (env.pairs, env.legacy) == ((("A", "1"), ("B", '"x y"'), ("C", "")), False)
    old = one(EnvInstruction, "ENV A x = y ")
    assert (old.pairs, old.legacy) == ((("A", "x = y"),), True)
    label = one(LabelInstruction, 'LABEL a.b=c "d e"=f')
    assert (label.pairs, label.legacy) == ((("a.b", "c"), ('"d e"', "f")), False)
    assert one(LabelInstruction, "LABEL a b").legacy


def test_run_forms() -> None:
    assert one(RunInstruction, "RUN echo  hi ").command == Command(words=("echo  hi",), shell_form=True)
    assert one(RunInstruction, 'RUN ["a", "b c"]').command == Command(words=("a", "b c"), shell_form=False)
    assert one(RunInstruction, "RUN ['a']").command == Command(words=("['a']",), shell_form=True)
    assert one(RunInstruction, "RUN").command == Command(words=(), shell_form=True)
    assert one(CmdInstruction, "CMD []").command == Command(words=(), shell_form=False)
    assert one(EntrypointInstruction, "ENTRYPOINT a $B").command == Command(words=("a $B",), shell_form=True)


def test_run_flags() -> None:
    run = one(
        RunInstruction,
        'RUN --mount=type=cache,Target=/x,"id=a,b",ro --mount=type=secret,id=s --network=none '
        "--security=insecure --device=gpu,required echo",
    )
    assert [mount.options for mount in run.mounts] == [
        (("type", "cache"), ("target", "/x"), ("id", "a"), ("b", None), ("ro", None)),
        (("type", "secret"), ("id", "s")),
    ]
    assert run.mounts[1].raw == "type=secret,id=s"
    assert (run.network, run.security, run.devices) == ("none", "insecure", ("gpu,required",))
    assert run.command.words == ("echo",)


def test_mount_with_quoted_comma() -> None:
    quoted = one(RunInstruction, 'RUN --mount=\'type=cache,"id=a,""b"\' echo')
    assert quoted.mounts[0].options == (("type", "cache"), ("id", 'a,"b'))


def test_run_heredocs() -> None:
    script = one(RunInstruction, "RUN <<-EOF\n\ta\n\t\tb\n\tEOF")
    assert script.script
    assert script.heredocs == (Heredoc(name="EOF", content="\ta\n\t\tb\n", expand=True, strip_tabs=True),)
    assert script.heredocs[0].body == "a\nb\n"
    assert (script.span.first_line, script.span.last_line) == (2, 5)
    several = one(RunInstruction, "RUN cat <<A 3<<'B'\na\nA\nb\nB")
    assert not several.script
    assert [(h.name, h.content, h.expand, h.file_descriptor) for h in several.heredocs] == [
        ("A", "a\n", True, 0),
        ("B", "b\n", False, 3),
    ]
    assert one(RunInstruction, "RUN <<  EOF\nx\nEOF").script


def test_copy() -> None:
    copy = one(
        CopyInstruction,
        "COPY --from=b --chown=1:2 --chmod=u+x --link --parents=false --exclude=*.c --exclude='d e' x y z/",
    )
    assert (copy.sources, copy.destination, copy.from_) == (("x", "y"), "z/", "b")
    assert (copy.chown, copy.chmod, copy.link, copy.parents) == ("1:2", "u+x", True, False)
    assert copy.exclude == ("*.c", "d e")
    assert one(CopyInstruction, 'COPY ["a b", "c"]').sources == ("a b",)
    assert one(CopyInstruction, "COPY --chown= --from= a b").chown is None


def test_copy_heredocs() -> None:
    copy = one(CopyInstruction, "COPY a <<-one b <<'two' /x/\n\t$A\none\n\t$B\ntwo")
    assert copy.sources == ("a", "b")
    assert copy.heredocs == (
        Heredoc(name="one", content="$A\n", expand=True, strip_tabs=True),
        Heredoc(name="two", content="\t$B\n", expand=False, strip_tabs=False),
    )
    same = one(CopyInstruction, "COPY <<E <<E /x/\n1\nE\n2\nE")
    assert [heredoc.content for heredoc in same.heredocs] == ["2\n", "2\n"]


def test_add() -> None:
    add = one(AddInstruction, "ADD --checksum=sha256:1 --keep-git-dir=TRUE --unpack=false x y")
    assert (add.checksum, add.keep_git_dir, add.unpack, add.link) == ("sha256:1", True, False, False)
    plain = one(AddInstruction, "ADD x y")
    assert (plain.checksum, plain.keep_git_dir, plain.unpack) == (None, None, None)


def test_healthcheck() -> None:
    check = one(
        HealthcheckInstruction,
        "HEALTHCHECK --interval=1m30s --timeout=1.5s --start-period=0s --start-interval=100ms --retries=3 "
        'CMD ["a"]',
    )
    assert check.command == Command(words=("a",), shell_form=False)
    assert (check.interval_ns, check.timeout_ns) == (90_000_000_000, 1_500_000_000)
    assert (check.start_period_ns, check.start_interval_ns, check.retries) == (0, 100_000_000, 3)
    assert one(HealthcheckInstruction, "HEALTHCHECK none").command is None
    assert one(HealthcheckInstruction, "HEALTHCHECK cmd a  b").command == Command(
        words=("a  b",), shell_form=True
    )


def test_small_ones() -> None:
    assert one(WorkdirInstruction, "WORKDIR /a b").path == "/a b"
    assert one(UserInstruction, "USER a:b").user == "a:b"
    assert one(ExposeInstruction, "EXPOSE 9 80/udp 10").ports == ("10", "80/udp", "9")
    assert one(VolumeInstruction, 'VOLUME [" /a b", "/c"]').paths == ("/a b", "/c")
    assert one(VolumeInstruction, "VOLUME /a /b").paths == ("/a", "/b")
    assert one(ShellInstruction, 'SHELL ["bash", "-c"]').shell == ("bash", "-c")
    assert one(MaintainerInstruction, "MAINTAINER A B <c>").name == "A B <c>"


def test_onbuild() -> None:
    onbuild = one(OnbuildInstruction, "onbuild  COPY <<E \\\n  --x /y \nt\nE")
    assert onbuild.trigger == "COPY <<E   --x /y \nt\nE"
    assert isinstance(onbuild.instruction, CopyInstruction)
    assert onbuild.instruction.heredocs[0].content == "t\n"
    assert onbuild.instruction.number == onbuild.number
    assert str(onbuild.instruction.span) == "Dockerfile:2:10"
    assert str(onbuild.instruction.place_of("/y")) == "Dockerfile:3:7"


def test_trigger_of_a_base_image() -> None:
    span = Span(Source("Dockerfile", "FROM base\n"), 1, 1)
    copy = parse_trigger("COPY <<E /y\nt\nE", span=span, number=7)
    assert isinstance(copy, CopyInstruction)
    assert (copy.span, copy.number, copy.heredocs[0].content) == (span, 7, "t\n")
    assert copy.place_of("/y") == span
    assert parse_trigger("ONBUILD RUN x", span=span, number=1).keyword == "ONBUILD"


@pytest.mark.parametrize(
    "text", ["", "# x", "FROM a", "FOO", "RUN a\nRUN b", "COPY a", "ENV x", "COPY --x a b"]
)
def test_faulty_triggers(text: str) -> None:
    span = Span(Source("Dockerfile", "FROM base\n"), 1, 1)
    with pytest.raises(DockerfileErrors) as caught:
        parse_trigger(text, span=span, number=1)
    assert {error.span for error in caught.value.errors} == {span}


def test_places() -> None:
    text = "  # c\nFROM a\n  RUN one \\\n# gone\n\n   two \\\n  three\n"
    _, run = parse(Source("D", text)).instructions
    assert run.original == "RUN one    two   three"
    assert (str(run.span), run.span.last_line) == ("D:3:3", 7)
    assert [str(run.place_of(word)) for word in ("one", "two", "three", "four")] == [
        "D:3:7",
        "D:6:4",
        "D:7:3",
        "D:3:3",
    ]


def test_words_of_a_line() -> None:
    text = 'FROM a\nENV A="b c" \\\n  D=e\\ f\n'
    _, env = parse(Source("D", text)).instructions
    assert [(word, str(span)) for word, span in env.words()] == [
        ("ENV", "D:2:1"),
        ('A="b c"', "D:2:5"),
        ("D=e\\ f", "D:3:3"),
    ]


def test_comments_above() -> None:
    text = "# syntax=docker/dockerfile:1\n# one\n#\n# two\n# three\nFROM a\n# four\n\nRUN x\n"
    first, second = parse(Source("D", text)).instructions
    assert (first.comments, second.comments) == (("two", "three"), ())


def test_directives() -> None:
    directives = parse(
        Source("D", "#syntax = docker/dockerfile:1 x\n# Check=skip=all;error=true\nFROM a\n")
    ).directives
    assert (directives.syntax, directives.check, directives.escape) == (
        "docker/dockerfile:1",
        "skip=all;error=true",
        "\\",
    )
    assert parse(Source("D", "# escape=`\n# check=x=y\nFROM a\n")).directives.escape == "`"
    behind_shebang = parse(Source("D", "#!/bin/x\n# check=skip=A\n# escape=`\nFROM a\nRUN \\\n y\n"))
    assert (behind_shebang.directives.check, behind_shebang.directives.escape) == ("skip=A", "\\")


def test_empty_continuation_warns() -> None:
    (warning,) = parse(Source("D", "FROM a\nRUN x \\\n\n# c\n\n  y\n")).warnings
    assert (warning.rule, str(warning.span)) == ("NoEmptyContinuation", "D:3:1")


def test_only_line_feeds_end_lines() -> None:
    source = Source("D", "FROM a\x0b\x0c\nRUN x\x85y\u2028z\n")
    assert len(source.lines) == 2
    assert [instruction.span.first_line for instruction in parse(source).instructions] == [1, 2]
