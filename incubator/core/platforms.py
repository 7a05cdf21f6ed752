"""A request for one platform or several: a build for each, beside each other, and one index of what they push.

Each build is one of a single platform that knows nothing of the others. It pushes its image by digest; the index
comes last, and with it all tags. The first failure stops the others.
"""

from __future__ import annotations

import posixpath
import time
from dataclasses import replace
from typing import TYPE_CHECKING, Final

from incubator.core.attach import for_others
from incubator.core.build import Builder
from incubator.core.halt import Halt, Halted
from incubator.core.making import Making
from incubator.core.merge_images import merge_images
from incubator.core.plan.make import check_options
from incubator.core.push_rights import PushRights
from incubator.core.result import ResultIndex
from incubator.core.schedule import Schedule
from incubator.dockerfile import parse
from incubator.errors import BuilderError, DockerfileErrors, InputErrors, RegistryError, interrupts_are_errors
from incubator.events import BuildFailed, Transfer, WarningRaised, for_platform, one_at_a_time
from incubator.registry.credentials import Credentials
from incubator.registry.repository import Registries

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from incubator.core.caching import ImageCache
    from incubator.core.engine import Engine
    from incubator.core.merge_images import MergedImage
    from incubator.core.nodes import Engines
    from incubator.core.result import ResultImage
    from incubator.events import Event, Listener
    from incubator.oci.platform import Platform
    from incubator.request import BuildRequest

PATIENCE_S: Final = 15.0
"""How long builds may take to end after the first failure: each waits for its own threads, and then cleans up."""

_OF_PART: Final = ("manifest", "index-descriptor")
"""Levels of annotations that a build of one platform sees to, or warns of."""


def build_platforms(
    request: BuildRequest,
    engines: Engines,
    *,
    cache: ImageCache | None = None,
    emit: Listener | None = None,
    environ: Mapping[str, str] | None = None,
    as_seen: Callable[[BuildRequest, Engine], BuildRequest] = lambda request, _: request,
) -> ResultImage:
    """Build what `request` asks for: a `ResultIndex` where it has several platforms.

    `as_seen` gives the request with paths as an engine sees them. Raises what `Builder.build` raises; of several
    builds the first failure, which names its platform.
    """
    if request.platforms:
        return _Several(request, engines, cache, emit or (lambda _: None), environ, as_seen).build()
    engine = engines.of(request.platform)
    return Builder(as_seen(request, engine), client=engine, cache=cache, emit=emit, environ=environ).build()


class _Several:
    """A build for several platforms; `build` may be called once."""

    def __init__(
        self,
        request: BuildRequest,
        engines: Engines,
        cache: ImageCache | None,
        emit: Listener,
        environ: Mapping[str, str] | None,
        as_seen: Callable[[BuildRequest, Engine], BuildRequest],
    ) -> None:
        self._request = request
        self._emit = one_at_a_time(emit)
        self._credentials = Credentials(request.credentials, environ=environ)
        self._beside = min(len(request.platforms), request.max_parallelism)
        self._halt = Halt(lambda name: self._builders[name].stop())
        self._results: dict[str, ResultImage] = {}
        self._warned: set[tuple[object, ...]] = set()
        self._engines = {engines.of(platform): Making(by_others=True) for platform in request.platforms}
        self._builders = {
            str(platform): Builder(
                as_seen(self._part(platform), engines.of(platform)),
                client=engines.of(platform),
                cache=cache,
                emit=self._listener(str(platform)),
                environ=environ,
                making=self._engines[engines.of(platform)],
            )
            for platform in request.platforms
        }

    def build(self) -> ResultIndex:
        begin = time.monotonic()
        try:
            with interrupts_are_errors():
                self._check()
                schedule = Schedule(
                    dict.fromkeys(self._builders, ()),
                    lambda name: self._build(name, begin),
                    parallelism=self._beside,
                    halt=self._halt,
                    patience_s=PATIENCE_S,
                )
                schedule.run()
                images = [self._results[name] for name in self._builders]
                merged = self._join(images) if self._request.push else None
        except BuilderError as error:
            self._emit(BuildFailed(error=error, step=error.step))
            raise
        return _joined(images, merged, duration_s=time.monotonic() - begin, request=self._request)

    def _check(self) -> None:
        """Raise for what is wrong for all platforms, and for an engine or a login that is not as it should be."""
        request = self._request
        check_options(
            parse(request.dockerfile),
            target=request.target,
            layers=request.layers,
            no_cache_filters=request.no_cache_filters,
        )
        if request.push:
            for message in for_others(request.annotations, request.platforms, attested=True):
                self._emit(WarningRaised(message=message))
            self._check_registries()
        elif not request.outputs:
            self._emit(
                WarningRaised(
                    message="nothing takes the images of several platforms: they stay in the cache for later builds "
                    "alone; push them, or load one in a build of its own"
                )
            )
        for name, builder in self._builders.items():
            try:
                builder.prepare()
            except BuilderError as error:
                _name(error, name)
                raise

    def _check_registries(self) -> None:
        """Raise RegistryError for a registry that refuses, or does not answer here, from where the index is put."""
        tags = self._request.tags
        with PushRights(tags, self._credentials, own_logins=False, insecure=self._insecure) as rights:
            rights.check()
        with self._registries() as registries:
            for tag in {tag.registry: tag for tag in tags}.values():
                try:
                    registries.repository(tag).resolve(tag.tag or "latest")
                except RegistryError as error:
                    if error.status is None:
                        raise

    def _part(self, platform: Platform) -> BuildRequest:
        """The request for one platform. Its image goes to the repository of the first tag, without a tag."""
        request = self._request
        first = [replace(tag, tag=None, digest=None) for tag in request.tags[:1]]
        folder = str(platform).replace("/", "_")
        return replace(
            request,
            platform=platform,
            platforms=(),
            nodes=(),
            tags=first if request.push else (),
            push_by_digest=request.push,
            # Those of the index are for that of all platforms.
            annotations=[
                found
                for found in request.annotations
                if found.level in _OF_PART and found.platform in {None, platform}
            ],
            outputs=[replace(out, dest=posixpath.join(out.dest, folder)) for out in request.outputs],
            max_parallelism=max(1, request.max_parallelism // self._beside),
        )

    def _build(self, name: str, begin: float) -> None:
        self._halt.watch(name)
        try:
            self._results[name] = self._builders[name].build(since=begin)
        except BuilderError as error:
            _name(error, name)
            raise
        finally:
            self._halt.forget(name)

    def _listener(self, name: str) -> Listener:
        def emit(event: Event) -> None:
            if isinstance(event, BuildFailed):
                return  # told once, when all have ended
            if self._halt.requested:
                if isinstance(event, Transfer):  # which a build may be in the middle of, and for long
                    raise Halted
                return
            if isinstance(event, WarningRaised):
                key = (event.message, event.rule, event.span)
                if key in self._warned:
                    return
                self._warned.add(key)
                if event.rule:  # about the Dockerfile
                    self._emit(event)
                    return
            self._emit(for_platform(event, name))

        return emit

    def _join(self, images: Sequence[ResultImage]) -> MergedImage:
        """Put the index into the registry, under all tags."""
        name = replace(self._request.tags[0], tag=None)
        request = self._request
        with self._registries() as registries:
            sources = [replace(name, digest=image.digest) for image in images]
            return merge_images(registries, sources, request.tags, request.annotations, emit=self._emit)

    @property
    def _insecure(self) -> frozenset[str]:
        return frozenset().union(*(engine.info().insecure_registries for engine in self._engines))

    def _registries(self) -> Registries:
        return Registries(self._credentials, insecure=self._insecure)


def _joined(
    images: Sequence[ResultImage], merged: MergedImage | None, *, duration_s: float, request: BuildRequest
) -> ResultIndex:
    first = images[0]
    return ResultIndex(
        id=merged.digest if merged else "",
        config_digest=first.config_digest,
        tags=merged.tags if merged and not request.push_by_digest else (),
        digests=merged.digests if merged else {},
        layers=tuple(layer for image in images for layer in image.layers),
        logs=tuple(log for image in images for log in image.logs),
        config=first.config,
        platform=first.platform,
        duration_s=duration_s,
        images=tuple(images),
        descriptor=merged.descriptor if merged else None,
    )


def _name(error: BuilderError, platform: str) -> None:
    """Let an error say which platform it is about."""
    error.platform = platform
    if error.step:
        error.step = replace(error.step, platform=platform)
    if isinstance(error, InputErrors | DockerfileErrors):
        for part in error.errors:
            _name(part, platform)
    if isinstance(error, InputErrors):
        error.message = "\n".join(map(str, error.errors))
    elif not isinstance(error, DockerfileErrors):
        error.message = f"{platform}: {error.message}"
