"""How long a registry is waited for, and how often it is asked again."""

from __future__ import annotations

import random
import re
import time
from dataclasses import dataclass
from email.utils import parsedate_to_datetime
from typing import Final

AGAIN: Final = frozenset((408, 429, 500, 502, 503, 504))
"""Statuses that may be others a little later."""
_SECONDS: Final = re.compile(r"[0-9]{1,9}")


class TryAgain(Exception):
    """It may go better a little later: not before `after_s`, where the registry says so."""

    def __init__(self, reason: str, *, status: int | None = None, after_s: float = 0.0) -> None:
        super().__init__(reason)
        self.reason = reason
        self.status = status
        self.after_s = after_s


class NoAnswer(TryAgain):
    """None came: there was no connection, or it broke, or nothing was said for too long."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Patience:
    """Attempts, and the waits between them: each twice as long as the one before, and a random part shorter.

    `longest_wait_s` is also the longest that a registry may ask for; one that asks for more is not waited for.
    """

    attempts: int = 5
    first_wait_s: float = 0.5
    longest_wait_s: float = 60.0
    connect_timeout_s: float = 20.0
    silence_timeout_s: float = 180.0
    """How long a registry may say nothing: some take their time for the end of a large upload."""

    def wait_s(self, attempt: int, after_s: float) -> float | None:
        """How long to wait after this attempt, counted from 1; None: no longer."""
        if attempt >= self.attempts or after_s > self.longest_wait_s:
            return None
        backoff = min(self.first_wait_s * 2.0 ** (attempt - 1), self.longest_wait_s)
        return max(after_s, backoff * random.uniform(0.5, 1))  # noqa: S311 - nothing secret


def retry_after_s(header: str | None) -> float:
    """The seconds that a `Retry-After` asks for, as a number or a date; 0 where it is neither."""
    text = (header or "").strip()
    if _SECONDS.fullmatch(text):
        return float(text)
    try:
        return max(0.0, parsedate_to_datetime(text).timestamp() - time.time())
    except (ValueError, TypeError, OverflowError):
        return 0.0
