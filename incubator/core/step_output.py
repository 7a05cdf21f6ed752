"""Where the output of a step goes: to its log and to listeners, without the values of secrets."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING

from incubator.core.masking import Masker
from incubator.core.step_log import OutputLimit
from incubator.events import StepOutput

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from incubator.core.engine import Engine, StreamName
    from incubator.events import Listener, StepRef

    Output = Callable[[StreamName, bytes], None]


@contextmanager
def recorded(
    step: StepRef, *, emit: Listener, add: Callable[[bytes], None], hidden: tuple[bytes, ...]
) -> Iterator[Output]:
    """What takes a step's output as it comes; `add` gets all of it, listeners what they can take."""

    def show(stream: StreamName, data: bytes, skipped: int) -> None:
        emit(StepOutput(step=step, stream=stream, data=data, skipped_bytes=skipped))

    limit = OutputLimit(show)
    maskers: dict[StreamName, Masker] = {"stdout": Masker(hidden), "stderr": Masker(hidden)}

    def keep(stream: StreamName, data: bytes) -> None:
        if data:
            add(data)
            limit.add(stream, data)

    def output(stream: StreamName, data: bytes) -> None:
        keep(stream, maskers[stream].feed(data))

    try:
        yield output
    finally:
        for stream, masker in maskers.items():
            keep(stream, masker.rest())
        limit.flush()


def run_to_end(engine: Engine, container: str, output: Output) -> int:
    """Start a container made without `stdin`, so that it finds nothing to read; its exit code. Raises EngineError."""
    attached = engine.attach(container)
    try:
        engine.start(container)
        for stream, data in attached.frames():
            output(stream, data)
    finally:
        attached.close()
    return engine.wait(container)
