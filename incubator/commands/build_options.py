"""Options of `incubator build`: those of `docker build` under the same names, and our own."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from incubator.arguments import ArgumentParser
from incubator.console import PROGRESS_MODES
from incubator.core.limits import parse_size
from incubator.faults import Faults, did_you_mean
from incubator.neighbours import OPTIONS, SWITCHES

if TYPE_CHECKING:
    import argparse
    from collections.abc import Mapping, Sequence


def make_parser(command: str = "build", does: str = "Build an image") -> ArgumentParser:
    """The parser of `incubator build`, or of another `command` with its options."""
    parser = ArgumentParser(
        prog=f"incubator {command}",
        usage=f"incubator {command} [OPTIONS] PATH | URL | -",
        description=f"{does} from a Dockerfile and a context: a folder, a tar file, a URL of a tar, a Dockerfile or a "
        "git repository, or - for a tar of the context or a Dockerfile on standard input.",
    )
    parser.add_argument(
        "path",
        nargs="?",
        metavar="PATH | URL | -",
        help="folder, tar or URL of the context, or - for standard input",
    )

    what = parser.add_argument_group("what to build")
    what.add_argument(
        "-f", "--file", metavar="FILE", help="the Dockerfile (PATH/Dockerfile), - for standard input"
    )
    what.add_argument("--target", metavar="STAGE", help="stage to build (the last)")
    _add_platforms(what)
    _add_contexts(what)
    _add_list(
        what,
        "--build-arg",
        metavar="NAME[=VALUE]",
        help="build argument; without a value, that of the environment",
    )
    _add_list(what, "--label", metavar="NAME=VALUE", help="label of the image")
    _add_list(
        what, "-t", "--tag", metavar="NAME", help="reference for the image, as in registry.example/app:1.0"
    )

    _add_layers(parser)
    steps = parser.add_argument_group("build steps")
    _add_list(
        steps, "-v", "--volume", metavar="SOURCE:DEST[:MODE]", help="mount that is there while building only"
    )
    steps.add_argument(
        "--network", metavar="MODE", help="network of build steps: default, none, host, or a name"
    )
    _add_list(
        steps,
        "--add-host",
        metavar="NAME=ADDRESS",
        help="name that build steps find in /etc/hosts; host-gateway is the engine's machine",
    )
    steps.add_argument("-m", "--memory", metavar="SIZE", help="memory limit, as in 512m")
    steps.add_argument(
        "--memory-swap", metavar="SIZE", help="limit of memory and swap together, -1: unlimited swap"
    )
    steps.add_argument("-c", "--cpu-shares", metavar="N", help="CPU shares, a relative weight")
    steps.add_argument("--cpu-period", metavar="N", help="length of a CPU period in microseconds")
    steps.add_argument("--cpu-quota", metavar="N", help="CPU time in a period, in microseconds")
    steps.add_argument("--cpuset-cpus", metavar="CPUS", help="CPUs to run on, as in 0-3 or 0,1")
    steps.add_argument("--cpuset-mems", metavar="NODES", help="memory nodes to use, as in 0-1")
    steps.add_argument("--shm-size", metavar="SIZE", help="size of /dev/shm, as in 128m")
    _add_list(
        steps, "--ulimit", metavar="NAME=SOFT[:HARD]", help="limit of each process, as in nofile=1024:2048"
    )
    steps.add_argument(
        "--cgroup-parent", metavar="CGROUP", help="cgroup above those of the build's containers"
    )
    _add_list(steps, "--security-opt", metavar="OPTION", help="security option, as in seccomp=unconfined")
    _add_access(steps)
    parser.add_switch(steps, "--rm", help="remove intermediate containers after success (default)")
    parser.add_switch(
        steps, "--force-rm", help="remove intermediate containers after a failure too (default)"
    )

    _add_course(parser, steps)

    reuse = parser.add_argument_group("base images and cache")
    parser.add_switch(reuse, "--pull", help="always ask the registry for newer base images")
    parser.add_switch(reuse, "--no-cache", help="use no earlier results")
    _add_list(reuse, "--no-cache-filter", metavar="STAGE", help="use no earlier results for a stage")
    _add_list(
        reuse,
        "--cache-from",
        metavar="type=registry,ref=NAME",
        help="registry, or folder (type=local,src=FOLDER), that may have results of earlier builds, "
        "or an image built with type=inline",
    )
    _add_list(
        reuse,
        "--cache-to",
        metavar="type=registry,ref=NAME[,mode=max]",
        help="registry, or folder (type=local,dest=FOLDER), to keep results in, or type=inline: the pushed image; "
        "mode=max: those of all stages",
    )

    result = parser.add_argument_group("result")
    parser.add_switch(result, "--push", help="push all tags")
    parser.add_switch(
        result,
        "--push-by-digest",
        help="push without a tag: -t names a repository alone (see incubator merge)",
    )
    parser.add_switch(result, "--load", help="keep the image on the engine (default)")
    _add_list(
        result,
        "-o",
        "--output",
        metavar="PATH|type=TYPE,dest=PATH",
        help="write the files of the result to a folder (local) or a tar, or the image to an archive (docker, oci); "
        "image and registry tag and push it, cacheonly keeps results alone",
    )
    _add_files(result)
    parser.add_switch(result, "-q", "--quiet", help="print the image id and nothing else")
    result.add_argument(
        "--progress", metavar="MODE", default="auto", help=f"display: {', '.join(PROGRESS_MODES)}"
    )

    _add_checks(result, parser)
    _add_attestations(parser)

    _add_configuration(parser)
    _add_refused(parser)
    return parser


def _add_files(result: argparse._ArgumentGroup) -> None:
    result.add_argument("--iidfile", metavar="FILE", help="write the image id to a file")
    result.add_argument("--metadata-file", metavar="FILE", help="write digests and names as JSON to a file")
    result.add_argument("--report", metavar="FILE", help="write a report of the build as HTML to a file")


def _add_attestations(parser: ArgumentParser) -> None:
    group = parser.add_argument_group("beside a pushed image")
    _add_list(
        group,
        "--annotation",
        metavar="[LEVEL[PLATFORM]:]NAME=VALUE",
        help="annotation of the manifest, or at the levels index, manifest-descriptor, index-descriptor",
    )
    group.add_argument(
        "--provenance",
        metavar="true|false|mode=max",
        help="attest how the image came about; mode=max: with build arguments, labels and the Dockerfile",
    )
    group.add_argument(
        "--sbom",
        metavar="true|FILE|generator=IMAGE",
        help="attest the packages in the image: as a file of SPDX or CycloneDX in JSON has them, or a generator "
        "for BuildKit finds them; true: with docker/buildkit-syft-scanner",
    )
    _add_list(
        group,
        "--attest",
        metavar="type=provenance|sbom[,...]",
        help="the same in full, as type=provenance,mode=max or type=sbom,generator=IMAGE",
    )


def _add_course(parser: ArgumentParser, group: argparse._ArgumentGroup) -> None:
    parser.add_switch(group, "--keep-failed", help="leave the files of a step that failed as an image")
    group.add_argument("--max-parallelism", metavar="N", help="layers that are made at the same time (4)")
    group.add_argument(
        "--timeout",
        metavar="TIME",
        help="longest time for all layers and generators of SBOMs together, as in 90s or 1h30m",
    )


def _add_configuration(parser: ArgumentParser) -> None:
    config = parser.add_argument_group("configuration")
    _add_list(
        config,
        "-g",
        "--config",
        metavar="FILE",
        help="configuration in JSON or YAML, on top of the default files",
    )
    config.add_argument(
        "--context-file-limit",
        metavar="SIZE",
        help="how much of a context from standard input stays in memory, the rest goes to a temporary file; 0: all",
    )
    parser.add_switch(
        config, "--test-config", help="print the merged configuration and where each value is from"
    )
    config.add_argument(
        "--test-config=json", dest="test_config", action="store_const", const="json", help="the same as JSON"
    )
    parser.add_switch(config, "-D", "--debug", help="show tracebacks and diagnostics")


def _add_refused(parser: ArgumentParser) -> None:
    for name, refused in OPTIONS.items():
        parser.add_refused(name, refused=refused)
    for name, refused in SWITCHES.items():
        parser.add_refused(name, refused=refused, takes_value=False)


def _add_checks(group: argparse._ArgumentGroup, parser: ArgumentParser) -> None:
    parser.add_switch(group, "--check", help="check the Dockerfile for this build and build nothing")
    group.add_argument(
        "--call",
        metavar="METHOD",
        default="build",
        help="build; or check as --check does, outline or targets",
    )


def _add_layers(parser: ArgumentParser) -> None:
    layers = parser.add_argument_group("layers")
    _add_list(
        layers,
        "-s",
        "--split-layer",
        metavar="N|LN",
        help="end a layer after the N-th instruction, or that on line N",
    )
    layers.add_argument(
        "--layers",
        metavar="auto|N,LN",
        help="auto: start a layer only before an instruction that reads files of the context or another stage; "
        "or the instructions after which a layer ends",
    )
    parser.add_switch(layers, "--squash", help="make one layer a stage")


def _add_platforms(group: argparse._ArgumentGroup) -> None:
    _add_list(
        group,
        "--platform",
        metavar="PLATFORM[,PLATFORM]",
        help="platforms of the image, as in linux/amd64,linux/arm64 (the engine's)",
    )
    _add_list(
        group,
        "--node",
        metavar="PLATFORM[,PLATFORM]=ADDRESS",
        help="engine that builds for a platform, as in linux/arm64=tcp://arm.example:2376 (that of DOCKER_HOST)",
    )


def _add_contexts(group: argparse._ArgumentGroup) -> None:
    _add_list(
        group,
        "--build-context",
        metavar="NAME=VALUE",
        help="another context, for FROM and --from: a folder, docker-image://REFERENCE, "
        "oci-layout://FOLDER[:TAG|@DIGEST], or a URL of git or a tar",
    )


def _add_access(steps: argparse._ArgumentGroup) -> None:
    """What of the caller's a Dockerfile may use."""
    _add_list(
        steps,
        "--secret",
        metavar="id=NAME[,src=FILE|,env=VAR]",
        help="secret for RUN --mount=type=secret: a file, or a variable of the environment",
    )
    _add_list(
        steps, "--ssh", metavar="NAME[=SOCKET]", help="SSH agent for RUN --mount=type=ssh, as in default"
    )
    _add_list(
        steps,
        "--allow",
        metavar="RIGHT",
        help="let the Dockerfile have network.host (RUN --network=host) or security.insecure (RUN --security=insecure)",
    )


def _add_list(group: argparse._ArgumentGroup, *names: str, **options: Any) -> None:
    group.add_argument(*names, action="append", default=[], **options)


def read_values(arguments: argparse.Namespace, environ: Mapping[str, str], faults: Faults) -> dict[str, Any]:
    """The configuration that options make, by the keys of its schema; what cannot be read is noted in `faults`."""
    limits = {
        "memory": arguments.memory,
        "memswap": arguments.memory_swap,
        "cpushares": arguments.cpu_shares,
        "cpuperiod": arguments.cpu_period,
        "cpuquota": arguments.cpu_quota,
        "cpusetcpus": arguments.cpuset_cpus,
        "cpusetmems": arguments.cpuset_mems,
    }
    values: dict[str, Any] = {
        "add_hosts": arguments.add_host,
        "buildargs": read_build_args(arguments.build_arg, environ, faults),
        "cgroup_parent": arguments.cgroup_parent,
        "container_limits": {key: value for key, value in limits.items() if value is not None},
        "forcerm": arguments.force_rm,
        "labels": {name: value or "" for name, value in read_pairs_of("--label", arguments.label, faults)},
        "layers": _layers(arguments, faults),
        "network": arguments.network,
        "no_cache": arguments.no_cache,
        "no_cache_filters": arguments.no_cache_filter,
        "keep_failed": arguments.keep_failed,
        "max_parallelism": arguments.max_parallelism,
        "timeout": arguments.timeout,
        "platform": ",".join(arguments.platform),
        "pull": arguments.pull,
        "rm": arguments.rm,
        "security_opts": arguments.security_opt,
        "shm_size": arguments.shm_size,
        "tags": arguments.tag,
        "target": arguments.target,
        "ulimits": arguments.ulimit,
        "volumes": arguments.volume,
    }
    if arguments.context_file_limit is not None:
        with faults.gather():
            values["context_file_limit"] = parse_size(arguments.context_file_limit)
    return {key: value for key, value in values.items() if value not in (None, {}, [], "")}


def read_build_args(
    texts: Sequence[str], environ: Mapping[str, str], faults: Faults
) -> dict[str, str | None]:
    """Build arguments out of `--build-arg`; None where the environment should have the value and has not."""
    return {
        name: environ.get(name) if value is None else value
        for name, value in read_pairs_of("--build-arg", texts, faults)
    }


def check_progress(arguments: argparse.Namespace, faults: Faults) -> None:
    """Note a `--progress` that is none."""
    mode = arguments.progress
    if mode not in PROGRESS_MODES:
        hint = did_you_mean(mode, PROGRESS_MODES) or f"modes are {', '.join(PROGRESS_MODES)}"
        faults.add(f"unknown --progress {mode!r}", hint=hint)


def read_pairs_of(option: str, texts: Sequence[str], faults: Faults) -> list[tuple[str, str | None]]:
    """`NAME=VALUE` of an option; None where there is no `=`, and a fault where there is no name."""
    pairs = []
    for text in texts:
        name, equals, value = text.partition("=")
        if not name.strip():
            faults.add(f"{option} {text!r} has no name", hint="write NAME=VALUE")
        else:
            pairs.append((name, value if equals else None))
    return pairs


def _layers(arguments: argparse.Namespace, faults: Faults) -> list[int] | list[str] | str | None:
    given = [
        name
        for name, value in (
            ("--split-layer", arguments.split_layer),
            ("--layers", arguments.layers is not None),
            ("--squash", arguments.squash),
        )
        if value
    ]
    if len(given) > 1:
        faults.add(f"{' and '.join(given)} exclude each other", hint="each of them says where layers end")
        return None
    if arguments.squash:
        return [0]
    numbers: list[str] = arguments.split_layer
    text: str | None = arguments.layers
    return numbers or text
