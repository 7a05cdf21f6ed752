"""Why a step failed, in words."""

from __future__ import annotations

import pytest

from incubator.core.failures import cannot_execute, explain

MIB = 1 << 20


@pytest.mark.parametrize(
    ("status", "limit", "peak", "oom_killed", "said"),
    [
        (1, None, None, False, "exit status 1"),
        (127, None, None, False, "exit status 127"),
        (
            137,
            32 * MIB,
            32 * MIB,
            False,
            "over the memory limit of 32 MiB; its container used 32 MiB at most",
        ),
        (137, 32 * MIB, None, True, "over the memory limit of 32 MiB"),
        (137, 32 * MIB, 5 * MIB, False, "killed by SIGKILL"),
        (137, None, 5 * MIB, True, "machine had no memory left; its container used 5 MiB at most"),
        (137, None, None, False, "killed by SIGKILL"),
        (139, 32 * MIB, 32 * MIB, False, "killed by SIGSEGV"),
        (255, None, None, False, "exit status 255"),
    ],
)
def test_what_happened(status: int, limit: int | None, peak: int | None, oom_killed: bool, said: str) -> None:
    message, _ = explain(status, limit_bytes=limit, peak_bytes=peak, oom_killed=oom_killed)
    assert message.endswith(said)
    assert message.startswith(f"RUN failed with exit status {status}")


def test_hints() -> None:
    def hint(status: int, limit: int | None, peak: int | None) -> str | None:
        return explain(status, limit_bytes=limit, peak_bytes=peak, oom_killed=False)[1]

    assert hint(1, None, None) is None
    assert "in PATH" in (hint(127, None, None) or "")
    assert "probably went over the memory limit of 10 MiB" in (hint(137, 10 * MIB, None) or "")
    assert "--memory" in (hint(137, 10, 10) or "")
    assert "probably not the memory limit of 10 MiB; its container used 2 MiB" in (
        hint(137, 10 * MIB, 2 * MIB) or ""
    )


def test_what_cannot_execute_is_known_by_the_words_of_shells_and_runtimes() -> None:
    assert cannot_execute(["exec /bin/sh: exec format error"])
    assert cannot_execute(["ok", 'exec container process `/bin/sh`: Exec format error","level":"error"'])
    assert not cannot_execute(["/bin/sh: no-such: not found"])
