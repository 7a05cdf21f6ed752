"""Results that builds have kept on an engine: what there is, what of it may go, and what is free when it went."""

from __future__ import annotations

from collections import Counter, defaultdict
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

from incubator.core.caching import CACHE_REPOSITORY
from incubator.core.constants import APP_NAME, LABEL_BUILD
from incubator.core.engine import Engine
from incubator.core.layer_maker import MADE_BY, TIDYING
from incubator.core.leftovers import LABEL_STARTED, WORK_REPOSITORY
from incubator.core.records import RECORD_REPOSITORY
from incubator.oci.image_config import HistoryEntry

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Mapping, Sequence

    from incubator.core.engine import HeldImage

History = list[tuple[HistoryEntry, int]]
"""Entries of an image's history, oldest first, and the bytes of each."""

Layers = tuple[str, ...]
"""Diff IDs of an image, the base's first. What an image with more of them stands on is the start of its own."""

GRACE_S = 3600
"""How old an image without a name has to be: a build names what it loads a moment later."""

_ROUNDS = 3
"""How often is tried again what an engine refuses while something stands on it."""


class KeepingEngine(Engine, Protocol):
    """An engine that tells of all its images."""

    def held_images(self, known: Collection[HeldImage] = ()) -> list[HeldImage]:
        """All images, those without a name too. Of the `known` ones only the names are asked."""

    def sized_histories(self, images: Iterable[HeldImage]) -> list[History]:
        """The histories of images; that of one that is gone is empty."""


@dataclass(frozen=True, slots=True, kw_only=True)
class KeptResult:
    """One result. `size_bytes` is its own layer's, without those below; `layer_bytes` are those of all `layers`.

    `used_s`: when it, or an image that stands on it, was made or named last, in seconds since 1970. `instruction`: what
    made it, as far as the engine tells. `records` are the references that tell what it was made of; a result that only
    they name is a superseded one.
    """

    reference: str
    image: str
    layers: Layers
    made_s: float
    used_s: float
    size_bytes: int
    instruction: str = ""
    layer_bytes: tuple[int, ...] = ()
    records: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Pruned:
    """What went: results, each with the bytes that are free now, and `leftovers` bytes of images without a name."""

    results: tuple[tuple[KeptResult, int], ...]
    leftovers: int = 0
    leftover_bytes: int = 0


def kept_results(engine: KeepingEngine, held: Sequence[HeldImage] | None = None) -> list[KeptResult]:
    """All results on an engine, those longest not used first. `held`: what `held_images` told."""
    held = engine.held_images() if held is None else held
    named = [(image, _names(image, CACHE_REPOSITORY), _names(image, RECORD_REPOSITORY)) for image in held]
    named = [(image, keys, records) for image, keys, records in named if keys or records]
    used_s = _last_uses(held, {image.layers for image, _, _ in named})
    histories = _histories(engine, [image for image, _, _ in named])
    results = []
    for image, keys, records in named:
        history = histories[image.id]
        size_bytes, instruction = own_layer(history)
        results += [
            KeptResult(
                reference=reference,
                image=image.id,
                layers=image.layers,
                made_s=image.made_s,
                used_s=used_s[image.layers],
                size_bytes=size_bytes,
                instruction=image.comment.removeprefix(MADE_BY)
                if image.comment.startswith(MADE_BY)
                else instruction,
                layer_bytes=_layer_bytes(history),
                records=tuple(records),
            )
            for reference in keys or records[:1]
        ]
    return sorted(results, key=lambda result: (result.used_s, len(result.layers), result.reference))


def _histories(engine: KeepingEngine, images: Sequence[HeldImage]) -> dict[str, History]:
    """The histories of images by their ids.

    Engines take their time for each. So where one image alone has some layers, and others stand on it, theirs tell.
    """
    count = Counter(image.layers for image in images)
    below = {start for image in images for start in _starts(image.layers)[:-1]}
    last = [image for image in images if image.layers not in below]
    found = dict(zip([image.id for image in last], engine.sized_histories(last), strict=True))
    holding = {start: found[image.id] for image in last for start in _starts(image.layers)}
    for image in images:
        if image.id not in found and count[image.layers] == 1:
            found[image.id] = _cut(holding[image.layers], len(image.layers))
    rest = [image for image in images if not found.get(image.id)]
    return found | dict(zip([image.id for image in rest], engine.sized_histories(rest), strict=True))


def _cut(history: History, layers: int) -> History:
    """The history up to the last of so many layers; empty where it may have gone on, or somebody else made that. Pure.

    There have to be more layers.
    """
    places = [place for place, (entry, _) in enumerate(history) if not entry.empty_layer]
    if not 0 < layers < len(places) or places[layers] != places[layers - 1] + 1:
        return []
    comment = history[places[layers - 1]][0].comment
    return history[: places[layers]] if comment == APP_NAME or comment.startswith(MADE_BY) else []


def _names(image: HeldImage, repository: str) -> list[str]:
    return sorted(name for name in image.references if name.startswith(f"{repository}:"))


def _last_uses(held: Iterable[HeldImage], wanted: Collection[Layers]) -> dict[Layers, float]:
    """When the newest image that has these layers, and perhaps more, was made or named.

    A build of which everything is found names nothing but its image, which so tells of what it stands on.
    """
    used: dict[Layers, float] = {}
    for image in held:
        for layers in _starts(image.layers):
            if layers in wanted:
                used[layers] = max(used.get(layers, 0.0), _last_named(image))
    return used


def _last_named(image: HeldImage) -> float:
    """When an image was made or named, whatever came last; a time in its config may be a pretended one."""
    started = image.labels.get(LABEL_STARTED, "")
    return max(
        image.made_s, image.tagged_s, float(started) if started.isascii() and started.isdigit() else 0.0
    )


def _starts(layers: Layers) -> list[Layers]:
    """What an image of `layers` stands on, and these: the fewest first."""
    return [layers[:count] for count in range(len(layers) + 1)]


def _layer_bytes(history: History) -> tuple[int, ...]:
    return tuple(size for entry, size in history if not entry.empty_layer)


def own_layer(history: History) -> tuple[int, str]:
    """Bytes of the layer that an image ends with, and the instruction that made it. Pure."""
    size_bytes = 0
    for entry, size in reversed(history):
        size_bytes += size
        # The layer that takes empty folders away belongs to the one below; what only sets the config makes none.
        if entry.created_by != TIDYING and not (entry.comment == APP_NAME and entry.empty_layer):
            ours = entry.comment == APP_NAME
            return size_bytes, entry.created_by.replace("RUN /bin/sh -c ", "RUN ", 1) if ours else ""
    return size_bytes, ""


def choose(
    results: Sequence[KeptResult], *, now_s: float, older_than_s: float | None, keep_bytes: int | None
) -> list[KeptResult]:
    """What may go of `results`: what was not used for too long, then more of that until the rest fits.

    What stands on a result goes before it, so what stays can be used. Results of the same layers go together: only
    without all of them is the layer free. Without any limit everything may go. In an order to remove them. Pure.
    """
    together: dict[Layers, list[KeptResult]] = defaultdict(list)
    for result in results:
        together[result.layers].append(result)
    used_s = {layers: max(result.used_s for result in same) for layers, same in together.items()}
    for layers in sorted(together, key=len, reverse=True):
        for below in _starts(layers)[:-1]:
            if below in used_s:
                used_s[below] = max(used_s[below], used_s[layers])
    sizes = {layers: max(result.size_bytes for result in same) for layers, same in together.items()}
    rest_bytes, chosen = sum(sizes.values()), list[KeptResult]()
    # What lies below was used no earlier than what stands on it, so the latter comes first.
    for layers in sorted(together, key=lambda layers: (used_s[layers], -len(layers), layers)):
        too_old = older_than_s is not None and now_s - used_s[layers] > older_than_s
        too_much = keep_bytes is not None and rest_bytes > keep_bytes
        if not (too_old or too_much) and (older_than_s, keep_bytes) != (None, None):
            break
        rest_bytes -= sizes[layers]
        chosen += sorted(together[layers], key=lambda result: result.made_s, reverse=True)
    return chosen


def total_bytes(results: Iterable[KeptResult]) -> int:
    """Bytes of the results' own layers, each layer once. Pure."""
    sizes: dict[Layers, int] = {}
    for result in results:
        sizes[result.layers] = max(sizes.get(result.layers, 0), result.size_bytes)
    return sum(sizes.values())


def leftovers(held: Iterable[HeldImage], *, building: Collection[str], before_s: float) -> list[HeldImage]:
    """Images of builds that have lost all names, in an order to remove them. Pure.

    A build that makes something anew takes the name away from the earlier result, on which others may stand by then.
    `building`: builds that go on. What was made or named after `before_s` is let be.
    """
    found = [
        image
        for image in held
        if not image.references
        and image.labels.get(LABEL_BUILD, "") not in {"", *building}
        and _last_named(image) < before_s
    ]
    return sorted(found, key=lambda image: (len(image.layers), image.made_s), reverse=True)


def prune(
    engine: KeepingEngine,
    *,
    now_s: float,
    older_than_s: float | None = None,
    keep_bytes: int | None = None,
    grace_s: float = GRACE_S,
) -> Pruned:
    """Take away what `choose` chooses of an engine's results, and images of ours that nothing names any more."""
    held = engine.held_images()
    results = kept_results(engine, held)
    chosen = choose(results, now_s=now_s, older_than_s=older_than_s, keep_bytes=keep_bytes)
    nameless = leftovers(held, building=_building(engine), before_s=now_s - grace_s)
    return remove(engine, chosen, nameless, held=held)


def remove(
    engine: KeepingEngine,
    chosen: Sequence[KeptResult],
    nameless: Sequence[HeldImage] = (),
    *,
    held: Sequence[HeldImage],
) -> Pruned:
    """Take results and images without a name away, in the order given; what came of it.

    `held`: what the engine has had. What another process uses or takes away meanwhile is no error.
    """
    histories = engine.sized_histories(nameless)
    sizes = {image.id: _layer_bytes(told) for image, told in zip(nameless, histories, strict=True)}
    for result in chosen:
        for reference in (*result.records, result.reference):
            engine.remove_image(reference)
    ours = {result.image for result in chosen} | {image.id for image in nameless}
    left, tried = engine.held_images(held), set[str]()
    for _ in range(_ROUNDS):
        again = [image for image in left if image.id in ours and not image.references]
        if tried == (tried := {image.id for image in again}):
            break
        for image in sorted(again, key=lambda image: (len(image.layers), image.made_s), reverse=True):
            engine.remove_image(image.id)
        left = engine.held_images(held)
    return _outcome(chosen, nameless, sizes, left)


def _building(engine: Engine) -> set[str]:
    """Builds of which the engine still has containers, or images in the making."""
    containers = {labels[LABEL_BUILD] for labels in engine.labels(LABEL_BUILD).values()}
    working = (reference.rpartition(":")[2].split("-") for reference in engine.references(WORK_REPOSITORY))
    return containers | {parts[1] for parts in working if len(parts) > 1}


def _outcome(
    chosen: Sequence[KeptResult],
    nameless: Sequence[HeldImage],
    sizes: Mapping[str, Sequence[int]],
    left: Sequence[HeldImage],
) -> Pruned:
    """What of it the engine does not have any more. Pure."""
    there = {start for image in left for start in _starts(image.layers)}
    names, ids = {name for image in left for name in image.references}, {image.id for image in left}

    def freed(layers: Layers, layer_bytes: Sequence[int]) -> int:
        """Bytes of layers that no image has, each counted once."""
        found = 0
        for start, size in zip(_starts(layers)[1:], layer_bytes, strict=False):
            if start not in there:
                there.add(start)
                found += size
        return found

    # From below, so that each result counts its own layer.
    gone = sorted(
        (result for result in chosen if result.reference not in names),
        key=lambda result: (len(result.layers), result.made_s),
    )
    results = tuple((result, freed(result.layers, result.layer_bytes)) for result in gone)
    lost = [image for image in reversed(nameless) if image.id not in ids]
    leftover_bytes = sum(freed(image.layers, sizes[image.id]) for image in lost)
    return Pruned(results=results, leftovers=len(lost), leftover_bytes=leftover_bytes)
