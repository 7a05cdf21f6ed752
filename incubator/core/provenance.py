"""How an image came about, as a predicate of SLSA.

Spec: SLSA provenance v1; the fields of our own are those of docs/reference/provenance.md. BuildKit's have other names
for the same, docs/attestations/slsa-definitions.md. What two builds of the same have in common is equal in both: only
times, and what the pipeline says of its run, differ.
"""

from __future__ import annotations

import hashlib
import posixpath
import re
from contextlib import suppress
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Final

from incubator.core.masking import MASK, hidden_texts
from incubator.core.materials import find_materials
from incubator.core.plan.model import BaseImage, ContextSource, CopyStep, RunStep
from incubator.core.plan.mounts import CacheMount, read_mounts
from incubator.errors import DOCS_URL
from incubator.remote.urls import redacted

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence
    from datetime import datetime

    from incubator.core.plan.model import Plan, StagePlan, Step
    from incubator.core.result import LayerResult
    from incubator.oci.manifest import Manifest
    from incubator.oci.platform import Platform
    from incubator.remote.urls import Remote
    from incubator.request import BuildRequest, Material, Provenance

BUILD_TYPE: Final = f"{DOCS_URL}/reference/provenance.md"
BUILDER: Final = DOCS_URL.partition("/blob/")[0]
"""Who has built where no pipeline says so."""

_GIVEN: Final = ("args", "labels")
"""Values of the caller's, of which an empty one says something too."""


@dataclass(frozen=True, slots=True, kw_only=True)
class BuildRecord:
    """A build that is done. `engine` is its platform; `fetched` are digests of what ADD named from elsewhere.

    `generators` are the images that have looked for packages.
    """

    request: BuildRequest
    plan: Plan
    engine: Platform
    layers: Sequence[LayerResult]
    fetched: Mapping[Remote, str]
    started: datetime
    finished: datetime
    generators: Sequence[BaseImage] = ()


def make_provenance(
    record: BuildRecord, wanted: Provenance, manifest: Manifest | None = None
) -> dict[str, Any]:
    """The predicate; `manifest` is that of the image, where there is one. No value of a secret is in it."""
    request = record.request
    run = request.attestations.run
    materials = find_materials(record.plan, request.contexts, record.fetched, record.generators)
    if request.context_material:
        materials = (request.context_material, *materials)
    full = wanted.mode == "max"
    metadata: dict[str, Any] = {
        "invocationId": run.url,
        "startedOn": _time(record.started),
        "finishedOn": _time(record.finished),
        "incubator_hermetic": not any(_has_network(step, request) for step in record.plan.steps),
        "incubator_reproducible": wanted.reproducible,
        "incubator_completeness": {
            "request": full or not _left_out(request),
            "resolvedDependencies": _is_complete(record, materials),
        },
        "incubator_metadata": {
            "vcs": {"source": run.source, "revision": run.revision, "ref": run.ref},
            "source": _source(request) if full else {},
            "layers": _layers(record.layers, manifest) if full else [],
        },
    }
    predicate = {
        "buildDefinition": {
            "buildType": BUILD_TYPE,
            "externalParameters": {
                "configSource": _config_source(request),
                "request": _parameters(request) | (_more_parameters(request) if full else {}),
            },
            "internalParameters": {
                "builderPlatform": str(record.engine),
                "buildConfig": {"stages": [_stage(record.plan, stage) for stage in record.plan.stages]}
                if full
                else {},
            },
            "resolvedDependencies": [_resource(material) for material in materials],
        },
        "runDetails": {
            "builder": {"id": wanted.builder or run.url or BUILDER},
            "metadata": metadata,
        },
    }
    hidden = [secret.value for secret in request.secrets.values()]
    hidden += [login.password.encode() for login in request.credentials]
    cleaned: dict[str, Any] = _without(_filled(predicate), hidden_texts(hidden))
    return cleaned


def summary_of(record: BuildRecord) -> dict[str, Any] | None:
    """The predicate in its short form, for those who have built; None where none was asked for."""
    wanted = record.request.attestations.provenance
    return make_provenance(record, replace(wanted, mode="min")) if wanted else None


def _config_source(request: BuildRequest) -> dict[str, Any]:
    """Where the Dockerfile is from: with a fetched context that, else its own digest is all there is to tell."""
    path = _path(request)
    if request.context_material:
        return {**_resource(request.context_material), "path": path}
    return {"path": path, "digest": {"sha256": hashlib.sha256(request.dockerfile.text.encode()).hexdigest()}}


def _path(request: BuildRequest) -> str:
    """The Dockerfile's, but nothing of where on this machine the checkout is."""
    name = request.dockerfile.name
    return posixpath.basename(name) if posixpath.isabs(name) else name


def _parameters(request: BuildRequest) -> dict[str, Any]:
    return {
        "target": request.target or "",
        "platform": str(request.platform or ""),
        "layers": list(request.layers) if isinstance(request.layers, tuple) else request.layers,
    }


def _more_parameters(request: BuildRequest) -> dict[str, Any]:
    """What is not everybody's to know."""
    return {
        "args": {name: _plain(value) for name, value in request.build_args.items() if value is not None},
        "labels": dict(request.labels),
        "network": request.network or "",
        "addHosts": [str(host) for host in request.add_hosts],
        "securityOpts": list(request.security_opts),
        "volumes": [str(volume) for volume in request.volumes],
        "allow": sorted(request.allow),
        "secrets": [{"id": name} for name in sorted(request.secrets)],
        "ssh": [{"id": name} for name in sorted(request.ssh)],
        "contexts": sorted(request.contexts.names),
    }


def _plain(value: str) -> str:
    """An argument without the login of a URL: addresses of proxies have some."""
    with suppress(ValueError):
        return redacted(value)
    return MASK.decode()


def _left_out(request: BuildRequest) -> bool:
    """Whether there is anything that `mode=min` does not tell."""
    return any(_filled(_more_parameters(request)).values())


def _is_complete(record: BuildRecord, materials: Iterable[Material]) -> bool:
    """Whether all that went into the image is known by its digest."""
    request = record.request
    return (
        not request.volumes
        and all(material.digest for material in materials)
        and not any(
            _has_network(step, request) or _has_cache(step) or _is_local(step, request)
            for step in record.plan.steps
        )
    )


def _has_network(step: Step, request: BuildRequest) -> bool:
    if not isinstance(step, RunStep):
        return False
    network = (request.network or "default") if step.network == "default" else step.network
    return network != "none"


def _has_cache(step: Step) -> bool:
    return isinstance(step, RunStep) and any(isinstance(mount, CacheMount) for mount in step.mounts)


def _is_local(step: Step, request: BuildRequest) -> bool:
    """Whether a step reads files of this machine."""
    if isinstance(step, CopyStep):
        origins = [step.origin] if step.paths else []
    elif isinstance(step, RunStep):
        origins = [mount.origin for mount in read_mounts(step)]
    else:
        return False
    for origin in origins:
        if origin is None and request.context_material is None:
            return True
        if isinstance(origin, ContextSource) and origin.name not in request.contexts.materials:
            return True
    return False


def _source(request: BuildRequest) -> dict[str, str]:
    return {"path": _path(request), "text": request.dockerfile.text}


def _layers(layers: Sequence[LayerResult], manifest: Manifest | None) -> list[dict[str, Any]]:
    """All layers of the image, base first, and the instructions of each."""
    found: list[dict[str, Any]] = [
        {"diffId": layer.diff_id, "base": layer.base, "instructions": list(layer.commands)}
        for layer in layers
    ]
    if manifest and len(manifest.layers) == len(layers):
        for entry, blob in zip(found, manifest.layers, strict=True):
            entry |= {"digest": blob.digest, "mediaType": blob.media_type, "size": blob.size}
    return found


def _stage(plan: Plan, stage: StagePlan) -> dict[str, Any]:
    if isinstance(stage.base, BaseImage):
        base = stage.base.reference
    else:
        base = "scratch" if stage.base is None else plan.stage(stage.base).name
    steps = [
        {"instruction": step.instruction.original, "line": step.span.first_line}
        for group in stage.groups
        for step in group.steps
    ]
    return {"name": stage.name, "base": base, "steps": steps}


def _resource(material: Material) -> dict[str, Any]:
    return {"uri": material.uri, "digest": dict(material.digest)}


def _time(moment: datetime) -> str:
    return f"{moment:%Y-%m-%dT%H:%M:%SZ}"


def _filled(value: Any) -> Any:
    """A value without what is empty in it: the specification has no place for that."""
    if isinstance(value, dict):
        kept = {key: entry if key in _GIVEN else _filled(entry) for key, entry in value.items()}
        return {key: entry for key, entry in kept.items() if entry not in ("", {}, [], None)}
    return [_filled(entry) for entry in value] if isinstance(value, list) else value


def _without(value: Any, hidden: Sequence[bytes]) -> Any:
    """A value in which none of the texts stands; digests are left as they are."""
    if not hidden:
        return value
    pattern = re.compile(b"|".join(map(re.escape, hidden)))

    def clean(value: Any) -> Any:
        if isinstance(value, str):
            data = value.encode(errors="surrogateescape")
            return pattern.sub(MASK, data).decode(errors="surrogateescape")
        if isinstance(value, dict):
            return {
                clean(key): entry if key in {"digest", "diffId"} else clean(entry)
                for key, entry in value.items()
            }
        return [clean(entry) for entry in value] if isinstance(value, list) else value

    return clean(value)
