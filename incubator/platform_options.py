"""What goes with several platforms, and the engines that build them. Pure."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from incubator.errors import InputError
from incubator.oci.platform import parse_platforms
from incubator.request import Node
from incubator.ssh_address import SCHEME, parse_ssh_address

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from incubator.faults import Faults
    from incubator.oci.platform import Platform
    from incubator.output_options import Outputs

_SCHEMES: Final = ("unix://", "tcp://", "ssh://")
_FORM: Final = "write PLATFORM[,PLATFORM]=ADDRESS, as in linux/arm64=tcp://arm.example:2376"


def parse_node(text: str) -> Node:
    """`PLATFORM[,PLATFORM]=ADDRESS`. Raises InputError."""
    names, _, host = text.partition("=")
    host = host.strip()
    if not names.strip() or not host:
        raise InputError(f"invalid node {text!r}", hint=_FORM)
    if not host.startswith(_SCHEMES) or host in _SCHEMES:
        raise InputError(
            f"invalid node {text!r}: {host!r} is no address of an engine",
            hint=f"it begins with {', '.join(_SCHEMES[:-1])} or {_SCHEMES[-1]}, as DOCKER_HOST does",
        )
    if host.startswith(SCHEME):
        try:
            parse_ssh_address(host)
        except InputError as error:
            error.message = f"node for {names.strip()}: {error.message}"
            raise
    return Node(platforms=parse_platforms(names), host=host)


def read_nodes(texts: Iterable[str], platforms: Sequence[Platform], faults: Faults) -> tuple[Node, ...]:
    """Nodes for some of `platforms`; what is wrong with them is noted in `faults`."""
    nodes: list[Node] = []
    by_platform: dict[Platform, Node] = {}
    for text in texts:
        with faults.gather():
            nodes.append(parse_node(text))
    for node in nodes:
        for platform in node.platforms:
            if by_platform.setdefault(platform, node) is not node:
                faults.add(f"two nodes are for {platform}: {by_platform[platform].host} and {node.host}")
            if platform not in platforms:
                wanted = f"only {', '.join(map(str, platforms))}" if platforms else "and no platform is given"
                faults.add(
                    f"node {node}: {platform} is not built, {wanted}",
                    hint=f"name all platforms, as in {','.join(map(str, (*platforms, platform)))}",
                )
    return tuple(nodes)


def check_several(platforms: Sequence[Platform], *, load: bool, outputs: Outputs, faults: Faults) -> None:
    """Note what does not go with several platforms. `load`: it is asked for."""
    names = ", ".join(map(str, platforms))
    if load:
        faults.add(
            f"load keeps one image under a name, and {len(platforms)} platforms are given: {names}",
            hint="load one of them in a build of its own (that of the engine, to run it there), or push all",
        )
    for output in outputs.files:
        if output.kind != "local":
            faults.add(
                f"output of type {output.kind}: it holds one image, and {len(platforms)} platforms are given: {names}",
                hint="write type=local,dest=FOLDER, which has a folder for each, or push them",
            )
