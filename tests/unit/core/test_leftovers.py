"""Who owns a container, and when its owner counts as dead."""

from __future__ import annotations

import os
import subprocess
import sys
import time

import pytest

from incubator.core.leftovers import LABEL_OWNER, LABEL_STARTED, STALE_AFTER_S, _is_overdue, is_dead, owner_of

LONG_AGO = str(int(time.time()) - STALE_AFTER_S - 60)
NOW = str(int(time.time()))
HERE = owner_of(os.getpid())


def labels(owner: str, started: str) -> dict[str, str]:
    return {LABEL_OWNER: owner, LABEL_STARTED: started}


def test_an_owner_is_boot_namespace_pid_and_start() -> None:
    boot, namespace, pid, started = HERE.split()
    assert len(boot) == 36
    assert namespace.startswith("pid:[")
    assert int(pid) == os.getpid()
    assert int(started) > 0
    assert owner_of(os.getpid()) == HERE


def test_a_command_name_with_blanks_and_parentheses() -> None:
    code = "import ctypes, sys; ctypes.CDLL(None).prctl(15, b'a) (b c', 0, 0, 0); print(flush=True); sys.stdin.read()"
    with subprocess.Popen(
        [sys.executable, "-c", code], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as process:
        assert process.stdout is not None
        process.stdout.readline()
        owner = owner_of(process.pid)
        assert owner.split()[:2] == HERE.split()[:2]
        assert int(owner.split()[3]) >= int(HERE.split()[3])
        assert not is_dead(labels(owner, LONG_AGO))
        assert process.stdin is not None
        process.stdin.close()
        process.wait()
        assert is_dead(labels(owner, NOW))


def test_a_living_owner_is_not_dead_however_old() -> None:
    assert not is_dead(labels(HERE, LONG_AGO))


def test_a_pid_that_was_given_again_is_another_process() -> None:
    boot, namespace, pid, started = HERE.split()
    assert is_dead(labels(f"{boot} {namespace} {pid} {int(started) - 1}", NOW))


@pytest.mark.parametrize("owner", ["", "x", "other-boot pid:[1] 1 1", f"{HERE.split()[0]} pid:[1] 1 1"])
def test_an_owner_that_cannot_be_seen_is_dead_once_overdue(owner: str) -> None:
    assert not is_dead(labels(owner, NOW))
    assert is_dead(labels(owner, LONG_AGO))


@pytest.mark.parametrize("started", ["", "x", "-5", "1e3", "\u0663"])
def test_an_unreadable_start_is_not_overdue(started: str) -> None:
    assert not _is_overdue(started)


def test_a_process_that_is_not_there_owns_nothing() -> None:
    assert owner_of(2**22 + 1) == ""
