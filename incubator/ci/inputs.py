"""Raw inputs to typed ones, all faults reported together."""

from __future__ import annotations

import json
import os
import re
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

from incubator.annotation_options import parse_annotation, parse_merge_annotation
from incubator.cache_options import parse_cache_from, parse_cache_to
from incubator.calls import parse_method
from incubator.ci.lists import Entry, parse_list
from incubator.ci.raw import RawValue, read_raw
from incubator.ci.reading import Reader
from incubator.ci.registry_auth import EMPTY_SECRETS, NO_LOGIN, parse_registry, parse_registry_auth
from incubator.ci.spec import input_specs, pattern_of
from incubator.ci.tags import read_language
from incubator.ci.tags.labels import LEVELS_VARIABLE, parse_levels
from incubator.ci.tags.rules import looks_like_rule
from incubator.core.container_options import (
    parse_cgroup_parent,
    parse_host,
    parse_security_opt,
    parse_shm_size,
    parse_ulimit,
)
from incubator.core.limits import parse_layer_splits, parse_parallelism, parse_timeout
from incubator.core.trust import Origin, make_volume
from incubator.errors import InputError, OtherCache
from incubator.faults import Faults
from incubator.metadata import check_dest
from incubator.named_contexts import split_pair
from incubator.oci.layout import parse_layout_reference
from incubator.oci.reference import DEFAULT_REGISTRY, Reference, parse_repository_name, parse_tag_reference
from incubator.output_options import Outputs, read_outputs
from incubator.request import CacheSource, CacheTarget, Credential, ExtraHost, Ulimit
from incubator.secret_options import (
    Access,
    parse_right,
    parse_ssh,
    secret_of_env,
    secret_of_file,
    secret_of_pair,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from incubator.ci.surroundings import Surroundings
    from incubator.ci.tags import TagLanguage
    from incubator.core.volume import Volume
    from incubator.oci.annotations import Annotation
    from incubator.request import LayerSplits, Right, Secret

Cache = TypeVar("Cache", CacheSource, CacheTarget)

_LOGIN = {"registry", "username", "password"}
OF_MERGE = _LOGIN | {
    "annotations",
    "flavor",
    "github-token",
    "images",
    "merge",
    "push",
    "registry-auth",
    "tags",
}
"""Inputs that a merge may have."""

_RELATIVE = "name a place of the workspace by its relative path"

_OF_KANIKO = re.compile(r"(dir|tar|s3|gs)://")

_OF_METADATA = ("workflow", "git")
"""Values of docker/metadata-action's input `context`."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PipelineInputs:
    """What the pipeline asks for; one field an input, None (or empty) where nothing was given.

    `build_args` maps to None where a bare name has no value in the environment. Sizes are as given, but valid;
    `memory_swap` may still lack the `memory` that it needs, which a configuration file can bring. Sources of
    volumes are absolute paths of this process, or names. `language` holds images and rules, where there are some;
    `tags` are only those that are written in full. `push` and `push_by_digest` count those of `outputs` in.
    """

    context: str | None = None
    file: str | None = None
    target: str | None = None
    build_args: Mapping[str, str | None] = field(default_factory=dict)
    build_contexts: Mapping[str, str] = field(default_factory=dict)
    secrets: tuple[Secret, ...] = ()
    secret_envs: tuple[Secret, ...] = ()
    secret_files: tuple[Secret, ...] = ()
    ssh: tuple[tuple[str, str], ...] = ()
    github_token: str | None = field(default=None, repr=False)
    allow: tuple[Right, ...] = ()
    labels: Mapping[str, str] = field(default_factory=dict)
    annotations: tuple[Annotation, ...] = ()
    provenance: str | None = None
    sbom: str | None = None
    attests: tuple[str, ...] = ()
    tags: tuple[Reference, ...] = ()
    language: TagLanguage | None = None
    push: bool | None = None
    outputs: Outputs = field(default_factory=Outputs)
    push_by_digest: bool | None = None
    merge: tuple[str, ...] = ()
    load: bool | None = None
    pull: bool | None = None
    no_cache: bool | None = None
    no_cache_filters: tuple[str, ...] = ()
    cache_from: tuple[CacheSource, ...] = ()
    cache_to: tuple[CacheTarget, ...] = ()
    platforms: tuple[str, ...] = ()
    nodes: tuple[str, ...] = ()
    layers: LayerSplits | None = None
    squash: bool | None = None
    volumes: tuple[Volume, ...] = ()
    network: str | None = None
    add_hosts: tuple[ExtraHost, ...] = ()
    memory: str | None = None
    memory_swap: str | None = None
    cpu_shares: int | None = None
    cpu_period: str | None = None
    cpu_quota: str | None = None
    cpuset_cpus: str | None = None
    cpuset_mems: str | None = None
    shm_size: str | None = None
    ulimit: tuple[Ulimit, ...] = ()
    cgroup_parent: str | None = None
    security_opt: tuple[str, ...] = ()
    max_parallelism: int | None = None
    timeout: float | None = None
    keep_failed: bool | None = None
    config: str | None = None
    report: str | None = None
    call: str | None = None
    registry: str | None = None
    username: str | None = None
    password: str | None = field(default=None, repr=False)
    registry_auth: tuple[Credential, ...] = ()

    @property
    def credentials(self) -> tuple[Credential, ...]:
        """All logins; of a registry that has two the one in `registry_auth` counts."""
        registries = {credential.registry for credential in self.registry_auth}
        single = self.credential
        return (
            self.registry_auth
            if single is None or single.registry in registries
            else (*self.registry_auth, single)
        )

    @property
    def credential(self) -> Credential | None:
        """The login that was given, for Docker Hub where no registry is named."""
        if self.username is None or self.password is None:
            return None
        return Credential(
            registry=self.registry or DEFAULT_REGISTRY, username=self.username, password=self.password
        )

    @property
    def all_secrets(self) -> tuple[Secret, ...]:
        """Secrets, wherever they come from."""
        return (*self.secrets, *self.secret_envs, *self.secret_files)

    @property
    def access(self) -> Access:
        """What of the pipeline's the build may use."""
        return Access(
            secrets={secret.id: secret for secret in self.all_secrets},
            ssh=dict(self.ssh),
            allow=frozenset(self.allow),
        )

    @property
    def layer_splits(self) -> LayerSplits | None:
        """`layers`, or what `squash` stands for."""
        return (0,) if self.squash else self.layers


def read_inputs(
    around: Surroundings,
    *,
    faults: Faults,
    warn: Callable[[str], None],
    note: Callable[[str], None] | None = None,
) -> PipelineInputs:
    """Inputs from the environment of a pipeline step; `warn` takes what is odd but no fault, `note` what is not odd.

    Notes every fault there is (unknown names, wrong values, inputs that exclude or need others) in `faults`; an input
    with a fault counts as not given.
    """
    environ = around.environ
    raw = read_raw(environ, around.ci, faults=faults, warn=warn, note=note or warn)
    if "registry-auth" in raw and raw.keys() & _LOGIN:
        faults.add(
            "input registry-auth: it does not go with registry, username and password",
            hint="put that login into the list, too",
        )
    if around.ci == "gitlab" and not raw.keys() & _LOGIN:
        raw |= _gitlab_login(environ)
    reader = Reader(raw, faults)
    outputs = _outputs(reader, around, faults, warn)
    push = True if outputs.push else reader.boolean("push")
    by_digest = True if outputs.is_by_digest(push=bool(push)) else reader.boolean("push-by-digest")
    note = note or warn
    needs_login = bool(push) or "merge" in raw or (push is None and "push" in raw)

    def leave_out(text: str) -> None:
        note(f"input registry-auth: {text}")

    inputs = PipelineInputs(
        context=reader.parsed("context", lambda text: _context(text, around)),
        file=reader.text("file"),
        target=reader.text("target"),
        build_args=_build_args(reader, environ),
        build_contexts=dict(reader.each("build-contexts", lambda text: _named_context(text, around))),
        secrets=tuple(reader.each("secrets", secret_of_pair)),
        secret_envs=tuple(reader.each("secret-envs", lambda text: secret_of_env(text, environ))),
        secret_files=tuple(reader.each("secret-files", lambda text: _secret_file(text, around))),
        ssh=tuple(reader.each("ssh", lambda text: parse_ssh(text, environ))),
        github_token=reader.text("github-token"),
        allow=tuple(reader.each("allow", parse_right)),
        labels={key: value or "" for key, value in reader.pairs("labels").items()},
        annotations=_annotations(reader),
        provenance=reader.text("provenance"),
        sbom=reader.text("sbom"),
        attests=reader.entries("attests"),
        tags=_references(reader, by_digest=by_digest),
        language=_language(reader, around, faults, warn),
        push=push,
        outputs=outputs,
        push_by_digest=by_digest,
        merge=reader.entries("merge"),
        load=reader.boolean("load"),
        pull=reader.boolean("pull"),
        no_cache=reader.boolean("no-cache"),
        no_cache_filters=reader.entries("no-cache-filters"),
        cache_from=_caches(reader, "cache-from", parse_cache_from, around, warn),
        cache_to=_caches(reader, "cache-to", parse_cache_to, around, warn),
        platforms=reader.entries("platforms"),
        nodes=reader.entries("nodes"),
        layers=reader.parsed("layers", parse_layer_splits),
        squash=reader.boolean("squash"),
        volumes=tuple(reader.each("volumes", lambda text: make_volume(text, origin_of(around)))),
        network=reader.text("network"),
        add_hosts=tuple(reader.each("add-hosts", parse_host)),
        memory=reader.limit("memory"),
        memory_swap=reader.limit("memory-swap"),
        cpu_shares=reader.integer("cpu-shares"),
        cpu_period=reader.limit("cpu-period"),
        cpu_quota=reader.limit("cpu-quota"),
        cpuset_cpus=reader.limit("cpuset-cpus"),
        cpuset_mems=reader.limit("cpuset-mems"),
        shm_size=reader.parsed("shm-size", lambda text: text if parse_shm_size(text) else None),
        ulimit=tuple(reader.each("ulimit", parse_ulimit)),
        cgroup_parent=reader.parsed("cgroup-parent", parse_cgroup_parent),
        security_opt=tuple(reader.each("security-opt", parse_security_opt)),
        max_parallelism=reader.parsed("max-parallelism", parse_parallelism),
        timeout=reader.parsed("timeout", parse_timeout),
        keep_failed=reader.boolean("keep-failed"),
        config=reader.text("config"),
        report=reader.parsed("report", _report),
        call=reader.parsed("call", parse_method),
        registry=reader.parsed("registry", parse_registry),
        username=reader.text("username"),
        password=reader.text("password"),
        registry_auth=reader.parsed(
            "registry-auth",
            lambda text: parse_registry_auth(text, leave_out=None if needs_login else leave_out),
        )
        or (),
    )
    _check_together(inputs, raw, faults)
    if lacking := _lacking_of_login(raw):
        if needs_login:
            faults.add(lacking, hint=EMPTY_SECRETS)
        else:
            note(f"{lacking}, {NO_LOGIN}")
    return inputs


def origin_of(around: Surroundings) -> Origin:
    """What the inputs may reach: everything. Their relative paths count from the workspace."""
    return Origin(name="the inputs", folder=around.workspace)


def _gitlab_login(environ: Mapping[str, str]) -> dict[str, str]:
    """The job's own login to the project's registry; empty where the project has none."""
    names = {
        "registry": "CI_REGISTRY",
        "username": "CI_REGISTRY_USER",
        "password": "CI_REGISTRY_PASSWORD",
    }
    values = {name: environ.get(variable, "") for name, variable in names.items()}
    return values if all(values.values()) else {}


def _build_args(reader: Reader, environ: Mapping[str, str]) -> dict[str, str | None]:
    return {
        key: environ.get(key) if value is None else value for key, value in reader.pairs("build-args").items()
    }


def _annotations(reader: Reader) -> tuple[Annotation, ...]:
    """Annotations; those of a merge are about the index where they do not say otherwise."""
    parse = parse_merge_annotation if reader.entries("merge") else parse_annotation
    found = reader.each("annotations", parse)
    return tuple(annotation for several in found for annotation in several)


def _references(reader: Reader, *, by_digest: bool | None) -> tuple[Reference, ...]:
    """Tags in full; with `images` there are none."""
    if reader.entries("images"):
        return ()
    lines = [text for text in reader.entries("tags") if not looks_like_rule(text)]
    names = tuple(name for line in lines for name in parse_list(line, "csv"))
    parse = parse_repository_name if by_digest else parse_tag_reference
    return tuple(dict.fromkeys(reader.each("tags", parse, names)))


def _language(
    reader: Reader, around: Surroundings, faults: Faults, warn: Callable[[str], None]
) -> TagLanguage | None:
    """Images and rules; None where neither is given."""

    def placed(name: str) -> tuple[Entry, ...]:
        return tuple(replace(entry, place=f"input {name}, {entry.place}") for entry in reader.placed(name))

    images, tags = placed("images"), placed("tags")
    if not images:
        tags = tuple(entry for entry in tags if looks_like_rule(entry.text))
        own = around.environ.get("CI_REGISTRY_IMAGE", "") if around.ci == "gitlab" else ""
        images = (Entry(text=own, place="CI_REGISTRY_IMAGE"),) if own else ()
        if not tags:
            if reader.entries("flavor"):
                warn("input flavor: it is about tags that rules make, and neither images nor rules are given")
            return None
        if not images:
            faults.add(
                "input images: it is missing, but tags has rules",
                hint="name the image, as in ghcr.io/acme/web",
            )
    levels: tuple[str, ...] = ()
    with faults.gather():
        levels = parse_levels(around.environ.get(LEVELS_VARIABLE, ""))
    return read_language(
        images=images,
        tags=tags,
        flavor=placed("flavor"),
        labels=placed("labels"),
        levels=levels,
        faults=faults,
    )


def _check_together(inputs: PipelineInputs, raw: Mapping[str, RawValue], faults: Faults) -> None:
    if inputs.squash and inputs.layers not in (None, (0,)):
        faults.add(
            "inputs squash and layers exclude each other",
            hint="squash makes one layer a stage; layers says where each one ends",
        )
    if inputs.push and inputs.push_by_digest and inputs.load:
        faults.add("inputs load and push-by-digest exclude each other", hint="without a tag nothing is kept")
    if inputs.merge:
        _check_merge(inputs, raw, faults)
    names = [secret.id for secret in inputs.all_secrets]
    for name in sorted({name for name in names if names.count(name) > 1}):
        faults.add(f"secret {name!r} is given twice")


def _lacking_of_login(raw: Mapping[str, RawValue]) -> str:
    """What the one login lacks; empty where it is whole, or not there at all."""
    if "username" in raw and "password" not in raw:
        return "input password: it is missing, but username is given"
    if "password" in raw and "username" not in raw:
        return "input username: it is missing, but password is given"
    if "registry" in raw and not raw.keys() & (_LOGIN - {"registry"}):
        return "inputs username and password: they are missing, but registry is given"
    return ""


def _check_merge(inputs: PipelineInputs, raw: Mapping[str, RawValue], faults: Faults) -> None:
    """Note all inputs that have a say in builds alone.

    Those that have a default in `action.yml` or a component are always given.
    """
    for spec in input_specs():
        default = spec.default if isinstance(spec.default, str) else json.dumps(spec.default)
        idle = {default, spec.schema.get("x-gitlab-default")}
        if spec.name not in OF_MERGE and (given := raw.get(spec.name)) is not None and given not in idle:
            faults.add(f"input {spec.name}: it is about a build, and merge builds nothing")
    if inputs.push is False:
        faults.add(
            "input push: it is false, but merge is nothing but a push",
            hint="leave the step out where nothing is to be pushed",
        )


def _caches(
    reader: Reader,
    name: str,
    parse: Callable[[str, Path], Cache],
    around: Surroundings,
    warn: Callable[[str], None],
) -> tuple[Cache, ...]:
    """Caches, each once; none of another type: a workflow that has one builds without it, and is told so."""

    def parse_used(text: str) -> Cache | None:
        try:
            cache = parse(text, around.workspace)
        except OtherCache as error:
            warn(f"input {name}: {error.message}, so the build goes on without it: {error.hint}")
            return None
        if around.ci == "github" and isinstance(cache.place, Path):
            _check_kept(name, cache.place, around.workspace, warn)
        return cache

    return tuple(dict.fromkeys(reader.each(name, parse_used)))


def _outputs(reader: Reader, around: Surroundings, faults: Faults, warn: Callable[[str], None]) -> Outputs:
    own = Faults()
    outputs = read_outputs(reader.entries("outputs"), own, workspace=around.workspace)
    for output in outputs.files:
        with own.gather():
            check_dest(output)
        if around.ci == "github":
            _check_kept("outputs", Path(output.dest), around.workspace, warn)
    for error in own.errors:
        faults.add(f"input outputs: {error.message}", hint=error.hint)
    return outputs


def _check_kept(name: str, folder: Path, workspace: Path, warn: Callable[[str], None]) -> None:
    """Warn of a place that other steps do not see: the action's container has the workspace, under another path."""
    if not _is_inside(folder, workspace):
        warn(
            f"input {name}: {str(folder)!r} lies outside the workspace, where other steps do not see it: {_RELATIVE}"
        )


def _check_seen(path: str, around: Surroundings) -> None:
    """Raise InputError for a place of the runner that the action's container does not have."""
    place = Path(path)
    if around.ci != "github" or not place.is_absolute() or _is_inside(place, around.workspace):
        return
    if not place.exists():
        raise InputError(f"{path!r} lies outside the workspace and is not seen here", hint=_RELATIVE)


def _is_inside(path: Path, workspace: Path) -> bool:
    return Path(os.path.abspath(path)).is_relative_to(workspace)  # noqa: PTH100 - must not follow links


def _named_context(text: str, around: Surroundings) -> tuple[str, str]:
    name, value = split_pair(text)
    layout = value.removeprefix("oci-layout://")
    _check_seen(value if layout == value else parse_layout_reference(layout).path, around)
    return name, value


def _secret_file(text: str, around: Surroundings) -> Secret:
    _check_seen(text.partition("=")[2].strip(), around)
    return secret_of_file(text, around.workspace)


def _context(text: str, around: Surroundings) -> str:
    if scheme := _OF_KANIKO.match(text):
        folder = text.removeprefix("dir://")
        raise InputError(
            f"{text!r} is written as for kaniko",
            hint="fetch it in a step before, and name its folder"
            if scheme[1] != "dir"
            else f"write the folder alone, {folder}",
        )
    _check_seen(text, around)
    if text in _OF_METADATA and not (around.workspace / text).is_dir():
        raise InputError(
            f"there is no folder {text!r}",
            hint="leave it out if it came from docker/metadata-action: what tags are made of is found by itself",
        )
    return text


def _report(path: str) -> str:
    if not re.fullmatch(pattern_of("report"), path):
        raise InputError(
            f"{path!r} is no plain path of an HTML file in the workspace",
            hint="as in reports/image.html: letters, digits, `.`, `_` and `-`, and no hidden folder",
        )
    return path
