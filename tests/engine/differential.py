"""Builds the cases of `tests/data/differential` with incubator and with BuildKit, and compares the images."""

from __future__ import annotations

import contextlib
import itertools
import json
import os
import re
import subprocess
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, cast

import lab
from incubator.api import build
from incubator.core.client import DockerClient
from incubator.errors import BuilderError
from tests.engine.cases import Case, write_case
from tests.engine.snapshot import Snapshot, take_snapshot

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    import docker

    from lab import EngineHandle

_LINE = re.compile(r"^(?:ERROR: )?.*?(?:Dockerfile:|parse error on line |on line )(\d+)", re.MULTILINE)


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """What a builder made of a case: an image, or a refusal with the line it names, 0 for none, and its words."""

    image: Snapshot | None = None
    history: tuple[str, ...] = ()
    line: int = 0
    words: str = ""


class BuildKit:
    """The engine's own builder. Many cases go to it in one call."""

    def __init__(self, handle: EngineHandle, api: docker.APIClient, folder: Path) -> None:
        self._handle = handle
        self._api = api
        self._folder = folder
        self._mark = os.urandom(4).hex()
        self._program = str(lab.tool("docker"))

    def build(self, cases: Sequence[Case]) -> list[Outcome]:
        """The outcome of each case, in their order."""
        # BuildKit keeps files by the name of the context's folder, and takes equal sizes and times for equal files.
        for case in cases:
            write_case(case, self._folder / self._name(case))
        good = [case for case in cases if case.fails is None]
        baked = self._bake(good)
        with ThreadPoolExecutor(4) as pool:
            return list(pool.map(lambda case: self._outcome(case, baked=baked), cases))

    def _name(self, case: Case) -> str:
        return f"{case.name}-{self._mark}"

    def _bake(self, cases: Sequence[Case]) -> bool:
        """Build cases that shall succeed; whether all did."""
        targets = {
            self._name(case): {
                "context": self._name(case),
                "args": dict(case.args),
                "tags": [f"theirs:{self._name(case)}"],
                "no-cache": True,
                "network": "none",
            }
            | ({"target": case.target} if case.target else {})
            for case in cases
        }
        (self._folder / "bake.json").write_text(
            json.dumps({"group": {"default": {"targets": list(targets)}}, "target": targets})
        )
        return not cases or self._docker("buildx", "bake", "--file", "bake.json").returncode == 0

    def _outcome(self, case: Case, *, baked: bool) -> Outcome:
        tag = f"theirs:{self._name(case)}"
        if case.fails is not None or not baked:
            arguments = [f"--build-arg={name}={value}" for name, value in case.args.items()]
            if case.target:
                arguments.append(f"--target={case.target}")
            done = self._docker(
                "build", "--no-cache", "--network=none", "-t", tag, *arguments, self._name(case)
            )
            if done.returncode:
                found = _LINE.search(done.stderr)
                return Outcome(line=int(found[1]) if found else 0, words=done.stderr[-2000:])
        return look(self._api, tag)

    def _docker(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        environment = {**os.environ, **self._handle.env, "DOCKER_BUILDKIT": "1"}
        return subprocess.run(
            [self._program, *arguments],
            env=environment,
            cwd=self._folder,
            capture_output=True,
            text=True,
            check=False,
        )


def build_ours(handle: EngineHandle, api: docker.APIClient, case: Case, folder: Path) -> Outcome:
    """What incubator makes of a case."""
    write_case(case, folder)
    with contextlib.closing(DockerClient.from_env(handle.env)) as client:
        try:
            result = build(
                path=folder,
                container_client=client,
                network="none",
                no_cache=True,
                cache=NoCache(),
                buildargs=case.args,
                target=case.target or None,
            )
        except BuilderError as error:
            first = next(iter(getattr(error, "errors", ())), error)
            return Outcome(line=first.span.first_line if first.span else 0, words=str(error))
    return look(api, result.id)


class NoCache:
    """A cache that keeps nothing, so that nothing stays on the engine."""

    def find(self, key: str) -> None:
        """Nothing."""
        del key

    def store(self, key: str, image: str) -> None:
        """Forget it."""


def look(api: docker.APIClient, image: str) -> Outcome:
    """An image as an outcome; it is removed."""
    try:
        entries = cast("list[dict[str, Any]]", cast("Any", api).history(image))
        return Outcome(
            image=take_snapshot(api, image), history=tuple(entry["CreatedBy"] for entry in reversed(entries))
        )
    finally:
        api.remove_image(image, force=True)


def differences(case: Case, ours: Outcome, theirs: Outcome) -> list[str]:
    """What is not as it should be, a line each."""
    if case.fails is not None:
        lines = (
            [f"line {case.fails} expected, ours is {ours.line}"] if case.fails not in (0, ours.line) else []
        )
        if case.fails and theirs.line not in (0, case.fails):
            lines.append(f"line {case.fails} expected, BuildKit's is {theirs.line}")
        both = {"ours": ours, "BuildKit's": theirs}
        lines += [f"{whose} is an image" for whose, outcome in both.items() if outcome.image]
        return lines + ([f"ours: {ours.words}\nBuildKit: {theirs.words}"] if lines else [])
    if ours.image is None or theirs.image is None:
        return [f"ours: {ours.words or 'an image'}", f"BuildKit: {theirs.words or 'an image'}"]
    lines = ours.image.differences(theirs.image)
    for our, their in itertools.zip_longest(ours.history, theirs.history):
        if _shown(our) != _shown(their):
            lines.append(f"history {our!r} and {their!r}")
    return lines


def _shown(text: str | None) -> str | None:
    """A history line without what is each builder's own: its name, and how it writes a HEALTHCHECK."""
    if text and text.startswith("HEALTHCHECK"):
        return "HEALTHCHECK"
    return text and text.removesuffix(" # buildkit")
