"""Events to the words of a log line, which all listeners of this room share. Pure."""

from __future__ import annotations

from typing import TYPE_CHECKING

from incubator.ci.text import plain_line
from incubator.events import (
    BaseResolved,
    BuildStarted,
    ImageBuilt,
    ImagePushed,
    ImageTagged,
    LayerCommitted,
    StepFinished,
    Transfer,
    WarningRaised,
)

if TYPE_CHECKING:
    from incubator.errors import BuilderError
    from incubator.events import Event, StepRef

_SHORT_DIGEST = len("sha256:") + 12


def describe(event: Event) -> str | None:
    """One line about an event, free of control characters; None where there is nothing to say."""
    match event:
        case BuildStarted():
            text = (
                f"building {event.dockerfile} with {event.engine}: {_count(len(event.stages), 'stage')}, "
                f"{_count(event.steps, 'step')}, {_count(event.layers, 'layer')}"
            )
        case BaseResolved():
            how = f"pulled in {event.duration_s:.1f} s" if event.pulled else "already there"
            text = f"base {event.reference} ({short(event.image_id)}): {how}"
        case StepFinished():
            text = f"{title(event.step)}: {'cached' if event.cached else f'{event.duration_s:.1f} s'}"
        case LayerCommitted():
            took = "cached" if event.cached else f"{event.duration_s:.1f} s"
            text = (
                f"layer {short(event.diff_id or '')} of {event.stage}: {show_size(event.size_bytes)}, {took}"
            )
        case Transfer():
            total = f" of {show_size(event.total_bytes)}" if event.total_bytes else ""
            text = f"{event.direction}ing {event.reference}: {show_size(event.current_bytes)}{total}"
        case WarningRaised():
            place = f"{event.span}: " if event.span else ""
            text = f"warning: {place}{event.message}" + (f" [{event.rule}]" if event.rule else "")
        case ImageBuilt():
            text = f"built {event.image_id} in {event.duration_s:.1f} s"
        case ImageTagged():
            text = f"tagged {event.reference}"
        case ImagePushed():
            text = f"pushed {event.reference}@{event.digest} in {event.duration_s:.1f} s"
        case _:
            return None
    return plain_line(text)


def title(step: StepRef) -> str:
    """`[stage 2/5] RUN make`, on one line."""
    return plain_line(f"{step} {step.text}")


def short(digest: str) -> str:
    """The start of a digest, enough to tell it from others."""
    return digest[:_SHORT_DIGEST]


def show_size(size_bytes: int) -> str:
    """A size as engines show it: powers of 1000, three digits or so."""
    size = float(size_bytes)
    for unit in ("B", "kB", "MB", "GB"):
        if size < 1000:
            return f"{size:.0f} {unit}" if unit == "B" else f"{size:.1f} {unit}"
        size /= 1000
    return f"{size:.1f} TB"


def error_lines(error: BuilderError) -> list[str]:
    """Lines of an error's text, safe to print."""
    return [plain_line(line) for line in str(error).splitlines()]


def _count(number: int, noun: str) -> str:
    return f"{number} {noun}{'' if number == 1 else 's'}"
