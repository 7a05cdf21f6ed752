"""Faults that a build would meet only on its way, as far as no value of a variable could mend them. Pure."""

from __future__ import annotations

from bisect import bisect_left
from itertools import chain, islice
from operator import attrgetter
from typing import TYPE_CHECKING, Final

from incubator.dockerfile.instructions import CopyInstruction, RunInstruction
from incubator.dockerfile.parser import MAX_FAULTS, in_order
from incubator.dockerfile.run_options import mount_key_fault
from incubator.dockerfile.text import nearest
from incubator.errors import DockerfileError, InputError
from incubator.oci.reference import parse_reference

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from incubator.dockerfile.lint.subject import Stage, Subject

MOUNT_TYPES: Final = ("bind", "cache", "tmpfs", "secret", "ssh")


def find_faults(subject: Subject) -> tuple[DockerfileError, ...]:
    """Faults of the stages that the target needs, in order of their places, each once."""
    named = [stage for stage in subject.stages if stage.name]
    found = (
        fault
        for stage in subject.reached
        for fault in chain(_base_faults(stage, subject, named), _source_faults(stage), _mount_faults(stage))
    )
    faults = (*subject.faults, *islice(found, MAX_FAULTS + 1))
    unique = {(str(fault.span), fault.text): fault for fault in faults}
    return tuple(in_order(unique.values()))


def _base_faults(stage: Stage, subject: Subject, named: Sequence[Stage]) -> Iterator[DockerfileError]:
    """A name in FROM that no image can have; one with variables is the plan's to judge."""
    image = stage.start.image
    if stage.base is None or stage.parent or "$" in image or stage.base.text == "scratch":
        return
    try:
        parse_reference(stage.base.text)
    except InputError as error:
        names = [other.name for other in named[: bisect_left(named, stage.index, key=attrgetter("index"))]]
        same = stage.base.text.lower() if stage.base.text.lower() in names else None
        near = same or subject.guesses.nearest(stage.base.text, names)
        yield DockerfileError(
            error.message,
            rule="invalid-base",
            span=stage.start.place_of(image),
            hint=f"did you mean the stage {near}?" if near else error.hint,
        )


def _source_faults(stage: Stage) -> Iterator[DockerfileError]:
    for instruction in stage.instructions:
        if isinstance(instruction, CopyInstruction) and "$" in (instruction.from_ or ""):
            yield DockerfileError(
                f"--from={instruction.from_}: variables are not expanded here",
                rule="from-variable",
                span=instruction.span,
                hint="give the image a name with its own FROM, which may use global ARGs",
            )


def _mount_faults(stage: Stage) -> Iterator[DockerfileError]:
    for instruction in stage.instructions:
        for mount in instruction.mounts if isinstance(instruction, RunInstruction) else ():
            for key, value in mount.options:
                found = mount_key_fault(key, value)
                if found:
                    message, hint = found
                    word = key if value is None else f"{key}={value}"
                    yield DockerfileError(
                        message, rule="invalid-mount", span=instruction.place_of(word), hint=hint
                    )
                if key == "type" and value and "$" not in value and value not in MOUNT_TYPES:
                    near = nearest(value, MOUNT_TYPES)
                    yield DockerfileError(
                        f"RUN: --mount: there is no type {value!r}",
                        rule="invalid-flag-value",
                        span=instruction.place_of(f"type={value}"),
                        hint=f"did you mean {near}?" if near else f"types are {', '.join(MOUNT_TYPES)}",
                    )
