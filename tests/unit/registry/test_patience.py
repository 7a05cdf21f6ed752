"""Waits between attempts."""

from __future__ import annotations

import time
from email.utils import formatdate

import pytest

from incubator.registry.patience import Patience, retry_after_s


def test_waits_grow_to_a_limit_and_end() -> None:
    patience = Patience(attempts=6, first_wait_s=1, longest_wait_s=5)
    for attempt, most in enumerate((1, 2, 4, 5, 5), 1):
        wait_s = patience.wait_s(attempt, 0)
        assert wait_s is not None
        assert most / 2 <= wait_s <= most
    assert patience.wait_s(6, 0) is None


def test_what_a_registry_asks_for_is_granted_up_to_a_limit() -> None:
    patience = Patience(first_wait_s=1, longest_wait_s=5)
    assert patience.wait_s(1, 4.5) == 4.5
    assert patience.wait_s(1, 5.5) is None


@pytest.mark.parametrize(
    ("header", "seconds"),
    [
        (None, 0),
        ("", 0),
        ("7", 7),
        (" 7 ", 7),
        ("-7", 0),
        ("soon", 0),
        ("9" * 5000, 0),
        ("Thu, 01 Jan 1970 00:00:00 GMT", 0),
    ],
)
def test_retry_after_is_a_number(header: str | None, seconds: float) -> None:
    assert retry_after_s(header) == seconds


def test_retry_after_may_be_a_date() -> None:
    assert 3500 < retry_after_s(formatdate(time.time() + 3600, usegmt=True)) <= 3600
