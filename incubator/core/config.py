"""Configuration: several sources merged into one value that knows where each part of it comes from.

Later sources win: dicts are merged key by key, lists appended, scalars replaced. Of `layers`, a list, the values
`auto`, `[]` and `[0]` replace what was before and `auto` is replaced: they name a layout and not boundaries.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal, cast

from incubator.core.trust import ARGUMENTS, OPEN_NETWORKS, Origin, make_volume
from incubator.core.volume import Volume
from incubator.errors import BuilderError, InputError, InputErrors
from incubator.schema import SchemaFault, find_faults

if TYPE_CHECKING:
    from incubator.core.config_text import ConfigText
    from incubator.dockerfile.source import Span

DICTS = ("buildargs", "container_limits", "labels")
LISTS = ("add_hosts", "layers", "no_cache_filters", "security_opts", "tags", "ulimits", "volumes")
_TEXTS = tuple(key for key in LISTS if key != "layers")
_LAYOUTS: tuple[list[Any], ...] = (["auto"], [], [0])

_DROPPED = {
    "infinite_command": "steps no longer need a command that keeps the container running",
    "mkdir_command": "folders are made without a command in the container",
}
"""Keys of incubator 0.x."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """One value with its origin, and its place where the origin is a file."""

    value: Any
    origin: Origin
    span: Span | None = None

    @property
    def place(self) -> str:
        """`name` of the origin, with the line where there is one."""
        return self.origin.name + (f":{self.span.first_line}" if self.span else "")

    def locate(self, error: BuilderError) -> InputError:
        """`error` as a fault of this entry."""
        if self.span:
            return InputError(error.message, span=error.span or self.span, hint=error.hint)
        where = "" if self.origin.direct or self.origin.name in error.message else f"{self.origin.name}: "
        return InputError(where + error.message, span=error.span, hint=error.hint)


@dataclass(frozen=True, slots=True, kw_only=True)
class ConfigSource:
    """Values and where they come from; `text` is what they were parsed from, None for values made in Python."""

    values: Mapping[str, Any]
    origin: Origin
    text: ConfigText | None = None


class ImageConfig:
    """Merged configuration. Attributes give the values or, where nothing is set, the defaults."""

    def __init__(self, config: Mapping[str, Any] | ConfigSource | None = None) -> None:
        self._scalars: dict[str, Entry] = {}
        self._dicts: dict[str, dict[str, Entry]] = {}
        self._lists: dict[str, list[Entry]] = {}
        if config is not None:
            _raise(self._merge(_as_source(config, None)))

    @staticmethod
    def merge_configs(config: ConfigLike | Sequence[ConfigLike] | None) -> ImageConfig:
        """One configuration of any number, later ones winning.

        Each is a dict by `schemas/config.schema.json`, a `ConfigSource` or an ImageConfig. Raises InputErrors with
        the faults of all.
        """
        merged, faults = ImageConfig.merge_sound(config)
        _raise(faults)
        return merged

    @staticmethod
    def merge_sound(
        config: ConfigLike | Sequence[ConfigLike] | None,
    ) -> tuple[ImageConfig, list[InputError]]:
        """What `merge_configs` gives, without the keys that have faults, and the faults."""
        merged = ImageConfig()
        if config is None:
            return merged, []
        several = isinstance(config, Sequence) and not isinstance(config, str)
        parts = cast("Sequence[ConfigLike]", config if several else [config])
        faults: list[InputError] = []
        for number, part in enumerate(parts, start=1):
            if isinstance(part, ImageConfig):
                merged._take(part)
            elif isinstance(part, Mapping | ConfigSource):
                faults += merged._merge(_as_source(part, number if several else None))
            else:
                faults.append(
                    InputError(f"a configuration is a dict or a list of dicts, not a {type(part).__name__}")
                )
        return merged, faults

    def update(self, *, origin: Origin = ARGUMENTS, **values: Any) -> None:
        """Merge keyword arguments on top; None leaves a key as it is.

        Lists may be a single text, volumes `Volume` instances, and a build argument None: known, but without a
        value. Raises InputErrors and then changes nothing.
        """
        updated = ImageConfig.merge_configs([self, ConfigSource(values=values, origin=origin)])
        self._become(updated)

    def clear(self, key: str) -> None:
        """Forget what is set for `key`."""
        self._scalars.pop(key, None)
        self._dicts.pop(key, None)
        self._lists.pop(key, None)

    def is_set(self, key: str) -> bool:
        """Whether some source sets `key`."""
        return key in self._scalars or key in self._dicts or key in self._lists

    def scalar(self, key: str) -> Entry | None:
        """The entry of a scalar key, None where it is not set."""
        return self._scalars.get(key)

    def items(self, key: str) -> list[Entry]:
        """Entries of a list key, in order."""
        return list(self._lists.get(key, ()))

    def pairs(self, key: str) -> dict[str, Entry]:
        """Entries of a dict key."""
        return dict(self._dicts.get(key, {}))

    def entries(self) -> Iterator[tuple[str, Entry | list[Entry] | dict[str, Entry]]]:
        """All that is set, by key."""
        everything: dict[str, Any] = {**self._scalars, **self._dicts, **self._lists}
        yield from sorted(everything.items())

    @property
    def config(self) -> dict[str, Any]:
        """All that is set, as a plain dict that the schema admits."""
        plain: dict[str, Any] = {}
        for key, value in self.entries():
            if isinstance(value, Entry):
                plain[key] = value.value
            elif isinstance(value, dict):
                plain[key] = {name: entry.value for name, entry in value.items()}
            else:
                plain[key] = [str(e.value) if isinstance(e.value, Volume) else e.value for e in value]
        if plain.get("layers") == ["auto"]:
            plain["layers"] = "auto"
        return plain

    @property
    def version(self) -> int:
        """Version of the format."""
        value: int = self._value("version", 1)
        return value

    @property
    def config_name(self) -> str | None:
        """Name of the last configuration that has one."""
        return self._text("config_name")

    @property
    def add_hosts(self) -> list[str]:
        """Entries of `/etc/hosts` in build steps, as given."""
        return self._texts("add_hosts")

    @property
    def buildargs(self) -> dict[str, str | None]:
        """Build arguments; None: known, but without a value."""
        return {name: entry.value for name, entry in self.pairs("buildargs").items()}

    @property
    def container_limits(self) -> dict[str, int | str]:
        """Limits of each container, as given; `make_limits` reads them."""
        return {name: entry.value for name, entry in self.pairs("container_limits").items()}

    @property
    def context_file_limit(self) -> int | None:
        """Bytes of a streamed context that stay in memory; 0: all, None: the builder's choice."""
        value: int | None = self._value("context_file_limit")
        return value

    @property
    def forcerm(self) -> bool:
        """Whether containers are removed after a failure."""
        return self._flag("forcerm", default=True)

    @property
    def labels(self) -> dict[str, str]:
        """Labels of the image."""
        return {name: entry.value for name, entry in self.pairs("labels").items()}

    @property
    def layers(self) -> list[int | str] | Literal["auto"]:
        """Layer splits."""
        values = [entry.value for entry in self.items("layers")]
        return "auto" if values == ["auto"] else values

    @property
    def network(self) -> str | None:
        """Network of the build's containers."""
        return self._text("network")

    @property
    def cgroup_parent(self) -> str | None:
        """Cgroup above those of the build's containers."""
        return self._text("cgroup_parent")

    @property
    def shm_size(self) -> int | str | None:
        """Size of `/dev/shm`, as given."""
        value: int | str | None = self._value("shm_size")
        return value

    @property
    def keep_failed(self) -> bool:
        """Whether what a failed step made stays as an image."""
        return self._flag("keep_failed", default=False)

    @property
    def max_parallelism(self) -> int | str | None:
        """Layers made at the same time, as given."""
        value: int | str | None = self._value("max_parallelism")
        return value

    @property
    def no_cache(self) -> bool:
        """Whether earlier results are left unused."""
        return self._flag("no_cache", default=False)

    @property
    def no_cache_filters(self) -> list[str]:
        """Stages without earlier results."""
        return self._texts("no_cache_filters")

    @property
    def platform(self) -> str | None:
        """Platform of the image."""
        return self._text("platform")

    @property
    def pull(self) -> bool:
        """Whether registries are always asked for newer base images."""
        return self._flag("pull", default=False)

    @property
    def rm(self) -> bool:
        """Whether containers are removed after success."""
        return self._flag("rm", default=True)

    @property
    def security_opts(self) -> list[str]:
        """Security options of the build's containers, as given."""
        return self._texts("security_opts")

    @property
    def tags(self) -> list[str]:
        """References that the image gets."""
        return self._texts("tags")

    @property
    def timeout(self) -> float | str | None:
        """Longest time for all layers, as given."""
        value: float | str | None = self._value("timeout")
        return value

    @property
    def target(self) -> str | None:
        """Stage to build."""
        return self._text("target")

    @property
    def ulimits(self) -> list[str]:
        """Limits of each process, as given."""
        return self._texts("ulimits")

    @property
    def volumes(self) -> list[Volume]:
        """Mounts of the build."""
        return [entry.value for entry in self.items("volumes")]

    def _value(self, key: str, default: Any = None) -> Any:
        entry = self._scalars.get(key)
        return default if entry is None else entry.value

    def _texts(self, key: str) -> list[str]:
        return [entry.value for entry in self.items(key)]

    def _text(self, key: str) -> str | None:
        value: str | None = self._value(key)
        return value

    def _flag(self, key: str, *, default: bool) -> bool:
        value: bool = self._value(key, default)
        return value

    def _become(self, other: ImageConfig) -> None:
        self._scalars, self._dicts, self._lists = other._scalars, other._dicts, other._lists

    def _take(self, other: ImageConfig) -> None:
        self._scalars |= other._scalars
        for key, pairs in other._dicts.items():
            self._dicts[key] = self._dicts.get(key, {}) | pairs
        for key, entries in other._lists.items():
            self._extend(key, entries)

    def _extend(self, key: str, entries: list[Entry]) -> None:
        before = self._lists.get(key, [])
        if key == "layers":
            if [entry.value for entry in entries] in _LAYOUTS or (before and before[0].value == "auto"):
                before = []
            self._lists[key] = before + entries
            return
        known = [entry.value for entry in before]
        self._lists[key] = before + [entry for entry in entries if entry.value not in known]

    def _merge(self, source: ConfigSource) -> list[InputError]:
        """Merge a source but for the keys that have faults; the faults."""
        values = _normalise(source)
        found = _find_faults(values, source)
        faulty = {fault.path[0] if fault.path else None for fault in found}
        part = ImageConfig()
        for key, value in values.items():
            if key in faulty or not isinstance(key, str):
                continue
            if key in DICTS:
                part._dicts[key] = {name: _entry(source, (key, name), item) for name, item in value.items()}
            elif key in LISTS:
                items = [value] if isinstance(value, str) else value
                part._lists[key] = [_entry(source, (key, i), item) for i, item in enumerate(items)]
            else:
                part._scalars[key] = _entry(source, (key,), value)
        faults = [_input_error(fault, source) for fault in found] + part._check_reach()
        self._take(part)
        return faults

    def _check_reach(self) -> list[InputError]:
        """Make volumes of their texts; faults where a source reaches for what its origin may not have."""
        faults = []
        volumes = []
        for entry in self._lists.get("volumes", ()):
            try:
                volume = make_volume(entry.value, entry.origin)
            except InputError as error:
                faults.append(entry.locate(error))
            else:
                volumes.append(Entry(value=volume, origin=entry.origin, span=entry.span))
        if "volumes" in self._lists:
            self._lists["volumes"] = volumes
        for key, entry in self._out_of_reach():
            option = key.replace("_", "-").removesuffix("s")
            allowed = f"only choose {', '.join(OPEN_NETWORKS)}" if key == "network" else "not set it"
            fault = InputError(
                f"{key} {entry.value!r} of {entry.origin.name}: a file in the workspace may {allowed}",
                hint=f"give it as an option (--{option}) or a pipeline input",
            )
            faults.append(entry.locate(fault))
            self.clear(key)
        return faults

    def _out_of_reach(self) -> list[tuple[str, Entry]]:
        """What would widen the containers of a build, from origins that may not."""
        entries: list[tuple[str, Entry]] = [
            (key, self._scalars[key]) for key in ("cgroup_parent", "network") if key in self._scalars
        ]
        entries += [("security_opts", entry) for entry in self._lists.get("security_opts", ())]
        return [
            (key, entry)
            for key, entry in entries
            if not entry.origin.trusted and not (key == "network" and entry.value in OPEN_NETWORKS)
        ]


ConfigLike = Mapping[str, Any] | ConfigSource | ImageConfig


def _as_source(config: Mapping[str, Any] | ConfigSource, number: int | None) -> ConfigSource:
    if isinstance(config, ConfigSource):
        return config
    name = config.get("config_name")
    if isinstance(name, str) and name:
        return ConfigSource(values=config, origin=Origin(name=f"config {name!r}"))
    return ConfigSource(values=config, origin=Origin(name="config" if number is None else f"config {number}"))


def _normalise(source: ConfigSource) -> dict[str, Any]:
    """Plain values as JSON has them; what is None is left out, and a single text for a list is a list."""
    values: dict[str, Any] = {}
    for key, value in source.values.items():
        if value is None:
            continue
        if isinstance(value, Mapping):
            value = dict(value)  # noqa: PLW2901
        elif isinstance(value, tuple | set | frozenset):
            value = list(value)  # noqa: PLW2901
        elif key in _TEXTS and source.text is None and isinstance(value, str | Volume):
            value = [value]  # noqa: PLW2901
        values[key] = value
    return values


def _find_faults(values: dict[str, Any], source: ConfigSource) -> list[SchemaFault]:
    """Faults by the schema, and keys that are no texts, which a schema cannot see."""
    plain = dict(values)
    if isinstance(plain.get("volumes"), list):
        plain["volumes"] = [str(item) if isinstance(item, Volume) else item for item in plain["volumes"]]
    if source.text is None and isinstance(plain.get("buildargs"), dict):
        plain["buildargs"] = {name: value for name, value in plain["buildargs"].items() if value is not None}
    faults = []
    for section, pairs in [((), plain), *(((key,), plain[key]) for key in DICTS if key in plain)]:
        if isinstance(pairs, dict):
            faults += [
                SchemaFault(path=section, message=f"the key {key!r} is not a text", hint=None)
                for key in pairs
                if not isinstance(key, str)
            ]
    return faults or [_explain(fault) for fault in find_faults("config", plain)]


def _explain(fault: SchemaFault) -> SchemaFault:
    if fault.of_key and len(fault.path) == 1 and (reason := _DROPPED.get(str(fault.path[0]))):
        return SchemaFault(path=fault.path, message=fault.message, hint=f"remove it: {reason}", of_key=True)
    return fault


def _input_error(fault: SchemaFault, source: ConfigSource) -> InputError:
    written = source.text.written.get(fault.path) if source.text else None
    hint = f"put it in quotes: {json.dumps(written)}" if fault.quote and written else fault.hint
    return _entry(source, fault.path, None).locate(InputError(fault.message, hint=hint))


def _entry(source: ConfigSource, path: tuple[str | int, ...], value: Any) -> Entry:
    span = source.text.span(path) if source.text else None
    return Entry(value=value, origin=source.origin, span=span)


def _raise(faults: list[InputError]) -> None:
    if faults:
        raise InputErrors(faults)
