"""The bridge of the engine that owns the network, and what that engine leaves behind in the machine's network.

The bridge has a name of its own. An engine that starts with `--bridge none` deletes the interface `docker0`,
whoever made it; this one it does not know.
"""

from __future__ import annotations

import ipaddress
import json
import os
import re
import subprocess
from pathlib import Path
from typing import TYPE_CHECKING

from .errors import LabError

if TYPE_CHECKING:
    from collections.abc import Mapping

BRIDGE = "incubator0"
FORWARD_SWITCH = Path("/proc/sys/net/ipv4/ip_forward")
TABLES = ("nat", "filter")


def make_bridge() -> None:
    """Make and raise the bridge with an address no route of the machine overlaps; keeps one that is there."""
    if Path(f"/sys/class/net/{BRIDGE}").exists():
        return
    address = _free_address()
    _ip("link", "add", BRIDGE, "type", "bridge")
    _ip("address", "add", str(address), "broadcast", str(address.network.broadcast_address), "dev", BRIDGE)
    _ip("link", "set", BRIDGE, "up")


def remember(note: Path, env: Mapping[str, str]) -> None:
    """Write down which packet filter chains exist and whether packets are forwarded, before an engine changes it."""
    if not note.exists():
        rules = {table: _rules(table, env) for table in TABLES}
        note.write_text(json.dumps({"rules": rules, "forward": FORWARD_SWITCH.read_text().strip()}))


def restore(note: Path, env: Mapping[str, str]) -> None:
    """Remove the bridge and the engine's chains and rules that were not there at `remember`."""
    if Path(f"/sys/class/net/{BRIDGE}").exists():
        _ip("link", "delete", BRIDGE)
    if not note.exists():
        return
    before = json.loads(note.read_text())
    for table in TABLES:
        _remove_new_rules(table, set(before["rules"][table]), env)
    FORWARD_SWITCH.write_text(before["forward"])
    note.unlink()


def _remove_new_rules(table: str, before: set[str], env: Mapping[str, str]) -> None:
    """Delete Docker's own chains, the rules that lead to them or name the bridge, and put back chain policies."""
    now = _rules(table, env)
    ours = re.compile(rf"DOCKER|\b{BRIDGE}\b")
    chains = []
    for rule in (rule for rule in now if rule not in before):
        words = rule.split()
        if words[0] == "-N" and ours.search(words[1]):
            chains.append(words[1])
        elif words[0] == "-A" and ours.search(rule):
            _iptables(table, env, "-D", *words[1:])
        elif words[0] == "-P":
            _iptables(table, env, *next((old.split() for old in before if old.startswith(f"-P {words[1]} ")), words))
    for verb in ("-F", "-X"):
        for chain in chains:
            _iptables(table, env, verb, chain)


def _rules(table: str, env: Mapping[str, str]) -> list[str]:
    return _iptables(table, env, "-S").splitlines()


def _iptables(table: str, env: Mapping[str, str], *arguments: str) -> str:
    return _output(["iptables", "--wait", "-t", table, *arguments], env)


def _ip(*arguments: str) -> None:
    _output(["ip", *arguments], {})


def _output(command: list[str], env: Mapping[str, str]) -> str:
    merged = {**os.environ, **env}
    done = subprocess.run(["env", *command], capture_output=True, text=True, check=False, env=merged)
    if done.returncode:
        message = f"{' '.join(command)} ended with {done.returncode}: {done.stderr.strip()}"
        raise LabError(message)
    return done.stdout


def _free_address() -> ipaddress.IPv4Interface:
    listed = _output(["ip", "-json", "-4", "route", "show", "table", "all"], {})
    taken = [
        ipaddress.IPv4Network(route["dst"], strict=False)
        for route in json.loads(listed or "[]")
        if route["dst"] not in ("default", "anycast") and route["dst"][:1].isdigit()
    ]
    for third in range(16):
        address = ipaddress.IPv4Interface(f"172.29.{third * 16}.1/20")
        if not any(address.network.overlaps(network) for network in taken):
            return address
    message = "no free address range for the bridge among 172.29.0.0/16"
    raise LabError(message)
