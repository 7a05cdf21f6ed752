"""Layers on their way to the registry while others are made.

A layer goes early only to where the image goes anyway. What does not arrive is sent again by whoever puts the image
together in the end, and an error is told there: so a registry that was silent for a while costs nothing.
"""

from __future__ import annotations

import queue
import threading
import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final, Self

from incubator.core.assembly import ensure_layer
from incubator.core.plan.graph import chain_of
from incubator.core.plan.model import RunStep
from incubator.core.schedule import PATIENCE_S
from incubator.errors import BuilderError

if TYPE_CHECKING:
    from collections.abc import Callable, Collection

    from incubator.core.engine import ImageInfo
    from incubator.core.known_layers import KnownLayer
    from incubator.core.lazy import LazyEngine
    from incubator.core.plan.model import Plan
    from incubator.oci.reference import Reference
    from incubator.registry.repository import Registries
    from incubator.request import BuildRequest, Packing

_WORKERS: Final = 2
"""Layers that are packed and sent at the same time, which the steps that run meanwhile must not feel much of."""

_GLANCE_S: Final = 0.1


def early_place(plan: Plan, request: BuildRequest, store: str) -> Reference | None:
    """The repository that layers may be sent to before the image is complete; None where that could be in vain.

    The engine sends an image with layers that it alone has by itself, and packs all of them anew; only the store of
    containerd has those that were made here as they are sent.
    """
    if not (request.push and request.tags):
        return None
    chain = chain_of(plan, plan.target)
    groups = (group for stage in plan.stages if stage.index in chain for group in stage.groups)
    runs = any(isinstance(step, RunStep) for group in groups for step in group.steps)
    by_us = request.push_by_digest or request.packing is not None or not runs
    return request.tags[0] if by_us or store == "oci" else None


@dataclass(slots=True, kw_only=True)
class Uploads:
    """Sends layers made here for `stages` to `place`. A context manager: afterwards nothing more is sent.

    `registries` are its own, and closed in the end.
    """

    engine: LazyEngine
    registries: Registries
    place: Reference
    packing: Packing
    stages: Collection[int]
    sent_bytes: int = field(default=0, init=False)
    """Of layers that the repository lacked."""
    _jobs: queue.SimpleQueue[KnownLayer | None] = field(default_factory=queue.SimpleQueue)
    _sent: set[str] = field(default_factory=set)
    _threads: list[threading.Thread] = field(default_factory=list)
    _lock: threading.Lock = field(default_factory=threading.Lock)
    _broken: bool = False
    """Something has not arrived, or nothing is to be sent any more."""
    _fault: Exception | None = None

    def __enter__(self) -> Self:
        for number in range(_WORKERS):
            # They keep no process from ending: a layer may be large, and packing it cannot be called off.
            thread = threading.Thread(target=self._work, daemon=True, name=f"incubator-upload-{number}")
            thread.start()
            self._threads.append(thread)
        return self

    def __exit__(self, *_: object) -> None:
        self._broken = True
        self.registries.close()
        self._end()
        deadline = time.monotonic() + PATIENCE_S
        for thread in self._threads:
            thread.join(max(0.0, deadline - time.monotonic()))

    def send(self, stage: int, image: ImageInfo) -> None:
        """Send what a stage has come to, as far as it was made here."""
        if stage not in self.stages:
            return
        for diff_id in image.config.diff_ids:
            layer = self.engine.layers.get(diff_id)
            if layer and layer.tar:
                with self._lock:
                    new = diff_id not in self._sent
                    self._sent.add(diff_id)
                if new:
                    self._jobs.put(layer)

    def finish(self, check: Callable[[], None]) -> None:
        """Wait for all that is on its way; nothing can be sent any more. `check` raises where the build has to end."""
        self._end()
        for thread in self._threads:
            while thread.is_alive():
                thread.join(_GLANCE_S)
                check()
        if self._fault:
            raise self._fault

    def _end(self) -> None:
        for _ in self._threads:
            self._jobs.put(None)

    def _work(self) -> None:
        while layer := self._jobs.get():
            try:
                if not self._broken:
                    self._upload(layer)
            except BuilderError as error:
                self._broken = True
                self.engine.note_silence(error)
            except Exception as error:  # noqa: BLE001 - raised in the thread that waits
                self._broken, self._fault = True, error

    def _upload(self, layer: KnownLayer) -> None:
        if self.engine.is_silent(self.place):
            self._broken = True
            return
        packed = self.engine.packed_as(layer, self.packing)
        if ensure_layer(self.registries.repository(self.place), packed):
            with self._lock:
                self.sent_bytes += packed.described().size
