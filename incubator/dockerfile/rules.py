"""The rules of each instruction: its arguments and flags, and the typed instruction they make. Pure.

Source: BuildKit, frontend/dockerfile/instructions/parse.go.
"""

from __future__ import annotations

import re
from dataclasses import replace
from typing import TYPE_CHECKING, Final

from incubator.dockerfile.flags import Kind
from incubator.dockerfile.healthcheck import make_healthcheck
from incubator.dockerfile.heredoc import parse_heredoc_word
from incubator.dockerfile.instructions import (
    AddInstruction,
    ArgInstruction,
    CmdInstruction,
    CopyInstruction,
    EntrypointInstruction,
    EnvInstruction,
    ExposeInstruction,
    FromInstruction,
    Heredoc,
    Instruction,
    LabelInstruction,
    MaintainerInstruction,
    OnbuildInstruction,
    RunInstruction,
    ShellInstruction,
    StopsignalInstruction,
    UserInstruction,
    VolumeInstruction,
    WorkdirInstruction,
)
from incubator.dockerfile.line import LexError, Node
from incubator.dockerfile.maker import Maker, Stop
from incubator.dockerfile.run_options import check_device, read_mount
from incubator.dockerfile.source import locate
from incubator.dockerfile.text import SPACES, lower, nearest

if TYPE_CHECKING:
    from collections.abc import Callable

_STAGE_NAME: Final = re.compile(r"[a-z][a-z0-9\-_.]*")
_ONBUILD: Final = re.compile(r"[\t\n\f\r ]*ONBUILD[\t\n\f\r ]*", re.IGNORECASE)
_NETWORKS: Final = ("default", "none", "host")
_SECURITIES: Final = ("sandbox", "insecure")

_FROM_FLAGS: Final = {"platform": Kind.TEXT}
_COPY_FLAGS: Final = {
    "from": Kind.TEXT,
    "chown": Kind.TEXT,
    "chmod": Kind.TEXT,
    "link": Kind.BOOL,
    "parents": Kind.BOOL,
    "exclude": Kind.TEXTS,
}
_ADD_FLAGS: Final = {
    "chown": Kind.TEXT,
    "chmod": Kind.TEXT,
    "link": Kind.BOOL,
    "exclude": Kind.TEXTS,
    "checksum": Kind.TEXT,
    "keep-git-dir": Kind.BOOL,
    "unpack": Kind.BOOL,
}
_RUN_FLAGS: Final = {
    "mount": Kind.TEXTS,
    "network": Kind.TEXT,
    "security": Kind.TEXT,
    "device": Kind.TEXTS,
}


def make_instruction(maker: Maker) -> Instruction | None:
    """The typed instruction of the maker's node; None where faults were noted instead."""
    make = MAKERS.get(maker.node.keyword)
    try:
        if make is None:
            _note_unknown(maker)
            return None
        return make(maker)
    except Stop:
        return None


def _note_unknown(maker: Maker) -> None:
    name = maker.node.name
    near = nearest(name, (known.upper() for known in MAKERS), case_sensitive=False)
    if near:
        hint = f"did you mean {near.lower() if name.islower() else near}?"
    elif not name.isprintable():
        hint = "its name holds characters that do not show: type it anew"
    elif not name[:1].isalpha():
        hint = "an instruction begins with its name; does the line above lack a \\ at its end?"
    else:
        hint = "known are " + ", ".join(sorted(known.upper() for known in MAKERS))
    shown = name if len(name) <= 60 else name[:60] + "..."
    maker.note(f"{shown!r} is not a Dockerfile instruction", rule="unknown-instruction", hint=hint)


def _make_from(maker: Maker) -> FromInstruction:
    args = maker.node.args
    alias = None
    if len(args) == 3 and lower(args[1]) == "as":
        alias = args[2]
        if not _STAGE_NAME.fullmatch(lower(alias)):
            maker.note(
                f"{alias!r} is no name for a stage",
                rule="invalid-stage-name",
                hint="a name begins with a letter and holds letters, digits, - _ and . only",
                word=alias,
            )
    elif len(args) != 1:
        raise _from_arguments(maker)
    single, _ = maker.flags(_FROM_FLAGS)
    maker.done()
    return FromInstruction(
        node=maker.node, image=args[0], platform=single.get("platform") or None, alias=alias
    )


def _from_arguments(maker: Maker) -> Stop:
    """Notes what is wrong with the words of FROM, at the first that is."""
    args, flags = maker.node.args, maker.node.flags
    expected = "FROM takes an image, or an image, AS and a name"
    message, hint, word = (
        f"{expected}; found {len(args)} words",
        "write FROM image, or FROM image AS name",
        "",
    )
    if not args:
        message = "FROM needs an image"
    elif "--platform" in flags:
        message, word = "FROM: the flag --platform needs a value", "--platform"
        hint = f"write --platform={args[0]}, without blanks around the ="
    elif lower(args[1]) != "as":
        near = len(args) == 3 and nearest(args[1], ("AS",), case_sensitive=False)
        message, word = f"{expected}; found {args[1]!r} behind the image", args[1]
        hint = f"did you mean {near}?" if near else hint
    elif len(args) == 2:
        message, word = "FROM: the name of the stage is missing", args[1]
    else:
        message, word = f"FROM: {args[3]!r} is one word too many", args[3]
    return maker.stop(message, rule="from-arguments", hint=hint, word=word)


def _make_arg(maker: Maker) -> ArgInstruction:
    # As in the reference, flags here mean nothing and are no fault.
    pairs: list[tuple[str, str | None]] = []
    for word in maker.some_arguments("name"):
        name, equals, value = word.partition("=")
        if not name:
            raise maker.stop("ARG: a name is missing before =", rule="blank-name", word=word)
        pairs.append((name, value if equals else None))
    return ArgInstruction(node=maker.node, pairs=tuple(pairs))


def _pairs(maker: Maker) -> tuple[tuple[tuple[str, str], ...], bool]:
    """The pairs of ENV or LABEL, and whether they were in the old form without `=`."""
    maker.flags()
    args = maker.some_arguments("NAME=VALUE")
    pairs = tuple((args[i], args[i + 1]) for i in range(0, len(args), 3))
    for name, value in pairs:
        if not name:
            maker.note(f"{maker.name}: a name is missing before =", rule="blank-name", word=f"={value}")
    maker.done()
    return pairs, not args[2]


def _make_env(maker: Maker) -> EnvInstruction:
    pairs, legacy = _pairs(maker)
    return EnvInstruction(node=maker.node, pairs=pairs, legacy=legacy)


def _make_label(maker: Maker) -> LabelInstruction:
    pairs, legacy = _pairs(maker)
    return LabelInstruction(node=maker.node, pairs=pairs, legacy=legacy)


def _heredoc_of(word: str) -> Heredoc | None:
    if "<<" not in word:
        return None
    try:
        return parse_heredoc_word(word)
    except LexError:
        return None


def _sources(maker: Maker) -> tuple[tuple[str, ...], str, tuple[Heredoc, ...]]:
    """Paths, destination and inline files of COPY or ADD."""
    args = maker.node.args
    if len(args) < 2:
        raise maker.stop(
            f"{maker.name} needs at least one source and a destination",
            rule="missing-argument",
            hint=f"write {maker.name} SOURCE... DESTINATION",
        )
    *words, destination = args
    if _heredoc_of(destination):
        maker.note(
            f"{maker.name}: a heredoc cannot be the destination", rule="heredoc-destination", word=destination
        )
    contents = {heredoc.name: heredoc.content for heredoc in maker.node.heredocs}
    bodies: dict[tuple[str, bool], str] = {}
    paths: list[str] = []
    files: list[Heredoc] = []
    for word in words:
        heredoc = _heredoc_of(word)
        if heredoc is None:
            paths.append(word)
            continue
        # Of files of one name the last has their content: of many it is taken once.
        key = (heredoc.name, heredoc.strip_tabs)
        if key not in bodies:
            bodies[key] = replace(heredoc, content=contents.get(heredoc.name, "")).body
        files.append(
            Heredoc(
                name=heredoc.name,
                content=bodies[key],
                expand=heredoc.expand,
                strip_tabs=heredoc.strip_tabs,
                file_descriptor=heredoc.file_descriptor,
            )
        )
    return tuple(paths), destination, tuple(files)


def _make_copy(maker: Maker) -> CopyInstruction:
    single, many = maker.flags(_COPY_FLAGS)
    sources, destination, heredocs = _sources(maker)
    maker.done()
    return CopyInstruction(
        node=maker.node,
        sources=sources,
        destination=destination,
        heredocs=heredocs,
        from_=single.get("from") or None,
        chown=single.get("chown") or None,
        chmod=single.get("chmod") or None,
        link=single.get("link") == "true",
        parents=single.get("parents") == "true",
        exclude=tuple(many.get("exclude", ())),
    )


def _make_add(maker: Maker) -> AddInstruction:
    single, many = maker.flags(_ADD_FLAGS)
    sources, destination, heredocs = _sources(maker)
    maker.done()
    keep_git_dir, unpack = single.get("keep-git-dir"), single.get("unpack")
    return AddInstruction(
        node=maker.node,
        sources=sources,
        destination=destination,
        heredocs=heredocs,
        chown=single.get("chown") or None,
        chmod=single.get("chmod") or None,
        link=single.get("link") == "true",
        exclude=tuple(many.get("exclude", ())),
        checksum=single.get("checksum") or None,
        keep_git_dir=None if keep_git_dir is None else keep_git_dir == "true",
        unpack=None if unpack is None else unpack == "true",
    )


def _make_run(maker: Maker) -> RunInstruction:
    node = maker.node
    if not node.flags and not node.heredocs:
        return RunInstruction(node=node)
    single, many = maker.flags(_RUN_FLAGS)
    for flag, allowed in (("network", _NETWORKS), ("security", _SECURITIES)):
        value = single.get(flag)
        if value is not None and value not in allowed:
            near = nearest(value, allowed)
            maker.note(
                f"RUN: --{flag}={value} is not one of {', '.join(allowed)}",
                rule="invalid-flag-value",
                hint=f"did you mean {near}?" if near else None,
                word=f"--{flag}",
            )
    mounts = tuple(read_mount(maker, raw) for raw in many.get("mount", ()))
    for raw in many.get("device", ()):
        check_device(maker, raw)
    maker.done()
    return RunInstruction(
        node=maker.node,
        script=bool(node.heredocs) and _heredoc_of(node.args[0]) is not None,
        mounts=mounts,
        network=single.get("network"),
        security=single.get("security"),
        devices=tuple(many.get("device", ())),
    )


def _make_cmd(maker: Maker) -> CmdInstruction:
    maker.flags()
    maker.done()
    return CmdInstruction(node=maker.node)


def _make_entrypoint(maker: Maker) -> EntrypointInstruction:
    maker.flags()
    maker.done()
    return EntrypointInstruction(node=maker.node)


def _make_workdir(maker: Maker) -> WorkdirInstruction:
    path = maker.one_argument("path")
    maker.flags()
    maker.done()
    return WorkdirInstruction(node=maker.node, path=path)


def _make_user(maker: Maker) -> UserInstruction:
    user = maker.one_argument("user")
    maker.flags()
    maker.done()
    return UserInstruction(node=maker.node, user=user)


def _make_maintainer(maker: Maker) -> MaintainerInstruction:
    name = maker.one_argument("name")
    maker.flags()
    maker.done()
    return MaintainerInstruction(node=maker.node, name=name)


def _make_stopsignal(maker: Maker) -> StopsignalInstruction:
    # As in the reference, flags here mean nothing and are no fault.
    return StopsignalInstruction(node=maker.node, signal=maker.one_argument("signal"))


def _make_expose(maker: Maker) -> ExposeInstruction:
    ports = maker.some_arguments("port")
    maker.flags()
    maker.done()
    return ExposeInstruction(node=maker.node, ports=tuple(sorted(ports)))


def _make_volume(maker: Maker) -> VolumeInstruction:
    paths = tuple(path.strip(SPACES) for path in maker.some_arguments("path"))
    maker.flags()
    if not all(paths):
        maker.note("VOLUME: a path is empty", rule="missing-argument", word='""')
    maker.done()
    return VolumeInstruction(node=maker.node, paths=paths)


def _make_shell(maker: Maker) -> ShellInstruction:
    maker.flags()
    args = maker.some_arguments("word")
    if not maker.node.json:
        maker.note(
            "SHELL takes a JSON array only", rule="shell-not-json", hint='write SHELL ["/bin/sh", "-c"]'
        )
    maker.done()
    return ShellInstruction(node=maker.node, shell=args)


def _make_onbuild(maker: Maker) -> OnbuildInstruction:
    maker.flags()
    child = maker.node.child
    if child is None:
        raise maker.stop(
            "ONBUILD needs an instruction", rule="missing-argument", hint="write ONBUILD RUN ..."
        )
    name = child.name.upper()
    if name in ("ONBUILD", "FROM", "MAINTAINER"):
        maker.note(f"ONBUILD cannot hold {name}", rule="invalid-trigger", word=child.name)
    maker.done()
    trigger = _ONBUILD.sub("", maker.node.original, count=1)
    for heredoc in maker.node.heredocs:
        trigger += f"\n{heredoc.content}{heredoc.name}"
    offset = maker.node.original.find(child.original)
    inner = Maker(_trigger_node(maker.node, child, offset))
    instruction = make_instruction(inner)
    maker.faults += inner.faults
    maker.done()
    assert instruction  # it is missing only where a fault was noted
    return OnbuildInstruction(node=maker.node, trigger=trigger, instruction=instruction)


def _trigger_node(node: Node, child: Node, offset: int) -> Node:
    """The node of the trigger, which begins at `offset`, with what only the whole line knows."""
    start = locate(node.span, node.pieces, offset if node.placed else 0)
    return replace(
        child,
        heredocs=node.heredocs,
        source=node.source,
        first_line=start.first_line,
        last_line=node.last_line,
        column=start.column,
        number=node.number,
        comments=node.comments,
        pieces=tuple((begin - offset, line, column) for begin, line, column in node.pieces if begin > offset),
        placed=node.placed,
    )


MAKERS: Final[dict[str, Callable[[Maker], Instruction]]] = {
    "add": _make_add,
    "arg": _make_arg,
    "cmd": _make_cmd,
    "copy": _make_copy,
    "entrypoint": _make_entrypoint,
    "env": _make_env,
    "expose": _make_expose,
    "from": _make_from,
    "healthcheck": make_healthcheck,
    "label": _make_label,
    "maintainer": _make_maintainer,
    "onbuild": _make_onbuild,
    "run": _make_run,
    "shell": _make_shell,
    "stopsignal": _make_stopsignal,
    "user": _make_user,
    "volume": _make_volume,
    "workdir": _make_workdir,
}
