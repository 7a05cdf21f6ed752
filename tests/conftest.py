"""Fixtures for tests on real parts, which the lab starts. A part that cannot run here is skipped, in CI never."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import pytest

import lab

if TYPE_CHECKING:
    from collections.abc import Callable

    from lab import EngineHandle, RegistryHandle

ENGINES = ("docker20", "docker28", "containerd28", "podman")


def need(part: str) -> None:
    """Skip, or in CI fail, where a part of the lab cannot run."""
    reason = lab.reason_not_here(part)
    if reason is None:
        return
    if os.environ.get("CI"):
        pytest.fail(f"{part} cannot run here, and in CI everything has to: {reason}")
    pytest.skip(f"{part} cannot run here: {reason}")


@pytest.fixture(scope="session")
def start_engine() -> Callable[[str], EngineHandle]:
    """Start an engine of the lab by name; it holds busybox."""

    def start(name: str) -> EngineHandle:
        need(name)
        handle = lab.engine(name)
        lab.ensure_images(handle, ["busybox:latest"])
        return handle

    return start


@pytest.fixture(scope="session")
def registry() -> RegistryHandle:
    """The open registry."""
    need("registry")
    return lab.registry()


@pytest.fixture(scope="session")
def registry_auth() -> RegistryHandle:
    """The registry that wants a login."""
    need("registry-auth")
    return lab.registry(auth=True)
