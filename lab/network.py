"""The bridge of the engine that owns the network, and what engines leave behind in the machine's network.

The bridge has a name of its own. An engine that starts with `--bridge none` deletes the interface `docker0`,
whoever made it; this one it does not know.
"""

from __future__ import annotations

import hashlib
import ipaddress
import json
import os
import re
import shlex
import socket
import subprocess
from pathlib import Path
from typing import TYPE_CHECKING

from .errors import LabError
from .paths import state_dir

if TYPE_CHECKING:
    from collections.abc import Mapping

FORWARD_SWITCH = Path("/proc/sys/net/ipv4/ip_forward")
TABLES = ("nat", "filter")
INTERFACES = Path("/sys/class/net")


def bridge_name() -> str:
    """Name of the bridge of this lab (an interface name has 15 characters at most); one for each state folder."""
    return f"incub{hashlib.sha256(os.fsencode(state_dir())).hexdigest()[:8]}"


def make_bridge() -> None:
    """Make and raise the bridge with an address no route of the machine overlaps; keeps one that is there."""
    name = bridge_name()
    if (INTERFACES / name).exists():
        return
    address = _free_address()
    _output(["ip", "link", "add", name, "type", "bridge"], {})
    broadcast = str(address.network.broadcast_address)
    _output(["ip", "address", "add", str(address), "broadcast", broadcast, "dev", name], {})
    _output(["ip", "link", "set", name, "up"], {})


def delete_interface(name: str) -> None:
    """Delete a network interface; fine if there is none."""
    if (INTERFACES / name).exists():
        _output(["ip", "link", "delete", name], {})


def remember(note: Path, env: Mapping[str, str]) -> None:
    """Write down the packet filter's rules and whether packets are forwarded, before an engine changes them.

    `env` leads to `iptables`, here and in `restore`.
    """
    if not note.exists():
        rules = {table: _rules(table, env) for table in TABLES}
        note.write_text(json.dumps({"rules": rules, "forward": FORWARD_SWITCH.read_text().strip()}))


def restore(note: Path, env: Mapping[str, str], *, chains: str, others: bool) -> None:
    """Remove the engine's chains and rules that were not there at `remember`; nothing to do without a note.

    `chains` is the pattern of the engine's own chains (and of its bridge). With `others`, an engine of the same kind
    still needs the chains: only rules that name the bridge go.
    """
    if not note.exists():
        return
    before = json.loads(note.read_text())
    ours = re.compile(rf"\b{bridge_name()}\b" if others else rf"{chains}|\b{bridge_name()}\b")
    for table in TABLES:
        _remove_new_rules(table, before["rules"][table], env, ours, policies=not others)
    if not others:
        FORWARD_SWITCH.write_text(before["forward"])
    note.unlink()


def _remove_new_rules(
    table: str, before: list[str], env: Mapping[str, str], ours: re.Pattern[str], *, policies: bool
) -> None:
    chains = []
    for rule in _rules(table, env):
        kind, chain, *_ = words = shlex.split(rule)
        if rule in before:
            continue
        if kind == "-N" and ours.search(chain):
            chains.append(chain)
        elif kind == "-A" and ours.search(rule):
            _iptables(table, env, "-D", *words[1:])
        elif kind == "-P" and policies:
            _iptables(table, env, *next(old for old in before if old.startswith(f"-P {chain} ")).split())
    for verb in ("-F", "-X"):
        for chain in chains:
            _iptables(table, env, verb, chain)


def _rules(table: str, env: Mapping[str, str]) -> list[str]:
    return _iptables(table, env, "-S").splitlines()


def _iptables(table: str, env: Mapping[str, str], *arguments: str) -> str:
    return _output(["iptables", "--wait", "-t", table, *arguments], env)


def _output(command: list[str], env: Mapping[str, str]) -> str:
    done = subprocess.run(
        ["env", *(f"{name}={value}" for name, value in env.items()), *command],
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode:
        raise LabError(f"{' '.join(command)} ended with {done.returncode}: {done.stderr.strip()}")
    return done.stdout


def _free_address() -> ipaddress.IPv4Interface:
    listed = _output(["ip", "-json", "-4", "route", "show", "table", "all"], {})
    taken = [
        ipaddress.IPv4Network(route["dst"], strict=False)
        for route in json.loads(listed or "[]")
        if route["dst"][:1].isdigit()
    ]
    for third in range(0, 256, 16):
        address = ipaddress.IPv4Interface(f"172.29.{third}.1/20")
        if not any(address.network.overlaps(network) for network in taken):
            return address
    raise LabError("no free address range for the bridge within 172.29.0.0/16")


def free_port() -> int:
    """A port of loopback that nobody listens at."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
