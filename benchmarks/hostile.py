"""Processor time for hostile texts of a megabyte: parsing, checks, expansion, ignore rules. See README.md."""

from __future__ import annotations

import argparse
import multiprocessing
import resource
import sys
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Final

ROOT: Final = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

from tests.hostile import ACTIONS, FAMILIES  # noqa: E402 - it is found only now
from tests.speed import nominal_seconds  # noqa: E402

if TYPE_CHECKING:
    from collections.abc import Callable
    from multiprocessing.connection import Connection

BOUND_S: Final = 2.0
_LONGEST_S: Final = 60
_MEMORY: Final = 3 << 30


def _measure(action: Callable[[str], object], text: str, runs: int, answer: Connection) -> None:
    resource.setrlimit(resource.RLIMIT_CPU, (_LONGEST_S, _LONGEST_S))
    resource.setrlimit(resource.RLIMIT_AS, (_MEMORY, _MEMORY))
    with suppress(MemoryError):
        answer.send(min(nominal_seconds(lambda: action(text)) for _ in range(runs)))


def _seconds(action: Callable[[str], object], text: str, runs: int) -> float | None:
    """The best of some runs in a process of their own; None where it took far too much time or memory."""
    context = multiprocessing.get_context("fork")
    receiver, sender = context.Pipe(duplex=False)
    process = context.Process(target=_measure, args=(action, text, runs, sender))
    process.start()
    sender.close()
    try:
        took: float | None = receiver.recv()
    except EOFError:
        took = None
    process.join()
    return took


def main() -> int:
    """Prints seconds for each family and what is done with it; 1 where one exceeds the bound."""
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--size", type=int, default=1_000_000)
    options.add_argument("--runs", type=int, default=3)
    options.add_argument("--above", type=float, default=0.0, help="show only what took more seconds")
    options.add_argument("words", nargs="*", help="only lines that hold one of these")
    arguments = options.parse_args()
    exceeded = 0
    for kind, families in FAMILIES.items():
        for name, make in families.items():
            text = make(arguments.size)
            for what, action in ACTIONS[kind].items():
                title = f"{what:8} {kind}: {name}"
                if arguments.words and not any(word in title for word in arguments.words):
                    continue
                took = _seconds(action, text, arguments.runs)
                is_long = took is None or took > BOUND_S
                exceeded += is_long
                if is_long or took is None or took > arguments.above:
                    shown = "more" if took is None else f"{took:.2f}"
                    print(f"{shown:>6}{'!' if is_long else ' '} {title}", flush=True)
    return 1 if exceeded else 0


if __name__ == "__main__":
    sys.exit(main())
