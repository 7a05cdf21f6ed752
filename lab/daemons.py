"""Long-running programs of the lab: start them apart from the caller, find them again, stop them for good.

A daemon is remembered by process id and start time (so a reused id is never taken for it) in `<name>.pid` of the
folder that is given; its output goes to `<name>.log` beside it.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import time
from pathlib import Path
from typing import TYPE_CHECKING

from .errors import LabError

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

LOG_TAIL_LINES = 25
POLL_S = 0.02
HELPERS = {"containerd-shim-runc-v2", "docker-proxy", "conmon", "aardvark-dns"}


def start(
    folder: Path,
    name: str,
    command: Sequence[str],
    *,
    ready: Callable[[], bool],
    env: Mapping[str, str] | None = None,
    timeout_s: float = 60.0,
) -> None:
    """Start `command` in a session of its own, and return once `ready` says yes; nothing to do if it runs already.

    `env` is added to the caller's environment. Raises `LabError` with the tail of the log if the daemon ends or is
    not ready in time; it is stopped then.
    """
    if not is_running(folder, name):
        with _log(folder, name).open("wb") as log:
            process = subprocess.Popen(  # runs on after the caller: `stop` ends it
                list(command),
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                start_new_session=True,
                cwd="/",
                env={**os.environ, **(env or {})},
            )
        record = {"pid": process.pid, "started": _start_time(process.pid)}
        (folder / f"{name}.pid").write_text(json.dumps(record))
        process.returncode = 0  # not ours to wait for: keeps Python from warning of a child left running
    deadline = time.monotonic() + timeout_s
    while not ready():
        if not is_running(folder, name):
            raise LabError(f"{name} ended while starting; the end of its log:\n{log_tail(folder, name)}")
        if time.monotonic() > deadline:
            stop(folder, name)
            raise LabError(
                f"{name} was not ready within {timeout_s:.0f} s; the end of its log:\n{log_tail(folder, name)}"
            )
        time.sleep(POLL_S)


def is_running(folder: Path, name: str) -> bool:
    """Whether the daemon that was started under this name still runs."""
    return _pid(folder, name) is not None


def stop(folder: Path, name: str, *, patience_s: float = 20.0) -> None:
    """End the daemon: SIGTERM, then SIGKILL after `patience_s`; nothing to do if it does not run."""
    pid = _pid(folder, name)
    if pid is not None:
        end_processes([pid], patience_s=patience_s)
    (folder / f"{name}.pid").unlink(missing_ok=True)


def end_processes(pids: Sequence[int], *, patience_s: float) -> None:
    """SIGTERM to each, SIGKILL to those alive after `patience_s`; returns once all are gone."""
    started = {pid: _start_time(pid) for pid in pids}

    def alive() -> list[int]:
        return [pid for pid, since in started.items() if since and _start_time(pid) == since]

    for number, patience in ((signal.SIGTERM, patience_s), (signal.SIGKILL, 10.0)):
        for pid in alive():
            try:
                os.kill(pid, number)
            except ProcessLookupError:
                continue
        deadline = time.monotonic() + patience
        while alive() and time.monotonic() < deadline:
            time.sleep(POLL_S)
    if alive():
        raise LabError(f"processes {alive()} do not end, not even by SIGKILL")


def end_leftovers(folder: Path, data: Path) -> None:
    """End what an engine that was killed leaves: its helpers (they name `folder`), its containers (roots in `data`)."""
    helpers = [
        pid
        for pid in all_processes()
        if (words := command_line(pid))
        and Path(words[0]).name in HELPERS
        and any(f"{folder}/" in word for word in words)
    ]
    end_processes(helpers + [pid for pid in all_processes() if _is_rooted_in(pid, data)], patience_s=2.0)


def all_processes() -> list[int]:
    """Ids of all processes."""
    return [int(entry.name) for entry in Path("/proc").iterdir() if entry.name.isdigit()]


def _is_rooted_in(pid: int, data: Path) -> bool:
    """Whether the root of the process is an overlay whose changes go below `data` (proc(5), mountinfo)."""
    try:
        mounts = Path(f"/proc/{pid}/mountinfo").read_text().splitlines()
    except OSError:
        return False
    return any(line.split()[4] == "/" and f"upperdir={data}/" in line for line in mounts)


def command_line(pid: int) -> list[str]:
    """Program and arguments of a process; empty if it is gone or has none."""
    try:
        return os.fsdecode(Path(f"/proc/{pid}/cmdline").read_bytes()).split("\0")[:-1]
    except OSError:
        return []


def log_tail(folder: Path, name: str) -> str:
    """The last lines of the daemon's log; empty if there is none."""
    log = _log(folder, name)
    lines = log.read_text(errors="replace").splitlines() if log.exists() else []
    return "\n".join(lines[-LOG_TAIL_LINES:])


def _log(folder: Path, name: str) -> Path:
    return folder / f"{name}.log"


def _pid(folder: Path, name: str) -> int | None:
    try:
        record = json.loads((folder / f"{name}.pid").read_text())
    except (FileNotFoundError, ValueError):
        return None
    pid = int(record["pid"])
    return pid if record["started"] and _start_time(pid) == record["started"] else None


def _start_time(pid: int) -> str | None:
    """Start time of a live process in clock ticks since boot, None if it is gone or a zombie (proc(5), stat)."""
    try:
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except OSError:
        return None
    state, started = fields[0], fields[19]
    return None if state in "ZX" else started
