"""The builder: a request to an image. Plan first, then stages, then the image config, tags and pushes."""

from __future__ import annotations

import secrets
import time
from contextlib import ExitStack, nullcontext, suppress
from dataclasses import replace
from functools import cached_property
from typing import TYPE_CHECKING

from incubator.core.assemble import Clock
from incubator.core.attach import idle_extras
from incubator.core.caching import EngineCache
from incubator.core.carried import BuildVolumes, find_unseen, warn_of_copies
from incubator.core.context import count_files
from incubator.core.context_check import check_sources, exposed_caches
from incubator.core.copying import Copier, SourceFiles
from incubator.core.earlier import EarlierResults
from incubator.core.facts import FactBook
from incubator.core.filling import Filler
from incubator.core.finish import Finisher
from incubator.core.full_disk import advise_on_full_disk
from incubator.core.group_keys import GroupKeys
from incubator.core.halt import Halt, Halted
from incubator.core.known_layers import CacheBroken
from incubator.core.layer import Surroundings
from incubator.core.lazy import LazyEngine
from incubator.core.leftovers import Workshop, sweep
from incubator.core.making import Making
from incubator.core.masking import hidden_texts
from incubator.core.mounts import Mounts
from incubator.core.plan.graph import chain_of, dependencies
from incubator.core.plan.make import check_options
from incubator.core.plan.stages import find_filtered, split_stages
from incubator.core.planning import plan_build
from incubator.core.preview import Previewer
from incubator.core.publish import log_in
from incubator.core.push_rights import PushRights
from incubator.core.records import Records
from incubator.core.sbom_generator import SbomScanner
from incubator.core.schedule import Schedule
from incubator.core.shared_cache import SharedCache
from incubator.core.stages import StageExecutor
from incubator.core.step_log import Logs
from incubator.core.together import TogetherEngine, stacks_of
from incubator.core.uploads import Uploads, early_place
from incubator.core.writing import told
from incubator.dockerfile import parse
from incubator.errors import BuilderError, EngineError, InputError, interrupts_are_errors
from incubator.events import BuildFailed, BuildStarted, StageSkipped, WarningRaised, one_at_a_time
from incubator.oci.image_config import ImageConfig, RuntimeConfig
from incubator.oci.reference import Reference
from incubator.registry.credentials import Credentials
from incubator.registry.patience import Patience
from incubator.registry.repository import Registries
from incubator.remote.store import RemoteStore
from incubator.request import Packing

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from incubator.core.caching import ImageCache
    from incubator.core.engine import Engine
    from incubator.core.plan.model import Plan
    from incubator.core.preview import StagePreview
    from incubator.core.result import ResultImage
    from incubator.core.stage_result import StageResult
    from incubator.dockerfile.instructions import Document
    from incubator.events import Event, Listener
    from incubator.remote.urls import Remote
    from incubator.request import BuildRequest, CacheSource


_PATIENCE = Patience(attempts=3, connect_timeout_s=5)
"""With registries, most of which an engine may ask instead."""


def _ignore(_event: Event) -> None:
    """The listener of those who want none."""


class Builder:
    """Builds one request, for one platform, with one engine. `build` may be called once.

    `environ` leads to the logins that docker and Podman keep; without it there are only those of the request.
    `making` is what builds have in common that run at the same time on one engine.
    """

    def __init__(
        self,
        request: BuildRequest,
        *,
        client: Engine,
        cache: ImageCache | None = None,
        emit: Listener | None = None,
        environ: Mapping[str, str] | None = None,
        making: Making | None = None,
    ) -> None:
        self._request = request
        self._credentials = Credentials(request.credentials, environ=environ)
        self._client = client
        self._own_cache = cache
        self._emit = one_at_a_time(emit) if emit else _ignore
        self._id = secrets.token_hex(8)
        self._clock = Clock(request.source_date_epoch)
        self._fetched: Mapping[Remote, str] = {}
        self._sent: Mapping[str, int] = {}
        self._making = making or Making()
        self._alone = making is None
        self._prepared = False
        self._stopped = False
        self._halt: Halt | None = None
        self._use(client)

    def _use(self, engine: Engine) -> None:
        self._engine = engine
        self._cache = self._own_cache or EngineCache(engine)
        # What is in a cache of somebody else is not ours to keep on the engine.
        self._records = None if self._own_cache else Records(engine)

    def prepare(self) -> None:
        """Check options and logins, and remove what killed builds left; `build` does so if nobody has.

        Raises InputErrors, RegistryError, EngineError.
        """
        if self._prepared:
            return
        self._check_options()
        for credential in self._request.credentials:
            log_in(self._client, credential)
        sweep(self._client)
        self._prepared = True

    def stop(self) -> None:
        """Let `build`, which runs in another thread, end with Halted as soon as it can."""
        self._stopped = True
        if self._halt:
            self._halt.request()

    def build(self, *, since: float | None = None) -> ResultImage:
        """Plan, execute, tag, push. The timeout counts `since` a time of the monotonic clock, which is now.

        Raises DockerfileError and InputError before anything is changed, StepFailed, EngineError,
        RegistryError, PushFailed, TimedOut. Whatever happens, nothing of the build is left on the engine but the image.
        """
        begin = time.monotonic()
        for message in idle_extras(self._request):
            self._emit(WarningRaised(message=message))
        try:
            with interrupts_are_errors():
                self.prepare()
                return self._build_in_spite_of_cache(begin, since or begin)
        except BuilderError as error:
            advise_on_full_disk(error, self._client)
            self._emit(BuildFailed(error=error, step=error.step))
            raise

    def _build_in_spite_of_cache(self, begin: float, since: float) -> ResultImage:
        try:
            return self._build(begin, since, self._request.read_caches)
        except BuilderError as error:
            broken = _broken_cache(error)
            if broken is None:
                raise
            self._emit(WarningRaised(message=f"{broken.message}: all is made again without the cache"))
            return self._build(begin, since, ())

    @cached_property
    def _document(self) -> Document:
        return parse(self._request.dockerfile)

    def _keys(self, sources: SourceFiles) -> GroupKeys:
        return GroupKeys(
            request=self._request, sources=sources, epoch=self._clock.epoch, records=self._records
        )

    def _remote(self) -> RemoteStore:
        return RemoteStore({name: secret.value for name, secret in self._request.secrets.items()})

    def _sources(
        self,
        remote: RemoteStore,
        labels: Mapping[str, str],
        check: Callable[[], None],
        facts: FactBook | None = None,
    ) -> SourceFiles:
        return SourceFiles(
            self._engine,
            self._request.context,
            labels,
            remote=remote,
            named=self._request.contexts.files,
            check=check,
            facts=facts,
        )

    def _anew(self, plan: Plan) -> frozenset[int]:
        """Stages that use no earlier results."""
        if self._request.no_cache:
            return frozenset(stage.index for stage in plan.stages)
        return find_filtered(split_stages(self._document), self._request.no_cache_filters)

    def preview(self) -> tuple[StagePreview, ...]:
        """What `build` would reuse and make. Changes nothing on the engine, unless the request asks to pull.

        Where it names caches to read, registries are asked about these and about base images that the engine lacks.
        Raises what `build` raises before it begins, and EngineError where a base image is not known.
        """
        request = self._request
        self._check_options()
        with ExitStack() as stack:
            shared = None
            if request.read_caches:
                shared = self._share(stack, Workshop(self._client, self._id), request.read_caches)
            plan = self.plan(fetch=request.pull or shared is not None)
            check_sources(plan, request.context)
            remote = stack.enter_context(self._remote())
            # Asked for digests only: no container.
            sources = stack.enter_context(self._sources(remote, {}, lambda: None))
            earlier = self._earlier(plan, sources, shared)
            return Previewer(plan, engine=self._engine, earlier=earlier).preview()

    def plan(self, *, fetch: bool = True) -> Plan:
        """What `build` would do. Base images the engine lacks are fetched if wanted, nothing else is changed."""
        return plan_build(self._request, self._document, self._engine, self._emit, fetch=fetch)

    def _check_options(self) -> None:
        request = self._request
        if request.platforms:
            names = ", ".join(map(str, request.platforms))
            raise InputError(
                f"this is done for one platform at a time, and {len(request.platforms)} are given: {names}",
                hint="name one, as in --platform linux/amd64",
            )
        check_options(
            self._document,
            target=request.target,
            layers=request.layers,
            no_cache_filters=request.no_cache_filters,
        )

    def _build(self, begin: float, since: float, cache_from: Sequence[CacheSource]) -> ResultImage:
        request = self._request
        with ExitStack() as stack:
            rights = stack.enter_context(self._push_rights())
            workshop = Workshop(self._client, self._id)
            halt = self._halt = Halt(workshop.discard)
            if self._stopped:
                raise Halted
            shared = self._share(stack, workshop, cache_from)
            plan = self.plan()
            check_sources(plan, request.context)
            rights.check()
            for message in rights.silent():
                self._emit(WarningRaised(message=message))
            if shared:
                shared.leave_out(rights.refused_caches())
            facts = FactBook(shared.facts, ahead=shared.writes) if shared else FactBook()
            scanner = SbomScanner(
                request, engine=self._engine, workshop=workshop, halt=halt, emit=self._emit, since=since
            )
            scanner.resolve(self._document)
            self._emit(self._started(plan))
            for message in exposed_caches(plan, request.context, (*request.cache_from, *request.cache_to)):
                self._emit(WarningRaised(message=message))
            stack.enter_context(workshop)
            stack.callback(self._hand_over)
            results = self._execute(plan, workshop, halt, shared, facts, since)
            halt.check()
            stages = chain_of(plan, plan.target)
            final = results[plan.target.index].image.config
            cached = shared.cached_layers(final.diff_ids, stages) if shared and request.push else ()
            image = self._finisher(plan, workshop, begin).finish(
                results, self._fetched, scanner.scan, cached, scanner.images, self._sent
            )
            if shared:
                shared.export(stages=stages, facts=facts.known())
            self._settle()
            return replace(image, duration_s=time.monotonic() - begin)

    def _push_rights(self) -> PushRights:
        request, engine = self._request, self._client.info()
        return PushRights(
            request.tags if request.push else (),
            self._credentials,
            own_logins=engine.store == "podman",
            caches=[target.place for target in request.cache_to if isinstance(target.place, Reference)],
            insecure=engine.insecure_registries,
            elsewhere=engine.over_network,
        )

    def _hand_over(self) -> None:
        """Give the engine what was made before a failure, for later builds; nothing waits after a success."""
        if isinstance(self._engine, TogetherEngine):
            with suppress(EngineError):
                self._engine.settle()

    def _settle(self) -> None:
        """Let the engine keep what was made without it. One that does not costs the next build time, and no image."""
        engine = self._engine
        if isinstance(engine, LazyEngine | TogetherEngine) and (waiting := engine.unsettled()):
            try:
                with told(self._emit, "results"):
                    for image in waiting:
                        engine.on_engine(image)
            except EngineError as error:
                self._emit(WarningRaised(message=f"not all is kept for later builds: {error.message}"))

    def _share(
        self, stack: ExitStack, workshop: Workshop, cache_from: Sequence[CacheSource]
    ) -> SharedCache | None:
        """Work with registries as far as the request lets us; the cache that it names, if any."""
        request = self._request
        cached = bool(request.cache_from or request.cache_to)
        if self._own_cache:
            if cached:
                raise InputError(
                    "cache_from and cache_to do not go with a cache of your own",
                    hint="leave `cache` out, or let your cache look into the registry itself",
                )
            return None
        delivered = request.packing or any(output.kind == "oci" for output in request.outputs)
        if not (cached or delivered or (request.push and not request.load)):
            # Builds that share results find them on the engine.
            if self._alone and (stacks := stacks_of(self._client)):
                self._use(TogetherEngine(self._client, stacks))
            return None
        registries = stack.enter_context(self._registries())
        engine = stack.enter_context(
            LazyEngine(self._client, registries, keep=request.load, shelf=workshop.reference)
        )
        self._use(engine)
        if not cached:
            return None
        return SharedCache(
            engine,
            registries,
            sources=cache_from,
            targets=request.cache_to,
            platform=request.platform or self._client.info().platform,
            credentials=request.credentials,
            emit=self._emit,
        )

    def _execute(
        self,
        plan: Plan,
        workshop: Workshop,
        halt: Halt,
        shared: SharedCache | None,
        facts: FactBook,
        since: float,
    ) -> Mapping[int, StageResult]:
        """Make all layers; the results of the stages."""
        request = self._request
        with (
            self._remote() as remote,
            self._sources(remote, workshop.labels, halt.check, facts) as sources,
            self._uploads(plan) or nullcontext() as uploads,
        ):
            earlier = self._earlier(plan, sources, shared)
            plan, earlier = self._look_ahead(plan, earlier)
            executor = self._executor(plan, workshop, halt, sources, earlier, uploads)
            schedule = Schedule(
                dependencies(plan), executor.execute, parallelism=request.max_parallelism, halt=halt
            )
            schedule.run(begin=since, timeout_s=request.timeout_s)
            if uploads:
                uploads.finish(halt.check)
                self._sent = {uploads.place.name: uploads.sent_bytes}
            for warning in executor.waste(plan.target.index):
                self._emit(warning)
            self._fetched = remote.digests
            return executor.results

    def _earlier(self, plan: Plan, sources: SourceFiles, shared: SharedCache | None = None) -> EarlierResults:
        return EarlierResults(
            cache=self._cache, shared=shared, keys=self._keys(sources), anew=self._anew(plan)
        )

    def _look_ahead(self, plan: Plan, earlier: EarlierResults) -> tuple[Plan, EarlierResults]:
        """The plan without stages of which something would have to be made, though all that reads them is there.

        And what is known of earlier results, with where to look first.
        """
        all_used = chain_of(plan, plan.target) == {stage.index for stage in plan.stages}
        if all_used and not earlier.shared:
            return plan, earlier
        previewer = Previewer(plan, engine=self._engine, earlier=earlier)
        previews = previewer.preview()
        earlier = replace(earlier, shared_first=frozenset(previewer.shared_first))
        if all_used:
            return plan, earlier
        stages = list(zip(plan.stages, previews, strict=True))
        skipped = {stage.index: preview.key for stage, preview in stages if not preview.needed}
        for _, preview in stages:
            if not preview.needed:
                self._emit(StageSkipped(stage=preview.name))
        needed = tuple(stage for stage, preview in stages if preview.needed)
        return replace(plan, stages=needed), replace(earlier, skipped=skipped)

    def _executor(
        self,
        plan: Plan,
        workshop: Workshop,
        halt: Halt,
        sources: SourceFiles,
        earlier: EarlierResults,
        uploads: Uploads | None,
    ) -> StageExecutor:
        request, engine = self._request, self._engine
        filler = Filler(engine=engine, workshop=workshop, halt=halt)

        def emit(event: Event) -> None:
            if not halt.requested:  # what else runs then is of no interest, and may be late
                self._emit(event)

        return StageExecutor(
            plan,
            surroundings=Surroundings(
                engine=engine,
                copier=Copier(engine=engine, sources=sources, emit=emit, clock=self._clock, halt=halt),
                emit=emit,
                labels=workshop.labels,
                network=request.network,
                volumes=self._volumes(workshop, filler),
                limits=request.limits,
                add_hosts=request.add_hosts,
                security_opts=request.security_opts,
                platform=None,
                discard=workshop.discard,
                halt=halt,
                mounts=Mounts(
                    engine=engine,
                    sources=sources,
                    workshop=workshop,
                    halt=halt,
                    filler=filler,
                    secrets=request.secrets,
                    ssh=request.ssh,
                ),
                logs=Logs(),
                hidden=hidden_texts(secret.value for secret in request.secrets.values()),
                keep_containers=not request.rm,
                keep_after_failure=not request.force_rm,
                keep_failed=self._id if request.keep_failed else "",
            ),
            workshop=workshop,
            sources=sources,
            clock=self._clock,
            earlier=earlier,
            making=self._making,
            uploads=uploads,
        )

    def _registries(self) -> Registries:
        insecure = self._client.info().insecure_registries
        return Registries(self._credentials, insecure=insecure, patience=_PATIENCE)

    def _uploads(self, plan: Plan) -> Uploads | None:
        """What sends layers to where the image goes before it is complete, if that can be done."""
        engine, request = self._engine, self._request
        place = early_place(plan, request, engine.info().store)
        if place is None or not isinstance(engine, LazyEngine):
            return None
        return Uploads(
            engine=engine,
            registries=self._registries(),
            place=place,
            packing=request.packing or Packing(),
            stages=chain_of(plan, plan.target),
        )

    def _volumes(self, workshop: Workshop, filler: Filler) -> BuildVolumes:
        """The volumes; where the engine may not see their sources, it is asked now, before anything else is read."""
        request, engine = self._request, self._client
        may_not_see = engine.info().over_network if request.own_paths is None else request.own_paths
        if not may_not_see or not any(volume.is_path for volume in request.volumes):
            return BuildVolumes(request.volumes, filler)
        config = ImageConfig(
            platform=engine.info().platform, config=RuntimeConfig(), created=self._clock.now()
        )
        empty = engine.compose("", config)
        engine.tag(empty, workshop.reference())
        unseen = find_unseen(request.volumes, engine=engine, image=empty, labels=workshop.labels)
        warn_of_copies(request.volumes, unseen, self._emit)
        return BuildVolumes(request.volumes, replace(filler, engine=engine), copied=unseen, empty=empty)

    def _finisher(self, plan: Plan, workshop: Workshop, begin: float) -> Finisher:
        return Finisher(
            plan,
            engine=self._engine,
            request=self._request,
            credentials=self._credentials,
            workshop=workshop,
            clock=self._clock,
            emit=self._emit,
            begin=begin,
        )

    def _started(self, plan: Plan) -> BuildStarted:
        info = self._engine.info()
        return BuildStarted(
            build_id=self._id,
            dockerfile=self._request.dockerfile.name,
            context=str(self._request.context),
            engine=f"{info.name} {info.version}",
            stages=tuple(stage.name for stage in plan.stages),
            steps=sum(step.changes_files for step in plan.steps),
            layers=sum(group.changes_files for stage in plan.stages for group in stage.groups),
            context_files=count_files(self._request.context),
        )


def _broken_cache(error: BaseException | None) -> CacheBroken | None:
    """What a failure comes from, if that is a cache."""
    while error is not None and not isinstance(error, CacheBroken):
        error = error.__cause__
    return error
