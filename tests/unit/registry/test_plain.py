"""Who is spoken to over plain HTTP."""

from __future__ import annotations

import pytest

from incubator.registry.plain import is_plain

INSECURE = {
    "registry.test:5000",
    "registry.test",
    "10.1.0.0/16",
    "fd00::/8",
    "no/network",
    "192.168.1.1:5000",
}


@pytest.mark.parametrize(
    "registry",
    [
        "localhost", "localhost:5000", "127.0.0.1:5000", "[::1]:5000", "registry.test", "registry.test:5000",
        "10.1.2.3", "10.1.2.3:80", "[fd00::1]", "[fd00::1]:5000", "192.168.1.1:5000",
    ],
)  # fmt: skip
def test_these_are(registry: str) -> None:
    assert is_plain(registry, INSECURE)


@pytest.mark.parametrize(
    "registry",
    [
        "docker.io", "registry.test:5001", "sub.registry.test", "10.2.0.1", "10.1.2.3.example", "[fe80::1]:5000",
        "192.168.1.1", "192.168.1.1:5001", "no", "no:5000", "10.1.0.0/16.example",
    ],
)  # fmt: skip
def test_all_others_are_not(registry: str) -> None:
    assert not is_plain(registry, INSECURE)


def test_without_any_only_this_machine_s_are() -> None:
    assert is_plain("localhost:5000", ())
    assert not is_plain("10.1.2.3:5000", ())
