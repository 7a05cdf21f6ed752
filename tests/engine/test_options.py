"""Options of build containers, as the engines keep them."""

from __future__ import annotations

import secrets
from typing import TYPE_CHECKING, Any

import pytest

from incubator.errors import EngineError
from incubator.events import StepFinished
from tests.engine.conftest import make_bench

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from incubator.core.result import ResultImage
    from lab import EngineHandle
    from tests.engine.conftest import Bench

LOOK = r"""
FROM busybox
RUN cat /etc/hosts && echo nofile=$(ulimit -Sn):$(ulimit -Hn) && df -k /dev/shm | tail -n 1
RUN echo made > /made
"""


def output(result: ResultImage) -> str:
    return "".join(log.logs for log in result.logs)


def test_steps_have_hosts_ulimits_and_shared_memory_and_the_image_has_nothing_of_them(bench: Bench) -> None:
    plain = bench.build(LOOK)
    result = bench.build(
        LOOK,
        add_hosts=["db.local=10.0.0.7", "six.local:[2001:db8::1]"],
        ulimits=["nofile=64:128", "nofile=32:64", "nproc=512"],
        shm_size="16m",
    )
    said = output(result)
    lines = [line.split() for line in said.splitlines()]
    assert ["10.0.0.7", "db.local"] in lines
    assert ["2001:db8::1", "six.local"] in lines
    assert "nofile=32:64" in said
    assert "16384" in said
    assert "db.local" not in output(plain)
    one, other = bench.snapshot(plain.id), bench.snapshot(result.id)
    assert one.files == other.files
    assert one.config == other.config
    assert "db.local" not in bench.run(result.id, "cat", "/etc/hosts")


def test_limits_of_cpus_reach_the_cgroup(docker28: Bench) -> None:
    text = (
        "FROM busybox\nRUN cat /sys/fs/cgroup/cpu.max 2>/dev/null"
        " || cat /sys/fs/cgroup/cpu/cpu.cfs_quota_us /sys/fs/cgroup/cpu/cpu.cfs_period_us"
    )
    result = docker28.build(
        text, container_limits={"cpuperiod": 50000, "cpuquota": 25000, "cpusetcpus": "0", "cpusetmems": 0}
    )
    assert output(result).split() == ["25000", "50000"]


def test_the_gateway_of_the_host(start_engine: Callable[[str], EngineHandle], tmp_path: Path) -> None:
    for bench in make_bench(start_engine("docker20"), tmp_path):  # the one with a bridge
        result = bench.build(
            "FROM busybox\nRUN cat /etc/hosts", add_hosts="host.docker.internal:host-gateway"
        )
        [line] = [line for line in output(result).splitlines() if "host.docker.internal" in line]
        assert line.split()[0].count(".") == 3


@pytest.mark.parametrize(
    ("options", "blamed"),
    [
        ({"container_limits": {"cpusetmems": "63"}}, "cpuset-mems 63"),
        ({"add_hosts": "h=host-gateway"}, "add-host h=host-gateway"),
    ],
)
def test_what_an_engine_refuses_is_named(docker28: Bench, options: dict[str, Any], blamed: str) -> None:
    with pytest.raises(EngineError) as caught:
        docker28.build("FROM busybox\nRUN true", **options)
    assert f"this may be about {blamed}" in (caught.value.hint or "")


TWO_STAGES = """
FROM busybox AS deps
RUN cat /proc/sys/kernel/random/uuid > /deps
FROM busybox AS tools
RUN cat /proc/sys/kernel/random/uuid > /tools
FROM busybox
RUN cat /proc/sys/kernel/random/uuid > /own
COPY --from=deps /deps /
COPY --from=tools /tools /
"""


def test_filtered_stages_are_made_anew_and_what_reads_them_too(docker28: Bench) -> None:
    def files(**options: Any) -> dict[str, str]:
        result = docker28.build(TWO_STAGES, no_cache=False, **options)
        text = docker28.run(result.id, "sh", "-c", "cat /deps /tools /own")
        return dict(zip(("deps", "tools", "own"), text.split(), strict=True))

    first = files(no_cache_filters=["deps", "1", "2"])
    assert files() == first
    again = files(no_cache_filters="TOOLS")
    assert {name for name in first if first[name] != again[name]} == {"tools"}
    assert files() == again, "the newest result is the one that is found"
    everything = files(no_cache_filters=["deps,tools", "2"])
    assert all(everything[name] != again[name] for name in again)


def test_limits_and_hosts_in_keys(docker28: Bench) -> None:
    def cached(**options: Any) -> bool:
        docker28.events.clear()
        docker28.build("FROM busybox\nRUN echo limits > /x", no_cache=False, **options)
        [finished] = [event for event in docker28.events if isinstance(event, StepFinished)]
        return finished.cached

    cached()
    assert cached(ulimits="nofile=99", shm_size="16m", container_limits={"memory": "64m", "cpushares": 5})
    host = f"h{secrets.token_hex(4)}=1.2.3.4"
    assert not cached(add_hosts=host)
    assert cached(add_hosts=host)
