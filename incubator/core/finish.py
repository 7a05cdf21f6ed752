"""From the layers of a plan to the image, its tags, files and pushes, and the result that says so."""

from __future__ import annotations

import time
from contextlib import ExitStack, contextmanager, nullcontext, suppress
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING

from incubator.core.assemble import assemble
from incubator.core.attach import Extras, for_others
from incubator.core.delivery import Delivery
from incubator.core.export import write_files, write_image
from incubator.core.lazy import LazyEngine
from incubator.core.provenance import BuildRecord, summary_of
from incubator.core.publish import Pushes, images_before, push, push_with, tagged, upload_first, upload_here
from incubator.core.result import CommandLog, LayerResult, ReplacedImage, ResultImage
from incubator.core.trust import check_real
from incubator.core.writing import told
from incubator.errors import EngineError
from incubator.events import ImageBuilt, WarningRaised
from incubator.oci.image_config import digest_of
from incubator.registry.repository import Registries
from incubator.request import Packing

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

    from incubator.core.assemble import Clock
    from incubator.core.engine import Engine, ImageInfo
    from incubator.core.leftovers import Workshop
    from incubator.core.plan.model import BaseImage, Plan
    from incubator.core.stage_result import StageResult
    from incubator.events import Listener
    from incubator.oci.attestation import Predicate
    from incubator.oci.cached_layers import CachedLayers
    from incubator.oci.image_config import ImageConfig
    from incubator.registry.credentials import Credentials
    from incubator.remote.urls import Remote
    from incubator.request import BuildRequest, FileOutput


class Finisher:
    """Makes the image of a plan's target once all layers are there. `begin`: of the build, on the monotonic clock."""

    def __init__(
        self,
        plan: Plan,
        *,
        engine: Engine,
        request: BuildRequest,
        credentials: Credentials,
        workshop: Workshop,
        clock: Clock,
        emit: Listener,
        begin: float,
    ) -> None:
        self._plan = plan
        self._engine = engine
        self._request = request
        self._credentials = credentials
        self._workshop = workshop
        self._clock = clock
        self._emit = emit
        self._begin = begin

    def finish(
        self,
        results: Mapping[int, StageResult],
        fetched: Mapping[Remote, str],
        scan: Callable[[str, ImageConfig], tuple[Predicate, ...]],
        cached: tuple[CachedLayers, ...] = (),
        generators: Sequence[BaseImage] = (),
        sent: Mapping[str, int] | None = None,
    ) -> ResultImage:
        """Put the image together, tag it, write it to files and push it.

        `results` are those of the stages, `fetched` the digests of what ADD named from elsewhere. `scan`
        gives what is to be attested of an image besides, before anybody gets to see it. `cached` is what the image
        says of itself as a cache; `generators` are the images that `scan` runs. `sent`: bytes of layers that
        repositories, by their names, have got already.
        Raises EngineError, RegistryError, PushFailed, StepFailed of a generator, and BuilderError where a file cannot
        be written.
        """
        plan, request, engine = self._plan, self._request, self._engine
        final = results[plan.target.index]
        config = assemble(
            plan.target,
            diff_ids=final.image.config.diff_ids,
            history=final.history,
            platform=final.platform,
            created=final.created or self._clock.now(),
            cached=cached,
        )
        image_id = engine.compose(final.image.id, config)
        self._emit(ImageBuilt(image_id=image_id, duration_s=time.monotonic() - self._begin))
        # Now: a push without `load` takes the image away again.
        layers = _layer_results(config, final, engine.layer_sizes(image_id))
        scans = scan(image_id, config)
        record = None
        if request.push and request.attestations:
            record = self._record(layers, fetched, generators)
        extras = Extras(annotations=request.annotations, platform=config.platform, record=record, scans=scans)
        if request.push:
            for message in for_others(extras.annotations, [extras.platform], attested=record is not None):
                self._emit(WarningRaised(message=message))
        before = images_before(engine, request)
        replaced = _replaced(engine, before)
        digests: dict[str, str] = {}
        if any(output.kind != "oci" for output in request.outputs):
            image_id = self._on_engine(image_id)
        if not request.load:  # it goes with its last reference, and stays if somebody else has one
            engine.tag(image_id, self._workshop.reference())
        with (
            tagged(engine, self._emit, image_id, request, before),
            self._delivery(image_id, config, final) as delivery,
        ):
            self._write_outputs(image_id, config, delivery)
            if request.push:
                digests = self._push(image_id, delivery, extras, Pushes(self._emit, sent))
        logs = tuple(
            CommandLog(command=log.command, logs=log.text, peak_memory_bytes=log.peak_bytes)
            for stage in plan.stages
            if stage.index in results
            for log in results[stage.index].logs
        )
        if request.load:
            image_id = self._on_engine(image_id)
        return ResultImage(
            id=image_id,
            config_digest=digest_of(config.to_json_bytes()),
            tags=tuple(before),
            digests=digests,
            layers=layers,
            logs=logs,
            config=config.config,
            platform=config.platform,
            duration_s=time.monotonic() - self._begin,
            replaced=replaced,
            attested=extras.types,
            provenance=summary_of(record) if record else None,
        )

    def _record(
        self, layers: Sequence[LayerResult], fetched: Mapping[Remote, str], generators: Sequence[BaseImage]
    ) -> BuildRecord:
        now = datetime.now(UTC)
        return BuildRecord(
            request=self._request,
            plan=self._plan,
            engine=self._engine.info().platform,
            layers=layers,
            fetched=fetched,
            started=now - timedelta(seconds=time.monotonic() - self._begin),
            finished=now,
            generators=generators,
        )

    def _push(self, image: str, delivery: Delivery, extras: Extras, pushes: Pushes) -> dict[str, str]:
        request = self._request
        here = request.push_by_digest or request.packing
        if not (here or extras):
            return push(self._engine, pushes, request, self._credentials)
        with self._registries() as registries:
            if here:
                packing = request.packing or Packing()
                upload = upload_here(delivery, pushes, packing, tagged=not extras)
            else:
                upload = upload_first(self._engine, pushes, image, request, self._credentials)
            return push_with(extras, upload, registries, pushes, request)

    def _registries(self) -> Registries:
        return Registries(self._credentials, insecure=self._engine.info().insecure_registries)

    @contextmanager
    def _delivery(self, image: str, config: ImageConfig, final: StageResult) -> Iterator[Delivery]:
        """The image as it is put together without the engine."""
        with ExitStack() as stack:
            engine = self._engine
            if not isinstance(engine, LazyEngine):  # a cache of the caller's works with the engine alone
                registries = stack.enter_context(self._registries())
                engine = LazyEngine(engine, registries, keep=True, shelf=self._workshop.reference)
                stack.enter_context(engine)
            base_layers = len(config.diff_ids) - len(final.layers)
            yield Delivery(engine=engine, image=image, config=config, base_layers=base_layers)

    def _on_engine(self, image: str) -> str:
        engine = self._engine
        if not isinstance(engine, LazyEngine):
            return image
        with nullcontext() if engine.has(image) else told(self._emit, "image"):
            return engine.on_engine(image)

    def _write_outputs(self, image: str, config: ImageConfig, delivery: Delivery) -> None:
        outputs = self._request.outputs
        tags = () if self._request.push_by_digest else self._request.tags
        for output in outputs:
            if output.real:
                check_real(Path(output.dest), "an output is not written")
        files = [output for output in outputs if output.kind in {"local", "tar"}]
        for output in outputs:
            if output not in files:
                with told(self._emit, "output", _shown(output)):
                    if output.kind == "docker":
                        write_image(self._engine, image, list(map(str, tags)), output.dest)
                    else:
                        delivery.write(output, tags)
        if files:
            with told(self._emit, "output", ", ".join(map(_shown, files))):
                write_files(self._engine, image, config, files, self._workshop, epoch=self._clock.epoch)


def _shown(output: FileOutput) -> str:
    return f"type={output.kind},dest={output.dest}"


def _replaced(engine: Engine, before: Mapping[str, ImageInfo | None]) -> tuple[ReplacedImage, ...]:
    """Images that lose a tag, with the sizes of their layers; without those that go away meanwhile."""
    found = []
    for reference, image in before.items():
        if image is not None:
            with suppress(EngineError):
                found.append(
                    ReplacedImage(
                        reference=reference,
                        id=image.id,
                        size_bytes=sum(engine.layer_sizes(image.id)),
                        diff_ids=image.config.diff_ids,
                        config=image.config.config,
                    )
                )
    return tuple(found)


def _layer_results(config: ImageConfig, final: StageResult, sizes: Sequence[int]) -> tuple[LayerResult, ...]:
    """All layers of the image, base first; sizes are those of the history entries that made them."""
    of_layers = [size for entry, size in zip(config.history, sizes, strict=True) if not entry.empty_layer]
    base_count = len(config.diff_ids) - len(final.layers)
    results = []
    for index, (diff_id, size) in enumerate(zip(config.diff_ids, of_layers, strict=True)):
        layer = final.layers[index - base_count] if index >= base_count else None
        results.append(
            LayerResult(
                diff_id=diff_id,
                size_bytes=size,
                commands=tuple(step.ref.text for step in layer.steps if step.changes_files) if layer else (),
                duration_s=layer.duration_s if layer else 0.0,
                cached=layer.cached if layer else False,
                base=layer is None,
            )
        )
    return tuple(results)
