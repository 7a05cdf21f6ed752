"""Python front door: `build`."""

from __future__ import annotations

import logging
import os
from collections.abc import Mapping
from contextlib import closing
from functools import partial
from typing import IO, TYPE_CHECKING, Any, cast

from incubator.annotation_options import parse_merge_annotation, read_annotations
from incubator.attest_options import Wanted, read_attestations
from incubator.cache_options import parse_cache_from, parse_cache_to, read_caches
from incubator.core.constants import APP_NAME
from incubator.core.output import ERROR_SUBTITLE
from incubator.errors import BuilderError
from incubator.faults import Faults
from incubator.oci.annotations import Annotation
from incubator.options import make_request
from incubator.output_options import read_outputs
from incubator.secret_options import make_secret, parse_right, read_access
from incubator.sources import Place

if TYPE_CHECKING:
    from collections.abc import Sequence

    from incubator.core.caching import ImageCache
    from incubator.core.config import ConfigLike
    from incubator.core.engine import Engine
    from incubator.core.merge_images import MergedImage
    from incubator.core.result import ResultImage
    from incubator.core.volume import Volume
    from incubator.events import Listener
    from incubator.request import BuildRequest, Credential
    from incubator.secret_options import Access

__all__ = ["build", "merge", "run_request"]

_logger = logging.getLogger(APP_NAME)
_logger.addHandler(logging.NullHandler())  # else Python prints what nobody has asked for, beside the error


def build(  # noqa: PLR0913, PLR0917 - the names and their order are a contract
    path: str | os.PathLike[str] | None = None,
    fileobj: IO[bytes] | IO[str] | None = None,
    tag: str | Sequence[str] | None = None,
    custom_context: bool = False,
    pull: bool = False,
    rm: bool = False,
    forcerm: bool = False,
    dockerfile: str | os.PathLike[str] | None = None,
    buildargs: Mapping[str, str | None] | None = None,
    container_limits: Mapping[str, int | str | None] | None = None,
    volumes: str | Volume | Sequence[str | Volume] | None = None,
    layers: Sequence[int] | str | None = None,
    labels: Mapping[str, str] | None = None,
    config: ConfigLike | Sequence[ConfigLike] | None = None,
    context_file_limit: int | None = None,
    container_client: Engine | None = None,
    cache: ImageCache | None = None,
    *,
    target: str | None = None,
    platform: str | None = None,
    platforms: str | Sequence[str] = (),
    nodes: str | Sequence[str] = (),
    network: str | None = None,
    add_hosts: str | Sequence[str] | None = None,
    cgroup_parent: str | None = None,
    security_opts: str | Sequence[str] | None = None,
    shm_size: int | str | None = None,
    ulimits: str | Sequence[str] | None = None,
    no_cache_filters: str | Sequence[str] | None = None,
    max_parallelism: int | None = None,
    timeout: float | str | None = None,
    keep_failed: bool = False,
    push: bool = False,
    push_by_digest: bool = False,
    load: bool | None = None,
    no_cache: bool = False,
    credentials: Sequence[Credential] = (),
    source_date_epoch: int | None = None,
    secrets: Mapping[str, bytes | str] | None = None,
    ssh: Mapping[str, str] | None = None,
    allow: Sequence[str] = (),
    build_contexts: Mapping[str, str | os.PathLike[str]] | None = None,
    cache_from: str | Sequence[str] = (),
    cache_to: str | Sequence[str] = (),
    outputs: str | Sequence[str] = (),
    annotations: str | Sequence[str] = (),
    provenance: bool | str | None = None,
    sbom: str | os.PathLike[str] | bool | None = None,
    attests: str | Sequence[str] = (),
    emit: Listener | None = None,
) -> ResultImage:
    """Build an image; what it is, how its layers came about and what each instruction printed.

    Args:
        path: folder of the context.
        fileobj: the Dockerfile as a file object, with an empty context; with `custom_context` a tar of the context,
            which may be compressed.
        tag: reference for the image, or several.
        custom_context: see `fileobj`.
        pull: always ask the registry for newer base images. False leaves it to `config`.
        rm: remove intermediate containers after success. False leaves it to `config`, which removes by default.
        forcerm: the same after a failure.
        dockerfile: path in the context, or an absolute path anywhere; `Dockerfile` by default.
        buildargs: build arguments.
        container_limits: `memory`, `memswap` (-1: unlimited), `cpushares`, `cpuperiod`, `cpuquota`, `cpusetcpus`,
            `cpusetmems`; sizes in bytes or as `2g`.
        volumes: mounts that are there while building: `source:destination[:mode]` or `Volume`.
        layers: instructions after which a layer ends; `[0]` one layer a stage, `"auto"`, None as `docker build`.
        labels: labels of the image.
        config: dict or list of dicts by `schemas/config.schema.json`, beneath the arguments given here.
        context_file_limit: bytes of a context tar that stay in memory, the rest is on disk; 0: all.
        container_client: engine to use; by default that of the environment (DOCKER_HOST).
        cache: where results of earlier builds are found; by default references on the engine itself.
        target: stage to build; the last one by default.
        platform: platform of the image, as in `linux/arm64`.
        platforms: several; the result is a `ResultIndex`, with one image for each and, pushed, one name for all.
        nodes: engines for some of the platforms, `PLATFORM[,PLATFORM]=ADDRESS`, as in
            `linux/arm64=tcp://arm.example:2376`; all others are for `container_client`.
        network: network of build steps.
        add_hosts: names that build steps find in `/etc/hosts`, `name=address` or `name:address`.
        cgroup_parent: cgroup above those of the build's containers.
        security_opts: security options of the build's containers.
        shm_size: size of `/dev/shm`, in bytes or as `128m`.
        ulimits: limits of each process, as `nofile=1024:2048`.
        no_cache_filters: stages for which no earlier results are used.
        max_parallelism: layers that may be made at the same time; 4 by default.
        timeout: longest time that all layers and generators of SBOMs may take together: seconds, or as `30m`.
        keep_failed: leave what a failed step made as an image; the error's `kept_image` names it.
        push: push all tags.
        push_by_digest: push to the repositories that `tag` names, without a tag; `digest` of the result then is the
            image's only name, and the engine does not keep it.
        load: keep the image on the engine. None: unless there are several platforms, or `outputs` are files alone.
        no_cache: use no earlier results.
        credentials: logins for registries.
        source_date_epoch: time stamp, in seconds since 1970, for what the build writes.
        secrets: what `RUN --mount=type=secret` finds, by id.
        ssh: sockets of agents for `RUN --mount=type=ssh`, by id, as the engine sees their paths.
        allow: what the Dockerfile may ask for beyond the usual: `network.host`, `security.insecure`.
        build_contexts: more contexts by name, for FROM and `--from`: folders, `docker-image://REFERENCE`,
            `oci-layout://FOLDER[:TAG|@DIGEST]`, or URLs of git repositories and tars.
        cache_from: where results of earlier builds may be, `type=registry,ref=REFERENCE` or `type=local,src=FOLDER`.
        cache_to: where results are kept, `type=registry,ref=REFERENCE[,mode=min|max]`, `type=local,dest=FOLDER`, or
            `type=inline`: in the pushed image.
        annotations: annotations of a pushed image, `[LEVEL[PLATFORM][,LEVEL]:]KEY=VALUE`.
        provenance: attest how a pushed image came about: True, or attributes as `mode=max,builder-id=URI`.
        sbom: packages in a pushed image, to attest them: a file of SPDX or CycloneDX in JSON, `generator=IMAGE` for
            an image that lists them by BuildKit's protocol, or True for BuildKit's own generator.
        attests: attestations in full, `type=provenance,mode=max`, `type=sbom,src=FILE` or
            `type=sbom,generator=IMAGE`.
        outputs: files that get the result, `type=local|tar|docker|oci,dest=PATH`, or a path alone for a folder.
        emit: listener that takes every event of the build.

    Raises:
        InputErrors: with everything that is wrong with the arguments; nothing has been changed.
        BuilderError: any other failure; `incubator.errors` has the tree. Each is logged as a warning, too.
    """
    faults = Faults()
    place = _place(path, fileobj, dockerfile, custom_context=custom_context, faults=faults)
    several = [platforms] if isinstance(platforms, str) else list(platforms)
    values: dict[str, Any] = {
        "add_hosts": add_hosts,
        "buildargs": buildargs,
        "cgroup_parent": cgroup_parent,
        "container_limits": {
            key: value for key, value in (container_limits or {}).items() if value is not None
        },
        "context_file_limit": context_file_limit,
        "forcerm": forcerm or None,
        "labels": labels,
        "layers": layers,
        "network": network,
        "no_cache": no_cache or None,
        "no_cache_filters": no_cache_filters,
        "max_parallelism": max_parallelism,
        "timeout": timeout,
        "keep_failed": keep_failed or None,
        "platform": ",".join([*([platform] if platform else []), *several]) or None,
        "pull": pull or None,
        "rm": rm or None,
        "security_opts": security_opts,
        "shm_size": shm_size,
        "tags": tag,
        "target": target,
        "ulimits": ulimits,
        "volumes": volumes,
    }
    if platform and several:
        faults.add("platform and platforms exclude each other", hint="platforms= takes one as well")
    written = read_outputs(outputs, faults)
    by_digest = push_by_digest or written.is_by_digest(push=push)
    try:
        request = make_request(
            place,
            config=config,
            values=values,
            push=push or push_by_digest,
            push_by_digest=by_digest,
            load=load,
            nodes=[nodes] if isinstance(nodes, str) else nodes,
            credentials=credentials,
            source_date_epoch=source_date_epoch,
            contexts={name: os.fspath(value) for name, value in (build_contexts or {}).items()},
            access=_access(secrets or {}, ssh or {}, allow, faults),
            cache_from=read_caches(cache_from, parse_cache_from, faults),
            cache_to=read_caches(cache_to, parse_cache_to, faults),
            outputs=written,
            annotations=read_annotations(annotations, faults),
            attestations=read_attestations(
                Wanted(
                    attests=(attests,) if isinstance(attests, str) else attests,
                    provenance=provenance,
                    sbom=sbom if sbom is None or isinstance(sbom, bool) else os.fspath(sbom),
                ),
                faults,
            ),
            faults=faults,
        )
    except BuilderError as error:
        _logger.warning(ERROR_SUBTITLE.format(f"Bad input:\n{error}"))
        raise
    return run_request(request, client=container_client, cache=cache, emit=emit)


def merge(
    tag: str | Sequence[str],
    images: str | Sequence[str],
    *,
    annotations: Mapping[str, str] | str | Sequence[str] = (),
    credentials: Sequence[Credential] = (),
) -> MergedImage:
    """Join images for different platforms, which registries have already, to one index under all tags.

    Args:
        tag: reference for the index, or several, also of different repositories and registries.
        images: `name:tag`, `name@digest` or, in the repository of the first tag, a digest alone; one or several. Of
            an index each of its images counts.
        annotations: those of the index by their keys, or texts, as `manifest-descriptor[linux/arm64]:key=value`.
        credentials: logins for registries, before those that `docker login` keeps.

    Raises:
        InputErrors: with everything that is wrong with the arguments.
        BuilderError: InputError where two images are for one platform, RegistryError, and PushFailed where only some
            of the tags could be set. Each is logged as a warning, too.
    """
    from incubator.core.merge_images import merge_images
    from incubator.merge_names import read_names
    from incubator.registry.credentials import Credentials
    from incubator.registry.repository import Registries

    try:
        faults = Faults()
        if isinstance(annotations, Mapping):
            said = [Annotation(key=key, value=value, level="index") for key, value in annotations.items()]
        else:
            said = [*read_annotations(annotations, faults, parse_merge_annotation)]
        tags, sources = read_names(
            [tag] if isinstance(tag, str) else tag, [images] if isinstance(images, str) else images, faults
        )
        with Registries(Credentials(credentials, environ=os.environ)) as registries:
            return merge_images(registries, sources, tags, said)
    except BuilderError as error:
        _logger.warning(ERROR_SUBTITLE.format(f"Merge failed:\n{error}"))
        raise


def run_request(
    request: BuildRequest,
    *,
    client: Engine | None = None,
    cache: ImageCache | None = None,
    emit: Listener | None = None,
) -> ResultImage:
    """Build what `request` asks for and close its context; a `ResultIndex` where that are several platforms.

    Platforms without a node are for `client`, by default the engine of the environment. Raises BuilderError, which is
    logged as a warning, too.
    """
    from incubator.core.client import DockerClient
    from incubator.core.nodes import Engines
    from incubator.core.platforms import build_platforms

    try:
        with (
            closing(request.context),
            Engines(request, DockerClient.from_env, os.environ, default=client) as engines,
        ):
            return build_platforms(request, engines, cache=cache, emit=emit, environ=os.environ)
    except BuilderError as error:
        _logger.warning(ERROR_SUBTITLE.format(f"Build failed:\n{error}"))
        raise


def _access(
    secrets: Mapping[str, bytes | str], ssh: Mapping[str, str], allow: Sequence[str], faults: Faults
) -> Access:
    values = {name: value.encode() if isinstance(value, str) else value for name, value in secrets.items()}
    return read_access(
        secrets=[partial(make_secret, name, value) for name, value in values.items()],
        ssh=[partial(tuple[str, str], item) for item in ssh.items()],
        allow=[partial(parse_right, text) for text in allow],
        faults=faults,
    )


def _place(
    path: str | os.PathLike[str] | None,
    fileobj: IO[bytes] | IO[str] | None,
    dockerfile: str | os.PathLike[str] | None,
    *,
    custom_context: bool,
    faults: Faults,
) -> Place:
    if path is None and fileobj is None:
        faults.add("neither path nor fileobj is given", hint="path= is the folder of the context")
    if path is not None and fileobj is not None:
        faults.add(
            "path and fileobj exclude each other", hint="fileobj= is a Dockerfile, or a tar of the context"
        )
    if custom_context and fileobj is None:
        faults.add("custom_context needs fileobj", hint="fileobj= is the tar of the context")
    if fileobj is None:
        return Place(path=path, dockerfile=dockerfile)
    if custom_context:
        return Place(context=cast("IO[bytes]", fileobj), dockerfile=dockerfile)
    if dockerfile is not None:
        faults.add("dockerfile and fileobj exclude each other", hint="fileobj= is the Dockerfile already")
    return Place(dockerfile_stream=fileobj)
