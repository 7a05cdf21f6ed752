"""Pipeline inputs and the checkout's configuration to a request."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from incubator.annotation_options import parse_annotation
from incubator.attest_options import Wanted, read_attestations
from incubator.ci.default_context import context_of, fetch_secrets, is_default, without_default
from incubator.ci.explain import metadata_variables
from incubator.ci.inputs import origin_of
from incubator.ci.run_facts import read_run
from incubator.ci.tags.labels import LEVELS_VARIABLE
from incubator.core.config import ConfigSource
from incubator.core.config_files import load_config_files
from incubator.oci.annotations import Annotation
from incubator.oci.reference import parse_reference
from incubator.options import make_request
from incubator.remote.urls import parse_remote
from incubator.sources import Place

if TYPE_CHECKING:
    from collections.abc import Mapping

    from incubator.ci.inputs import PipelineInputs
    from incubator.ci.surroundings import Surroundings
    from incubator.ci.tags import Metadata
    from incubator.faults import Faults
    from incubator.request import Attestations, BuildRequest


def make_pipeline_request(
    inputs: PipelineInputs, around: Surroundings, faults: Faults, metadata: Metadata | None = None
) -> BuildRequest:
    """The request that inputs mean; what they leave open, a configuration file may say.

    `metadata` has the tags and labels that rules make. Its labels come first, then those of files, then the inputs'.

    Paths count from the workspace. Only the inputs may name what lies outside of it. `faults` are those of the
    inputs; raises InputErrors with them and all further ones. The caller closes the request's context.
    """
    config: list[ConfigSource] = []
    with faults.gather():
        names = [inputs.config] if inputs.config else []
        config = load_config_files(names, workspace=around.workspace, home=None)
    if metadata is not None:
        computed = {key: text for key, text in metadata.labels.items() if key not in metadata.own_labels}
        config = [ConfigSource(values={"labels": computed}, origin=origin_of(around)), *config]
        if inputs.push and not metadata.tags and not inputs.tags:
            faults.add(
                "there is nothing to push: the rules of the input tags give no reference",
                hint="the log says above why each of them gave none",
            )
    attestations = _attestations(inputs, around, faults)
    return make_request(
        _place(inputs, around),
        config=config,
        values=_values(inputs, metadata),
        origin=origin_of(around),
        push=bool(inputs.push),
        push_by_digest=bool(inputs.push_by_digest),
        load=bool(inputs.load),
        credentials=inputs.credentials,
        nodes=inputs.nodes,
        source_date_epoch=around.environ.get("SOURCE_DATE_EPOCH") or None,
        access=inputs.access,
        fetch_secrets=fetch_secrets(inputs, around.environ),
        contexts={name: without_default(value) for name, value in inputs.build_contexts.items()},
        cache_from=inputs.cache_from,
        cache_to=inputs.cache_to,
        annotations=_annotations(inputs, around, metadata, indexed=bool(attestations)),
        attestations=attestations,
        outputs=inputs.outputs,
        faults=faults,
    )


def _attestations(inputs: PipelineInputs, around: Surroundings, faults: Faults) -> Attestations:
    wanted = Wanted(
        attests=inputs.attests,
        provenance=inputs.provenance,
        sbom=inputs.sbom,
        folder=around.workspace,
        workspace=around.workspace,
    )
    found = read_attestations(wanted, faults)
    with faults.gather():
        if found.provenance:
            return replace(found, run=read_run(around, now=datetime.now(UTC)))
    return found


def _annotations(
    inputs: PipelineInputs, around: Surroundings, metadata: Metadata | None, *, indexed: bool
) -> tuple[Annotation, ...]:
    """Those of the inputs, and below them what rules make.

    An index has no labels, so it always gets them as annotations; a manifest, whose image has labels, where it is asked
    for.
    """
    made: tuple[Annotation, ...] = ()
    if metadata is not None and around.environ.get(LEVELS_VARIABLE, "").strip():
        made = tuple(found for text in metadata.annotations for found in parse_annotation(text))
    if metadata is not None and indexed:
        made = (*index_annotations(metadata), *(found for found in made if found.level != "index"))
    return (*made, *inputs.annotations)


def index_annotations(metadata: Metadata) -> tuple[Annotation, ...]:
    """What rules make, for an index."""
    return tuple(
        Annotation(key=key, value=value, level="index") for key, value in metadata.labels.items() if value
    )


def _place(inputs: PipelineInputs, around: Surroundings) -> Place:
    context, workspace = context_of(inputs, around), around.workspace
    if parse_remote(context) is not None:  # a file in it counts from its root
        return Place(path=context, dockerfile=inputs.file, file_option="file: ")
    # The model's default context is a repository, in which a Dockerfile counts from the folder that is named.
    from_context = is_default(inputs.context)
    return Place(
        path=workspace / context,
        dockerfile=inputs.file if from_context or not inputs.file else workspace / inputs.file,
        dockerfile_from="context" if from_context else "here",
        workspace=workspace,
        file_option="file: ",
    )


def _values(inputs: PipelineInputs, metadata: Metadata | None) -> Mapping[str, Any]:
    """The inputs by the keys of the configuration's schema; None for what was not given."""
    limits = {
        "memory": inputs.memory,
        "memswap": inputs.memory_swap,
        "cpushares": inputs.cpu_shares,
        "cpuperiod": inputs.cpu_period,
        "cpuquota": inputs.cpu_quota,
        "cpusetcpus": inputs.cpuset_cpus,
        "cpusetmems": inputs.cpuset_mems,
    }
    splits = inputs.layer_splits
    computed = metadata.tags if metadata else ()
    if inputs.push_by_digest:
        computed = tuple(dict.fromkeys(parse_reference(tag).name for tag in computed))
    return {
        "target": inputs.target,
        "buildargs": _build_args(inputs, metadata) or None,
        "labels": (metadata.own_labels if metadata else inputs.labels) or None,
        "tags": [*map(str, inputs.tags), *computed] or None,
        "layers": list(splits) if isinstance(splits, tuple) else splits,
        "volumes": list(inputs.volumes) or None,
        "container_limits": {key: value for key, value in limits.items() if value is not None} or None,
        "pull": inputs.pull,
        "no_cache": inputs.no_cache,
        "no_cache_filters": inputs.no_cache_filters or None,
        "platform": ",".join(inputs.platforms) or None,
        "network": inputs.network,
        "add_hosts": [str(host) for host in inputs.add_hosts] or None,
        "shm_size": inputs.shm_size,
        "ulimits": [str(limit) for limit in inputs.ulimit] or None,
        "cgroup_parent": inputs.cgroup_parent,
        "max_parallelism": inputs.max_parallelism,
        "timeout": inputs.timeout,
        "keep_failed": inputs.keep_failed,
        "security_opts": list(inputs.security_opt) or None,
    }


def _build_args(inputs: PipelineInputs, metadata: Metadata | None) -> Mapping[str, str | None]:
    """Build arguments; a bare `DOCKER_METADATA_OUTPUT_...` takes its value from the tags that were computed."""
    if metadata is None:
        return inputs.build_args
    outputs = metadata_variables(metadata)
    return {name: outputs.get(name) if value is None else value for name, value in inputs.build_args.items()}
