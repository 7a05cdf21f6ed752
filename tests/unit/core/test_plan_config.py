"""The image config after each metadata instruction, its history line, and values that are refused.

What BuildKit makes of the same is in test_plan_recorded.py.
"""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from incubator.core.plan.ports import parse_ports
from incubator.core.plan.runtime import DEFAULT_PATH, resolve_workdir, with_env, with_labels, with_path
from incubator.dockerfile import Source, Span
from incubator.errors import DockerfileError
from incubator.oci.image_config import Healthcheck, RuntimeConfig
from tests.unit.core.planning import PATH, base, config, step

SECOND = 10**9

FULL = base(
    "full",
    env=("A=1", "B=2"),
    cmd=("c",),
    entrypoint=("e",),
    working_dir="/w",
    user="u",
    exposed_ports=("80/tcp",),
    volumes=("/v",),
    labels=(("l", "1"),),
    stop_signal="SIGINT",
    healthcheck=Healthcheck(test=("CMD", "x"), retries=3),
    shell=("/s", "-c"),
)


def fault(text: str) -> str:
    with pytest.raises(DockerfileError) as caught:
        config(text)
    return str(caught.value)


def test_a_base_stays_as_it_is_but_for_a_path() -> None:
    expected = replace(FULL.config.config, env=("A=1", "B=2", PATH))
    assert config("FROM full", FULL) == expected
    assert config("FROM full AS a\nFROM a", FULL) == expected


def test_scratch_has_a_path_and_a_folder() -> None:
    assert config("FROM scratch") == RuntimeConfig(env=(PATH,), working_dir="/")
    assert config("FROM scratch AS a\nFROM a\nWORKDIR b").working_dir == "/b"


def test_a_path_is_kept() -> None:
    assert config("FROM img", base("img", env=("PATH=/own", "X=1"))).env == ("PATH=/own", "X=1")
    assert with_path(RuntimeConfig()).env == (f"PATH={DEFAULT_PATH}",)


@pytest.mark.parametrize(
    ("lines", "env"),
    [
        ("ENV A=9", ("A=9", "B=2", PATH)),
        ("ENV C=3 D=4", ("A=1", "B=2", PATH, "C=3", "D=4")),
        ("ENV C=$A$B", ("A=1", "B=2", PATH, "C=12")),
        ("ENV C a  b", ("A=1", "B=2", PATH, "C=a  b")),
        ("ENV C=", ("A=1", "B=2", PATH, "C=")),
        ("ENV C=1 C=2", ("A=1", "B=2", PATH, "C=2")),
        ("ENV A$A=x", ("A=1", "B=2", PATH, "A1=x")),
    ],
)
def test_env(lines: str, env: tuple[str, ...]) -> None:
    assert config(f"FROM full\n{lines}", FULL).env == env


def test_labels_are_sorted_and_replaced() -> None:
    assert config("FROM full\nLABEL z=$A l=2 a='$A'\nLABEL \"q r\"=s", FULL).labels == (
        ("a", "$A"), ("l", "2"), ("q r", "s"), ("z", "1"),
    )  # fmt: skip


@pytest.mark.parametrize(
    ("current", "path", "result"),
    [
        ("", "a", "/a"), ("/", "a", "/a"), ("/w", "a/b", "/w/a/b"), ("/w", "/a", "/a"), ("/w", "..", "/"),
        ("/w", "../../..", "/"), ("/w", "//a//b/.", "//a//b/."), ("/w", "/a/", "/a/"), ("/w", ".", "/w"),
        ("/w", "", "/w"), ("", "", "/"), ("w", "a", "/w/a"), ("/w", "a b", "/w/a b"), ("/w", "..a", "/w/..a"),
        ("//a//b/.", "c/", "/a/b/c"),
    ],
)  # fmt: skip
def test_workdir(current: str, path: str, result: str) -> None:
    assert resolve_workdir(current, path) == result


@settings(max_examples=60)
@given(st.text("/ab.", max_size=12), st.text("/ab.", max_size=12))
def test_a_relative_folder_becomes_absolute_and_clean(current: str, path: str) -> None:
    result = resolve_workdir(current, path)
    if path.startswith("/"):
        assert result == path
        return
    assert result.startswith("/")
    assert result == "/" or not {"", ".", ".."} & set(result[1:].split("/"))
    assert resolve_workdir(result, "") == result


def test_user() -> None:
    assert config("FROM full\nARG U=5\nUSER $U:$U", FULL).user == "5:5"
    assert config("FROM full\nUSER $NOTHING", FULL).user == ""


# -- CMD and ENTRYPOINT -----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("lines", "entrypoint", "cmd"),
    [
        ("", ("e",), ("c",)),
        ('CMD ["x"]', ("e",), ("x",)),
        ('ENTRYPOINT ["x"]', ("x",), None),
        ('CMD ["x"]\nENTRYPOINT ["y"]', ("y",), ("x",)),
        ('ENTRYPOINT ["y"]\nCMD ["x"]', ("y",), ("x",)),
        ('CMD ["x"]\nENTRYPOINT ["y"]\nENTRYPOINT ["z"]', ("z",), ("x",)),
        ("CMD x  $A", ("e",), ("/s", "-c", "x  $A")),
        ("ENTRYPOINT x", ("/s", "-c", "x"), None),
        ('SHELL ["/t"]\nCMD x', ("e",), ("/t", "x")),
        ('CMD x\nSHELL ["/t"]', ("e",), ("/s", "-c", "x")),
        ("CMD []", ("e",), ()),
        ('CMD []\nENTRYPOINT ["x"]', ("x",), ()),
        ("ENTRYPOINT []", (), None),
        ("CMD", ("e",), ("/s", "-c", "")),
        ('CMD ["x"', ("e",), ("/s", "-c", '["x"')),
    ],
)
def test_cmd_and_entrypoint(lines: str, entrypoint: tuple[str, ...], cmd: tuple[str, ...] | None) -> None:
    made = config(f"FROM full\n{lines}", FULL)
    assert (made.entrypoint, made.cmd) == (entrypoint, cmd)


def test_the_cmd_of_a_stage_below_goes_with_an_entrypoint_too() -> None:
    made = config('FROM busybox AS a\nCMD ["x"]\nFROM a\nENTRYPOINT ["e"]')
    assert (made.entrypoint, made.cmd) == (("e",), None)


def test_only_cmd_says_that_its_arguments_are_escaped() -> None:
    assert not config('FROM full\nENTRYPOINT ["x"]', FULL).args_escaped
    assert config("FROM full\nCMD x", FULL).args_escaped


# -- EXPOSE -----------------------------------------------------------------------------------------------


def test_ports_are_sorted_and_added() -> None:
    made = config('FROM full\nARG P="7 9/UDP"\nEXPOSE $P 100-102/sctp\nEXPOSE 80', FULL)
    assert made.exposed_ports == ("100/sctp", "101/sctp", "102/sctp", "7/tcp", "80/tcp", "9/udp")
    assert config("FROM busybox\nEXPOSE $NOTHING").exposed_ports == ()


SPAN = Span(Source("Dockerfile", "EXPOSE x"), 1, 1)


@pytest.mark.parametrize(
    ("word", "ports"),
    [
        ("80", ["80/tcp"]), ("80/", ["80/tcp"]), ("080/UDP", ["80/udp"]), ("0", ["0/tcp"]), ("65535", ["65535/tcp"]),
        ("1-3/sctp", ["1/sctp", "2/sctp", "3/sctp"]), ("7-7", ["7/tcp"]), ("8080:80", ["80/tcp"]), (":80", ["80/tcp"]),
        ("1.2.3.4:8080:80", ["80/tcp"]), ("1.2.3.4::80", ["80/tcp"]), ("[::1]:1:2", ["2/tcp"]), ("::1:1:2", ["2/tcp"]),
        ("1-2:3-4", ["3/tcp", "4/tcp"]), ("1-9:3", ["3/tcp"]), (":3-4", ["3/tcp", "4/tcp"]),
    ],
)  # fmt: skip
def test_ports(word: str, ports: list[str]) -> None:
    assert list(parse_ports(word, SPAN)) == ports


@pytest.mark.parametrize(
    ("word", "message"),
    [
        ("65536", "expected ports up to 65535"), ("9-8", "the lower one first"),
        ("70000:80", "expected ports up to 65535"),
        ("80/icmp", "'icmp' is no protocol"), ("80/tcp/udp", "'tcp/udp' is no protocol"),
        ("abc", "'abc' is not a port"),
        ("-1", "'-1' is not a port"), ("80-", "'80-' is not a port"), ("1-2-3", "'1-2-3' is not a port"),
        ("8_0", "'8_0' is not a port"), ("٣", "is not a port"), ("x:80", "'x' is not a port"),
        ("80:", "'' is not a port"),
        ("", "'' is not a port"), ("/tcp", "'' is not a port"), (" 80", "' 80' is not a port"),
        ("1-3:1-2", "differ in length"),
        ("1:1-2", "differ in length"), ("1.2.3.400:1:1", "'1.2.3.400' is no IP address"),
        ("host:1:1", "'host' is no IP"),
        ("fe80::1%eth0:1:1", "is no IP address"), ("8" * 30, "expected ports"),
    ],
)  # fmt: skip
def test_what_is_no_port(word: str, message: str) -> None:
    with pytest.raises(DockerfileError) as caught:
        parse_ports(word, SPAN)
    assert caught.value.rule == "expose-port"
    assert caught.value.span is SPAN
    assert caught.value.text.startswith(f"EXPOSE {word!r}: ")
    assert message in caught.value.text


@settings(max_examples=60)
@given(st.integers(0, 65535), st.integers(0, 20), st.sampled_from(["", "/tcp", "/udp", "/SCTP"]))
def test_a_range_is_all_of_its_ports(first: int, more: int, protocol: str) -> None:
    last = min(first + more, 65535)
    found = parse_ports(f"{first}-{last}{protocol}", SPAN)
    assert list(found) == [f"{port}/{protocol[1:].lower() or 'tcp'}" for port in range(first, last + 1)]


def test_a_bad_port_is_an_error_at_its_line() -> None:
    assert fault("FROM busybox\nENV A=1\nEXPOSE 80 x").startswith(
        "Dockerfile:3:1: error[expose-port]: EXPOSE 'x'"
    )


# -- VOLUME, STOPSIGNAL, HEALTHCHECK, SHELL, ONBUILD ----------------------------------------------------------


def test_volumes_are_sorted_and_added() -> None:
    made = config('FROM full\nARG V="/b c"\nVOLUME $V /a/\nVOLUME ["/v", "/x y"]', FULL)
    assert made.volumes == ("/a/", "/b c", "/v", "/x y")


@pytest.mark.parametrize("lines", ["VOLUME $NOTHING", "ARG B=' '\nVOLUME $B", "VOLUME /a $NOTHING"])
def test_an_empty_volume_is_refused(lines: str) -> None:
    assert "error[volume]: VOLUME needs a path, found an empty one" in fault(f"FROM busybox\n{lines}")


@pytest.mark.parametrize(
    "signal",
    [
        "SIGTERM",
        "TERM",
        "sigterm",
        "1",
        "9",
        "64",
        "SIGRTMIN",
        "RTMIN+1",
        "SIGRTMIN+15",
        "RTMAX-14",
        "RTMAX",
        "65",
        "-1",
        "SIGIOT",
    ],
)
def test_stop_signals_are_kept_as_written(signal: str) -> None:
    assert config(f"FROM busybox\nARG S={signal}\nSTOPSIGNAL $S").stop_signal == signal


@pytest.mark.parametrize(
    "signal",
    [
        "FOO",
        "0",
        "1.5",
        "SIG",
        "RTMIN+0",
        "RTMIN+16",
        "RTMIN+01",
        "RTMAX-15",
        "RTMAX+1",
        "٩",
        '""',
        "SIGSIGTERM",
    ],
)
def test_what_is_no_signal(signal: str) -> None:
    text = fault(f"FROM busybox\nSTOPSIGNAL {signal}")
    assert text.startswith("Dockerfile:2:1: error[stop-signal]: STOPSIGNAL")
    assert "hint: as in SIGTERM or 15" in text


@pytest.mark.parametrize(
    ("line", "check"),
    [
        ("CMD x  $A", Healthcheck(test=("CMD-SHELL", "x  $A"))),
        ('CMD ["x", "$A"]', Healthcheck(test=("CMD", "x", "$A"))),
        ("NONE", Healthcheck(test=("NONE",))),
        (
            "--interval=1m30s --timeout=500ms --start-period=5s --start-interval=2s --retries=4 CMD x",
            Healthcheck(
                test=("CMD-SHELL", "x"),
                interval_ns=90 * SECOND,
                timeout_ns=SECOND // 2,
                start_period_ns=5 * SECOND,
                start_interval_ns=2 * SECOND,
                retries=4,
            ),
        ),
    ],
)
def test_healthcheck_replaces_the_one_before(line: str, check: Healthcheck) -> None:
    assert config(f"FROM full\nHEALTHCHECK {line}", FULL).healthcheck == check


def test_shell_and_onbuild() -> None:
    made = config('FROM full\nSHELL ["/bin/bash", "-c"]\nONBUILD RUN  echo $A\nONBUILD USER x', FULL)
    assert made.shell == ("/bin/bash", "-c")
    assert made.on_build == ("RUN  echo $A", "USER x")


# -- history ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("line", "text"),
    [
        ('ENV A=1 C=$A D="x y"', "ENV A=1 C=1 D=x y"),
        ("ENV C one two", "ENV C=one two"),
        ("LABEL a=$A \"b c\"='$A'", "LABEL a=1 b c=$A"),
        ("ARG X Y=$A A=9", "ARG X Y=1 A=9"),
        ("WORKDIR a/../$A", "WORKDIR /w/1"),
        ("USER $A", "USER 1"),
        ('CMD echo $A "é"', 'CMD ["/s" "-c" "echo $A \\"é\\""]'),
        ('ENTRYPOINT ["a", "b"]', 'ENTRYPOINT ["a" "b"]'),
        ("EXPOSE $A 7/udp", "EXPOSE [1/tcp 7/udp]"),
        ("VOLUME /v$A b", "VOLUME [/v1 b]"),
        ("STOPSIGNAL $A", "STOPSIGNAL 1"),
        ("HEALTHCHECK --retries=2 CMD echo $A", "HEALTHCHECK --retries=2 CMD echo $A"),
        ('SHELL ["/t"]', "SHELL [/t]"),
        ("ONBUILD RUN $A", ""),
        ("MAINTAINER me", "MAINTAINER me"),
        ("COPY $A /b", "COPY 1 /b"),
        ("COPY --from=full --chown=$A a /b", "COPY --chown=1 a /b"),
        ("RUN echo $A", "RUN /s -c echo $A"),
        ('RUN ["a", "b c"]', "RUN a b c"),
    ],
)  # fmt: skip
def test_history_shows_the_values(line: str, text: str) -> None:
    assert step(f"FROM full\n{line}", FULL).created_by == text


def test_secrets_given_as_arguments_show_where_docker_shows_them_and_nowhere_else() -> None:
    run = step("FROM busybox\nARG T\nRUN x", build_args={"T": "token", "OTHER": "unused"})
    assert run.created_by == "RUN |1 T=token /bin/sh -c x"
    assert "token" not in str(run.config)


# -- the pieces -------------------------------------------------------------------------------------------


def test_env_and_labels_of_nothing() -> None:
    empty = RuntimeConfig()
    assert with_env(empty, {}) == empty
    assert with_labels(empty, []) == empty
    assert with_env(RuntimeConfig(env=("A=1", "A=2", "B=3")), {"C": "4"}).env == ("A=2", "B=3", "C=4")
