"""An engine that starts beside the job, as a `docker:dind` service does."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from incubator.ci.engine import PATIENCE_S, connect_patiently
from incubator.errors import EngineError, EngineUnreachable

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

DIND = {"DOCKER_HOST": "tcp://docker:2376"}


class Clock:
    """Time that passes by sleeping."""

    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now

    def sleep(self, seconds: float) -> None:
        self.now += seconds


class Starting:
    """An engine that answers after so many attempts."""

    def __init__(self, attempts: int) -> None:
        self.left = attempts
        self.asked = 0

    def __call__(self, _environ: Mapping[str, str]) -> str:
        self.asked += 1
        if self.asked < self.left:
            raise EngineUnreachable("no container engine answers")
        return "engine"


def connect(engine: Starting, environ: Mapping[str, str], clock: Clock) -> str:
    return connect_patiently(engine, environ, sleep=clock.sleep, clock=clock)


def test_a_service_is_waited_for() -> None:
    engine, clock = Starting(5), Clock()
    assert connect(engine, DIND, clock) == "engine"
    assert (engine.asked, clock.now) == (5, 2.0)


def test_not_for_ever() -> None:
    engine, clock = Starting(10_000), Clock()
    with pytest.raises(EngineUnreachable):
        connect(engine, DIND, clock)
    assert PATIENCE_S <= clock.now <= PATIENCE_S + 1


@pytest.mark.parametrize("host", ["", "unix:///var/run/docker.sock", "ssh://host"])
def test_an_engine_that_should_be_there_is_not_waited_for(host: str) -> None:
    engine = Starting(2)
    with pytest.raises(EngineUnreachable):
        connect(engine, {"DOCKER_HOST": host}, Clock())
    assert engine.asked == 1


def test_certificates_are_waited_for_and_named(tmp_path: Path) -> None:
    environ = DIND | {"DOCKER_CERT_PATH": str(tmp_path), "DOCKER_TLS_VERIFY": "1"}
    (tmp_path / "ca.pem").touch()
    engine = Starting(1)
    with pytest.raises(EngineUnreachable, match=r"has no cert\.pem and no key\.pem"):
        connect(engine, environ, Clock())
    assert engine.asked == 0
    for name in ("cert.pem", "key.pem"):
        (tmp_path / name).touch()
    assert connect(engine, environ, Clock()) == "engine"


def test_another_fault_is_told_at_once() -> None:
    def old(_environ: Mapping[str, str]) -> str:
        raise EngineError("the engine speaks API 1.12")

    clock = Clock()
    with pytest.raises(EngineError, match="speaks API"):
        connect_patiently(old, DIND, sleep=clock.sleep)
    assert clock.now == 0
