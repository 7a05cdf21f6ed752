"""Bytes that a layer of a build stores, and that a later one deletes or stores again.

Found out beside the build: what a layer changed is asked while its container waits for its removal, and sizes only at
the end, of files that two layers have in common. `find_waste` is pure.
"""

from __future__ import annotations

import posixpath
from concurrent.futures import Future
from dataclasses import dataclass, field
from itertools import islice
from typing import TYPE_CHECKING, Final

from incubator.core.engine import Changes
from incubator.errors import BuilderError
from incubator.events import WarningRaised

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence

    from incubator.core.engine import Engine
    from incubator.events import StepRef

LEAST_BYTES: Final = 1_000_000
"""Less is not worth a word, and a smaller layer not a question."""

MOST_PATHS: Final = 20_000
"""Paths of a layer that are remembered."""

MOST_MEASURED: Final = 100
"""Files of which a build asks the size."""


@dataclass(slots=True, kw_only=True)
class Footprint:
    """What a layer of this build, on top of the image `below`, does to files. `big`: it stores enough to matter.

    `changes` is there when the engine has answered, if it is `wanted`; `sizes` are those that are known without asking.
    """

    steps: tuple[StepRef, ...]
    below: str
    big: bool = False
    wanted: bool = False
    changes: Future[Changes] = field(default_factory=Future)
    sizes: dict[str, int] = field(default_factory=dict)

    def want(self, below: Sequence[Footprint], size_bytes: int) -> bool:
        """Whether it is of interest: it stores `size_bytes`, or may undo something of those `below`."""
        self.big = size_bytes >= LEAST_BYTES
        self.wanted = self.big or bool(below)
        return self.wanted

    def look(self, engine: Engine, container: str) -> None:
        """Ask what a container has changed. What cannot be told is nothing: the build does not need it."""
        try:
            self.changes.set_result(engine.changes(container))
        except BuilderError:
            self.changes.set_result(Changes())


@dataclass(frozen=True, slots=True, kw_only=True)
class LayerFiles:
    """What a layer did; `big`: it stores enough to matter. `sizes` of some files it stores, by absolute path."""

    changes: Changes
    big: bool
    sizes: Mapping[str, int] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Waste:
    """Bytes that layer `left_by` stores in vain, as `undone_by` deletes them or stores them again (indexes).

    `deleted` of the `size_bytes` are in no later layer. With `is_least` it may be more.
    """

    left_by: int
    undone_by: int
    size_bytes: int
    deleted: int
    is_least: bool


def find_waste(layers: Sequence[LayerFiles], size_of: Callable[[int, str], int | None]) -> list[Waste]:
    """What later ones of `layers` undo of earlier ones, lowest first.

    `size_of(index, path)` is the size of a regular file below the layer of that index, None for what is no such file.
    """
    known: dict[str, int] = {}
    folders: set[str] = set()
    found: list[Waste] = []
    left = MOST_MEASURED
    for index, layer in enumerate(layers):
        bytes_of: dict[int, list[int]] = {}
        cut: set[int] = set()
        removed = _removed(known, folders, layer.changes.removed)
        for path in [*sorted(removed), *sorted((layer.changes.touched & known.keys()) - removed)]:
            owner = known.pop(path)
            size = layers[owner].sizes.get(path)
            if size is None:
                if not left:
                    cut.add(owner)
                    continue
                left -= 1
                size = size_of(index, path)
            sums = bytes_of.setdefault(owner, [0, 0])
            sums[0] += size or 0
            sums[1] += (size or 0) if path in removed and path not in layer.changes.touched else 0
        found += [
            Waste(left_by=owner, undone_by=index, size_bytes=total, deleted=deleted, is_least=owner in cut)
            for owner, (total, deleted) in bytes_of.items()
            if total >= LEAST_BYTES
        ]
        if layer.big:
            folders |= {posixpath.dirname(path) for path in layer.changes.touched}
            files = sorted(layer.changes.touched - folders)
            known.update((path, index) for path in islice(files, MOST_PATHS))
    return found


def _removed(known: Mapping[str, int], folders: set[str], removed: Iterable[str]) -> set[str]:
    """Those of the known files that are gone, alone or with a folder above them."""
    gone = {path for path in removed if path in known}
    whole = tuple(f"{path}/" for path in removed if path in folders)
    return gone | {path for path in known if path.startswith(whole)} if whole else gone


def waste_warnings(
    footprints: Sequence[Footprint], size_of: Callable[[int, str], int | None]
) -> list[WarningRaised]:
    """A warning for each waste of a stage that is finished; none where an engine does not answer."""
    if len(footprints) < 2:
        return []
    layers = [
        LayerFiles(changes=made.changes.result(), big=made.big, sizes=made.sizes) for made in footprints
    ]
    steps = [made.steps for made in footprints]
    try:
        found = find_waste(layers, size_of)
    except BuilderError:
        return []  # the image is there all the same
    return [
        WarningRaised(message=describe_waste(waste, steps), span=steps[waste.left_by][0].span)
        for waste in found
    ]


def describe_waste(waste: Waste, steps: Sequence[Sequence[StepRef]]) -> str:
    """One line about it; `steps` are those of each layer."""
    size = f"{'at least ' if waste.is_least else ''}{waste.size_bytes / 1_000_000:.0f} MB"
    undoes = "deletes" if waste.deleted == waste.size_bytes else "stores again"
    if 0 < waste.deleted < waste.size_bytes:
        undoes = "deletes or stores again"
    first, last = _name(steps[waste.left_by]), _name(steps[waste.undone_by])
    return f"{first} left {size} that {last} {undoes}: let them share a layer (option `layers`, or one RUN)"


def _name(steps: Sequence[StepRef]) -> str:
    """`RUN at line 4`, or of several steps their lines."""
    lines = [step.span.first_line for step in steps if step.span]
    keyword = steps[0].text.partition(" ")[0].upper()
    if len(steps) == 1:
        return f"{keyword} at line {lines[0]}" if lines else keyword
    return f"the layer of lines {lines[0]} to {lines[-1]}" if lines else f"the layer from {keyword} on"
