"""Options and configuration to a request: the one path that the CLI, the Python API and the pipelines share."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from incubator.core.config import ConfigSource, ImageConfig
from incubator.core.limits import check_limits, parse_layer_splits
from incubator.core.trust import ARGUMENTS, find_escapes
from incubator.errors import InputError
from incubator.faults import Faults
from incubator.oci.platform import parse_platform
from incubator.oci.reference import parse_reference
from incubator.request import BuildRequest, Limits
from incubator.sources import open_sources

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from incubator.core.config import ConfigLike, Entry
    from incubator.core.trust import Origin
    from incubator.core.volume import Volume
    from incubator.oci.platform import Platform
    from incubator.oci.reference import Reference
    from incubator.request import Credential, LayerSplits
    from incubator.sources import Place

_EPOCH = "SOURCE_DATE_EPOCH"
_LATEST_EPOCH = 253402300799  # the end of the year 9999


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """A configuration, typed and checked; the fields are those of `BuildRequest`."""

    target: str | None = None
    platform: Platform | None = None
    build_args: Mapping[str, str | None] = field(default_factory=dict)
    labels: Mapping[str, str] = field(default_factory=dict)
    tags: tuple[Reference, ...] = ()
    layers: LayerSplits = ()
    volumes: tuple[Volume, ...] = ()
    limits: Limits = field(default_factory=Limits)
    network: str | None = None
    pull: bool = False
    no_cache: bool = False
    rm: bool = True
    force_rm: bool = True


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


def read_settings(config: ImageConfig, *, faults: Faults) -> Settings:
    """The settings that a configuration means; faults are noted in `faults`, at their places."""
    return Settings(
        target=config.target,
        platform=_platform(config, faults),
        build_args=_build_args(config, faults),
        labels=config.labels,
        tags=_tags(config, faults),
        layers=parse_layer_splits(config.layers),
        volumes=_volumes(config, faults),
        limits=_limits(config, faults),
        network=config.network,
        pull=config.pull,
        no_cache=config.no_cache,
        rm=config.rm,
        force_rm=config.forcerm,
    )


def make_request(  # noqa: PLR0913 - one parameter for each thing that is no setting
    place: Place,
    *,
    config: ConfigLike | Sequence[ConfigLike] | None = None,
    values: Mapping[str, Any] | None = None,
    origin: Origin = ARGUMENTS,
    push: bool = False,
    load: bool = True,
    credentials: Sequence[Credential] = (),
    source_date_epoch: str | int | None = None,
    faults: Faults | None = None,
) -> BuildRequest:
    """The request that options mean. `place` says where context and Dockerfile are.

    `config` comes first, `values` (by the keys of `schemas/config.schema.json`) are merged on top and come from
    `origin`. `faults` are input errors met before. Raises InputErrors with these and all that are found here;
    nothing has been changed then. The caller closes the request's context.
    """
    faults = faults or Faults()
    merged = merge_options(config, values or {}, origin, faults=faults)
    settings = read_settings(merged, faults=faults)
    if push and not merged.tags and not faults.errors:
        faults.add(
            "there is nothing to push: no tag is given", hint="name the image, as in registry.example/app:1.0"
        )
    build_args = dict(settings.build_args)
    epoch = None
    if source_date_epoch is not None:
        build_args.setdefault(_EPOCH, str(source_date_epoch))
    if build_args.get(_EPOCH):
        with faults.gather():
            epoch = _epoch(build_args[_EPOCH])
    dockerfile, context = open_sources(place, memory_limit=merged.context_file_limit, faults=faults)
    return BuildRequest(
        dockerfile=dockerfile,
        context=context,
        target=settings.target,
        platform=settings.platform,
        build_args=build_args,
        labels=settings.labels,
        tags=settings.tags,
        layers=settings.layers,
        volumes=settings.volumes,
        limits=settings.limits,
        network=settings.network,
        pull=settings.pull,
        no_cache=settings.no_cache,
        push=push,
        load=load,
        rm=settings.rm,
        force_rm=settings.force_rm,
        credentials=tuple(credentials),
        source_date_epoch=epoch,
    )


def _platform(config: ImageConfig, faults: Faults) -> Platform | None:
    entry = config.scalar("platform")
    if entry is None:
        return None
    try:
        return parse_platform(entry.value)
    except InputError as error:
        faults.errors.append(entry.locate(error))
        return None


def _build_args(config: ImageConfig, faults: Faults) -> dict[str, str | None]:
    for name, entry in config.pairs("buildargs").items():
        if "=" in name or any(char.isspace() or char == "\0" for char in name):
            fault = InputError(f"build argument {name!r}: a name has no blank and no =")
            faults.errors.append(entry.locate(fault))
    return config.buildargs


def _tags(config: ImageConfig, faults: Faults) -> tuple[Reference, ...]:
    references = []
    for entry in config.items("tags"):
        try:
            references.append(_tag(entry.value))
        except InputError as error:
            faults.errors.append(entry.locate(error))
    return tuple(dict.fromkeys(references))


def _tag(text: str) -> Reference:
    reference = parse_reference(text)
    if reference.digest:
        raise InputError(
            f"invalid tag {text!r}: a tag cannot name a digest",
            hint="the digest of an image is known only after it is built",
        )
    return reference


def _limits(config: ImageConfig, faults: Faults) -> Limits:
    entries = config.pairs("container_limits")
    limits, wrong = check_limits(config.container_limits)
    faults.errors += [entries[key].locate(error) for key, error in wrong.items()]
    return limits


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
