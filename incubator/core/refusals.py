"""Which option an engine means when it refuses a container. Engines name their own settings, or a kernel's file."""

from __future__ import annotations

import contextlib
import re
from typing import TYPE_CHECKING

from incubator.errors import EngineError

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from incubator.request import ExtraHost, Limits

_WORDS = {
    "add-host": r"host-gateway|extra.?host|hosts? entr|/etc/hosts",
    "ulimit": r"rlimit|ulimit",
    "cgroup-parent": r"cgroup.parent|\.slice|cgroup path|systemd",
    "cpu-period": r"cfs.period|cpu.period|cpu\.max",
    "cpu-quota": r"cfs.quota|cpu.quota|cpu\.max",
    "cpu-shares": r"cpu.?shares|cpu\.weight",
    "cpuset-cpus": r"cpuset.cpus|cpuset|cpus",
    "cpuset-mems": r"cpuset.mems|memory nodes?|cpuset",
    "memory-swap": r"swap",
    "memory": r"memory",
    "shm-size": r"shm",
    "security-opt": r"seccomp|apparmor|security.?opt|selinux|no.new.privileges|systempaths|label",
}
"""What engines and runtimes say, by the option that it is about; earlier ones are the more telling."""


@contextlib.contextmanager
def naming_options(
    limits: Limits, add_hosts: Sequence[ExtraHost] = (), security_opts: Sequence[str] = ()
) -> Iterator[None]:
    """Have an engine's refusal name the option that it is about, of those that are set."""
    try:
        yield
    except EngineError as error:
        blamed = blame(error.message, given_options(limits, add_hosts, security_opts))
        if error.hint is None and blamed:
            error.hint = (
                f"this may be about {blamed}: an engine, its kernel and its cgroups decide what they take"
            )
        raise


def given_options(
    limits: Limits, add_hosts: Sequence[ExtraHost] = (), security_opts: Sequence[str] = ()
) -> dict[str, str]:
    """Options of containers that are set, by the names of the command line without dashes, and their values."""
    values = {
        "memory": limits.memory_bytes,
        "memory-swap": limits.memswap_bytes,
        "cpu-shares": limits.cpu_shares,
        "cpu-period": limits.cpu_period,
        "cpu-quota": limits.cpu_quota,
        "cpuset-cpus": limits.cpuset_cpus,
        "cpuset-mems": limits.cpuset_mems,
        "shm-size": limits.shm_size_bytes,
        "cgroup-parent": limits.cgroup_parent,
        "ulimit": " ".join(map(str, limits.ulimits)) or None,
        "add-host": " ".join(map(str, add_hosts)) or None,
        "security-opt": " ".join(security_opts) or None,
    }
    return {name: str(value) for name, value in values.items() if value is not None}


def blame(message: str, given: dict[str, str]) -> str | None:
    """`option value` of the given option that `message` is most likely about; None where it is about none."""
    for name, pattern in _WORDS.items():
        if name in given and re.search(pattern, message, re.IGNORECASE):
            return f"{name} {given[name]}"
    return None
