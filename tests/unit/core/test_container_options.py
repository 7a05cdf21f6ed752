from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from incubator.core.container_options import (
    ULIMITS,
    parse_cgroup_parent,
    parse_filter,
    parse_host,
    parse_security_opt,
    parse_shm_size,
    parse_ulimit,
)
from incubator.core.refusals import blame, given_options, naming_options
from incubator.errors import EngineError, InputError
from incubator.request import ExtraHost, Limits, Ulimit


@pytest.mark.parametrize(
    ("text", "limit"),
    [
        ("nofile=1024:2048", Ulimit(name="nofile", soft=1024, hard=2048)),
        ("nproc=5", Ulimit(name="nproc", soft=5, hard=5)),
        ("core=-1", Ulimit(name="core", soft=-1, hard=-1)),
        ("core=0:-1", Ulimit(name="core", soft=0, hard=-1)),
        (" stack=8192:8192 ", Ulimit(name="stack", soft=8192, hard=8192)),
    ],
)
def test_ulimits(text: str, limit: Ulimit) -> None:
    assert parse_ulimit(text) == limit
    assert parse_ulimit(str(limit)) == limit


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("web=10.0.0.7", ExtraHost(name="web", address="10.0.0.7")),
        ("web:10.0.0.7", ExtraHost(name="web", address="10.0.0.7")),
        ("web.example-1.org:::1", ExtraHost(name="web.example-1.org", address="::1")),
        ("web=::1", ExtraHost(name="web", address="::1")),
        ("web:[2001:db8::1]", ExtraHost(name="web", address="2001:db8::1")),
        ("web=[10.0.0.7]", ExtraHost(name="web", address="10.0.0.7")),
        ("host.docker.internal:host-gateway", ExtraHost(name="host.docker.internal", address="host-gateway")),
        ("h=host-gateway", ExtraHost(name="h", address="host-gateway")),
    ],
)
def test_hosts(text: str, expected: ExtraHost) -> None:
    assert parse_host(text) == expected
    assert parse_host(str(expected)) == expected


@pytest.mark.parametrize(
    ("parse", "text", "words"),
    [
        (parse_ulimit, "nofile", ["'nofile'", "there is no =", "nofile=1024:2048"]),
        (parse_ulimit, "nofiles=1", ["'nofiles=1'", "did you mean nofile?"]),
        (parse_ulimit, "xyzzy=1", ["limits are core, cpu,"]),
        (parse_ulimit, "nofile=1k", ["'1k' is not a number", "plain numbers"]),
        (parse_ulimit, "nofile=1:", ["'' is not a number"]),
        (parse_ulimit, "nofile=1:2:3", ["'2:3' is not a number"]),
        (parse_ulimit, "nofile=2:1", ["soft limit is above the hard one"]),
        (parse_ulimit, "nofile=-1:5", ["soft limit is above the hard one"]),
        (parse_ulimit, "nofile=-2", ["'-2' is not a number"]),
        (parse_host, "web", ["'web'", "it has no address", "db.local=10.0.0.7"]),
        (parse_host, "web=", ["it has no address"]),
        (parse_host, "=10.0.0.7", ["'' is no name of a host"]),
        (parse_host, "a b=10.0.0.7", ["'a b' is no name of a host"]),
        (parse_host, "web=10.0.0", ["'10.0.0' is no IP address"]),
        (parse_host, "web=10.0.0.7\n1.2.3.4 bank.example", ["is no IP address"]),
        (parse_host, "web=hostgateway", ["did you mean host-gateway?"]),
        (parse_cgroup_parent, "a b", ["'a b'", "builds.slice"]),
        (parse_cgroup_parent, "../escape", ["'../escape'"]),
        (parse_cgroup_parent, "", ["''"]),
        (parse_security_opt, "secomp=unconfined", ["did you mean seccomp?"]),
        (parse_security_opt, "seccomp=profile.json", ["seccomp= takes unconfined"]),
        (parse_security_opt, "apparmor", ["apparmor= takes the name of a profile"]),
        (parse_security_opt, "", ["there is no ''"]),
        (parse_shm_size, "lots", ["shm size: invalid size 'lots'", "512m"]),
        (parse_shm_size, True, ["shm size: invalid size True"]),
    ],
)
def test_what_is_wrong_is_named_with_what_is_allowed(
    parse: Callable[[Any], object], text: Any, words: list[str]
) -> None:
    with pytest.raises(InputError) as caught:
        parse(text)
    for word in words:
        assert word in str(caught.value)


def test_the_rest() -> None:
    assert parse_shm_size("128m") == 128 << 20
    assert parse_shm_size(0) is None
    assert parse_cgroup_parent("/ci/builds") == "/ci/builds"
    assert parse_security_opt("label:disable") == "label=disable"
    assert parse_security_opt("no-new-privileges") == "no-new-privileges"
    assert parse_security_opt("no-new-privileges:true") == "no-new-privileges=true"
    assert parse_filter(" a, b,,c") == ["a", "b", "c"]


@given(st.text(max_size=30))
def test_no_text_crashes_and_none_can_bring_lines_into_etc_hosts(text: str) -> None:
    for parse in (parse_ulimit, parse_host, parse_security_opt, parse_cgroup_parent):
        try:
            value = str(parse(text))
        except InputError:
            continue
        assert "\n" not in value or parse is parse_security_opt


def test_ulimits_are_those_that_docker_knows() -> None:
    assert len(ULIMITS) == len(set(ULIMITS)) == 15


@pytest.mark.parametrize(
    ("message", "expected"),
    [
        (
            'cgroup-parent for systemd cgroup should be a valid slice named as "xxx.slice"',
            "cgroup-parent /ci",
        ),
        ("error setting rlimit type 7: operation not permitted", "ulimit nofile=1:2"),
        ("unable to derive the IP value for host-gateway", "add-host h=host-gateway"),
        ("NanoCPUs can not be set, as your kernel does not support CPU cfs period", "cpu-period 1000"),
        ("openat2 /sys/fs/cgroup/x/cpu.max: permission denied", "cpu-period 1000"),
        ("Requested memory nodes are not available - requested 9, available: 0", "cpuset-mems 9"),
        ("no space left on device", None),
    ],
)
def test_a_refusal_names_the_option(message: str, expected: str | None) -> None:
    limits = Limits(
        cgroup_parent="/ci",
        ulimits=(Ulimit(name="nofile", soft=1, hard=2),),
        cpu_period=1000,
        cpuset_mems="9",
    )
    hosts = [ExtraHost(name="h", address="host-gateway")]
    assert blame(message, given_options(limits, hosts)) == expected
    assert blame(message, {}) is None, "what nobody gave is not to blame"
    with pytest.raises(EngineError) as caught, naming_options(limits, hosts):
        raise EngineError(message)
    assert (caught.value.hint or "").startswith(f"this may be about {expected}" if expected else "")
