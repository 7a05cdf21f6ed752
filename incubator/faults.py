"""Gathering input errors, so that all of them are reported together."""

from __future__ import annotations

import difflib
from contextlib import contextmanager
from typing import TYPE_CHECKING

from incubator.errors import InputError, InputErrors

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator


class Faults:
    """Input errors seen so far.

    Code that can go on after a fault runs in `gather()`; `check()` raises what came together.
    """

    def __init__(self) -> None:
        self.errors: list[InputError] = []

    def add(self, message: str, *, hint: str | None = None) -> None:
        """Note one fault."""
        self.errors.append(InputError(message, hint=hint))

    @contextmanager
    def gather(self) -> Iterator[None]:
        """Note input errors that the block raises instead of letting them through."""
        try:
            yield
        except InputErrors as errors:
            self.errors.extend(error for error in errors.errors if isinstance(error, InputError))
        except InputError as error:
            self.errors.append(error)

    def check(self) -> None:
        """Raise InputErrors if there was a fault."""
        if self.errors:
            raise InputErrors(self.errors)


def did_you_mean(word: str, known: Iterable[str]) -> str | None:
    """`did you mean NAME?` for the most similar of `known`; None where nothing is near.

    Case and the choice of `-`, `_` or nothing between words do not count.
    """
    plain = {_plain(name): name for name in known}
    near = difflib.get_close_matches(_plain(word), plain, n=1, cutoff=0.6)
    return f"did you mean {plain[near[0]]}?" if near else None


def _plain(name: str) -> str:
    return name.lower().replace("-", "").replace("_", "")
