"""Options and configuration to a request: the one path that the CLI, the Python API and the pipelines share."""

from __future__ import annotations

from contextlib import ExitStack
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from incubator.cache_options import asked_by
from incubator.core.config import ConfigSource, ImageConfig
from incubator.core.container_options import (
    parse_cgroup_parent,
    parse_filter,
    parse_host,
    parse_security_opt,
    parse_shm_size,
    parse_ulimit,
)
from incubator.core.limits import check_limits, parse_layer_splits, parse_parallelism, parse_timeout
from incubator.core.trust import ARGUMENTS, find_escapes
from incubator.errors import InputError
from incubator.faults import Faults
from incubator.fetched import KeptContext
from incubator.named_contexts import open_contexts
from incubator.oci.platform import parse_platforms
from incubator.oci.reference import parse_repository_name, parse_tag_reference
from incubator.output_options import Outputs
from incubator.platform_options import check_several, read_nodes
from incubator.request import DEFAULT_PARALLELISM, Attestations, BuildRequest, Limits, NamedContexts
from incubator.secret_options import Access
from incubator.sources import open_sources

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence

    from incubator.core.config import ConfigLike, Entry
    from incubator.core.trust import Origin
    from incubator.core.volume import Volume
    from incubator.oci.annotations import Annotation
    from incubator.oci.platform import Platform
    from incubator.oci.reference import Reference
    from incubator.request import CacheSource, CacheTarget, Credential, ExtraHost, LayerSplits
    from incubator.sources import Place

T = TypeVar("T")

_EPOCH = "SOURCE_DATE_EPOCH"
_LATEST_EPOCH = 253402300799  # the end of the year 9999


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """A configuration, typed and checked; the fields are those of `BuildRequest`."""

    target: str | None = None
    platforms: tuple[Platform, ...] = ()
    build_args: Mapping[str, str | None] = field(default_factory=dict)
    labels: Mapping[str, str] = field(default_factory=dict)
    tags: tuple[Reference, ...] = ()
    layers: LayerSplits = ()
    volumes: tuple[Volume, ...] = ()
    limits: Limits = field(default_factory=Limits)
    network: str | None = None
    add_hosts: tuple[ExtraHost, ...] = ()
    security_opts: tuple[str, ...] = ()
    pull: bool = False
    no_cache: bool = False
    no_cache_filters: tuple[str, ...] = ()
    rm: bool = True
    force_rm: bool = True
    keep_failed: bool = False
    max_parallelism: int = DEFAULT_PARALLELISM
    timeout_s: float | None = None


def merge_options(
    config: ConfigLike | Sequence[ConfigLike] | None,
    values: Mapping[str, Any],
    origin: Origin = ARGUMENTS,
    *,
    faults: Faults,
) -> ImageConfig:
    """`config` with `values` (by its schema's keys) on top; None leaves a key as it is.

    What a caller says of `layers` replaces what configurations say, since it is about this very build. Faults of
    both are noted in `faults`, and what they are about is left out.
    """
    merged, found = ImageConfig.merge_sound(config)
    faults.errors += found
    if values.get("layers") is not None:
        layers = None
        with faults.gather():
            splits = parse_layer_splits(values["layers"])
            layers = splits if splits == "auto" else list(splits)
            merged.clear("layers")
        values = {**values, "layers": layers}
    merged, found = ImageConfig.merge_sound([merged, ConfigSource(values=values, origin=origin)])
    faults.errors += found
    return merged


def read_settings(config: ImageConfig, *, push_by_digest: bool = False, faults: Faults) -> Settings:
    """The settings that a configuration means; faults are noted in `faults`, at their places."""
    parse_tag = parse_repository_name if push_by_digest else parse_tag_reference
    return Settings(
        target=config.target,
        platforms=_one(config.scalar("platform"), parse_platforms, faults) or (),
        build_args=_build_args(config, faults),
        labels=config.labels,
        tags=tuple(dict.fromkeys(_each(config.items("tags"), parse_tag, faults))),
        layers=parse_layer_splits(config.layers),
        volumes=_volumes(config, faults),
        limits=_limits(config, faults),
        network=config.network,
        add_hosts=tuple(_each(config.items("add_hosts"), parse_host, faults)),
        security_opts=tuple(_each(config.items("security_opts"), parse_security_opt, faults)),
        pull=config.pull,
        no_cache=config.no_cache,
        no_cache_filters=tuple(
            name for names in _each(config.items("no_cache_filters"), parse_filter, faults) for name in names
        ),
        rm=config.rm,
        force_rm=config.forcerm,
        keep_failed=config.keep_failed,
        max_parallelism=_one(config.scalar("max_parallelism"), parse_parallelism, faults)
        or DEFAULT_PARALLELISM,
        timeout_s=_one(config.scalar("timeout"), parse_timeout, faults),
    )


def make_request(  # noqa: PLR0913 - one parameter for each thing that is no setting
    place: Place,
    *,
    config: ConfigLike | Sequence[ConfigLike] | None = None,
    values: Mapping[str, Any] | None = None,
    origin: Origin = ARGUMENTS,
    push: bool = False,
    push_by_digest: bool = False,
    load: bool | None = None,
    nodes: Iterable[str] = (),
    credentials: Sequence[Credential] = (),
    source_date_epoch: str | int | None = None,
    access: Access | None = None,
    fetch_secrets: Mapping[str, bytes] | None = None,
    contexts: Mapping[str, str] | None = None,
    cache_from: Sequence[CacheSource] = (),
    cache_to: Sequence[CacheTarget] = (),
    outputs: Outputs | None = None,
    annotations: Sequence[Annotation] = (),
    attestations: Attestations | None = None,
    faults: Faults | None = None,
) -> BuildRequest:
    """The request that options mean. `place` says where context and Dockerfile are.

    `fetch_secrets` are for what is fetched before the build, beside those of `access`; no build step has them.

    `config` comes first, `values` (by the keys of `schemas/config.schema.json`) are merged on top and come from
    `origin`. `faults` are input errors met before. `load`: keep the image on the engine; None: unless there are
    several platforms, or the result goes to files alone. An image that goes nowhere else is kept in any case. Raises
    InputErrors with `faults` and all that are found here; nothing has been changed then. The caller closes the
    request's context.
    """
    faults = faults or Faults()
    access = access or Access()
    outputs = outputs or Outputs()
    push = push or outputs.push
    if outputs.packing and not push:
        faults.add(
            "an output says how the image is packed, and it is not pushed",
            hint="write push=true, or type=oci for an archive",
        )
    values = dict(values or {})
    if outputs.names:
        given = values.get("tags") or []
        values["tags"] = [*([given] if isinstance(given, str) else given), *outputs.names]
    merged = merge_options(config, values, origin, faults=faults)
    settings = read_settings(merged, push_by_digest=push_by_digest, faults=faults)
    if push and not merged.tags and not faults.errors:
        faults.add(
            "there is nothing to push: no tag is given", hint="name the image, as in registry.example/app:1.0"
        )
    engines = read_nodes(nodes, settings.platforms, faults)
    several = settings.platforms if len(settings.platforms) > 1 else ()
    if several:
        check_several(several, load=bool(load), outputs=outputs, faults=faults)
        load = False
    if load is None:
        load = not outputs.without_image
    elif not several:
        load = load or not (push or outputs.without_image)
    build_args = dict(settings.build_args)
    epoch = None
    if source_date_epoch is not None:
        build_args.setdefault(_EPOCH, str(source_date_epoch))
    if build_args.get(_EPOCH):
        with faults.gather():
            epoch = _epoch(build_args[_EPOCH])
    secrets = {
        **(fetch_secrets or {}),
        **{name: secret.value for name, secret in access.secrets.items()},
    }
    dockerfile, context = open_sources(
        place,
        memory_limit=merged.context_file_limit,
        faults=faults,
        secrets=secrets,
    )
    material = context.material if isinstance(context, KeptContext) else None
    named = NamedContexts()
    if contexts:
        with ExitStack() as stack:
            stack.callback(context.close)
            named = open_contexts(
                contexts,
                place.workspace or Path(),
                stack,
                workspace=place.workspace,
                secrets=secrets,
                faults=faults,
            )
            faults.check()
            context = KeptContext(context, str(context), stack.pop_all())
    return BuildRequest(
        dockerfile=dockerfile,
        context=context,
        target=settings.target,
        platform=None if several else next(iter(settings.platforms), None),
        platforms=several,
        nodes=engines,
        build_args=build_args,
        labels=settings.labels,
        tags=settings.tags,
        layers=settings.layers,
        volumes=settings.volumes,
        limits=settings.limits,
        network=settings.network,
        add_hosts=settings.add_hosts,
        security_opts=settings.security_opts,
        pull=settings.pull,
        no_cache=settings.no_cache,
        no_cache_filters=settings.no_cache_filters,
        push=push,
        push_by_digest=push_by_digest,
        packing=outputs.packing,
        load=load and not (push and push_by_digest),  # under what name would it be kept?
        rm=settings.rm,
        force_rm=settings.force_rm,
        keep_failed=settings.keep_failed,
        max_parallelism=settings.max_parallelism,
        timeout_s=settings.timeout_s,
        credentials=tuple(credentials),
        secrets=access.secrets,
        ssh=access.ssh,
        allow=access.allow,
        contexts=named,
        cache_from=tuple(cache_from),
        cache_to=tuple(dict.fromkeys((*cache_to, *(asked_by(build_args) if push else ())))),
        outputs=outputs.files,
        source_date_epoch=epoch,
        context_material=material,
        annotations=tuple(annotations),
        attestations=attestations or Attestations(),
    )


def _each(entries: Iterable[Entry], parse: Callable[[Any], T], faults: Faults) -> list[T]:
    """What `parse` makes of each entry; what it refuses is noted in `faults`, at its place."""
    values = []
    for entry in entries:
        try:
            values.append(parse(entry.value))
        except InputError as error:
            faults.errors.append(entry.locate(error))
    return values


def _one(entry: Entry | None, parse: Callable[[Any], T], faults: Faults) -> T | None:
    return next(iter(_each([entry] if entry else [], parse, faults)), None)


def _build_args(config: ImageConfig, faults: Faults) -> dict[str, str | None]:
    for name, entry in config.pairs("buildargs").items():
        if "=" in name or any(char.isspace() or char == "\0" for char in name):
            comment = "a line with # is no comment inside a value of YAML: write the comment above the input"
            hint = comment if name.startswith("#") else None
            fault = InputError(f"build argument {name!r}: a name has no blank and no =", hint=hint)
            faults.errors.append(entry.locate(fault))
    return config.buildargs


def _limits(config: ImageConfig, faults: Faults) -> Limits:
    entries = config.pairs("container_limits")
    limits, wrong = check_limits(config.container_limits)
    faults.errors += [entries[key].locate(error) for key, error in wrong.items()]
    ulimits = _each(config.items("ulimits"), parse_ulimit, faults)
    return replace(
        limits,
        shm_size_bytes=_one(config.scalar("shm_size"), parse_shm_size, faults),
        ulimits=tuple({limit.name: limit for limit in ulimits}.values()),
        cgroup_parent=_one(config.scalar("cgroup_parent"), parse_cgroup_parent, faults),
    )


def _volumes(config: ImageConfig, faults: Faults) -> tuple[Volume, ...]:
    entries = config.items("volumes")
    by_volume: dict[Volume, Entry] = {entry.value: entry for entry in entries}
    for volume, error in find_escapes((entry.value, entry.origin) for entry in entries):
        faults.errors.append(by_volume[volume].locate(error))
    by_destination: dict[str, Volume] = {}
    for volume, entry in by_volume.items():
        other = by_destination.setdefault(volume.destination.rstrip("/"), volume)
        if other is not volume:
            fault = InputError(f"volumes {str(other)!r} and {str(volume)!r} have the same destination")
            faults.errors.append(entry.locate(fault))
    return tuple(by_volume)


def _epoch(text: str | None) -> int:
    if text is None or not text.isascii() or not text.isdigit() or int(text) > _LATEST_EPOCH:
        raise InputError(
            f"invalid {_EPOCH} {text!r}",
            hint="it is a time in whole seconds since 1970, as `date +%s` prints it",
        )
    return int(text)
